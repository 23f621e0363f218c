/* rotation/worker.c: a worker runs one job at a time, to its end or to its next try. */
#include "rotation/rotation_internal.h"

#include <unistd.h>

#include "base/log.h"
#include "rotation/attempt.h"
#include "rotation/line_pool.h"

static void count_outcome(struct rotation *r, int64_t job_id, struct db *db, struct arena *a, bool *ret_settled)
{
    struct job j = {0};
    struct err e;
    *ret_settled = false;
    if (!is_ok(db_snapshot(db, &e)))
        return;
    result got = job_get(db, a, job_id, &j, &e);
    db_snapshot_end(db);
    if (!is_ok(got))
        return;
    *ret_settled = !j.is_open;
    if (job_is_afterwards(&j))
        return;
    pthread_mutex_lock(&r->lock);
    r->stats.proved += str_equal(j.state, S("done"));
    r->stats.refused += str_equal(j.state, S("refused"));
    r->stats.drifted += str_equal(j.state, S("drift"));
    r->stats.unknown += str_equal(j.state, S("resolving"));
    pthread_mutex_unlock(&r->lock);
}

static void count_stale(struct rotation *r, int64_t stale_us)
{
    pthread_mutex_lock(&r->lock);
    rotation_count_stale(&r->stats, stale_us);
    pthread_mutex_unlock(&r->lock);
}

struct giving_back {
    const struct job *job;
    int64_t after;
};

static result try_soon(struct db *db, void *argument, struct err *e)
{
    const struct giving_back *g = argument;
    return job_try_later(db, g->job, clock_now() + g->after, "internal",
                         S("interrupted by the store or a fault of the server; see its log"), e);
}

/* A fault of ours: the job keeps its state, and is looked at again in a moment. A store that is away is waited for: the
 * lease would end later than it comes back. */
static void give_back(const struct rotation *r, struct attempt *t, const struct err *why)
{
    struct err e;
    struct giving_back g = {.job = &t->job, .after = why->code == BUSY ? 1 * SECONDS : 5 * SECONDS};
    log_warning("job %" PRId64 " stopped: %s; it is tried again", t->job.id, why->text);
    result given = writer_do(t->config->writer, try_soon, &g, &e);
    while (given.code == BUSY && !r->is_stopping) {
        usleep(LOOK_AGAIN_MS * 1000);
        given = writer_do(t->config->writer, try_soon, &g, &e);
    }
    if (!is_ok(given))
        log_error("job %" PRId64 ": %s; it waits until its lease ends", t->job.id, e.text);
}

struct job job_bare(const struct job *j)
{
    return (struct job){.id = j->id, .epoch = j->epoch, .account_id = j->account_id};
}

/* *job is replaced by the one that was claimed with its end; no id: none. */
static void work_on(struct rotation *r, struct db *db, struct job *job)
{
    struct arena *a = arena_new();
    const struct job claimed = *job;
    struct attempt t = {
        .config = &r->config, .db = db, .arena = a, .job = claimed, .next_until = clock_monotonic() + LENT_AFTER};
    struct err e = {0};
    result done = own_waited(&t, attempt_run(&t, &e), &e);
    if (t.own.functional_id)
        line_close(TAKE(t.line));
    line_pool_give(r->config.lines, TAKE(t.line));
    if (done.code == CONFLICT)
        log_info("job %" PRId64 ": %s", claimed.id, e.text);
    else if (!is_ok(done))
        give_back(r, &t, &e);
    if (t.stale_us > 0)
        count_stale(r, t.stale_us);
    bool is_settled;
    count_outcome(r, claimed.id, db, a, &is_settled);
    if (is_settled)
        r->config.on_settled(r->config.context, claimed.id);
    *job = job_bare(&t.next);
    arena_free(a);
}

/* The lock is held. */
static void add_running(struct rotation *r, int64_t job_id)
{
    r->since[r->running_count] = clock_monotonic();
    r->running[r->running_count++] = job_id;
    r->stats.started++;
}

static bool take_waiting(struct rotation *r, struct job *ret)
{
    pthread_mutex_lock(&r->lock);
    pthread_cond_signal(&r->wake);
    while (r->waiting_count == 0 && !r->is_stopping)
        pthread_cond_wait(&r->work, &r->lock);
    bool has_one = r->waiting_count > 0 && !r->is_stopping;
    if (has_one) {
        *ret = r->waiting[0];
        add_running(r, ret->id);
        memmove(r->waiting, r->waiting + 1, --r->waiting_count * sizeof *r->waiting);
    }
    pthread_mutex_unlock(&r->lock);
    return has_one;
}

/* next: what the same worker goes on with; 0: nothing. */
static void forget_running(struct rotation *r, int64_t job_id, int64_t next)
{
    pthread_mutex_lock(&r->lock);
    size_t i = 0;
    while (i < r->running_count && r->running[i] != job_id)
        i++;
    if (i < r->running_count) {
        r->since[i] = r->since[--r->running_count];
        r->running[i] = r->running[r->running_count];
    }
    if (next)
        add_running(r, next);
    r->is_woken = true;
    pthread_mutex_unlock(&r->lock);
}

/* Workers begin when there is work, long after the start: what is short then, such as files, may be there again soon.
 * NULL when it is time to stop. */
static struct db *open_worker_reader(struct rotation *r)
{
    struct db *db = NULL;
    struct err e;
    while (!is_ok(db_open(r->config.store, DB_READER, &db, &e)) && !r->is_stopping) {
        log_error("rotation: a worker cannot open a reader: %s; it tries again", e.text);
        usleep(LOOK_AGAIN_MS * 1000);
    }
    return db;
}

void *worker_main(void *rotation)
{
    struct rotation *r = rotation;
    struct db *db = open_worker_reader(r);
    struct job job;
    while (db && take_waiting(r, &job))
        while (job.id && !r->is_stopping) {
            int64_t done = job.id;
            work_on(r, db, &job);
            forget_running(r, done, job.id);
        }
    db_free(db);
    return NULL;
}
