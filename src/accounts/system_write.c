/* accounts/system_write.c: making, changing and deleting managed systems, by the rules of passwordsafe-api 6.9. */
#include <arpa/inet.h>

#include "accounts/check.h"
#include "accounts/database.h"
#include "accounts/directory.h"
#include "accounts/functional.h"
#include "accounts/request.h"
#include "base/text.h"

enum { TIMEOUT_DEFAULT_S = 30, TIMEOUT_MAX_S = 300, PORT_MAX = 65535 };

static const struct terms system_defaults = {.release_duration = 120,
                                             .max_release_duration = DURATION_MAX,
                                             .isa_release_duration = 120,
                                             .change_frequency_type = {"first", 5},
                                             .change_time = {"23:30", 5},
                                             .change_frequency_days = 30};

static void complete_terms(struct managed_system *w, struct err *found)
{
    struct terms t = {w->release_duration,      w->max_release_duration, w->isa_release_duration,
                      w->change_frequency_type, w->change_time,          w->change_frequency_days};
    terms_complete(&t, &system_defaults, found);
    w->release_duration = t.release_duration;
    w->max_release_duration = t.max_release_duration;
    w->isa_release_duration = t.isa_release_duration;
    w->change_frequency_type = t.change_frequency_type;
    w->change_time = t.change_time;
    w->change_frequency_days = t.change_frequency_days;
}

static void complete_address(struct managed_system *w, const struct asset *asset)
{
    w->workgroup_id = asset->workgroup_id;
    w->host_name = text_trim(text_or_empty(w->host_name));
    if (w->host_name.n == 0)
        w->host_name = asset->name;
    w->name = w->host_name;
    w->ip_address = str_is_set(w->ip_address) ? w->ip_address : asset->ip_address;
    w->dns_name = str_is_set(w->dns_name) ? w->dns_name : asset->dns_name;
}

static void complete_line(struct managed_system *w, const struct platform *p, struct err *found)
{
    if (w->port.is_set && w->port.value == 0)
        w->port.is_set = false;
    if (w->port.is_set && !p->has_port && p->entity_type != ENTITY_DIRECTORY)
        err_add_line(found, "Port: not supported by this platform");
    else if (w->port.is_set && (w->port.value < 1 || w->port.value > PORT_MAX))
        err_add_line(found, "Port: must be between 1 and %d", PORT_MAX);
    if (w->timeout_s == 0)
        w->timeout_s = TIMEOUT_DEFAULT_S;
    if (w->timeout_s < 1 || w->timeout_s > TIMEOUT_MAX_S)
        err_add_line(found, "Timeout: must be between 1 and %d", TIMEOUT_MAX_S);
    if (w->ssh_key_enforcement < 0 || w->ssh_key_enforcement > 2)
        err_add_line(found, "SshKeyEnforcementMode: must be 0, 1 or 2");
    if (w->dss_key_rule_id != 0)
        err_add_line(found, "DSSKeyRuleID: unknown");
}

/* Without auto-management a functional account is dropped silently: clients rely on it (passwordsafe-api 6.9). */
static result complete_functional(struct db *db, struct arena *a, struct managed_system *w, struct err *found,
                                  struct err *e)
{
    struct rows r;
    if (!w->auto_management || (w->functional_account_id.is_set && w->functional_account_id.value == 0))
        w->functional_account_id = (struct opt_int){0};
    if (!w->auto_management)
        return SUCCESS;
    if (!w->functional_account_id.is_set) {
        err_add_line(found, "FunctionalAccountID: is required with AutoManagementFlag");
        return SUCCESS;
    }
    TRY(db_query(
        db, a, SQL("SELECT platform_id FROM functional_accounts WHERE id = $1", P_INT(w->functional_account_id.value)),
        &r, e));
    if (r.n == 0)
        err_add_line(found, "FunctionalAccountID: unknown");
    else if (row_int(&r, 0, 0) != w->platform_id)
        err_add_line(found, "FunctionalAccountID: is for another platform");
    return SUCCESS;
}

result system_check_terms(struct db *db, struct arena *a, struct managed_system *w, const struct platform *p,
                          struct err *found, struct err *e)
{
    w->contact_email = text_or_empty(w->contact_email);
    w->description = text_or_empty(w->description);
    complete_terms(w, found);
    complete_line(w, p, found);
    check_elevation(&w->elevation_command, p->can_elevate, found);
    TRY(check_password_rule(db, a, w->password_rule_id, found, e));
    return complete_functional(db, a, w, found, e);
}

/* ---- where it stands ---- */

static result place_on_asset(struct db *db, struct arena *a, struct managed_system *w, struct err *e)
{
    struct asset asset;
    TRY(asset_get(db, a, w->asset_id, &asset, e));
    complete_address(w, &asset);
    w->place_id = asset.id;
    const struct platform *p = platform_by_id(w->platform_id);
    if (p && p->entity_type != ENTITY_ASSET)
        return FAIL(e, INVALID, "PlatformID: is not a platform of assets");
    return SUCCESS;
}

static result place_on_database(struct db *db, struct arena *a, struct managed_system *w, struct err *e)
{
    struct database d;
    struct asset machine;
    TRY(database_get(db, a, w->database_id.value, &d, e));
    TRY(asset_get(db, a, d.asset_id, &machine, e));
    complete_address(w, &machine);
    w->name = database_system_name(a, &d, w->host_name);
    w->place_id = d.place_id;
    w->platform_id = d.platform_id;
    w->port = (struct opt_int){true, d.port};
    return SUCCESS;
}

static result place_on_directory(struct db *db, struct arena *a, struct managed_system *w, struct err *e)
{
    struct directory d;
    TRY(directory_get(db, a, w->directory_id.value, &d, e));
    w->workgroup_id = d.is.workgroup_id;
    w->host_name = w->name = d.domain_name;
    w->ip_address = text_or_empty(w->ip_address);
    w->dns_name = text_or_empty(w->dns_name);
    w->place_id = d.place_id;
    w->platform_id = d.is.platform_id;
    return SUCCESS;
}

static result complete(struct db *db, struct arena *a, struct managed_system *w, struct err *e)
{
    struct err found = {0};
    if (w->database_id.is_set)
        TRY(place_on_database(db, a, w, e));
    else if (w->directory_id.is_set)
        TRY(place_on_directory(db, a, w, e));
    else
        TRY(place_on_asset(db, a, w, e));
    const struct platform *p = platform_by_id(w->platform_id);
    if (!p)
        return FAIL(e, INVALID, "PlatformID: unknown");
    unsigned char bytes[sizeof(struct in6_addr)];
    int family = str_find_char(w->ip_address, ':') >= 0 ? AF_INET6 : AF_INET;
    if (w->ip_address.n && inet_pton(family, arena_cstr(a, w->ip_address), bytes) != 1)
        err_add_line(&found, "IPAddress: is not an IP address");
    check_no_control("DnsName", w->dns_name, &found);
    TRY(system_check_terms(db, a, w, p, &found, e));
    return check_end(&found, e);
}

/* $1 to $27 of both statements. */
#define OPT_VALUE(o) ((o).is_set ? P_INT((o).value) : P_NULL)
#define SYSTEM_VALUES(a, w)                                                                                            \
    P_INT((w).workgroup_id), P_INT((w).place_id), P_TEXT((w).name), P_TEXT(text_key((a), (w).name)),                   \
        P_TEXT((w).host_name), P_TEXT((w).ip_address), P_TEXT((w).dns_name), P_INT((w).platform_id),                   \
        P_TEXT((w).contact_email), P_TEXT((w).description), OPT_VALUE((w).port), P_INT((w).timeout_s),                 \
        P_INT((w).ssh_key_enforcement), P_INT((w).password_rule_id), P_INT((w).dss_key_rule_id),                       \
        P_INT((w).release_duration), P_INT((w).max_release_duration), P_INT((w).isa_release_duration),                 \
        P_INT((w).auto_management), OPT_VALUE((w).functional_account_id), P_TEXT((w).elevation_command),               \
        P_INT((w).check_password), P_INT((w).change_after_release), P_INT((w).reset_on_mismatch),                      \
        P_TEXT((w).change_frequency_type), P_INT((w).change_frequency_days), P_TEXT((w).change_time)

result system_create(struct db *db, struct arena *a, const struct managed_system *with, int64_t *ret_id, struct err *e)
{
    struct managed_system w = *with;
    struct rows r;
    TRY(complete(db, a, &w, e));
    TRY(db_query(db, a,
                 SQL("INSERT INTO managed_systems (workgroup_id, asset_id, name, name_key, host_name, ip_address, "
                     "dns_name, platform_id, contact_email, description, port, timeout_s, ssh_key_enforcement, "
                     "password_rule_id, dss_key_rule_id, release_duration, max_release_duration, isa_release_duration, "
                     "auto_management, functional_account_id, elevation_command, check_password, change_after_release, "
                     "reset_on_mismatch, change_frequency_type, change_frequency_days, change_time) VALUES ($1, $2, "
                     "$3, $4, $5, $6, $7, $8, $9, $10, CAST($11 AS bigint), $12, $13, $14, $15, $16, $17, $18, $19, "
                     "CAST($20 AS bigint), $21, $22, $23, $24, $25, $26, $27) ON CONFLICT DO NOTHING RETURNING id",
                     SYSTEM_VALUES(a, w)),
                 &r, e));
    if (r.n == 0)
        return name_taken("A Managed System", w.name, e);
    *ret_id = row_int(&r, 0, 0);
    return SUCCESS;
}

result system_update(struct db *db, struct arena *a, const struct managed_system *with, struct err *e)
{
    struct managed_system before, w = *with;
    bool is_taken;
    TRY(system_get(db, a, with->id, &before, e));
    w.asset_id = before.asset_id;
    w.database_id = before.database_id;
    w.directory_id = before.directory_id;
    TRY(complete(db, a, &w, e));
    TRY(has_row(db, a,
                SQL("SELECT 1 FROM managed_systems WHERE workgroup_id = $1 AND name_key = $2 AND id <> $3",
                    P_INT(w.workgroup_id), P_TEXT(text_key(a, w.name)), P_INT(w.id)),
                &is_taken, e));
    if (is_taken)
        return name_taken("A Managed System", w.name, e);
    return db_run(
        db,
        SQL("UPDATE managed_systems SET workgroup_id = $1, asset_id = $2, name = $3, name_key = $4, host_name = $5, "
            "ip_address = $6, dns_name = $7, platform_id = $8, contact_email = $9, description = $10, "
            "port = CAST($11 AS bigint), timeout_s = $12, ssh_key_enforcement = $13, password_rule_id = $14, "
            "dss_key_rule_id = $15, release_duration = $16, max_release_duration = $17, isa_release_duration = $18, "
            "auto_management = $19, functional_account_id = CAST($20 AS bigint), elevation_command = $21, "
            "check_password = $22, change_after_release = $23, reset_on_mismatch = $24, change_frequency_type = $25, "
            "change_frequency_days = $26, change_time = $27 WHERE id = $28",
            SYSTEM_VALUES(a, w), P_INT(w.id)),
        e);
}

/* The accounts' rows stay, marked, with their sealed versions; the system's row goes. */
result system_delete(struct db *db, int64_t id, int64_t now, struct err *e)
{
    int64_t deleted;
    TRY(db_run(db,
               SQL("UPDATE requests SET status = 'Cancelled', ended_at = $2, ends_at = $2 WHERE status IN ('Pending', "
                   "'Active') AND ends_at > $2 AND account_id IN (SELECT m.id FROM managed_accounts m WHERE "
                   "m.system_id = $1)",
                   P_INT(id), P_INT(now)),
               e));
    TRY(db_run(db,
               SQL("DELETE FROM smart_rule_members WHERE rule_id IN (SELECT r.id FROM smart_rules r WHERE r.rule_type "
                   "= 'ManagedAccount') AND member_id IN (SELECT m.id FROM managed_accounts m WHERE m.system_id = $1)",
                   P_INT(id)),
               e));
    TRY(db_run(db,
               SQL("DELETE FROM smart_rule_members WHERE member_id = $1 AND rule_id IN (SELECT r.id FROM smart_rules r "
                   "WHERE r.rule_type = 'ManagedSystem')",
                   P_INT(id)),
               e));
    TRY(db_run(db,
               SQL("UPDATE managed_accounts SET deleted_at = $2, next_change_at = 0 WHERE system_id = $1 AND "
                   "deleted_at = 0",
                   P_INT(id), P_INT(now)),
               e));
    TRY(db_run_counting(db, SQL("DELETE FROM managed_systems WHERE id = $1", P_INT(id)), &deleted, e));
    if (deleted == 0)
        return FAIL(e, NOT_FOUND, "Managed System not found");
    return SUCCESS;
}
