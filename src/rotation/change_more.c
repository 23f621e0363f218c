/* rotation/change_more.c: tests, checks, whole systems, answers and what else is asked of an account. */
#include "audit/audit.h"
#include "rotation/change.h"
#include "rotation/engine.h"
#include "rotation/link.h"
#include "rotation/own.h"
#include "rotation/propagation.h"
#include "rotation/synced.h"
#include "rotation/turn.h"

enum { BUDGET = 2 };
#define BUDGET_WINDOW (30 * MINUTES)

/* ---- the budget of failed logins (I4) ---- */

result budget_row_of(struct db *db, struct arena *a, const struct managed_account *account, int64_t *ret, struct err *e)
{
    struct own own;
    struct managed_system system;
    *ret = account->id;
    TRY(own_find(db, a, account, &own, e));
    if (!own.functional_id)
        return SUCCESS;
    TRY(system_get(db, a, account->system_id, &system, e));
    return own_budget_row(db, a, &system, ret, e);
}

result budget_get(struct db *db, struct arena *a, int64_t account_id, int64_t now, struct login_budget *ret,
                  struct err *e)
{
    struct rows r;
    TRY(db_query(db, a, SQL("SELECT failures, window_at FROM login_budgets WHERE account_id = $1", P_INT(account_id)),
                 &r, e));
    *ret = (struct login_budget){.left = BUDGET};
    if (r.n && row_int(&r, 0, 0) > 0 && row_int(&r, 0, 1) + BUDGET_WINDOW > now) {
        int64_t spent = row_int(&r, 0, 0);
        *ret = (struct login_budget){.left = spent < BUDGET ? BUDGET - spent : 0,
                                     .until = row_int(&r, 0, 1) + BUDGET_WINDOW};
    }
    return SUCCESS;
}

result budget_spend(struct db *db, struct arena *a, int64_t account_id, int64_t now, struct err *e)
{
    struct login_budget b;
    TRY(budget_get(db, a, account_id, now, &b, e));
    if (b.left == 0) {
        struct civil c = time_to_civil(b.until);
        return FAIL_AS(e, BUSY, "budget", "failed-login budget spent until %02d:%02d", c.hour, c.minute);
    }
    bool is_fresh = b.left == BUDGET;
    /* The window begins anew with each login: two windows next to each other never hold more than one does. */
    return db_run(db,
                  SQL("INSERT INTO login_budgets (account_id, failures, window_at) VALUES ($1, 1, $2) ON CONFLICT "
                      "(account_id) DO UPDATE SET "
                      "failures = CASE WHEN $3 = 1 THEN 1 ELSE login_budgets.failures + 1 END, window_at = $2",
                      P_INT(account_id), P_INT(now), P_INT(is_fresh)),
                  e);
}

result budget_refund(struct db *db, int64_t account_id, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE login_budgets SET failures = failures - 1 WHERE account_id = $1 AND failures > 0",
                      P_INT(account_id)),
                  e);
}

/* ---- tests and checks ---- */

static result ask_simple(struct db *db, struct arena *a, int64_t account_id, const char *kind, bool is_queued,
                         int64_t by, int64_t now, int64_t *ret_job, struct err *e)
{
    struct managed_account account;
    TRY(account_get(db, a, account_id, now, &account, e));
    if (!is_queued)
        TRY(engine_is_awaited(db, a, "Test not run", e));
    struct job j = {.kind = str_of(kind),
                    .state = S("queued"),
                    .trigger = S("caller"),
                    .is_queued = is_queued,
                    .account_id = account_id,
                    .system_id = account.system_id,
                    .made_by = by};
    return job_insert(db, &j, now, ret_job, e);
}

result change_ask_test(struct db *db, struct arena *a, int64_t account_id, int64_t by, int64_t now, int64_t *ret_job,
                       struct err *e)
{
    return ask_simple(db, a, account_id, "test", false, by, now, ret_job, e);
}

result change_ask_check(struct db *db, struct arena *a, int64_t account_id, int64_t by, int64_t now, struct err *e)
{
    int64_t job;
    return ask_simple(db, a, account_id, "check", true, by, now, &job, e);
}

result change_test_answer(struct db *db, struct arena *a, const struct awaited_job *which, int64_t now,
                          bool *ret_success, struct err *e)
{
    struct job j;
    result got = job_get_awaited(db, a, which, &j, e);
    if (got.code == NOT_FOUND)
        return FAIL(e, CONFLICT, "Test not run: the store has lost job %" PRId64, which->id);
    TRY(got);
    bool was_dropped;
    if (j.is_open) {
        TRY(job_drop_unsent(db, j.id, "the wait was over", now, &was_dropped, e));
        struct job change;
        TRY(job_open_change(db, a, j.account_id, &change, e));
        if (change.id)
            return FAIL(e, CONFLICT, "Test not run: a change is under way: job %" PRId64, change.id);
        *ret_success = false;
        return SUCCESS;
    }
    if (str_equal(j.reason_code, S("budget")))
        return FAIL(e, INVALID, "Test not run: %.*s", STR_ARG(j.reason));
    *ret_success = j.success;
    return SUCCESS;
}

/* ---- what the server starts by itself ---- */

static bool is_of_this_account_alone(enum code code, const struct err *why)
{
    return code == INVALID || code == NOT_FOUND || (why->word && str_equal(str_of(why->word), S("link_broken")));
}

static result start(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, const char *trigger,
                    int64_t now, bool *ret_made, struct err *e)
{
    struct job open;
    struct managed_account account;
    TRY(account_get(db, a, account_id, now, &account, e));
    int64_t turns = account.parent_account_id ? account.parent_account_id : account_id, job;
    TRY(job_open_change(db, a, turns, &open, e));
    if (open.id)
        return SUCCESS;
    struct change_wish w = {.account_id = turns, .update_system = true, .is_queued = true, .trigger = trigger, .by = 0};
    TRY(change_ask(db, a, keys, &w, now, &job, e));
    *ret_made = true;
    return SUCCESS;
}

result change_start(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, const char *trigger,
                    int64_t now, bool *ret_made, struct err *e)
{
    struct err why;
    result started = start(db, a, keys, account_id, trigger, now, ret_made, &why);
    if (is_ok(started))
        return started;
    if (!is_of_this_account_alone(started.code, &why)) {
        *e = why;
        return started;
    }
    audit_note(db, "account.change.skipped", false, (struct audit_object){"account", account_id, STR_ABSENT},
               account_id, str_of(why.text));
    return SUCCESS;
}

/* ---- answers ---- */

static result wait_for_system(struct db *db, struct arena *a, int64_t account_id, int64_t more_s, int64_t *ret_us,
                              struct err *e)
{
    struct rows r;
    TRY(db_query_one(
        db, a,
        SQL("SELECT s.timeout_s FROM managed_accounts m JOIN managed_systems s ON s.id = m.system_id WHERE m.id = $1",
            P_INT(account_id)),
        "Managed Account", &r, e));
    int64_t seconds = row_int(&r, 0, 0) + more_s;
    *ret_us = (seconds > 300 ? 300 : seconds) * SECONDS;
    return SUCCESS;
}

result change_wait(struct db *db, struct arena *a, int64_t account_id, int64_t *ret_us, struct err *e)
{
    return wait_for_system(db, a, account_id, 10, ret_us, e);
}

result change_test_wait(struct db *db, struct arena *a, int64_t account_id, int64_t *ret_us, struct err *e)
{
    return wait_for_system(db, a, account_id, 0, ret_us, e);
}

static struct str reason_for(const struct job *j, bool may_know)
{
    return may_know ? j->reason : S("the system could not be changed");
}

static result answer_open(struct db *db, const struct job *j, bool may_know, int64_t now, struct err *e)
{
    bool was_dropped = false;
    TRY(job_drop_unsent(db, j->id, "the wait was over before anything was sent", now, &was_dropped, e));
    bool has_waited = str_equal(j->reason_code, S(OWN_WAITS));
    if (was_dropped)
        return FAIL(e, REFUSED, "Credential not changed: %.*s",
                    STR_ARG(!may_know    ? S("the system could not be changed")
                            : has_waited ? j->reason
                                         : S("no answer from the system in time; nothing was sent")));
    return FAIL(e, UNCERTAIN, "Credential change outcome unknown: job %" PRId64 " is settling it", j->id);
}

result change_answer(struct db *db, struct arena *a, const struct awaited_job *which, bool may_know, int64_t now,
                     struct err *e)
{
    struct job j;
    result got = job_get_awaited(db, a, which, &j, e);
    if (got.code == NOT_FOUND)
        return FAIL(e, UNCERTAIN,
                    "Credential change outcome unknown: the store has lost job %" PRId64
                    "; the account is being compared with its system",
                    which->id);
    TRY(got);
    if (j.is_open)
        return answer_open(db, &j, may_know, now, e);
    if (str_equal(j.state, S("done")))
        return SUCCESS;
    struct str why = reason_for(&j, may_know);
    if (str_equal(j.state, S("abandoned")))
        return FAIL(e, UNCERTAIN, "Credential change outcome unknown: job %" PRId64 " was abandoned", j.id);
    if (str_equal(j.state, S("drift")))
        return FAIL(e, DRIFT, "Credential does not match the system: %.*s", STR_ARG(why));
    return FAIL(e, REFUSED, "Credential not changed: %.*s", STR_ARG(why));
}

/* ---- deleting, restoring ---- */

static result refuse_linked(struct db *db, struct arena *a, int64_t account_id, struct err *e)
{
    int64_t links;
    TRY(link_count(db, a, account_id, &links, e));
    if (links)
        return FAIL(e, CONFLICT, "This account has %" PRId64 " linked value%s; unlink first", links,
                    links == 1 ? "" : "s");
    return SUCCESS;
}

/* Tests, checks and comparisons that wait: nobody could load their account any more. */
static result drop_looks(struct db *db, struct arena *a, int64_t account_id, int64_t now, struct err *e)
{
    struct rows r;
    bool was_dropped;
    TRY(db_query(db, a,
                 SQL("SELECT id FROM jobs WHERE account_id = $1 AND is_open = 1 AND kind IN ('test', 'check', 'audit')",
                     P_INT(account_id)),
                 &r, e));
    for (size_t i = 0; i < r.n; i++)
        TRY(job_drop_unsent(db, row_int(&r, i, 0), "the account was deleted", now, &was_dropped, e));
    return SUCCESS;
}

result change_may_delete_account(struct db *db, struct arena *a, int64_t account_id, int64_t now, struct err *e)
{
    struct job open;
    TRY(refuse_linked(db, a, account_id, e));
    TRY(synced_remove_all(db, a, account_id, now, e));
    TRY(propagation_forget(db, account_id, now, e));
    TRY(job_open_change(db, a, account_id, &open, e));
    bool is_waiting = open.id && str_equal(open.state, S("queued"));
    if (open.id && !is_waiting)
        return FAIL(e, CONFLICT, "This account has an unfinished job: %" PRId64, open.id);
    bool was_dropped = true;
    if (open.id)
        TRY(job_drop_unsent(db, open.id, "the account was deleted", now, &was_dropped, e));
    return was_dropped ? drop_looks(db, a, account_id, now, e)
                       : FAIL(e, CONFLICT, "This account has an unfinished job: %" PRId64, open.id);
}

result change_may_move_system(struct db *db, struct arena *a, int64_t system_id, struct err *e)
{
    struct rows r;
    TRY(db_query(
        db, a,
        SQL("SELECT id FROM jobs WHERE system_id = $1 AND is_open = 1 AND kind = 'change' AND state <> 'queued' "
            "ORDER BY id LIMIT 1",
            P_INT(system_id)),
        &r, e));
    if (r.n)
        return FAIL(e, CONFLICT, "This system has an unfinished job: %" PRId64, row_int(&r, 0, 0));
    return SUCCESS;
}

result change_may_use_functional(struct db *db, struct arena *a, struct opt_int functional_id, struct err *e)
{
    struct rows r;
    if (!functional_id.is_set)
        return SUCCESS;
    TRY(db_query(db, a,
                 SQL("SELECT id FROM jobs WHERE turns_functional = $1 AND turns_functional > 0 AND is_open = 1 AND "
                     "sent_at > 0 ORDER BY id LIMIT 1",
                     P_INT(functional_id.value)),
                 &r, e));
    if (r.n)
        return FAIL(e, CONFLICT, "The functional account's own password is being changed: job %" PRId64,
                    row_int(&r, 0, 0));
    return SUCCESS;
}

result change_restore(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t by,
                      int64_t now, struct err *e)
{
    struct managed_account account;
    struct job open;
    int64_t proved;
    TRY(account_get(db, a, account_id, now, &account, e));
    if (account.parent_account_id)
        return FAIL(e, CONFLICT, "This account takes the password of account %" PRId64, account.parent_account_id);
    TRY(job_open_change(db, a, account_id, &open, e));
    if (open.id)
        return FAIL(e, CONFLICT, "This account has an unfinished job: %" PRId64, open.id);
    TRY(version_last_proved(db, a, account_id, &proved, e));
    if (!proved)
        return FAIL(e, CONFLICT, "No version of this account was ever proved");
    if (proved == account.current_version)
        return SUCCESS;
    return turn_account(db, a, keys, account_id, proved, TURN_STORED_ONLY, by, now, e);
}
