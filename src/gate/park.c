/* gate/park.c: calls that wait for a job without a thread or a transaction. */
#include "gate/internal.h"

static bool has_settled(const struct gate *g, int64_t job_id, size_t before)
{
    size_t kept_from = g->settled_next > SETTLED_RING ? g->settled_next - SETTLED_RING : 0;
    for (size_t i = before > kept_from ? before : kept_from; job_id != 0 && i < g->settled_next; i++)
        if (g->settled[i % SETTLED_RING] == job_id)
            return true;
    return false;
}

static void resume(struct gate_call *gc, bool has_timed_out)
{
    gc->call.was_parked = true;
    gc->call.has_timed_out = has_timed_out;
    gc->park_us = 0;
    call_dispatch(gc, gc->call.row->answer ? gc->call.row->answer : gc->call.row->handle);
}

static void end_busy(struct gate_call *gc)
{
    if (gc->call.job_id == 0)
        gc->outcome = FAIL(&gc->why, BUSY, "The server is busy or stopping");
    else
        gc->outcome =
            FAIL(&gc->why, BUSY, "The server is busy or stopping; job %" PRId64 " goes on by itself", gc->call.job_id);
    call_finish(gc);
}

void call_park_now(struct gate_call *gc)
{
    struct gate *g = gc->gate;
    gc->park_until = clock_monotonic() + gc->park_us;
    pthread_mutex_lock(&g->lock);
    bool is_full = g->parked_count == PARKED_MAX || g->is_stopping;
    bool is_over = has_settled(g, gc->call.job_id, gc->settled_before);
    if (!is_full && !is_over) {
        gc->next = g->parked;
        g->parked = gc;
        g->parked_count++;
    }
    pthread_mutex_unlock(&g->lock);
    if (is_over)
        resume(gc, false);
    else if (is_full)
        end_busy(gc);
}

/* Take out of the list what `matches`; the lock is held. */
static struct gate_call *take_parked(struct gate *g, bool (*matches)(const struct gate_call *gc, int64_t what),
                                     int64_t what)
{
    struct gate_call *taken = NULL;
    for (struct gate_call **at = &g->parked; *at;) {
        struct gate_call *gc = *at;
        if (!matches(gc, what)) {
            at = &gc->next;
            continue;
        }
        *at = gc->next;
        g->parked_count--;
        gc->next = taken;
        taken = gc;
    }
    return taken;
}

static bool waits_for(const struct gate_call *gc, int64_t job_id)
{
    return gc->call.job_id == job_id;
}

static bool is_due(const struct gate_call *gc, int64_t now)
{
    return gc->park_until <= now;
}

static bool is_any(const struct gate_call *gc, int64_t unused)
{
    (void)gc;
    (void)unused;
    return true;
}

void gate_job_settled(struct gate *g, int64_t job_id)
{
    pthread_mutex_lock(&g->lock);
    g->settled[g->settled_next % SETTLED_RING] = job_id;
    g->settled_next++;
    struct gate_call *woken = take_parked(g, waits_for, job_id);
    pthread_mutex_unlock(&g->lock);
    while (woken) {
        struct gate_call *gc = woken;
        woken = gc->next;
        resume(gc, false);
    }
}

size_t gate_parked_jobs(struct gate *g, int64_t *ret_ids, size_t max)
{
    size_t n = 0;
    pthread_mutex_lock(&g->lock);
    for (const struct gate_call *gc = g->parked; gc && n < max; gc = gc->next)
        if (gc->call.job_id)
            ret_ids[n++] = gc->call.job_id;
    pthread_mutex_unlock(&g->lock);
    return n;
}

void gate_tick(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    struct gate_call *over = take_parked(g, is_due, clock_monotonic());
    pthread_mutex_unlock(&g->lock);
    while (over) {
        struct gate_call *gc = over;
        over = gc->next;
        resume(gc, true);
    }
}

void park_end_all(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    struct gate_call *all = take_parked(g, is_any, 0);
    pthread_mutex_unlock(&g->lock);
    while (all) {
        struct gate_call *gc = all;
        all = gc->next;
        end_busy(gc);
    }
}
