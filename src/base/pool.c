/* base/pool.c: threads that take work from one bounded queue. */
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

enum { NAME_BYTES = 16 }; /* what Linux keeps of a thread's name, with the NUL */

struct task {
    void (*work)(void *argument, void *local);
    void *argument;
};

struct pool {
    char name[NAME_BYTES];
    void *(*thread_start)(void *context);
    void (*thread_end)(void *local);
    void *context;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t has_work;
    bool is_stopping;
    unsigned running, queued, first, room; /* room = threads + waiting: `running` and `queued` share it */
    struct task *ring;
    unsigned threads;
    pthread_t *thread;
};

static void *allocate(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (!p)
        die("out of memory: %zu times %zu bytes", n, size);
    return p;
}

/* False: the pool stops and nothing waits. */
static bool next_task(struct pool *p, struct task *ret)
{
    pthread_mutex_lock(&p->lock);
    while (p->queued == 0 && !p->is_stopping)
        pthread_cond_wait(&p->has_work, &p->lock);
    bool has_task = p->queued > 0;
    if (has_task) {
        *ret = p->ring[p->first];
        p->first = (p->first + 1) % p->room;
        p->queued--;
        p->running++;
    }
    pthread_mutex_unlock(&p->lock);
    return has_task;
}

static void *thread_main(void *argument)
{
    struct pool *p = argument;
    struct task task;
    void *local = p->thread_start ? p->thread_start(p->context) : NULL;
    while (next_task(p, &task)) {
        task.work(task.argument, local);
        pthread_mutex_lock(&p->lock);
        p->running--;
        pthread_mutex_unlock(&p->lock);
    }
    if (p->thread_end)
        p->thread_end(local);
    return NULL;
}

/* Signals are the main thread's. */
static void start_threads(struct pool *p)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < p->threads; i++) {
        if (pthread_create(&p->thread[i], NULL, thread_main, p) != 0)
            die("%s: cannot start a thread", p->name);
        pthread_setname_np(p->thread[i], p->name);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct pool *pool_new(const char *name, unsigned threads, unsigned waiting, void *(*thread_start)(void *context),
                      void (*thread_end)(void *local), void *context)
{
    if (threads == 0 || waiting > 1U << 20 || threads > 1U << 10)
        die("pool %s: %u threads, %u waiting", name, threads, waiting);
    struct pool *p = allocate(1, sizeof(*p));
    snprintf(p->name, sizeof(p->name), "%.15s", name);
    p->thread_start = thread_start;
    p->thread_end = thread_end;
    p->context = context;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->has_work, NULL);
    p->room = threads + waiting;
    p->ring = allocate(p->room, sizeof(*p->ring));
    p->threads = threads;
    p->thread = allocate(threads, sizeof(*p->thread));
    start_threads(p);
    return p;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->is_stopping = true;
    pthread_cond_broadcast(&p->has_work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->threads; i++)
        pthread_join(p->thread[i], NULL);
    pthread_cond_destroy(&p->has_work);
    pthread_mutex_destroy(&p->lock);
    free(p->ring);
    free(p->thread);
    free(p);
}

result pool_run(struct pool *p, void (*work)(void *argument, void *local), void *argument, struct err *e)
{
    pthread_mutex_lock(&p->lock);
    bool is_full = p->is_stopping || p->running + p->queued == p->room;
    if (!is_full) {
        p->ring[(p->first + p->queued) % p->room] = (struct task){work, argument};
        p->queued++;
        pthread_cond_signal(&p->has_work);
    }
    pthread_mutex_unlock(&p->lock);
    return is_full ? FAIL(e, BUSY, "%s: the queue is full", p->name) : SUCCESS;
}
