/* rotation/agent.c: the test agent: once a day, at a time of day of each account's own. */
#include "rotation/agent.h"

#include "accounts/schedule.h"
#include "rotation/synced.h"

enum { SLICE = 100 };
/* Later than this the server was away or the clock was wrong: those that are late come one by one within an hour. */
#define LATE_AFTER (1 * HOURS)

bool agent_is_asking(const struct job *j)
{
    return j->is_queued && str_equal(j->kind, S("test"));
}

static result ask(struct db *db, struct arena *a, int64_t account_id, int64_t system_id, int64_t now, bool *ret_made,
                  struct err *e)
{
    struct rows open;
    int64_t id;
    TRY(db_query(db, a,
                 SQL("SELECT id FROM jobs WHERE account_id = $1 AND is_open = 1 AND kind = 'test' AND is_queued = 1 "
                     "ORDER BY id LIMIT 1",
                     P_INT(account_id)),
                 &open, e));
    if (open.n)
        return SUCCESS;
    struct job j = {.kind = S("test"),
                    .state = S("queued"),
                    .trigger = S("schedule"),
                    .is_queued = true,
                    .account_id = account_id,
                    .system_id = system_id};
    *ret_made = true;
    return job_insert(db, &j, now, &id, e);
}

static int64_t next_test(int64_t account_id, int64_t due_at, int64_t now)
{
    int64_t daily = schedule_daily(account_id, now);
    bool is_late = due_at > 0 && due_at + LATE_AFTER < now;
    return is_late ? now + daily % LATE_AFTER : daily;
}

result agent_tick(struct db *db, struct arena *a, int64_t now, bool *ret_made, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT id, system_id, next_test_at, current_version FROM managed_accounts WHERE check_password = "
                     "1 AND next_test_at <= $1 AND deleted_at = 0 ORDER BY next_test_at, id LIMIT $2",
                     P_INT(now), P_INT(SLICE)),
                 &r, e));
    for (size_t i = 0; i < r.n; i++) {
        int64_t id = row_int(&r, i, 0), due_at = row_int(&r, i, 2);
        bool is_due = due_at > 0 && due_at + LATE_AFTER >= now && row_int(&r, i, 3) > 0;
        if (is_due)
            TRY(ask(db, a, id, row_int(&r, i, 1), now, ret_made, e));
        TRY(db_run(db,
                   SQL("UPDATE managed_accounts SET next_test_at = $2 WHERE id = $1", P_INT(id),
                       P_INT(next_test(id, due_at, now))),
                   e));
    }
    return SUCCESS;
}

/* ---- what a mismatch starts ---- */

/* Through the functional account, for the stored password is the wrong one; and only where a change can be proved
 * afterwards without finding out how by a login that is bound to fail. */
static bool may_reset(const struct attempt *t, const struct managed_account *now)
{
    bool is_provable = t->proof == PROOF_LOGIN || t->proof == PROOF_COMPARE;
    return now->reset_on_mismatch && now->auto_management && !now->use_own_credentials &&
           t->system.functional_account_id.is_set && is_provable && now->reset_version != now->current_version;
}

static result set_reset(struct db *db, int64_t account_id, int64_t version, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE managed_accounts SET reset_version = $2 WHERE id = $1 AND reset_version <> $2",
                      P_INT(account_id), P_INT(version)),
                  e);
}

result agent_tested(struct db *db, struct attempt *t, bool is_live, int64_t now, struct err *e)
{
    struct managed_account account;
    bool is_made;
    if (is_live)
        return set_reset(db, t->account.id, 0, e);
    if (!agent_is_asking(&t->job))
        return SUCCESS;
    TRY(account_get(db, t->arena, t->account.id, now, &account, e));
    if (account.current_version != t->account.current_version || !may_reset(t, &account))
        return SUCCESS;
    TRY(set_reset(db, account.id, account.current_version, e));
    if (account.parent_account_id)
        return synced_again(db, t->arena, t->config->keys, &account, "mismatch", now, &is_made, e);
    return change_start(db, t->arena, t->config->keys, account.id, "mismatch", now, &is_made, e);
}
