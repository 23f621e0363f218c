/* rotation/line_pool.h: lines whose functional session is kept for the next job on the same system (design 5).
 * Thread-safe.
 */
#pragma once

#include "rotation/line.h"

struct line_pool;

struct line_pool *line_pool_new(void);
void line_pool_free(struct line_pool *p); /* closes all lines; NULL is fine */
/* A kept line that was set up exactly so; NULL: none. It is the caller's. */
struct line *line_pool_take(struct line_pool *p, const struct line_setup *setup);
/* The job is over: keep its line for a while when it may serve again, else close it. NULL is fine. */
void line_pool_give(struct line_pool *p, struct line *l);
/* Close what nobody has wanted for 20 s: before the connector, which waits for 30 s, goes by itself. */
void line_pool_tidy(struct line_pool *p);
