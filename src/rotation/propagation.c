/* rotation/propagation.c: an account has turned: a job for each system where something is to be done now. */
#include "rotation/propagation.h"

#include "accounts/propagation.h"
#include "audit/audit.h"
#include "base/log.h"
#include "rotation/job.h"

/* Sent or not: its epoch moves, so that whoever holds it records nothing any more, and begins nothing more. */
static result drop_unfinished(struct db *db, int64_t account_id, const char *why, int64_t now, struct err *e)
{
    return db_run(
        db,
        SQL("UPDATE jobs SET state = 'dropped', is_open = 0, epoch = epoch + 1, leased_until = 0, settled_at = $2, "
            "reason_code = 'dropped', reason = $3 WHERE is_open = 1 AND kind = 'propagate' AND account_id = $1",
            P_INT(account_id), P_INT(now), P_TEXT(str_of(why))),
        e);
}

static void note_left_out(struct db *db, struct arena *a, int64_t account_id, size_t n)
{
    struct str text =
        arena_printf(a, "%zu systems hold for its actions; only the first %d get theirs", n, PROPAGATION_SYSTEMS_MAX);
    log_warning("account %" PRId64 ": %.*s", account_id, STR_ARG(text));
    audit_note(db, "propagation.skipped", false, (struct audit_object){"account", account_id, STR_ABSENT}, account_id,
               text);
}

/* Where is decided here, in the turn's own transaction, so that the jobs can be seen, and a rule that changes later
 * neither adds a restart nor takes one away. */
result propagation_turn(struct db *db, struct arena *a, int64_t account_id, int64_t now, struct err *e)
{
    struct propagation_target *targets;
    size_t n;
    TRY(drop_unfinished(db, account_id, "the account has turned again", now, e));
    TRY(propagation_targets(db, a, account_id, &targets, &n, e));
    if (n > PROPAGATION_SYSTEMS_MAX) {
        note_left_out(db, a, account_id, n);
        n = PROPAGATION_SYSTEMS_MAX;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t id;
        struct job j = {.kind = S("propagate"),
                        .state = S("queued"),
                        .trigger = S("turn"),
                        .is_queued = true,
                        .account_id = account_id,
                        .system_id = targets[i].system_id,
                        .parts = targets[i].actions};
        TRY(job_insert(db, &j, now, &id, e));
    }
    return SUCCESS;
}

result propagation_forget(struct db *db, int64_t account_id, int64_t now, struct err *e)
{
    TRY(drop_unfinished(db, account_id, "the account was deleted", now, e));
    return propagation_unassign_all(db, account_id, e);
}
