/* main/clock.c: signals, and the clockwork: waits that are over, schedules, checkpoints, tidying. */
#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "cluster/node.h"
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
    uint64_t seconds;
    int64_t now; /* the clockwork's */
    bool made_jobs, has_ticked;
};

enum { BEAT_EVERY_S = 5 };

/* Half of the way there and back is how long ago the store has read it. */
result server_follow_clock(struct server *s, struct db *db, struct err *e)
{
    int64_t now = 0, before = clock_monotonic();
    if (!store_is_shared(s->store))
        return SUCCESS;
    TRY(db_clock(db, &now, e));
    clock_follow(now + (clock_monotonic() - before) / 2);
    return SUCCESS;
}

static struct str urls_of(const struct server *s, struct arena *a)
{
    struct str text = S("");
    for (size_t i = 0; i < s->url_count; i++)
        text = arena_printf(a, "%.*s%s%.*s", STR_ARG(text), i ? "\n" : "", STR_ARG(s->urls[i]));
    return text;
}

/* What every server does for itself. */
static result keep_alive(struct beat *b, struct db *db, int64_t now, struct err *e)
{
    struct server *s = b->s;
    struct node node = {
        .name = s->name, .version = S(KEYTURN_VERSION), .urls = urls_of(s, b->a), .started_at = s->service.started_at};
    TRY(rotation_renew(s->rotation, db, b->a, now, e));
    return store_is_shared(s->store) ? node_beat(db, &node, now, e) : SUCCESS;
}

static result each_second(struct db *db, void *argument, struct err *e)
{
    struct beat *b = argument;
    bool is_ours = true;
    TRY(server_follow_clock(b->s, db, e));
    if (b->seconds % BEAT_EVERY_S == 1)
        TRY(keep_alive(b, db, clock_now(), e));
    if (store_is_shared(b->s->store))
        TRY(lease_take(db, b->a, "clockwork", b->s->name, clock_now(), &is_ours, e));
    if (!is_ours)
        return SUCCESS;
    b->has_ticked = true;
    return rotation_tick(db, b->a, b->s->keys, &b->s->clockwork, b->now, &b->made_jobs, e);
}

static result each_minute(struct db *db, void *argument, struct err *e)
{
    struct beat *b = argument;
    int64_t now = clock_now();
    TRY(identity_tidy(db, now, e));
    return tokens_renew(b->s->tokens, db, now, e);
}

void heads_keep(const struct server *s, struct arena *a)
{
    struct err e;
    struct str heads = audit_heads_text(s->audit, a);
    if (heads.n > 0 && !is_ok(line_write(a, s->options->data, "heads", heads, &e)))
        log_warning("the heads of the audit's chains cannot be kept: %s", e.text);
}

static const char clock_file[] = "clock";

struct str name_of_boot(struct arena *a)
{
    return line_read(a, "/proc/sys/kernel/random", "boot_id");
}

static void keep_belief(const struct server *s, struct arena *a)
{
    struct err e;
    if (!is_ok(line_write(a, s->options->data, clock_file, clockwork_line(&s->clockwork, name_of_boot(a), a), &e)))
        log_warning("what the clock is believed to be cannot be kept: %s", e.text);
}

static void warn_unless(result r, const char *what, const struct err *e)
{
    if (!is_ok(r))
        log_warning("%s: %s; tried again", what, e->text);
}

static void beat_second(struct server *s, struct arena *a, uint64_t seconds)
{
    struct beat b = {
        .s = s, .a = a, .seconds = seconds, .now = clockwork_now(&s->clockwork, clock_now(), clock_since_boot())};
    struct err e = {0};
    audit_flush(s->audit, s->writer, false);
    result r = writer_do(s->writer, each_second, &b, &e);
    warn_unless(r, "schedule", &e);
    if (is_ok(r) && b.has_ticked)
        clockwork_has_mended(&s->clockwork);
    if (b.made_jobs)
        rotation_wake(s->rotation);
    if (seconds % 60 != 0)
        return;
    warn_unless(writer_do(s->writer, each_minute, &b, &e), "tidying", &e);
    warn_unless(audit_checkpoint(s->audit, s->writer, &e), "checkpoint", &e);
    heads_keep(s, a);
    keep_belief(s, a);
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
    keep_belief(s, a);
    arena_free(a);
    return NULL;
}

result server_start_clock(struct server *s, struct err *e)
{
    clockwork_resume(&s->clockwork, line_read(s->arena, s->options->data, clock_file), name_of_boot(s->arena),
                     clock_since_boot());
    (void)clockwork_now(&s->clockwork, clock_now(), clock_since_boot());
    keep_belief(s, s->arena);
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
