/* main/clock.c: signals, and the clockwork: waits that are over, schedules, checkpoints, tidying. */
#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "identity/upkeep.h"
#include "main/server.h"

static sigset_t stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

result server_block_signals(struct err *e)
{
    sigset_t set = stop_signals();
    signal(SIGPIPE, SIG_IGN);
    return pthread_sigmask(SIG_BLOCK, &set, NULL) == 0 ? SUCCESS : FAIL(e, INTERNAL, "cannot block signals");
}

static void *signals_main(void *argument)
{
    sigset_t set = stop_signals();
    int got;
    while (sigwait(&set, &got) != 0)
        ;
    server_stop(argument);
    return NULL;
}

struct beat {
    struct server *s;
    struct arena *a;
    bool made_jobs;
};

static result each_second(struct db *db, void *argument, struct err *e)
{
    struct beat *b = argument;
    return rotation_tick(db, b->a, b->s->keys, clock_now(), &b->made_jobs, e);
}

static result each_minute(struct db *db, void *argument, struct err *e)
{
    struct beat *b = argument;
    int64_t now = clock_now();
    TRY(identity_tidy(db, now, e));
    return tokens_renew(b->s->tokens, db, now, e);
}

static void warn_unless(result r, const char *what, const struct err *e)
{
    if (!is_ok(r))
        log_warning("%s: %s; tried again", what, e->text);
}

static void beat_second(struct server *s, struct arena *a, uint64_t seconds)
{
    struct beat b = {.s = s, .a = a};
    struct err e = {0};
    audit_flush(s->audit, s->writer, false);
    warn_unless(writer_do(s->writer, each_second, &b, &e), "schedule", &e);
    if (b.made_jobs)
        rotation_wake(s->rotation);
    if (seconds % 60 != 0)
        return;
    warn_unless(writer_do(s->writer, each_minute, &b, &e), "tidying", &e);
    warn_unless(audit_checkpoint(s->audit, s->writer, &e), "checkpoint", &e);
}

static void *clock_main(void *argument)
{
    struct server *s = argument;
    struct arena *a = arena_new();
    for (uint64_t tenths = 1; !s->clock_stops; tenths++) {
        usleep(100000);
        gate_tick(s->gate);
        if (tenths % 10 != 0)
            continue;
        arena_reset(a);
        beat_second(s, a, tenths / 10);
    }
    arena_free(a);
    return NULL;
}

result server_start_clock(struct server *s, struct err *e)
{
    if (pthread_create(&s->clock, NULL, clock_main, s) != 0 || pthread_create(&s->signals, NULL, signals_main, s) != 0)
        return FAIL(e, INTERNAL, "cannot start the clock's thread");
    s->has_clock = true;
    return SUCCESS;
}

void server_stop_clock(struct server *s)
{
    s->clock_stops = true;
    if (!s->has_clock)
        return;
    pthread_join(s->clock, NULL);
    pthread_cancel(s->signals); /* it waits for a signal that has not come, or has done its work */
    pthread_join(s->signals, NULL);
}
