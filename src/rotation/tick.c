/* rotation/tick.c: the clockwork, once a second: what the server starts by itself (passwordsafe-api 8.1). Nothing turns
 * an account that nobody asked to turn. */
#include "accounts/request.h"
#include "accounts/schedule.h"
#include "audit/audit.h"
#include "rotation/agent.h"
#include "rotation/alone.h"
#include "rotation/clockwork.h"
#include "rotation/engine.h"
#include "rotation/owed.h"
#include "rotation/rotation.h"
#include "rotation/synced.h"
#include "rotation/whole.h"

enum { SLICE = 100 };
/* Later than this it is not "the schedule fired" but a clock that jumped or a server that slept: the account waits for
 * its next date. */
#define MISSED_AFTER (7 * DAYS)

static result set_next_date(struct db *db, int64_t account_id, int64_t next, struct err *e)
{
    return db_run(
        db, SQL("UPDATE managed_accounts SET next_change_at = $2 WHERE id = $1", P_INT(account_id), P_INT(next)), e);
}

static result next_date(struct db *db, struct arena *a, int64_t account_id, int64_t now, struct err *e)
{
    struct managed_account m;
    TRY(account_get(db, a, account_id, now, &m, e));
    int64_t next = schedule_next(m.change_frequency_type, m.change_frequency_days, m.change_time, now);
    return set_next_date(db, account_id, next, e);
}

static const char *why_skipped(const struct clockwork *clockwork, int64_t due_at, int64_t now)
{
    if (due_at + MISSED_AFTER < now)
        return "its date passed more than 7 days ago";
    return clockwork_has_skipped(clockwork, due_at) ? "its date was passed by a jump of the clock" : NULL;
}

struct due {
    struct arena *a;
    const struct clockwork *clockwork;
    int64_t account_id, at, now;
};

static result fire_one(struct db *db, void *argument, struct err *e)
{
    const struct due *d = argument;
    const char *why = why_skipped(d->clockwork, d->at, d->now);
    if (why)
        audit_note(db, "account.change.skipped", false, (struct audit_object){"account", d->account_id, STR_ABSENT},
                   d->account_id, str_of(why));
    else
        TRY(owed_add(db, d->account_id, "schedule", d->now, e));
    return next_date(db, d->a, d->account_id, d->now, e);
}

static result fire_schedule(struct db *db, struct arena *a, const struct clockwork *clockwork, int64_t now,
                            struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT id, next_change_at FROM managed_accounts WHERE next_change_at > 0 AND next_change_at <= "
                     "$1 AND auto_management = 1 AND deleted_at = 0 "
                     "ORDER BY next_change_at, id LIMIT $2",
                     P_INT(now), P_INT(SLICE)),
                 &r, e));
    for (size_t i = 0; i < r.n; i++) {
        const char *why;
        struct due due = {a, clockwork, row_int(&r, i, 0), row_int(&r, i, 1), now};
        TRY(alone_run(db, a, &(struct alone){fire_one, &due, "schedule", due.account_id}, &why, e));
        if (why)
            TRY(set_next_date(db, due.account_id, now + 1 * DAYS, e));
    }
    return SUCCESS;
}

static result settle_requests(struct db *db, struct arena *a, int64_t now, struct err *e)
{
    int64_t *accounts;
    size_t n;
    TRY(request_settle(db, a, now, &accounts, &n, e));
    for (size_t i = 0; i < n; i++)
        TRY(owed_add(db, accounts[i], "release", now, e));
    return SUCCESS;
}

/* An account that turned while the clock was ahead: it did so just now, and its date follows from that. */
static result mend_dates(struct db *db, struct arena *a, int64_t now, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("UPDATE managed_accounts SET last_change_at = $1 WHERE id IN (SELECT m.id FROM managed_accounts m "
                     "WHERE m.next_change_at > $1 AND m.last_change_at > $1 AND m.deleted_at = 0 ORDER BY "
                     "m.next_change_at, m.id LIMIT $2) RETURNING id",
                     P_INT(now), P_INT(SLICE)),
                 &r, e));
    for (size_t i = 0; i < r.n; i++)
        TRY(next_date(db, a, row_int(&r, i, 0), now, e));
    return SUCCESS;
}

/* Times that a clock which was ahead has written, and that would now be waited for. A lease lasts half a minute, and no
 * wait of a job more than twice the one between retries, or an hour. */
static result mend_times(struct db *db, struct arena *a, bool was_ahead, int64_t now, struct err *e)
{
    struct engine_rules rules;
    TRY(engine_rules_get(db, a, &rules, e));
    int64_t wait = rules.retry_minutes * 2 * MINUTES;
    TRY(db_run(db,
               SQL("UPDATE jobs SET sent_at = CASE WHEN sent_at > $1 THEN $1 ELSE sent_at END, "
                   "leased_until = CASE WHEN leased_until > $2 THEN $2 ELSE leased_until END, "
                   "put_off_since = CASE WHEN put_off_since > $1 THEN $1 ELSE put_off_since END, "
                   "next_try_at = CASE WHEN next_try_at > $3 THEN $1 ELSE next_try_at END WHERE is_open = 1 AND "
                   "(sent_at > $1 OR leased_until > $2 OR put_off_since > $1 OR next_try_at > $3)",
                   P_INT(now), P_INT(now + MINUTES), P_INT(now + (wait > HOURS ? wait : HOURS))),
               e));
    TRY(db_run(
        db,
        SQL("UPDATE requests SET ends_at = $1, ended_at = $1 WHERE is_settled = 0 AND ends_at > $1 AND status NOT "
            "IN ('Active', 'Pending')",
            P_INT(now)),
        e));
    TRY(db_run(db, SQL("UPDATE login_budgets SET window_at = $1 WHERE window_at > $1", P_INT(now)), e));
    TRY(db_run(db, SQL("UPDATE managed_accounts SET owed_at = $1 WHERE owed_at > 0 AND owed_at > $1", P_INT(now)), e));
    if (was_ahead)
        TRY(mend_dates(db, a, now, e));
    return db_run(db,
                  SQL("UPDATE managed_accounts SET next_test_at = 0 WHERE check_password = 1 AND next_test_at > $1",
                      P_INT(now + 2 * DAYS)),
                  e);
}

result rotation_tick(struct db *db, struct arena *a, const struct keyring *keys, const struct clockwork *clockwork,
                     int64_t now, bool *ret_made_jobs, struct err *e)
{
    audit_act_as_server(db);
    *ret_made_jobs = false;
    if (clockwork->has_gone_back)
        TRY(mend_times(db, a, clockwork->was_ahead, now, e));
    if (keyring_is_open(keys)) {
        TRY(fire_schedule(db, a, clockwork, now, e));
        TRY(settle_requests(db, a, now, e));
        TRY(owed_start(db, a, keys, now, ret_made_jobs, e));
        TRY(synced_catch_up(db, a, keys, now, ret_made_jobs, e));
        TRY(agent_tick(db, a, now, ret_made_jobs, e));
    }
    return whole_settle(db, a, now, e);
}
