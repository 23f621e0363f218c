/* rotation/rotation_internal.h: what the dispatcher (rotation.c) and the workers (worker.c) share. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "rotation/job.h"
#include "rotation/rotation.h"

enum { WORKERS_MAX = ROTATION_LANES_MAX };
#define LOOK_AGAIN_MS 500
#define LENT_AFTER    (3 * SECONDS) /* a job that takes as long lends its lane */

struct rotation {
    struct rotation_config config;
    pthread_t dispatcher, workers[WORKERS_MAX];
    unsigned worker_count;
    pthread_mutex_t lock;
    pthread_cond_t wake, work;
    struct job waiting[WORKERS_MAX]; /* claimed, not yet taken by a worker; ids and epochs only */
    size_t waiting_count;
    int64_t running[WORKERS_MAX]; /* jobs in the workers' hands, */
    int64_t since[WORKERS_MAX];   /* and since when; monotonic */
    size_t running_count;
    unsigned lanes;
    bool is_woken;
    atomic_bool is_stopping;
    struct rotation_stats stats;
    pthread_mutex_t looking_at_key; /* held by the one call that does */
};

void *worker_main(void *rotation); /* a thread, until the engine stops */
/* What outlives the arena that it was read into: the ids and the epoch. */
struct job job_bare(const struct job *j);
