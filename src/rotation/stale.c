/* rotation/stale.c: how long readers still got the old password, counted by bounds. */
#include "rotation/rotation.h"

const int64_t rotation_stale_bounds_us[STALE_BOUNDS] = {1000,    2000,    5000,     10000,    20000,
                                                        50000,   100000,  200000,   500000,   1000000,
                                                        2000000, 5000000, 10000000, 20000000, 60000000};

void rotation_count_stale(struct rotation_stats *stats, int64_t stale_us)
{
    size_t i = 0;
    while (i < STALE_BOUNDS && stale_us > rotation_stale_bounds_us[i])
        i++;
    stats->stale[i]++;
    stats->stale_us += stale_us;
}
