/* common/watchdog.c: one timer for one operation. */
#include "common/watchdog.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { GRACE_S = 3, EXIT_STUCK = 3 };

static volatile sig_atomic_t guarded_socket = -1;
static volatile sig_atomic_t has_fired;
static int64_t began, deadline;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    if (has_fired)
        _exit(EXIT_STUCK);
    has_fired = 1;
    if (guarded_socket >= 0)
        shutdown(guarded_socket, SHUT_RDWR);
}

void watchdog_start(int64_t seconds)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    has_fired = 0;
    guarded_socket = -1;
    began = clock_monotonic();
    deadline = began + seconds * SECONDS;
    struct itimerval timer = {.it_value.tv_sec = seconds, .it_interval.tv_sec = GRACE_S};
    setitimer(ITIMER_REAL, &timer, NULL);
}

void watchdog_start_half(int64_t seconds)
{
    watchdog_start((seconds + 1) / 2);
}

void watchdog_go_on(int64_t seconds)
{
    int64_t left = seconds - (clock_monotonic() - began) / SECONDS;
    watchdog_start(left > 0 ? left : 1);
}

void watchdog_guard(int socket)
{
    guarded_socket = socket;
    if (has_fired && socket >= 0)
        shutdown(socket, SHUT_RDWR);
}

void watchdog_stop(void)
{
    struct itimerval none = {0};
    setitimer(ITIMER_REAL, &none, NULL);
    guarded_socket = -1;
}

bool watchdog_has_expired(void)
{
    return has_fired || clock_monotonic() >= deadline;
}

int watchdog_left_ms(void)
{
    int64_t left = deadline - clock_monotonic();
    return left > 0 ? (int)(left / 1000) : 0;
}
