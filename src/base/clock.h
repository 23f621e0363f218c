/* base/clock.h: time inside is int64_t microseconds since 1970 UTC. 0 means "never" where a time is optional. */
#pragma once

#include "base/arena.h"

#define SECONDS INT64_C(1000000)
#define MINUTES (60 * SECONDS)
#define HOURS   (60 * MINUTES)
#define DAYS    (24 * HOURS)

int64_t clock_now(void);        /* wall clock: this machine's, or the one that is followed */
int64_t clock_monotonic(void);  /* for durations and deadlines */
int64_t clock_since_boot(void); /* the same, but the machine's sleep counts */

/* It is `now`: from here on clock_now() goes on from there with the monotonic clock, until it is told again. Servers
 * that share a store follow the store's clock, so that none of them jumps with its machine's. Any thread. */
void clock_follow(int64_t now);

enum time_format {
    TIME_Z_MICRO,  /* 2024-05-02T07:01:22.462253Z   Control Room vault objects */
    TIME_Z_MILLI,  /* 2025-01-05T09:12:33.470Z      our own API */
    TIME_Z_SECOND, /* 2024-02-11T09:15:04Z          Control Room user management */
    TIME_BARE,     /* 2024-12-10T08:57:45.9         Password Safe 3.5: no zone, fraction trimmed, none when zero */
};
struct str time_format(struct arena *a, int64_t t, enum time_format format);
/* ISO 8601: 0-9 fraction digits; Z, +-hh:mm or nothing (UTC); a bare date is midnight. Years 1970 to 9999. */
bool time_parse(struct str s, int64_t *ret);

struct civil {
    int year, month, day, hour, minute, second, micro;
};
struct civil time_to_civil(int64_t t);
int64_t time_from_civil(struct civil c); /* day and month may overflow and are normalised */
