/* rotation/fence.h: until when an attempt of which nothing is known may still reach the target (design 4). jobs.fence
 * holds when it was sent, by a clock that nobody sets, and then seconds, "" for none, or "session TOKEN". */
#pragma once

#include "base/arena.h"

#define FENCE_SESSION "session "

/* how: what follows the moment. boot: the kernel's name of this boot of the machine; empty: the moment is left out. */
struct str fence_text(struct arena *a, struct str boot, struct str how);
/* µs until it is over; 0: it is. Of another boot, or another machine's, the wall clock counts, from sent_at on.
 * otherwise_s: where no seconds are named. */
int64_t fence_left(struct str fence, struct str boot, int64_t sent_at, int64_t otherwise_s);
/* *ret_token: the session that it is made in, to be ended by line_fence. */
bool fence_is_session(struct str fence, struct str *ret_token);
