/* accounts/account.c: reading managed accounts. A deleted one is found nowhere here. */
#include "accounts/account_row.h"
#include "accounts/check.h"
#include "accounts/member.h"
#include "base/text.h"

#define DUE_SOON (5 * MINUTES)

enum { CHANGE_IDLE = 0, CHANGE_RUNNING = 1, CHANGE_QUEUED = 2 };

static int64_t change_state_of(const struct managed_account *m, struct str job_state, int64_t now)
{
    if (str_equal(job_state, S("queued")))
        return CHANGE_QUEUED;
    if (job_state.n)
        return CHANGE_RUNNING;
    bool is_due_soon = m->auto_management && m->next_change_at > 0 && m->next_change_at - now < DUE_SOON;
    return is_due_soon ? CHANGE_QUEUED : CHANGE_IDLE;
}

static void settings_of(const struct rows *r, size_t i, struct managed_account *m)
{
    m->domain_name = row_text(r, i, 2);
    m->name = row_text(r, i, 3);
    m->distinguished_name = row_text(r, i, 4);
    m->user_principal_name = row_text(r, i, 5);
    m->sam_account_name = row_text(r, i, 6);
    m->description = row_text(r, i, 7);
    m->release_notification_email = row_text(r, i, 8);
    m->password_fallback = row_flag(r, i, 9);
    m->login_account = row_flag(r, i, 10);
    m->api_enabled = row_flag(r, i, 11);
    m->auto_management = row_flag(r, i, 12);
    m->dss_auto_management = row_flag(r, i, 13);
    m->check_password = row_flag(r, i, 14);
    m->change_after_release = row_flag(r, i, 15);
    m->reset_on_mismatch = row_flag(r, i, 16);
    m->use_own_credentials = row_flag(r, i, 17);
    m->password_rule_id = row_int(r, i, 18);
    m->release_duration = row_int(r, i, 19);
    m->max_release_duration = row_int(r, i, 20);
    m->isa_release_duration = row_int(r, i, 21);
    m->max_concurrent_requests = row_int(r, i, 22);
    m->change_frequency_type = row_text(r, i, 23);
    m->change_time = row_text(r, i, 24);
    m->change_frequency_days = row_int(r, i, 25);
}

struct managed_account account_of(const struct rows *r, size_t i, int64_t now)
{
    struct managed_account m = {.id = row_int(r, i, 0),
                                .system_id = row_int(r, i, 1),
                                .next_change_at = row_int(r, i, 26),
                                .last_change_at = row_int(r, i, 27),
                                .workgroup_id = {!row_is_null(r, i, 28), row_int(r, i, 28)},
                                .state = row_text(r, i, 29),
                                .proof = row_text(r, i, 30),
                                .current_version = row_int(r, i, 31),
                                .last_version = row_int(r, i, 32),
                                .last_verified_at = row_int(r, i, 33),
                                .last_read_at = row_int(r, i, 34),
                                .system_name = row_text(r, i, 35),
                                .platform_id = row_int(r, i, 36),
                                .parent_account_id = row_int(r, i, 38),
                                .sync_wanted = row_int(r, i, 39),
                                .sync_since = row_int(r, i, 40),
                                .reset_version = row_int(r, i, 41)};
    settings_of(r, i, &m);
    m.instance_name = row_text(r, i, 42);
    m.change_state = change_state_of(&m, row_text(r, i, 37), now);
    m.is_changing = m.change_state == CHANGE_RUNNING;
    return m;
}

result account_get(struct db *db, struct arena *a, int64_t id, int64_t now, struct managed_account *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT " ACCOUNT_COLUMNS " " ACCOUNT_FROM " AND m.id = $1", P_INT(id)),
                     "Managed Account", &r, e));
    *ret = account_of(&r, 0, now);
    return SUCCESS;
}

result account_by_name(struct db *db, struct arena *a, int64_t system_id, struct str name, int64_t now,
                       struct managed_account *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a,
                     SQL("SELECT " ACCOUNT_COLUMNS " " ACCOUNT_FROM " AND m.system_id = $1 AND m.name_key = $2",
                         P_INT(system_id), P_TEXT(text_key(a, text_or_empty(name)))),
                     "Managed Account", &r, e));
    *ret = account_of(&r, 0, now);
    return SUCCESS;
}

/* Of the databases on this asset exactly one must have the account. `why`: what was missing on the asset itself. */
static result account_on_database(struct db *db, struct arena *a, int64_t asset_id, struct str account, int64_t now,
                                  const struct err *why, struct managed_account *ret, struct err *e)
{
    struct managed_system *systems;
    struct managed_account one;
    size_t n, found = 0;
    TRY(system_list_databases(db, a, asset_id, &systems, &n, e));
    for (size_t i = 0; i < n; i++) {
        result r = account_by_name(db, a, systems[i].id, account, now, &one, e);
        if (is_ok(r))
            *ret = one;
        else if (r.code != NOT_FOUND)
            return r;
        found += is_ok(r);
    }
    if (found > 1)
        return FAIL(e, INVALID, "accountName: %zu databases of this asset have it; name the account by its id", found);
    if (found == 1)
        return SUCCESS;
    return n > 0 ? FAIL(e, NOT_FOUND, "Managed Account not found") : FAIL(e, NOT_FOUND, "%s", why->text);
}

result account_by_place(struct db *db, struct arena *a, struct str workgroup, struct str asset, struct str account,
                        int64_t now, struct managed_account *ret, struct err *e)
{
    struct workgroup w;
    struct asset place;
    struct managed_system system;
    struct err why = {0};
    TRY(workgroup_by_name(db, a, workgroup, &w, e));
    TRY(asset_by_name(db, a, w.id, asset, &place, e));
    result r = system_of_asset(db, a, place.id, &system, &why);
    if (is_ok(r))
        r = account_by_name(db, a, system.id, account, now, ret, &why);
    if (r.code == NOT_FOUND)
        return account_on_database(db, a, place.id, account, now, &why, ret, e);
    if (!is_ok(r))
        *e = why;
    return r;
}

result account_list(struct db *db, struct arena *a, const struct account_filter *f, int64_t now,
                    struct managed_account **ret, size_t *ret_n, int64_t *ret_total, struct err *e)
{
    struct builder b;
    struct rows r;
    builder_init(&b, a);
    builder_add(&b, ACCOUNT_FROM);
    if (f->system_id) {
        builder_add(&b, " AND m.system_id =");
        builder_param(&b, P_INT(f->system_id));
    }
    if (f->parent_id) {
        builder_add(&b, " AND m.parent_account_id > 0 AND m.parent_account_id =");
        builder_param(&b, P_INT(f->parent_id));
    }
    if (f->rule_id) {
        builder_add(&b, " AND EXISTS (SELECT 1 FROM smart_rules r WHERE r.id =");
        builder_param(&b, P_INT(f->rule_id));
        builder_add(&b, "AND" RULE_HOLDS_ACCOUNT ")");
    }
    TRY(query_page(db, a, ACCOUNT_COLUMNS, &b, "m.id", f->limit, f->offset, &r, ret_total, e));
    *ret = arena_array(a, struct managed_account, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = account_of(&r, i, now);
    *ret_n = r.n;
    return SUCCESS;
}
