/* db/writer.c: the one writer and its group commit. */
#include "db/writer.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

enum { GROUP_WORKS_MAX = 64, GROUP_US_MAX = 5000, WAITING_MAX = 4096, WAITING_BYTES_MAX = 32 << 20 };

struct queue {
    struct work *first, *last;
};

struct writer {
    struct db *db;
    struct writer_hooks hooks;
    pthread_t thread;
    pthread_mutex_t mutex; /* of everything below */
    pthread_cond_t has_work;
    struct queue steps, others;
    size_t waiting, waiting_bytes;
    size_t wanted; /* how many must wait before the writer is woken */
    bool is_stopping, is_broken;
    uint64_t commits, works, losses;
    /* The writer's thread alone: */
    size_t company;    /* works that were here when the last group ended */
    int64_t commit_us; /* what its commit took */
};

/* What the writer's thread has in hand. */
struct group {
    struct work *works[GROUP_WORKS_MAX];
    size_t n;
    int64_t ends_at;          /* monotonic */
    int64_t patience_ends_at; /* 0: it has not waited for anybody yet */
};

/* ---- the queue ---- */

static void push(struct queue *q, struct work *w)
{
    w->next = NULL;
    if (q->last)
        q->last->next = w;
    else
        q->first = w;
    q->last = w;
}

static struct work *pop(struct queue *q)
{
    struct work *w = q->first;
    if (w) {
        q->first = w->next;
        if (!q->first)
            q->last = NULL;
    }
    return w;
}

static struct work *take_next(struct writer *w)
{
    pthread_mutex_lock(&w->mutex);
    struct work *work = pop(&w->steps);
    if (!work)
        work = pop(&w->others);
    if (work) {
        w->waiting--;
        w->waiting_bytes -= work->bytes;
    }
    pthread_mutex_unlock(&w->mutex);
    return work;
}

/* False when there will be none any more. */
static bool wait_for_work(struct writer *w)
{
    pthread_mutex_lock(&w->mutex);
    while (!w->waiting && !w->is_stopping)
        pthread_cond_wait(&w->has_work, &w->mutex);
    bool has_work = w->waiting > 0;
    pthread_mutex_unlock(&w->mutex);
    return has_work;
}

/* Until `wanted` works wait, or a step, or until that time of the monotonic clock. False when none waits then. */
static bool wait_for_company(struct writer *w, size_t wanted, int64_t until)
{
    struct timespec end = {.tv_sec = until / SECONDS, .tv_nsec = until % SECONDS * 1000};
    pthread_mutex_lock(&w->mutex);
    w->wanted = wanted;
    int rc = 0;
    while (w->waiting < wanted && !w->steps.first && !w->is_stopping && rc == 0)
        rc = pthread_cond_timedwait(&w->has_work, &w->mutex, &end);
    w->wanted = 1;
    bool has_work = w->waiting > 0;
    pthread_mutex_unlock(&w->mutex);
    return has_work;
}

result writer_submit(struct writer *w, struct work *work, struct err *e)
{
    result r = SUCCESS;
    pthread_mutex_lock(&w->mutex);
    if (w->is_broken)
        r = FAIL(e, INTERNAL, "the store's device has failed");
    else if (w->is_stopping)
        r = FAIL(e, BUSY, "the server stops");
    else if (w->waiting >= WAITING_MAX || work->bytes > WAITING_BYTES_MAX - w->waiting_bytes)
        r = FAIL(e, BUSY, "too much is waiting to be written");
    if (is_ok(r)) {
        push(work->is_step ? &w->steps : &w->others, work);
        w->waiting++;
        w->waiting_bytes += work->bytes;
        if (work->is_step || w->waiting >= w->wanted)
            pthread_cond_signal(&w->has_work);
    }
    pthread_mutex_unlock(&w->mutex);
    return r;
}

/* ---- one work ---- */

static void finish(struct work *work)
{
    work->done(work, work->outcome, &work->why);
}

static void finish_with(struct work *work, enum code code, const char *text)
{
    work->outcome = FAIL(&work->why, code, "%s", text);
    finish(work);
}

static size_t mark(struct writer *w)
{
    return w->hooks.mark ? w->hooks.mark(w->db, w->hooks.context) : 0;
}

static void cut(struct writer *w, size_t mark)
{
    if (w->hooks.cut)
        w->hooks.cut(w->db, mark, w->hooks.context);
}

/* The savepoint is gone afterwards, one way or the other. A statement that failed unnoticed may have cost the
 * transaction. */
static result end_savepoint(struct writer *w, result r, size_t mark, struct err *why)
{
    struct err ignored;
    if (is_ok(r))
        r = db_release(w->db, why);
    if (!is_ok(r) && db_is_in_transaction(w->db)) {
        if (is_ok(db_rollback_to(w->db, &ignored)))
            cut(w, mark);
        else
            db_rollback(w->db);
    }
    return r;
}

/* Leaves the work's outcome behind. When the transaction is lost, db_is_in_transaction() is false. */
static void run_in_savepoint(struct writer *w, struct work *work)
{
    size_t start = mark(w);
    struct err why;
    work->why = (struct err){0};
    work->outcome = db_savepoint(w->db, &work->why);
    if (!is_ok(work->outcome))
        return;
    work->outcome = end_savepoint(w, work->run(w->db, work, &work->why), start, &work->why);
    if (is_ok(work->outcome) || !work->refuse || !db_is_in_transaction(w->db))
        return;
    why = (struct err){0};
    result r = db_savepoint(w->db, &why);
    if (is_ok(r))
        r = end_savepoint(w, work->refuse(w->db, work, &work->why, &why), start, &why);
    if (!is_ok(r)) { /* a refusal that cannot be recorded is not given */
        work->outcome = r;
        work->why = why;
    }
}

/* ---- one group ---- */

static void give_up_if_device_failed(struct writer *w)
{
    if (!db_has_device_failed(w->db))
        return;
    pthread_mutex_lock(&w->mutex);
    bool was_broken = w->is_broken;
    w->is_broken = true;
    pthread_mutex_unlock(&w->mutex);
    if (!was_broken && w->hooks.device_failed)
        w->hooks.device_failed(w->hooks.context);
}

static void note_loss(struct writer *w)
{
    db_rollback(w->db);
    if (w->hooks.after_loss)
        w->hooks.after_loss(w->db, w->hooks.context);
    pthread_mutex_lock(&w->mutex);
    w->losses++;
    pthread_mutex_unlock(&w->mutex);
    give_up_if_device_failed(w);
}

static result commit(struct writer *w, struct err *e)
{
    if (w->hooks.before_commit)
        TRY(w->hooks.before_commit(w->db, w->hooks.context, e));
    TRY(db_commit(w->db, e));
    if (w->hooks.after_commit)
        w->hooks.after_commit(w->db, w->hooks.context);
    return SUCCESS;
}

/* How many works were here: those done and those waiting. */
static size_t count_commit(struct writer *w, size_t works)
{
    pthread_mutex_lock(&w->mutex);
    w->commits++;
    w->works += works;
    size_t company = works + w->waiting;
    pthread_mutex_unlock(&w->mutex);
    return company < GROUP_WORKS_MAX ? company : GROUP_WORKS_MAX;
}

/* After a loss. What fails now has failed for good. */
static void run_alone(struct writer *w, struct work *work)
{
    struct err why = {0};
    if (w->is_broken) {
        finish_with(work, INTERNAL, "the store's device has failed");
        return;
    }
    result r = db_begin(w->db, &why);
    if (is_ok(r)) {
        run_in_savepoint(w, work);
        /* Its own error says more than that of the COMMIT that cannot be. */
        if (db_is_in_transaction(w->db))
            r = commit(w, &why);
        else
            r = is_ok(work->outcome) ? FAIL(&why, INTERNAL, "the store has rolled the transaction back")
                                     : work->outcome;
    }
    if (is_ok(r)) {
        count_commit(w, 1);
    } else {
        if (why.code != OK) {
            work->outcome = r;
            work->why = why;
        }
        note_loss(w);
    }
    if (w->is_broken)
        finish_with(work, INTERNAL, "the store's device has failed");
    else
        finish(work);
}

/* Whoever was here when the last group ended soon comes again, and waiting for him saves a commit: a group does it for
 * as long as a commit takes, once. Alone, nobody waits. */
static bool has_more(struct writer *w, struct group *g)
{
    if (g->n == 0 || g->n >= w->company)
        return false;
    if (g->patience_ends_at == 0) {
        int64_t ends_at = clock_monotonic() + w->commit_us;
        g->patience_ends_at = ends_at < g->ends_at ? ends_at : g->ends_at;
    }
    return wait_for_company(w, w->company - g->n, g->patience_ends_at);
}

/* False: nothing of the group stands. */
static bool run_group(struct writer *w, struct group *g)
{
    struct err ignored;
    g->ends_at = clock_monotonic() + GROUP_US_MAX;
    while (g->n < GROUP_WORKS_MAX && (g->n == 0 || clock_monotonic() < g->ends_at)) {
        struct work *work = take_next(w);
        if (!work && has_more(w, g))
            continue;
        if (!work)
            break;
        if (work->is_wanted && !work->is_wanted(work)) {
            finish_with(work, BUSY, "nobody waits for it any more");
            continue;
        }
        g->works[g->n++] = work;
        run_in_savepoint(w, work);
        if (!db_is_in_transaction(w->db) || db_has_device_failed(w->db))
            return false;
    }
    int64_t start = clock_monotonic();
    result r = commit(w, &ignored);
    w->commit_us = clock_monotonic() - start;
    return is_ok(r);
}

static void write_group(struct writer *w)
{
    struct group g = {0};
    struct err why = {0};
    result r = db_begin(w->db, &why);
    if (!is_ok(r)) {
        give_up_if_device_failed(w);
        struct work *work;
        for (; g.n < GROUP_WORKS_MAX && (work = take_next(w)); g.n++)
            finish_with(work, why.code, why.text);
        return;
    }
    if (run_group(w, &g)) {
        w->company = count_commit(w, g.n);
        for (size_t i = 0; i < g.n; i++)
            finish(g.works[i]);
    } else {
        note_loss(w);
        for (size_t i = 0; i < g.n; i++)
            run_alone(w, g.works[i]);
    }
}

static void *write_groups(void *argument)
{
    struct writer *w = argument;
    while (wait_for_work(w)) {
        if (w->is_broken) {
            finish_with(take_next(w), INTERNAL, "the store's device has failed");
            continue;
        }
        write_group(w);
        db_checkpoint(w->db);
        give_up_if_device_failed(w);
    }
    return NULL;
}

/* ---- from outside ---- */

result writer_new(struct db *db, const struct writer_hooks *hooks, struct writer **ret, struct err *e)
{
    struct writer *w = calloc(1, sizeof(*w));
    if (!w)
        die("out of memory: the writer");
    w->db = db;
    if (hooks)
        w->hooks = *hooks;
    pthread_mutex_init(&w->mutex, NULL);
    w->wanted = 1;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&w->has_work, &attributes);
    pthread_condattr_destroy(&attributes);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&w->thread, NULL, write_groups, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure) {
        free(w);
        return FAIL(e, INTERNAL, "the writer's thread: %s", strerror(failure));
    }
    *ret = w;
    return SUCCESS;
}

void writer_free(struct writer *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    w->is_stopping = true;
    pthread_cond_signal(&w->has_work);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->has_work);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

struct writer_stats writer_stats(struct writer *w)
{
    pthread_mutex_lock(&w->mutex);
    struct writer_stats stats = {.commits = w->commits, .works = w->works, .losses = w->losses, .waiting = w->waiting};
    pthread_mutex_unlock(&w->mutex);
    return stats;
}
