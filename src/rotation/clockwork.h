/* rotation/clockwork.h: which time the clockwork goes by. A clock that jumps ahead is not believed for an hour: what
 * the jump alone makes due is neither turned nor ended; put right within that hour, it has left no trace. */
#pragma once

#include "base/str.h"

struct clockwork {
    bool is_set;
    bool has_gone_back; /* or nobody has looked yet: times in the store may lie in a future that is far */
    int64_t back_at;    /* since boot: when that was seen */
    int64_t wall, boot; /* the time that was believed last, and the time since boot then */
    int64_t held_since; /* since boot; 0: the clock is believed */
    int64_t from, to;   /* a jump that was believed in the end; 0: none */
};
/* The time to go by. Once a second, with the wall clock and clock_since_boot(), which counts sleep and never jumps. */
int64_t clockwork_now(struct clockwork *c, int64_t wall, int64_t since_boot);
/* The times in the store were looked at. For a minute it is done again: who took the time before the jump writes later.
 */
void clockwork_has_mended(struct clockwork *c);
/* Became due by a jump of the clock alone. */
bool clockwork_has_skipped(const struct clockwork *c, int64_t due_at);
