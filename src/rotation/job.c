/* rotation/job.c: jobs as rows: read, inserted, noted. The transitions are job_lease.c. */
#include "rotation/job.h"

#include "audit/audit.h"
#include "base/text.h"
#include "crypto/random.h"
#include "rotation/job_row.h"

#define FIRST_PAUSE (5 * SECONDS)

struct job job_of(const struct rows *r, size_t i)
{
    return (struct job){.id = row_int(r, i, 0),
                        .kind = row_text(r, i, 1),
                        .state = row_text(r, i, 2),
                        .is_open = row_flag(r, i, 3),
                        .trigger = row_text(r, i, 4),
                        .is_queued = row_flag(r, i, 5),
                        .account_id = row_int(r, i, 6),
                        .system_id = row_int(r, i, 7),
                        .parent_id = row_int(r, i, 8),
                        .made_by = row_int(r, i, 9),
                        .created_at = row_int(r, i, 10),
                        .version = row_int(r, i, 11),
                        .parts = row_text(r, i, 12),
                        .sent_at = row_int(r, i, 13),
                        .fence = row_text(r, i, 14),
                        .attempt = row_int(r, i, 15),
                        .refusals = row_int(r, i, 16),
                        .epoch = row_int(r, i, 17),
                        .leased_until = row_int(r, i, 18),
                        .next_try_at = row_int(r, i, 19),
                        .put_off_since = row_int(r, i, 20),
                        .settled_at = row_int(r, i, 21),
                        .success = row_flag(r, i, 22),
                        .reason_code = row_text(r, i, 23),
                        .reason = row_text(r, i, 24),
                        .skipped = row_text(r, i, 25),
                        .system_name = row_text(r, i, 26),
                        .account_name = row_text(r, i, 27),
                        .told = row_text(r, i, 28),
                        .told_version = row_int(r, i, 29),
                        .is_held = row_flag(r, i, 30),
                        .parent_version = row_int(r, i, 31),
                        .domain_name = row_text(r, i, 32),
                        .turns_functional = row_int(r, i, 33),
                        .signs_in = row_text(r, i, 34)};
}

result job_get(struct db *db, struct arena *a, int64_t id, struct job *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT " JOB_COLUMNS " FROM " JOB_TABLES " WHERE j.id = $1", P_INT(id)), "Job", &r,
                     e));
    *ret = job_of(&r, 0);
    return SUCCESS;
}

result job_get_awaited(struct db *db, struct arena *a, const struct awaited_job *which, struct job *ret, struct err *e)
{
    TRY(job_get(db, a, which->id, ret, e));
    if (ret->account_id == which->account_id && job_store_epoch(ret) == which->store_epoch)
        return SUCCESS;
    return FAIL(e, NOT_FOUND, "Job not found");
}

result job_open_change(struct db *db, struct arena *a, int64_t account_id, struct job *ret, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT " JOB_COLUMNS " FROM " JOB_TABLES
                     " WHERE j.account_id = $1 AND j.is_open = 1 AND j.kind = 'change'",
                     P_INT(account_id)),
                 &r, e));
    *ret = r.n ? job_of(&r, 0) : (struct job){0};
    return SUCCESS;
}

result job_list(struct db *db, struct arena *a, const struct job_filter *f, struct job **ret, size_t *ret_n,
                struct err *e)
{
    struct builder b;
    builder_init(&b, a);
    builder_add(&b, "SELECT " JOB_COLUMNS " FROM " JOB_TABLES " WHERE j.id < ");
    builder_param(&b, P_INT(f->before_id ? f->before_id : INT64_MAX));
    if (str_equal(f->state, S("open"))) {
        builder_add(&b, " AND j.is_open = 1");
    } else if (f->state.n) {
        builder_add(&b, " AND j.state = ");
        builder_param(&b, P_TEXT(f->state));
    }
    if (f->kind.n) {
        builder_add(&b, " AND j.kind = ");
        builder_param(&b, P_TEXT(f->kind));
    }
    if (f->account_id) {
        builder_add(&b, " AND j.account_id = ");
        builder_param(&b, P_INT(f->account_id));
    }
    if (f->system_id) {
        builder_add(&b, " AND j.system_id = ");
        builder_param(&b, P_INT(f->system_id));
    }
    if (f->made_by) {
        builder_add(&b, " AND j.made_by = ");
        builder_param(&b, P_INT(f->made_by));
    }
    builder_add(&b, " ORDER BY j.id DESC LIMIT ");
    builder_param(&b, P_INT(f->limit));
    struct rows r;
    TRY(db_query(db, a, builder_sql(&b), &r, e));
    *ret = arena_array(a, struct job, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = job_of(&r, i);
    *ret_n = r.n;
    return SUCCESS;
}

bool job_is_asked_for(const struct job *j)
{
    bool is_his = str_equal(j->trigger, S("caller")) && !j->parent_version;
    bool is_again = j->refusals && j->reason.n == 0; /* as job_retry and job_take_over leave it */
    return !j->is_queued || is_again || (is_his && j->refusals == 0);
}

bool job_is_afterwards(const struct job *j)
{
    return str_equal(j->kind, S("push")) || str_equal(j->kind, S("propagate"));
}

int64_t job_pause(const struct job *j)
{
    int64_t tries = j->refusals > j->attempt ? j->refusals : j->attempt, pause = FIRST_PAUSE;
    for (int64_t i = 0; i < tries && pause < JOB_LONGEST_PAUSE; i++)
        pause *= 2;
    pause = pause < JOB_LONGEST_PAUSE ? pause : JOB_LONGEST_PAUSE;
    return pause - (int64_t)random_below((uint32_t)(pause / 4 / 1000)) * 1000;
}

result job_count_open(struct db *db, const char *kind, int64_t *ret, struct err *e)
{
    return db_insert(db, SQL("SELECT count(*) FROM jobs WHERE is_open = 1 AND kind = $1", P_TEXT(str_of(kind))), ret,
                     "no count", e);
}

result job_steps(struct db *db, struct arena *a, int64_t id, struct job_step **ret, size_t *ret_n, struct err *e)
{
    struct rows r;
    TRY(db_query(
        db, a,
        SQL("SELECT at, step, is_ok, text FROM (SELECT id, at, step, is_ok, text FROM job_steps WHERE job_id = $1 "
            "ORDER BY id DESC LIMIT 1000) s ORDER BY id",
            P_INT(id)),
        &r, e));
    *ret = arena_array(a, struct job_step, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = (struct job_step){.at = row_int(&r, i, 0),
                                      .step = row_text(&r, i, 1),
                                      .is_ok = row_flag(&r, i, 2),
                                      .text = row_text(&r, i, 3)};
    *ret_n = r.n;
    return SUCCESS;
}

result job_progress(struct db *db, struct arena *a, const struct job *j, int64_t *ret_done, int64_t *ret_total,
                    struct err *e)
{
    if (!str_equal(j->kind, S("system"))) {
        *ret_done = !j->is_open;
        *ret_total = 1;
        return SUCCESS;
    }
    struct rows r;
    TRY(db_query_one(
        db, a,
        SQL("SELECT COUNT(*), SUM(CASE WHEN is_open = 0 AND state <> 'dropped' THEN 1 ELSE 0 END) FROM jobs "
            "WHERE parent_id = $1",
            P_INT(j->id)),
        "Job", &r, e));
    *ret_total = row_int(&r, 0, 0);
    *ret_done = row_int(&r, 0, 1);
    return SUCCESS;
}

result job_insert(struct db *db, const struct job *with, int64_t now, int64_t *ret_id, struct err *e)
{
    return db_insert(
        db,
        SQL("INSERT INTO jobs (kind, state, is_open, trigger_kind, is_queued, account_id, system_id, parent_id, "
            "made_by, created_at, version, parts, next_try_at, skipped, server, is_held, turns_functional, epoch) "
            "VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $9, $12, $13, $14, $15, " FIRST_EPOCH
            ") ON CONFLICT DO NOTHING RETURNING "
            "id",
            P_TEXT(with->kind), P_TEXT(with->state), P_TEXT(with->trigger), P_INT(with->is_queued),
            P_INT(with->account_id), P_INT(with->system_id), P_INT(with->parent_id), P_INT(with->made_by), P_INT(now),
            P_INT(with->version), P_TEXT(str_is_set(with->parts) ? with->parts : S("")),
            P_TEXT(str_is_set(with->skipped) ? with->skipped : S("")), P_TEXT(db_server(db)), P_INT(with->is_held),
            P_INT(with->turns_functional)),
        ret_id, "This account has an unfinished job", e);
}

result job_note(struct db *db, struct arena *a, const struct job *j, const char *step, bool is_ok, struct str text,
                int64_t now, struct err *e)
{
    struct str kept = str_is_set(text) ? text_start(text, 400) : S("");
    TRY(db_run(db,
               SQL("INSERT INTO job_steps (job_id, at, step, is_ok, text) VALUES ($1, $2, $3, $4, $5)", P_INT(j->id),
                   P_INT(now), P_TEXT(str_of(step)), P_INT(is_ok), P_TEXT(kept)),
               e));
    audit_note(db, "job.step", is_ok, (struct audit_object){"job", j->id, STR_ABSENT}, j->account_id,
               arena_printf(a, "%.*s: %s%s%.*s", STR_ARG(j->kind), step, kept.n ? ": " : "", STR_ARG(kept)));
    return SUCCESS;
}
