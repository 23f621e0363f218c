/* db/writer.c: the one writer and its group commit. */
#include "db/writer.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { GROUP_WORKS_MAX = 64, GROUP_US_MAX = 5000, WAITING_MAX = 4096, WAITING_BYTES_MAX = 32 << 20 };
enum { TRIES = 3, REACH_PAUSE_MS = 200 };
enum { CAREFUL_GROUPS = 256, TURN_TRIES = 20, TURN_PAUSE_MS = 1 };
#define PATIENCE (10 * SECONDS) /* a group waits so long for a lost store, from its beginning on */

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
    uint64_t commits, works, losses, collisions;
    /* The writer's thread alone: */
    size_t company;        /* works that were here when the last group ended */
    int64_t commit_us;     /* what its commit took */
    bool needs_contact;    /* the connection is new, or lost */
    bool is_in_doubt;      /* a COMMIT was under way when it was lost */
    int64_t patient_until; /* monotonic */
    int careful_groups;    /* so many more are written in turn with the other servers */
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

static struct timespec timespec_of(int64_t monotonic)
{
    return (struct timespec){.tv_sec = monotonic / SECONDS, .tv_nsec = monotonic % SECONDS * 1000};
}

/* False when there will be none any more. While the store is lost it returns now and then without any. */
static bool wait_for_work(struct writer *w)
{
    struct timespec end = timespec_of(clock_monotonic() + REACH_PAUSE_MS * 1000);
    int rc = 0;
    pthread_mutex_lock(&w->mutex);
    while (!w->waiting && !w->is_stopping && rc == 0)
        rc = w->needs_contact ? pthread_cond_timedwait(&w->has_work, &w->mutex, &end)
                              : pthread_cond_wait(&w->has_work, &w->mutex);
    bool goes_on = w->waiting > 0 || !w->is_stopping;
    pthread_mutex_unlock(&w->mutex);
    return goes_on;
}

/* Until `wanted` works wait, or a step, or until that time of the monotonic clock. False when none waits then. */
static bool wait_for_company(struct writer *w, size_t wanted, int64_t until)
{
    struct timespec end = timespec_of(until);
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

static void count_loss(struct writer *w)
{
    pthread_mutex_lock(&w->mutex);
    w->losses++;
    w->collisions += db_has_collided(w->db);
    pthread_mutex_unlock(&w->mutex);
    give_up_if_device_failed(w);
}

static void note_loss(struct writer *w)
{
    if (db_has_collided(w->db))
        w->careful_groups = CAREFUL_GROUPS;
    db_rollback(w->db);
    if (w->hooks.after_loss)
        w->hooks.after_loss(w->db, w->hooks.context);
    count_loss(w);
}

/* Nothing happens on a new connection before the audit has looked at it. *ret_stands: of the group in doubt. */
static result make_contact(struct writer *w, bool *ret_stands, struct err *e)
{
    *ret_stands = false;
    TRY(db_reach(w->db, e));
    if (w->hooks.contact)
        TRY(w->hooks.contact(w->db, w->hooks.context, ret_stands, e));
    w->needs_contact = false;
    return SUCCESS;
}

/* The store was lost in the middle of a group. True: its COMMIT had come through. False: nothing of it stands, and the
 * store is back (needs_contact is false) or not. */
static bool outlast_loss(struct writer *w)
{
    struct err ignored;
    bool stands = false;
    db_rollback(w->db);
    w->needs_contact = true;
    w->is_in_doubt = db_is_in_doubt(w->db);
    while (!is_ok(make_contact(w, &stands, &ignored)) && clock_monotonic() < w->patient_until)
        usleep(REACH_PAUSE_MS * 1000);
    return !w->needs_contact && w->is_in_doubt && stands;
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

/* Whoever has just collided takes turns for a while with those that have, too. Nobody waits long for a server that has
 * stopped in the middle of a group. */
static result begin(struct writer *w, struct err *e)
{
    bool is_turn = true;
    if (w->careful_groups > 0)
        w->careful_groups--;
    else
        return db_begin(w->db, e);
    for (int tries = 0; tries < TURN_TRIES; tries++) {
        result r = db_begin_in_turn(w->db, &is_turn, e);
        if (is_ok(r) && is_turn)
            return r;
        db_rollback(w->db);
        if (!is_ok(r))
            return r;
        usleep(TURN_PAUSE_MS * 1000);
    }
    return db_begin(w->db, e);
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

static void refuse_unreached(struct writer *w, struct work *work)
{
    if (w->is_in_doubt)
        finish_with(work, BUSY,
                    "the store was lost while this was being written, and whether it stands is not known yet: look "
                    "before you ask again");
    else
        finish_with(work, BUSY, "the store cannot be reached");
}

/* One more try, in a group of its own. */
static result try_alone(struct writer *w, struct work *work, struct err *why)
{
    TRY(begin(w, why));
    run_in_savepoint(w, work);
    /* Its own error says more than that of the COMMIT that cannot be. */
    if (db_is_in_transaction(w->db))
        return commit(w, why);
    *why = work->why;
    return is_ok(work->outcome) ? FAIL(why, INTERNAL, "the store has rolled the transaction back") : work->outcome;
}

/* After a loss. What fails now has failed for good, unless it was a collision. */
static void run_alone(struct writer *w, struct work *work)
{
    for (int tries = 1; !w->is_broken && !w->needs_contact; tries++) {
        struct err why = {0};
        result r = try_alone(w, work, &why);
        bool is_lost = db_is_lost(w->db), has_collided = db_has_collided(w->db);
        if (!is_ok(r) && is_lost && outlast_loss(w))
            r = SUCCESS;
        if (is_ok(r)) {
            count_commit(w, 1);
            finish(work);
            return;
        }
        if (is_lost)
            count_loss(w);
        else
            note_loss(w);
        if (w->is_broken || (tries < TRIES && (has_collided || is_lost)))
            continue;
        work->outcome = r;
        work->why = why;
        finish(work);
        return;
    }
    if (w->is_broken)
        finish_with(work, INTERNAL, "the store's device has failed");
    else
        refuse_unreached(w, work);
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
    w->patient_until = clock_monotonic() + PATIENCE;
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

/* After a collision: a commit each would cost them more than it did. False: nothing of the group stands. */
static bool run_together(struct writer *w, struct group *g)
{
    struct err ignored;
    if (!is_ok(begin(w, &ignored)))
        return false;
    for (size_t i = 0; i < g->n; i++) {
        run_in_savepoint(w, g->works[i]);
        if (!db_is_in_transaction(w->db))
            return false;
    }
    return is_ok(commit(w, &ignored));
}

static result begin_group(struct writer *w, struct err *why)
{
    bool stands; /* its works have been told already that it was not known */
    if (w->needs_contact)
        TRY(make_contact(w, &stands, why));
    return begin(w, why);
}

/* All that wait now: each has waited as long as the attempt to reach the store took. */
static void refuse_waiting(struct writer *w, enum code code, const char *text)
{
    struct work *work;
    pthread_mutex_lock(&w->mutex);
    size_t left = w->waiting;
    pthread_mutex_unlock(&w->mutex);
    while (left-- > 0 && (work = take_next(w)))
        finish_with(work, code, text);
}

static void refuse_group(struct writer *w, const struct err *why)
{
    w->needs_contact = w->needs_contact || db_is_lost(w->db);
    give_up_if_device_failed(w);
    refuse_waiting(w, why->code, why->text);
}

static void finish_group(struct writer *w, struct group *g)
{
    w->company = count_commit(w, g->n);
    for (size_t i = 0; i < g->n; i++)
        finish(g->works[i]);
}

static void write_group(struct writer *w)
{
    struct group g = {0};
    struct err why = {0};
    if (!is_ok(begin_group(w, &why))) {
        refuse_group(w, &why);
        return;
    }
    if (run_group(w, &g)) {
        finish_group(w, &g);
        return;
    }
    for (int tries = 1; g.n > 1 && tries < TRIES && db_has_collided(w->db); tries++) {
        note_loss(w);
        if (run_together(w, &g)) {
            finish_group(w, &g);
            return;
        }
    }
    bool is_lost = db_is_lost(w->db);
    if (is_lost && outlast_loss(w)) {
        finish_group(w, &g);
        return;
    }
    if (is_lost)
        count_loss(w);
    else
        note_loss(w);
    for (size_t i = 0; i < g.n; i++)
        run_alone(w, g.works[i]);
    if (w->needs_contact)
        refuse_waiting(w, BUSY, "the store cannot be reached");
}

static void *write_groups(void *argument)
{
    struct writer *w = argument;
    while (wait_for_work(w)) {
        struct work *work;
        while (w->is_broken && (work = take_next(w)))
            finish_with(work, INTERNAL, "the store's device has failed");
        if (!w->is_broken)
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
    struct writer_stats stats = {.commits = w->commits,
                                 .works = w->works,
                                 .losses = w->losses,
                                 .collisions = w->collisions,
                                 .waiting = w->waiting};
    pthread_mutex_unlock(&w->mutex);
    return stats;
}
