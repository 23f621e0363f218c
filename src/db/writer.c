/* db/writer.c: the one writer: its queue and its thread. The groups are writer_group.c. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "db/writer_group.h"

enum { WAITING_MAX = 4096, WAITING_BYTES_MAX = 32 << 20 };

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

struct work *writer_take_next(struct writer *w)
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

bool writer_wait_for_company(struct writer *w, size_t wanted, int64_t until)
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

static void *write_groups(void *argument)
{
    struct writer *w = argument;
    while (wait_for_work(w)) {
        struct work *work;
        while (w->is_broken && (work = writer_take_next(w)))
            writer_finish_with(work, INTERNAL, "the store's device has failed");
        if (!w->is_broken)
            writer_write_group(w);
        db_checkpoint(w->db);
        writer_give_up_if_device_failed(w);
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
