/* common/watchdog.h: an operation ends at its deadline, whatever a library waits for. */
#pragma once

#include "base/clock.h"

/* Start the time of one operation. At its end the guarded socket is shut down, so that whoever waits on it fails at
 * once; three seconds later the process ends. */
void watchdog_start(int64_t seconds);
/* The same for the first of two attempts, which gets half of the time; the second one gets all that is left of it. */
void watchdog_start_half(int64_t seconds);
void watchdog_go_on(int64_t seconds);
void watchdog_guard(int socket); /* -1: none */
void watchdog_stop(void);
bool watchdog_has_expired(void);
int watchdog_left_ms(void); /* at least 0 */
