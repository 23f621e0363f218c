/* accounts/system.c: reading managed systems. */
#include "accounts/system.h"

#include "accounts/check.h"
#include "accounts/member.h"
#include "base/text.h"

#define SYSTEM_COLUMNS                                                                                                 \
    "s.id, s.workgroup_id, s.asset_id, s.platform_id, s.name, s.host_name, s.ip_address, s.dns_name, "                 \
    "s.contact_email, s.description, s.port, s.timeout_s, s.ssh_key_enforcement, s.password_rule_id, "                 \
    "s.dss_key_rule_id, s.release_duration, s.max_release_duration, s.isa_release_duration, s.auto_management, "       \
    "s.functional_account_id, s.elevation_command, s.check_password, s.change_after_release, s.reset_on_mismatch, "    \
    "s.change_frequency_type, s.change_time, s.change_frequency_days, d.id, d.asset_id, y.id, "                        \
    "COALESCE(d.instance_name, ''), COALESCE(d.template, ''), COALESCE(d.is_default, 0), "                             \
    "COALESCE(y.forest_name, ''), COALESCE(y.net_bios_name, ''), COALESCE(y.use_ssl, 0), "                             \
    "COALESCE(y.account_name_format, 0)"
#define SYSTEM_FROM                                                                                                    \
    " FROM managed_systems s LEFT JOIN databases d ON d.place_id = s.asset_id "                                        \
    "LEFT JOIN directories y ON y.place_id = s.asset_id"

static struct opt_int opt_of(const struct rows *r, size_t i, size_t column)
{
    return (struct opt_int){.is_set = !row_is_null(r, i, column), .value = row_int(r, i, column)};
}

static void place_of(const struct rows *r, size_t i, struct managed_system *s)
{
    s->place_id = row_int(r, i, 2);
    s->database_id = opt_of(r, i, 27);
    s->directory_id = opt_of(r, i, 29);
    s->entity_type = s->directory_id.is_set ? ENTITY_DIRECTORY : s->database_id.is_set ? ENTITY_DATABASE : ENTITY_ASSET;
    s->asset_id = s->directory_id.is_set ? 0 : s->database_id.is_set ? row_int(r, i, 28) : s->place_id;
    s->instance_name = row_text(r, i, 30);
    s->template = row_text(r, i, 31);
    s->is_default_instance = row_flag(r, i, 32);
    s->forest_name = row_text(r, i, 33);
    s->net_bios_name = row_text(r, i, 34);
    s->use_ssl = row_flag(r, i, 35);
    s->account_name_format = row_int(r, i, 36);
}

static struct managed_system system_of(const struct rows *r, size_t i)
{
    struct managed_system s = {.id = row_int(r, i, 0),
                               .workgroup_id = row_int(r, i, 1),
                               .platform_id = row_int(r, i, 3),
                               .name = row_text(r, i, 4),
                               .host_name = row_text(r, i, 5),
                               .ip_address = row_text(r, i, 6),
                               .dns_name = row_text(r, i, 7),
                               .contact_email = row_text(r, i, 8),
                               .description = row_text(r, i, 9),
                               .port = opt_of(r, i, 10),
                               .timeout_s = row_int(r, i, 11),
                               .ssh_key_enforcement = row_int(r, i, 12),
                               .password_rule_id = row_int(r, i, 13),
                               .dss_key_rule_id = row_int(r, i, 14),
                               .release_duration = row_int(r, i, 15),
                               .max_release_duration = row_int(r, i, 16),
                               .isa_release_duration = row_int(r, i, 17),
                               .auto_management = row_flag(r, i, 18),
                               .functional_account_id = opt_of(r, i, 19),
                               .elevation_command = row_text(r, i, 20),
                               .check_password = row_flag(r, i, 21),
                               .change_after_release = row_flag(r, i, 22),
                               .reset_on_mismatch = row_flag(r, i, 23),
                               .change_frequency_type = row_text(r, i, 24),
                               .change_time = row_text(r, i, 25),
                               .change_frequency_days = row_int(r, i, 26)};
    place_of(r, i, &s);
    return s;
}

result system_get(struct db *db, struct arena *a, int64_t id, struct managed_system *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT " SYSTEM_COLUMNS SYSTEM_FROM " WHERE s.id = $1", P_INT(id)), "Managed System",
                     &r, e));
    *ret = system_of(&r, 0);
    return SUCCESS;
}

result system_of_asset(struct db *db, struct arena *a, int64_t asset_id, struct managed_system *ret, struct err *e)
{
    return system_of_place(db, a, asset_id, ret, e);
}

result system_of_place(struct db *db, struct arena *a, int64_t place_id, struct managed_system *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT " SYSTEM_COLUMNS SYSTEM_FROM " WHERE s.asset_id = $1", P_INT(place_id)),
                     "Managed System", &r, e));
    *ret = system_of(&r, 0);
    return SUCCESS;
}

static void systems_of(struct arena *a, const struct rows *r, struct managed_system **ret, size_t *ret_n)
{
    *ret = arena_array(a, struct managed_system, r->n);
    for (size_t i = 0; i < r->n; i++)
        (*ret)[i] = system_of(r, i);
    *ret_n = r->n;
}

result system_list_databases(struct db *db, struct arena *a, int64_t asset_id, struct managed_system **ret,
                             size_t *ret_n, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT " SYSTEM_COLUMNS SYSTEM_FROM " WHERE d.asset_id = $1 ORDER BY s.id", P_INT(asset_id)), &r,
                 e));
    systems_of(a, &r, ret, ret_n);
    return SUCCESS;
}

result system_list(struct db *db, struct arena *a, const struct system_filter *f, struct managed_system **ret,
                   size_t *ret_n, int64_t *ret_total, struct err *e)
{
    struct builder b;
    struct rows r;
    builder_init(&b, a);
    builder_add(&b, SYSTEM_FROM " WHERE s.id > 0");
    if (f->workgroup_id) {
        builder_add(&b, " AND s.workgroup_id =");
        builder_param(&b, P_INT(f->workgroup_id));
    }
    if (f->functional_account_id) {
        builder_add(&b, " AND s.functional_account_id =");
        builder_param(&b, P_INT(f->functional_account_id));
    }
    if (f->entity_type) {
        builder_add(&b, " AND ");
        add_platforms_of(&b, "s.platform_id", f->entity_type);
    }
    if (f->rule_id) {
        builder_add(&b, " AND EXISTS (SELECT 1 FROM smart_rules r WHERE r.id =");
        builder_param(&b, P_INT(f->rule_id));
        builder_add(&b, "AND" RULE_HOLDS_SYSTEM ")");
    }
    if (str_is_set(f->name)) {
        builder_add(&b, " AND s.name_key =");
        builder_param(&b, P_TEXT(text_key(a, f->name)));
    }
    TRY(query_page(db, a, SYSTEM_COLUMNS, &b, "s.id", f->limit, f->offset, &r, ret_total, e));
    systems_of(a, &r, ret, ret_n);
    return SUCCESS;
}
