/* rotation/glass.c: break-glass, and the change that it costs. */
#include "rotation/glass.h"

#include "audit/audit.h"
#include "rotation/change.h"

enum { SLICE = 100 };
/* What was just read is of some use: as long as the engine keeps away from any clear read (passwordsafe-api 8.4). */
#define QUIET (60 * SECONDS)

result glass_break(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t number,
                   int64_t now, struct login_secret *ret, struct err *e)
{
    TRY(version_open(db, a, keys, account_id, number, ret, e));
    return db_run(db,
                  SQL("UPDATE managed_accounts SET last_read_at = $2, glass_broken_at = $2 WHERE id = $1",
                      P_INT(account_id), P_INT(now)),
                  e);
}

static result forget(struct db *db, int64_t account_id, struct err *e)
{
    return db_run(db, SQL("UPDATE managed_accounts SET glass_broken_at = 0 WHERE id = $1", P_INT(account_id)), e);
}

/* A change that waits already turns the account as well: it serves, after the quiet time. */
static result put_off(struct db *db, int64_t account_id, int64_t until, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE jobs SET next_try_at = $2 WHERE account_id = $1 AND is_open = 1 AND kind = 'change' AND "
                      "state = 'queued' AND next_try_at < $2",
                      P_INT(account_id), P_INT(until)),
                  e);
}

static result settle_one(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id,
                         int64_t broken_at, int64_t now, bool *ret_made, struct err *e)
{
    struct managed_account m;
    TRY(forget(db, account_id, e));
    TRY(account_get(db, a, account_id, now, &m, e));
    if (!m.auto_management) {
        audit_note(db, "account.change.skipped", false, (struct audit_object){"account", account_id, m.name},
                   account_id, S("break-glass: AutoManagementFlag is false; change it by hand"));
        return SUCCESS;
    }
    TRY(change_start(db, a, keys, account_id, "breakGlass", now, ret_made, e));
    return put_off(db, account_id, broken_at + QUIET, e);
}

result glass_settle(struct db *db, struct arena *a, const struct keyring *keys, int64_t now, bool *ret_made,
                    struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT m.id, m.glass_broken_at FROM managed_accounts m WHERE m.glass_broken_at > 0 AND "
                     "m.deleted_at = 0 AND m.state IN ('proved', 'unverified') AND NOT EXISTS (SELECT 1 FROM jobs j "
                     "WHERE j.account_id = m.id AND j.kind = 'change' AND j.is_open = 1 AND (j.state <> 'queued' OR "
                     "j.is_held = 1)) ORDER BY m.glass_broken_at, m.id LIMIT $1",
                     P_INT(SLICE)),
                 &r, e));
    for (size_t i = 0; i < r.n; i++)
        TRY(settle_one(db, a, keys, row_int(&r, i, 0), row_int(&r, i, 1), now, ret_made, e));
    return SUCCESS;
}
