/* rotation/glass.c: break-glass, and the change that it costs. */
#include "rotation/glass.h"

#include "rotation/owed.h"

/* What was just read is of some use: as long as the engine keeps away from any clear read (passwordsafe-api 8.4). */
#define QUIET (60 * SECONDS)

result glass_put_off(struct db *db, int64_t account_id, int64_t broken_at, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE jobs SET next_try_at = $2 WHERE account_id = $1 AND is_open = 1 AND kind = 'change' AND "
                      "state = 'queued' AND next_try_at < $2",
                      P_INT(account_id), P_INT(broken_at + QUIET)),
                  e);
}

result glass_break(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t number,
                   int64_t now, struct login_secret *ret, struct err *e)
{
    TRY(version_open(db, a, keys, account_id, number, ret, e));
    TRY(db_run(db, SQL("UPDATE managed_accounts SET last_read_at = $2 WHERE id = $1", P_INT(account_id), P_INT(now)),
               e));
    TRY(glass_put_off(db, account_id, now, e));
    return owed_add_for_glass(db, account_id, now, e);
}
