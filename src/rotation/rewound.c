/* rotation/rewound.c: the store has lost acknowledged commits: put back what this process still knows, and compare
 * every account with its system before anything is changed there. */
#include "rotation/attempt.h"

#include "base/log.h"
#include "rotation/follower.h"
#include "rotation/keepsake.h"

result rotation_rewound(struct keepsakes *keepsakes, struct db *db, struct arena *a, const struct keyring *keys,
                        int64_t now, struct err *e)
{
    size_t put_back = 0;
    int64_t made = 0;
    if (keepsakes && keyring_is_open(keys))
        TRY(keepsakes_put_back(keepsakes, db, a, keys, now, &put_back, e));
    /* Whoever holds a lease from before records nothing any more. */
    TRY(db_run(db, SQL("UPDATE jobs SET epoch = epoch + 1048576, leased_until = 0 WHERE is_open = 1"), e));
    TRY(db_run_counting(
        db,
        SQL("INSERT INTO jobs (kind, state, is_open, trigger_kind, is_queued, account_id, system_id, made_by, "
            "created_at,"
            " next_try_at, server)"
            " SELECT 'audit', 'queued', 1, 'mismatch', 1, m.id, m.system_id, 0, $1, $1, $2 FROM managed_accounts m"
            " JOIN managed_systems s ON s.id = m.system_id WHERE m.deleted_at = 0 AND m.current_version > 0"
            " AND (m.proof <> '' OR s.functional_account_id IS NOT NULL)"
            " AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.account_id = m.id AND o.is_open = 1 AND o.kind = 'audit')",
            P_INT(now), P_TEXT(db_server(db))),
        &made, e));
    TRY(own_mark_audits(db, a, e));
    TRY(follower_turn_all(db, a, now, e));
    log_warning("rotation: %" PRId64
                " accounts are compared with their systems; %zu passwords that the store had lost were "
                "put back",
                made, put_back);
    return SUCCESS;
}
