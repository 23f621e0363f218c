/* accounts/directory.c: directories, each with a place of its own. */
#include "accounts/directory.h"

#include "accounts/check.h"
#include "base/text.h"

enum { NAME_FORMAT_MAX = 2 };

#define DIRECTORY_COLUMNS                                                                                              \
    "d.id, d.place_id, p.workgroup_id, d.platform_id, d.domain_name, d.forest_name, d.net_bios_name, d.use_ssl, "      \
    "d.account_name_format, d.port, d.timeout_s, d.description, d.contact_email, d.password_rule_id, "                 \
    "d.release_duration, d.max_release_duration, d.isa_release_duration, d.auto_management, "                          \
    "d.functional_account_id, d.change_after_release, d.change_frequency_type, d.change_frequency_days, "              \
    "d.change_time, "                                                                                                  \
    "d.check_password, d.reset_on_mismatch"
#define DIRECTORY_FROM " FROM directories d JOIN assets p ON p.id = d.place_id"

static struct opt_int opt_of(const struct rows *r, size_t i, size_t column)
{
    return (struct opt_int){.is_set = !row_is_null(r, i, column), .value = row_int(r, i, column)};
}

static struct directory directory_of(const struct rows *r, size_t i)
{
    struct managed_system is = {.entity_type = ENTITY_DIRECTORY,
                                .directory_id = {true, row_int(r, i, 0)},
                                .place_id = row_int(r, i, 1),
                                .workgroup_id = row_int(r, i, 2),
                                .platform_id = row_int(r, i, 3),
                                .forest_name = row_text(r, i, 5),
                                .net_bios_name = row_text(r, i, 6),
                                .use_ssl = row_flag(r, i, 7),
                                .account_name_format = row_int(r, i, 8),
                                .port = opt_of(r, i, 9),
                                .timeout_s = row_int(r, i, 10),
                                .description = row_text(r, i, 11),
                                .contact_email = row_text(r, i, 12),
                                .password_rule_id = row_int(r, i, 13),
                                .release_duration = row_int(r, i, 14),
                                .max_release_duration = row_int(r, i, 15),
                                .isa_release_duration = row_int(r, i, 16),
                                .auto_management = row_flag(r, i, 17),
                                .functional_account_id = opt_of(r, i, 18),
                                .change_after_release = row_flag(r, i, 19),
                                .change_frequency_type = row_text(r, i, 20),
                                .change_frequency_days = row_int(r, i, 21),
                                .change_time = row_text(r, i, 22),
                                .check_password = row_flag(r, i, 23),
                                .reset_on_mismatch = row_flag(r, i, 24)};
    return (struct directory){
        .id = is.directory_id.value, .place_id = is.place_id, .domain_name = row_text(r, i, 4), .is = is};
}

result directory_get(struct db *db, struct arena *a, int64_t id, struct directory *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT " DIRECTORY_COLUMNS DIRECTORY_FROM " WHERE d.id = $1", P_INT(id)), "Directory",
                     &r, e));
    *ret = directory_of(&r, 0);
    return SUCCESS;
}

result directory_list(struct db *db, struct arena *a, struct directory **ret, size_t *ret_n, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a, SQL("SELECT " DIRECTORY_COLUMNS DIRECTORY_FROM " ORDER BY d.id"), &r, e));
    *ret = arena_array(a, struct directory, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = directory_of(&r, i);
    *ret_n = r.n;
    return SUCCESS;
}

static void complete_names(struct directory *w, struct err *found)
{
    struct managed_system *is = &w->is;
    bool is_domain = is->platform_id == PLATFORM_ACTIVE_DIRECTORY;
    w->domain_name = text_trim(text_or_empty(w->domain_name));
    is->forest_name = text_or_empty(is->forest_name);
    is->net_bios_name = text_or_empty(is->net_bios_name);
    if (w->domain_name.n == 0)
        err_add_line(found, "DomainName: is required");
    check_no_control("DomainName", w->domain_name, found);
    if (is_domain && is->forest_name.n == 0)
        err_add_line(found, "ForestName: is required for Active Directory");
    if (is_domain && is->net_bios_name.n == 0)
        err_add_line(found, "NetBiosName: is required for Active Directory");
    if (is->account_name_format < 0 || is->account_name_format > NAME_FORMAT_MAX)
        err_add_line(found, "AccountNameFormat: must be 0, 1 or 2");
}

static result complete(struct db *db, struct arena *a, struct directory *w, struct err *e)
{
    struct err found = {0};
    const struct platform *p = platform_by_id(w->is.platform_id);
    if (!p)
        return FAIL(e, INVALID, "PlatformID: unknown");
    if (p->entity_type != ENTITY_DIRECTORY)
        return FAIL(e, INVALID, "PlatformID: is not a platform of directories");
    complete_names(w, &found);
    TRY(system_check_terms(db, a, &w->is, p, &found, e));
    return check_end(&found, e);
}

/* $2 to $23 of both statements. */
#define OPT_VALUE(o) ((o).is_set ? P_INT((o).value) : P_NULL)
#define DIRECTORY_VALUES(w)                                                                                            \
    P_INT((w).is.platform_id), P_TEXT((w).domain_name), P_TEXT((w).is.forest_name), P_TEXT((w).is.net_bios_name),      \
        P_INT((w).is.use_ssl), P_INT((w).is.account_name_format), OPT_VALUE((w).is.port), P_INT((w).is.timeout_s),     \
        P_TEXT((w).is.description), P_TEXT((w).is.contact_email), P_INT((w).is.password_rule_id),                      \
        P_INT((w).is.release_duration), P_INT((w).is.max_release_duration), P_INT((w).is.isa_release_duration),        \
        P_INT((w).is.auto_management), OPT_VALUE((w).is.functional_account_id), P_INT((w).is.change_after_release),    \
        P_TEXT((w).is.change_frequency_type), P_INT((w).is.change_frequency_days), P_TEXT((w).is.change_time),         \
        P_INT((w).is.check_password), P_INT((w).is.reset_on_mismatch)

static result insert(struct db *db, const struct directory *w, int64_t place, int64_t *ret_id, struct err *e)
{
    return db_insert(
        db,
        SQL("INSERT INTO directories (place_id, platform_id, domain_name, forest_name, net_bios_name, use_ssl, "
            "account_name_format, port, timeout_s, description, contact_email, password_rule_id, release_duration, "
            "max_release_duration, isa_release_duration, auto_management, functional_account_id, change_after_release, "
            "change_frequency_type, change_frequency_days, change_time, check_password, reset_on_mismatch) VALUES ($1, "
            "$2, $3, $4, $5, $6, $7, "
            "CAST($8 AS bigint), $9, $10, $11, $12, $13, $14, $15, $16, CAST($17 AS bigint), $18, $19, $20, $21, $22, "
            "$23) "
            "RETURNING id",
            P_INT(place), DIRECTORY_VALUES(*w)),
        ret_id, "A Directory like this exists already", e);
}

result directory_create(struct db *db, struct arena *a, const struct directory *with, int64_t now, int64_t *ret_id,
                        struct err *e)
{
    struct directory w = *with;
    struct workgroup group;
    int64_t place;
    TRY(workgroup_get(db, a, w.is.workgroup_id, &group, e));
    TRY(complete(db, a, &w, e));
    result made = place_create(db, a, group.id, ENTITY_DIRECTORY, w.domain_name, now, &place, e);
    if (made.code == CONFLICT)
        return name_taken("A Directory", w.domain_name, e);
    TRY(made);
    return insert(db, &w, place, ret_id, e);
}

static result is_managed(struct db *db, struct arena *a, const struct directory *d, bool *ret, struct err *e)
{
    return has_row(db, a, SQL("SELECT 1 FROM managed_systems WHERE asset_id = $1", P_INT(d->place_id)), ret, e);
}

result directory_update(struct db *db, struct arena *a, const struct directory *with, int64_t now, struct err *e)
{
    struct directory before, w = *with;
    bool has_system;
    TRY(directory_get(db, a, with->id, &before, e));
    w.is.workgroup_id = before.is.workgroup_id;
    TRY(complete(db, a, &w, e));
    TRY(is_managed(db, a, &before, &has_system, e));
    if (has_system && w.is.platform_id != before.is.platform_id)
        return FAIL(e, INVALID, "PlatformID: the directory is managed; delete its Managed System first");
    if (has_system && !str_equal(w.domain_name, before.domain_name))
        return FAIL(e, INVALID, "DomainName: the directory is managed; delete its Managed System first");
    result moved = place_rename(db, a, before.place_id, w.domain_name, now, e);
    if (moved.code == CONFLICT)
        return name_taken("A Directory", w.domain_name, e);
    TRY(moved);
    return db_run(
        db,
        SQL("UPDATE directories SET platform_id = $2, domain_name = $3, forest_name = $4, net_bios_name = $5, "
            "use_ssl = $6, account_name_format = $7, port = CAST($8 AS bigint), timeout_s = $9, description = $10, "
            "contact_email = $11, password_rule_id = $12, release_duration = $13, max_release_duration = $14, "
            "isa_release_duration = $15, auto_management = $16, functional_account_id = CAST($17 AS bigint), "
            "change_after_release = $18, change_frequency_type = $19, change_frequency_days = $20, change_time = $21, "
            "check_password = $22, reset_on_mismatch = $23 "
            "WHERE id = $1",
            P_INT(w.id), DIRECTORY_VALUES(w)),
        e);
}

result directory_delete(struct db *db, struct arena *a, int64_t id, struct err *e)
{
    struct directory d;
    bool has_system;
    TRY(directory_get(db, a, id, &d, e));
    TRY(is_managed(db, a, &d, &has_system, e));
    if (has_system)
        return FAIL(e, CONFLICT, "The directory has a Managed System; delete that first");
    TRY(db_run(db, SQL("DELETE FROM directories WHERE id = $1", P_INT(id)), e));
    return db_run(db, SQL("DELETE FROM assets WHERE id = $1", P_INT(d.place_id)), e);
}
