/* rotation/propagation.c: an account has turned: a job for each system where something is to be done now. */
#include "rotation/propagation.h"

#include "accounts/propagation.h"
#include "audit/audit.h"
#include "base/log.h"
#include "rotation/job_row.h"

/* Or had some when it turned last. Most accounts have none, and a turn of theirs asks no more than this. */
static result has_actions(struct db *db, struct arena *a, int64_t account_id, bool *ret, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT 1 FROM account_propagations WHERE account_id = $1 UNION ALL SELECT 1 FROM jobs WHERE "
                     "account_id = $1 AND is_open = 1 AND kind = 'propagate' LIMIT 1",
                     P_INT(account_id)),
                 &r, e));
    *ret = r.n > 0;
    return SUCCESS;
}

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

/* One statement, however many systems: they may be a thousand, in the transaction of the turn. */
static result insert_jobs(struct db *db, struct arena *a, int64_t account_id, struct str actions,
                          const int64_t *systems, size_t n, int64_t now, struct err *e)
{
    struct builder b;
    builder_init(&b, a);
    builder_add(&b, "INSERT INTO jobs (kind, state, is_open, trigger_kind, is_queued, made_by, epoch, system_id, "
                    "account_id, created_at, next_try_at, parts, server) SELECT 'propagate', 'queued', 1, 'turn', 1, "
                    "0, " FIRST_EPOCH ", s.id,");
    builder_param(&b, P_INT(account_id));
    builder_add(&b, ",");
    builder_param(&b, P_INT(now));
    builder_add(&b, ",");
    builder_param(&b, P_INT(now));
    builder_add(&b, ",");
    builder_param(&b, P_TEXT(actions));
    builder_add(&b, ",");
    builder_param(&b, P_TEXT(db_server(db)));
    builder_add(&b, " FROM managed_systems s WHERE ");
    builder_in(&b, "s.id", systems, n);
    return db_run(db, builder_sql(&b), e);
}

/* Those with the same actions together. */
static result insert_all(struct db *db, struct arena *a, int64_t account_id, const struct propagation_target *targets,
                         size_t n, int64_t now, struct err *e)
{
    int64_t *systems = arena_array(a, int64_t, n);
    bool *is_in = arena_array(a, bool, n);
    for (size_t first = 0; first < n; first++) {
        size_t alike = 0;
        if (is_in[first])
            continue;
        for (size_t i = first; i < n; i++)
            if (str_equal(targets[i].actions, targets[first].actions)) {
                systems[alike++] = targets[i].system_id;
                is_in[i] = true;
            }
        TRY(insert_jobs(db, a, account_id, targets[first].actions, systems, alike, now, e));
    }
    return SUCCESS;
}

/* Where is decided here, in the turn's own transaction, so that the jobs can be seen, and a rule that changes later
 * neither adds a restart nor takes one away. */
result propagation_turn(struct db *db, struct arena *a, int64_t account_id, int64_t now, struct err *e)
{
    struct propagation_target *targets;
    size_t n;
    bool has_any;
    TRY(has_actions(db, a, account_id, &has_any, e));
    if (!has_any)
        return SUCCESS;
    TRY(drop_unfinished(db, account_id, "the account has turned again", now, e));
    TRY(propagation_targets(db, a, account_id, &targets, &n, e));
    if (n > PROPAGATION_SYSTEMS_MAX) {
        note_left_out(db, a, account_id, n);
        n = PROPAGATION_SYSTEMS_MAX;
    }
    return insert_all(db, a, account_id, targets, n, now, e);
}

result propagation_forget(struct db *db, int64_t account_id, int64_t now, struct err *e)
{
    TRY(drop_unfinished(db, account_id, "the account was deleted", now, e));
    return propagation_unassign_all(db, account_id, e);
}
