/* rotation/clockwork.c: a clock that jumps, and what it leaves behind. */
#include "rotation/clockwork.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"

#define JUMP      (5 * MINUTES)
#define HELD_FOR  (1 * HOURS)
#define MENDS_FOR (1 * MINUTES)

/* Who stood here before, or wrote a time meanwhile, may have had another clock. */
static void begin(struct clockwork *c, int64_t since_boot, bool was_ahead)
{
    c->has_gone_back = true;
    c->was_ahead = was_ahead;
    c->back_at = since_boot;
}

static int64_t believe(struct clockwork *c, int64_t wall, int64_t since_boot)
{
    c->is_set = true;
    c->wall = wall;
    c->boot = since_boot;
    return wall;
}

static int64_t gone_back(struct clockwork *c, int64_t wall, int64_t since_boot)
{
    begin(c, since_boot, c->held_since > 0 || wall < c->to);
    c->held_since = 0;
    if (wall < c->to)
        c->from = c->to = 0;
    return believe(c, wall, since_boot);
}

/* Held: goes on from what was believed last. Believed after all: what lies between is skipped, not done. */
static int64_t jumped_ahead(struct clockwork *c, int64_t wall, int64_t expected, int64_t since_boot)
{
    if (!c->held_since) {
        log_error("the clock has jumped %" PRId64
                  " s ahead; what that alone makes due is not done: put it right within "
                  "an hour, or it is skipped until its next date",
                  (wall - expected) / SECONDS);
        c->held_since = since_boot;
    }
    if (since_boot - c->held_since < HELD_FOR)
        return believe(c, expected, since_boot);
    log_warning("the clock's jump is believed from now on");
    c->held_since = 0;
    c->from = expected;
    c->to = wall;
    return believe(c, wall, since_boot);
}

int64_t clockwork_now(struct clockwork *c, int64_t wall, int64_t since_boot)
{
    if (!c->is_set) {
        begin(c, since_boot, false);
        return believe(c, wall, since_boot);
    }
    int64_t expected = c->wall + (since_boot - c->boot);
    if (wall > expected + JUMP)
        return jumped_ahead(c, wall, expected, since_boot);
    if (wall < expected - JUMP)
        return gone_back(c, wall, since_boot);
    if (c->held_since) {
        log_warning("the clock is right again");
        begin(c, since_boot, true);
    }
    c->held_since = 0;
    return believe(c, wall, since_boot);
}

void clockwork_has_mended(struct clockwork *c)
{
    c->has_gone_back = c->has_gone_back && c->boot - c->back_at < MENDS_FOR;
}

bool clockwork_has_skipped(const struct clockwork *c, int64_t due_at)
{
    return due_at > c->from && due_at <= c->to;
}

/* ---- over a restart ---- */

enum { NUMBERS = 5 };

struct str clockwork_line(const struct clockwork *c, struct str boot, struct arena *a)
{
    return arena_printf(a, "%.*s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, STR_ARG(boot), c->wall,
                        c->boot, c->held_since, c->from, c->to);
}

void clockwork_resume(struct clockwork *c, struct str line, struct str boot, int64_t since_boot)
{
    int64_t n[NUMBERS];
    if (!boot.n || !str_equal(str_cut(&line, ' '), boot))
        return;
    for (size_t i = 0; i < NUMBERS; i++)
        if (!str_to_int(str_cut(&line, ' '), 0, INT64_MAX, &n[i]))
            return;
    if (n[1] > since_boot || n[2] > since_boot)
        return;
    *c = (struct clockwork){.is_set = true, .wall = n[0], .boot = n[1], .held_since = n[2], .from = n[3], .to = n[4]};
    begin(c, since_boot, false);
}
