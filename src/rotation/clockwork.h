/* rotation/clockwork.h: which time the clockwork goes by. A clock that jumps ahead is not believed for an hour: what
 * the jump alone makes due is neither turned nor ended; put right within that hour, it has left no trace. */
#pragma once

#include "base/arena.h"

struct clockwork {
    bool is_set;
    bool has_gone_back; /* or a jump was put right, or nobody has looked yet: times in the store may lie in a future
                           that is far */
    bool was_ahead;     /* of these, a jump that is undone: what lies ahead is certainly not meant. Else it may be that
                           the clock is behind now */
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

/* What it believes, as a line for the server's next start; boot: the kernel's name of this boot of the machine. */
struct str clockwork_line(const struct clockwork *c, struct str boot, struct arena *a);
/* Before the first look: goes on from such a line, so that a restart makes nobody believe a jump. One of another boot,
 * or none, is left: whether a machine that was off has slept or jumped cannot be told. */
void clockwork_resume(struct clockwork *c, struct str line, struct str boot, int64_t since_boot);
