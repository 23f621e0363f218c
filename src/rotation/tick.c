/* rotation/tick.c: the clockwork, once a second: what the server starts by itself (passwordsafe-api 8.1). Nothing turns
 * an account that nobody asked to turn. */
#include "accounts/request.h"
#include "accounts/schedule.h"
#include "audit/audit.h"
#include "rotation/attempt.h"
#include "rotation/change.h"
#include "rotation/rotation.h"

enum { SLICE = 100 };
/* Later than this it is not "the schedule fired" but a clock that jumped or a server that slept: the account waits for
 * its next date. */
#define MISSED_AFTER (7 * DAYS)

static result queue_change(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id,
                           const char *trigger, int64_t now, bool *ret_made, struct err *e)
{
    struct job open;
    TRY(job_open_change(db, a, account_id, &open, e));
    if (open.id)
        return SUCCESS;
    struct change_wish w = {
        .account_id = account_id, .update_system = true, .is_queued = true, .trigger = trigger, .by = 0};
    int64_t job;
    struct err why;
    result asked = change_ask(db, a, keys, &w, now, &job, &why);
    if (is_ok(asked)) {
        *ret_made = true;
        return SUCCESS;
    }
    /* What is wrong with this account alone must not keep the clock from the others. */
    if (asked.code != INVALID && asked.code != NOT_FOUND && !attempt_has_word(&why, "link_broken")) {
        *e = why;
        return asked;
    }
    audit_note(db, "account.change.skipped", false, (struct audit_object){"account", account_id, STR_ABSENT},
               account_id, str_of(why.text));
    return SUCCESS;
}

static result next_date(struct db *db, struct arena *a, int64_t account_id, int64_t now, struct err *e)
{
    struct managed_account m;
    TRY(account_get(db, a, account_id, now, &m, e));
    int64_t next = schedule_next(m.change_frequency_type, m.change_frequency_days, m.change_time, now);
    return db_run(
        db, SQL("UPDATE managed_accounts SET next_change_at = $2 WHERE id = $1", P_INT(account_id), P_INT(next)), e);
}

static result fire_schedule(struct db *db, struct arena *a, const struct keyring *keys, int64_t now, bool *ret_made,
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
        int64_t id = row_int(&r, i, 0);
        if (row_int(&r, i, 1) + MISSED_AFTER < now)
            audit_note(db, "account.change.skipped", false, (struct audit_object){"account", id, STR_ABSENT}, id,
                       S("its date passed more than 7 days ago"));
        else
            TRY(queue_change(db, a, keys, id, "schedule", now, ret_made, e));
        TRY(next_date(db, a, id, now, e));
    }
    return SUCCESS;
}

static result settle_requests(struct db *db, struct arena *a, const struct keyring *keys, int64_t now, bool *ret_made,
                              struct err *e)
{
    int64_t *accounts;
    size_t n;
    TRY(request_settle(db, a, now, &accounts, &n, e));
    for (size_t i = 0; i < n; i++)
        TRY(queue_change(db, a, keys, accounts[i], "release", now, ret_made, e));
    return SUCCESS;
}

static result settle_parents(struct db *db, struct arena *a, int64_t now, struct err *e)
{
    struct rows r;
    return db_query(
        db, a,
        SQL("UPDATE jobs SET is_open = 0, state = 'done', success = 1, settled_at = $1 WHERE kind = 'system' AND "
            "is_open = 1 "
            "AND NOT EXISTS (SELECT 1 FROM jobs c WHERE c.parent_id = jobs.id AND c.is_open = 1) RETURNING id",
            P_INT(now)),
        &r, e);
}

result rotation_tick(struct db *db, struct arena *a, const struct keyring *keys, int64_t now, bool *ret_made_jobs,
                     struct err *e)
{
    audit_act(db, (struct audit_actor){
                      .user_name = S("keyturn"), .address = S(""), .request_id = S(""), .source = S("server")});
    *ret_made_jobs = false;
    if (keyring_is_open(keys)) {
        TRY(fire_schedule(db, a, keys, now, ret_made_jobs, e));
        TRY(settle_requests(db, a, keys, now, ret_made_jobs, e));
    }
    return settle_parents(db, a, now, e);
}
