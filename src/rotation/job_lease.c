/* rotation/job_lease.c: the transitions of a job. Each compares the epoch: an old holder of the lease records nothing.
 */
#include "rotation/job_row.h"

#include "base/clock.h"
#include "base/log.h"
#include "rotation/engine.h"
#include "rotation/whole.h"

/* Long enough for a store that is away for a moment; short enough that another server soon goes on with what a dead one
 * held. The epoch, not the lease, keeps two holders apart. */
#define LEASE (30 * SECONDS)

enum { NOTICE_BYTES = 32 };

/* For the callers who wait for it on other servers (main/notices.c). */
static struct str settled_notice(const struct job *j, char room[NOTICE_BYTES])
{
    snprintf(room, NOTICE_BYTES, "job %" PRId64, j->id);
    return str_of(room);
}

result job_tell_settled(struct db *db, const struct job *j, struct err *e)
{
    char room[NOTICE_BYTES];
    return db_notify(db, settled_notice(j, room), e);
}

static result must_have_moved(int64_t changed, const struct job *j, struct err *e)
{
    if (changed == 1)
        return SUCCESS;
    return FAIL(e, CONFLICT, "job %" PRId64 " is no longer this worker's", j->id);
}

static result run_moving(struct db *db, const struct job *j, struct sql sql, struct err *e)
{
    int64_t changed = 0;
    TRY(db_run_counting(db, sql, &changed, e));
    return must_have_moved(changed, j, e);
}

/* Lanes to the accounts of one DomainName, however many controllers of that domain are systems here. */
enum { PER_DOMAIN = 2, ON_SYSTEM_COLUMN = JOB_COLUMN_COUNT, ON_DOMAIN_COLUMN };
/* Pushes to one system go one after the other: two that sign in as it falls silent would spend the functional account's
 * whole budget at once, and all followers would wait for half an hour. */
/* A handful, so that each job in the queue is compared with these and not with the queue. */
#define WITH_LEASED                                                                                                    \
    "WITH leased AS MATERIALIZED (SELECT o.id, o.account_id, o.system_id, o.kind, n.domain_name FROM jobs o "          \
    "LEFT JOIN managed_accounts n ON n.id = o.account_id WHERE o.is_open = 1 AND o.leased_until > $1) "
#define LEASED_ON_SYSTEM "(SELECT COUNT(*) FROM leased o WHERE o.system_id = j.system_id)"
#define LEASED_ON_DOMAIN                                                                                               \
    "(SELECT COUNT(*) FROM leased o WHERE o.domain_name = m.domain_name AND o.kind NOT IN " AFTERWARDS                 \
    " AND j.kind NOT IN " AFTERWARDS " AND m.domain_name <> '')"
/* User-triggered first. The index jobs_turn has the same words. */
#define TURN_OF_J                                                                                                      \
    "CASE WHEN j.kind = 'audit' THEN 0 WHEN j.trigger_kind = 'caller' AND j.is_queued = 0 THEN 0 "                     \
    "WHEN j.trigger_kind = 'caller' THEN 1 ELSE 2 END"

/* What is due. A job whose account, system or domain is busy is passed over; what comes after a change is another
 * system's business, and neither waits for the account nor keeps it. The signs keep the indexes of two times out of it:
 * with those, all that is due would be sorted for each claim. */
static result due_jobs(struct db *db, struct arena *a, int64_t now, size_t per_system, size_t max, struct rows *ret,
                       struct err *e)
{
    return db_query(
        db, a,
        SQL(WITH_LEASED
            "SELECT " JOB_COLUMNS ", " LEASED_ON_SYSTEM ", " LEASED_ON_DOMAIN " FROM " JOB_TABLES
            " WHERE j.is_open = 1 AND j.kind IN " KINDS_RUN
            " AND +j.next_try_at <= $1 AND +j.leased_until <= $1 AND " ENGINE_MAY_RUN_J " AND (j.kind IN " AFTERWARDS
            " OR NOT EXISTS (SELECT 1 FROM leased o WHERE o.account_id = j.account_id"
            "                 AND o.kind NOT IN " AFTERWARDS " AND o.id <> j.id))"
            " AND (j.kind IN " AFTERWARDS " OR NOT EXISTS (SELECT 1 FROM jobs o WHERE o.account_id = j.account_id AND "
            "                 o.is_open = 1 AND o.kind = 'change' AND o.id <> j.id AND"
            "                 ((j.kind = 'audit' AND o.sent_at > 0) OR (j.kind <> 'audit' AND o.state <> 'queued'))))"
            " AND (j.kind <> 'change' OR j.sent_at > 0 OR NOT EXISTS (SELECT 1 FROM jobs o"
            "      WHERE o.account_id = j.account_id AND o.is_open = 1 AND o.kind = 'audit'))"
            " AND " LEASED_ON_SYSTEM " < CASE WHEN j.kind = 'push' THEN 1 ELSE $2 END AND " LEASED_ON_DOMAIN
            " < $4 ORDER BY " TURN_OF_J ", j.id LIMIT $3",
            P_INT(now), P_INT((int64_t)per_system), P_INT((int64_t)max), P_INT(PER_DOMAIN)),
        ret, e);
}

/* Beside those that others hold, and what was just taken. */
static bool is_busy(const struct job *jobs, size_t n, const struct job *j, size_t on_system, size_t on_domain,
                    size_t per_system)
{
    for (size_t i = 0; i < n; i++) {
        bool is_after = job_is_afterwards(j) || job_is_afterwards(&jobs[i]);
        if (jobs[i].account_id == j->account_id && !is_after)
            return true;
        on_system += jobs[i].system_id == j->system_id;
        on_domain += !is_after && j->domain_name.n && str_equal(jobs[i].domain_name, j->domain_name);
    }
    size_t most = str_equal(j->kind, S("push")) ? 1 : per_system;
    return on_system >= most || on_domain >= PER_DOMAIN;
}

result job_claim(struct db *db, struct arena *a, int64_t now, size_t max, size_t per_system, struct job *ret,
                 size_t *ret_n, struct err *e)
{
    struct rows r;
    *ret_n = 0;
    TRY(due_jobs(db, a, now, per_system, max * 4, &r, e));
    for (size_t i = 0; i < r.n && *ret_n < max; i++) {
        struct job j = job_of(&r, i);
        if (is_busy(ret, *ret_n, &j, (size_t)row_int(&r, i, ON_SYSTEM_COLUMN), (size_t)row_int(&r, i, ON_DOMAIN_COLUMN),
                    per_system))
            continue;
        j.epoch++;
        j.leased_until = now + LEASE;
        TRY(db_run(db,
                   SQL("UPDATE jobs SET epoch = $2, leased_until = $3, server = $4, handed_at = 0 WHERE id = $1",
                       P_INT(j.id), P_INT(j.epoch), P_INT(j.leased_until), P_TEXT(db_server(db))),
                   e));
        ret[(*ret_n)++] = j;
    }
    return SUCCESS;
}

result job_set_candidate(struct db *db, const struct job *j, int64_t version, struct err *e)
{
    return run_moving(
        db, j,
        SQL("UPDATE jobs SET state = 'prepared', version = $3 WHERE id = $1 AND epoch = $2 AND state = 'queued'",
            P_INT(j->id), P_INT(j->epoch), P_INT(version)),
        e);
}

result job_set_applying(struct db *db, struct job *j, struct str fence, int64_t now, struct err *e)
{
    TRY(run_moving(
        db, j,
        SQL("UPDATE jobs SET state = 'applying', sent_at = $3, fence = $4, attempt = attempt + 1, epoch = epoch + 1, "
            "reason_code = CASE WHEN reason_code = '" REFUSED_AGAIN
            "' THEN '' ELSE reason_code END WHERE id = $1 AND epoch = $2 AND is_open = 1",
            P_INT(j->id), P_INT(j->epoch), P_INT(now), P_TEXT(fence)),
        e));
    if (str_equal(j->reason_code, S(REFUSED_AGAIN)))
        j->reason_code = S("");
    j->epoch++;
    j->attempt++;
    j->sent_at = now;
    j->fence = fence;
    return SUCCESS;
}

/* A write, so that a server which takes it over at the same time collides with it. */
result job_check_is_ours(struct db *db, const struct job *j, struct err *e)
{
    return run_moving(db, j,
                      SQL("UPDATE jobs SET epoch = epoch WHERE id = $1 AND epoch = $2 AND is_open = 1", P_INT(j->id),
                          P_INT(j->epoch)),
                      e);
}

result job_set_resolving(struct db *db, const struct job *j, struct err *e)
{
    TRY(run_moving(db, j,
                   SQL("UPDATE jobs SET state = 'resolving' WHERE id = $1 AND epoch = $2 AND is_open = 1", P_INT(j->id),
                       P_INT(j->epoch)),
                   e));
    return whole_child_moved(db, j->parent_id, clock_now(), e);
}

/* That it was refused when it was sent again stays known until it is sent once more, whatever the tries in between. */
result job_try_later(struct db *db, const struct job *j, int64_t at, const char *reason_code, struct str reason,
                     struct err *e)
{
    bool stays = str_equal(j->reason_code, S(REFUSED_AGAIN));
    return run_moving(
        db, j,
        SQL("UPDATE jobs SET next_try_at = $3, leased_until = 0, reason_code = $4, reason = $5, put_off_since = $6 "
            "WHERE id = $1 AND epoch = $2 AND is_open = 1",
            P_INT(j->id), P_INT(j->epoch), P_INT(at), P_TEXT(stays ? j->reason_code : str_of(reason_code)),
            P_TEXT(stays ? j->reason : reason), P_INT(j->put_off_since)),
        e);
}

result job_back_to_queue(struct db *db, const struct job *j, int64_t at, const char *reason_code, struct str reason,
                         struct err *e)
{
    TRY(run_moving(db, j,
                   SQL("UPDATE jobs SET state = 'queued', sent_at = 0, next_try_at = $3, leased_until = 0, "
                       "reason_code = $4, reason = $5, "
                       "refusals = refusals + 1 WHERE id = $1 AND epoch = $2 AND is_open = 1",
                       P_INT(j->id), P_INT(j->epoch), P_INT(at), P_TEXT(str_of(reason_code)), P_TEXT(reason)),
                   e));
    return whole_child_moved(db, j->parent_id, clock_now(), e);
}

result job_settle(struct db *db, const struct job *j, const char *state, bool success, const char *reason_code,
                  struct str reason, int64_t now, struct err *e)
{
    TRY(job_tell_settled(db, j, e));
    TRY(run_moving(db, j,
                   SQL("UPDATE jobs SET state = $3, is_open = 0, success = $4, reason_code = $5, reason = $6, "
                       "settled_at = $7, leased_until = 0 "
                       "WHERE id = $1 AND epoch = $2 AND is_open = 1",
                       P_INT(j->id), P_INT(j->epoch), P_TEXT(str_of(state)), P_INT(success),
                       P_TEXT(str_of(reason_code)), P_TEXT(reason), P_INT(now)),
                   e));
    return success ? whole_child_done(db, j->parent_id, e) : whole_child_moved(db, j->parent_id, now, e);
}

static result parent_moved(struct db *db, int64_t id, int64_t now, struct err *e)
{
    int64_t parent_id;
    TRY(db_insert(db, SQL("SELECT parent_id FROM jobs WHERE id = $1", P_INT(id)), &parent_id, "no such job", e));
    return whole_child_moved(db, parent_id, now, e);
}

result job_drop_unsent(struct db *db, int64_t id, const char *why, int64_t now, bool *ret_dropped, struct err *e)
{
    int64_t changed = 0;
    /* The epoch moves too: a worker that holds the lease can no longer enter APPLYING. */
    TRY(db_run_counting(
        db,
        SQL("UPDATE jobs SET state = 'dropped', is_open = 0, epoch = epoch + 1, leased_until = 0, settled_at = $2, "
            "reason_code = 'dropped', reason = $3 WHERE id = $1 AND is_open = 1 AND sent_at = 0",
            P_INT(id), P_INT(now), P_TEXT(str_of(why))),
        &changed, e));
    if (changed == 1)
        TRY(db_run(db,
                   SQL("UPDATE versions SET standing = 'retired' WHERE standing = 'pending' AND account_id = (SELECT "
                       "account_id FROM jobs WHERE id = $1) AND number = (SELECT version FROM jobs WHERE id = $1)",
                       P_INT(id)),
                   e));
    *ret_dropped = changed == 1;
    return changed == 1 ? parent_moved(db, id, now, e) : SUCCESS;
}

result job_retry(struct db *db, const struct job *j, int64_t now, struct err *e)
{
    int64_t changed = 0;
    TRY(db_run_counting(db,
                        SQL("UPDATE jobs SET next_try_at = $2, is_held = 0, reason = CASE WHEN state = 'queued' THEN "
                            "'' ELSE reason END WHERE id = $1 AND is_open = 1 AND state IN ('queued', "
                            "'resolving')",
                            P_INT(j->id), P_INT(now)),
                        &changed, e));
    if (changed == 1)
        return SUCCESS;
    return FAIL(e, CONFLICT, "Job %" PRId64 " is neither queued nor resolving, but %.*s", j->id, STR_ARG(j->state));
}

result job_take_over(struct db *db, int64_t id, int64_t by, int64_t now, bool *ret_taken, struct err *e)
{
    int64_t changed = 0;
    TRY(db_run_counting(
        db,
        SQL("UPDATE jobs SET trigger_kind = 'caller', made_by = $2, parent_id = 0, is_held = 0, reason = '', "
            "next_try_at = CASE "
            "WHEN "
            "next_try_at > $3 THEN $3 ELSE next_try_at END WHERE id = $1 AND is_open = 1 AND state = 'queued' "
            "AND (trigger_kind <> 'caller' OR next_try_at > $3 OR parent_id > 0)",
            P_INT(id), P_INT(by), P_INT(now)),
        &changed, e));
    *ret_taken = changed == 1;
    return SUCCESS;
}

result jobs_renew(struct db *db, struct arena *a, const int64_t *ids, size_t n, int64_t now, struct err *e)
{
    struct builder b;
    builder_init(&b, a);
    builder_add(&b, "UPDATE jobs SET leased_until = ");
    builder_param(&b, P_INT(now + LEASE));
    builder_add(&b, " WHERE is_open = 1 AND leased_until > 0 AND server = ");
    builder_param(&b, P_TEXT(db_server(db)));
    builder_add(&b, " AND ");
    builder_in(&b, "id", ids, n);
    return db_run(db, builder_sql(&b), e);
}

result jobs_recover(struct db *db, struct arena *a, int64_t now, struct err *e)
{
    struct str server = db_server(db);
    struct rows r;
    TRY(db_run(db,
               SQL("UPDATE jobs SET leased_until = 0, epoch = epoch + 1 WHERE is_open = 1 AND leased_until > 0 AND "
                   "server = $1",
                   P_TEXT(server)),
               e));
    TRY(db_query(db, a,
                 SQL("SELECT id FROM jobs WHERE is_open = 1 AND sent_at = 0 AND server = $1 AND leased_until = 0 AND "
                     "(kind IN ('test', 'check') OR (kind = 'change' AND is_queued = 0))",
                     P_TEXT(server)),
                 &r, e));
    for (size_t i = 0; i < r.n; i++) {
        bool was_dropped;
        TRY(job_drop_unsent(db, row_int(&r, i, 0), "the server was stopped before anything was sent", now, &was_dropped,
                            e));
    }
    TRY(db_query(db, a,
                 SQL("UPDATE jobs SET state = 'resolving', next_try_at = $1 WHERE is_open = 1 AND sent_at > 0 AND "
                     "server = $2 AND leased_until = 0 AND NOT (state = 'prepared' AND told <> '') RETURNING parent_id",
                     P_INT(now), P_TEXT(server)),
                 &r, e));
    for (size_t i = 0; i < r.n; i++)
        TRY(whole_child_moved(db, row_int(&r, i, 0), now, e));
    if (r.n)
        log_warning("%zu changes were under way when the server stopped; the resolver settles them now", r.n);
    return SUCCESS;
}
