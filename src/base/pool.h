/* base/pool.h: a bounded pool of threads for CPU work and for searches. */
#pragma once

#include "base/result.h"

struct pool;

/* threads run at once, waiting may queue up. `thread_start`/`thread_end` (may be NULL) run once in each thread and
 * give and take back what `work` gets as its `local` (a reader connection). */
struct pool *pool_new(const char *name, unsigned threads, unsigned waiting, void *(*thread_start)(void *context),
                      void (*thread_end)(void *local), void *context);
void pool_free(struct pool *p); /* finishes what waits, joins */
/* BUSY at once when the queue is full. `work` runs on a thread of the pool. */
RESULT pool_run(struct pool *p, void (*work)(void *argument, void *local), void *argument, struct err *e);
