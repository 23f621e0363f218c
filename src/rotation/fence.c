/* rotation/fence.c: "@BOOT MICROSECONDS " in front of what the connector said. */
#include "rotation/fence.h"

#include <inttypes.h>

#include "base/clock.h"
#include "rotation/line.h"

struct str fence_text(struct arena *a, struct str boot, struct str how)
{
    if (boot.n == 0)
        return how;
    return arena_printf(a, "@%.*s %" PRId64 " %.*s", STR_ARG(boot), clock_since_boot(), STR_ARG(how));
}

/* What the connector said. *ret_at: since this boot; -1: unknown. */
static struct str how_of(struct str fence, struct str boot, int64_t *ret_at)
{
    *ret_at = -1;
    if (!str_starts(fence, S("@")))
        return fence;
    struct str name = str_cut(&fence, ' '), at = str_cut(&fence, ' ');
    int64_t since_boot;
    if (boot.n > 0 && str_equal(str_sub(name, 1, name.n), boot) && str_to_int(at, 0, clock_since_boot(), &since_boot))
        *ret_at = since_boot;
    return fence;
}

int64_t fence_left(struct str fence, struct str boot, int64_t sent_at, int64_t otherwise_s)
{
    int64_t at, seconds = otherwise_s;
    (void)str_to_int(how_of(fence, boot, &at), 1, FENCE_S_MAX, &seconds); /* else nothing bounds it but the time-out */
    int64_t left = at >= 0 ? at + seconds * SECONDS - clock_since_boot() : sent_at + seconds * SECONDS - clock_now();
    return left > 0 ? left : 0;
}

bool fence_is_session(struct str fence, struct str *ret_token)
{
    int64_t at;
    struct str how = how_of(fence, S(""), &at);
    *ret_token = str_sub(how, sizeof(FENCE_SESSION) - 1, how.n);
    return str_starts(how, S(FENCE_SESSION));
}
