/* tests/targets/clock_shift.c: LD_PRELOAD: the wall clock of one program is wrong by CLOCK_SHIFT_S seconds, and by as
 * many more as the 64-bit number in CLOCK_SHIFT_FILE says, which a test changes while the program runs: the clock
 * jumps. Waits until a time of day end as they would on a machine whose clock is wrong. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
enum { NEVER_MONOTONIC_S = 1000000000 }; /* no machine has been up for so long */
enum { SLICE_NS = 50 * 1000 * 1000, SECOND_NS = 1000 * 1000 * 1000 };
static volatile const int64_t *jump_s; /* NULL: the clock never jumps */

__attribute__((constructor)) static void map_jump(void)
{
    const char *path = getenv("CLOCK_SHIFT_FILE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *jump_s, PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (mapped != MAP_FAILED)
        jump_s = mapped;
    else if (path)
        abort();
}

static time_t shift_s(void)
{
    const char *text = getenv("CLOCK_SHIFT_S");
    return (text ? (time_t)strtol(text, NULL, 10) : 0) + (jump_s ? (time_t)*jump_s : 0);
}

static int real(clockid_t clock, struct timespec *at)
{
    return (int)syscall(SYS_clock_gettime, clock, at);
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *at)
{
    int rc = real(clock, at);
    if (rc == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += shift_s();
    return rc;
}

EXPORT int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    real(CLOCK_REALTIME, &now);
    *at = (struct timeval){.tv_sec = now.tv_sec + shift_s(), .tv_usec = now.tv_nsec / 1000};
    return 0;
}

EXPORT time_t time(time_t *at)
{
    struct timespec now;
    real(CLOCK_REALTIME, &now);
    now.tv_sec += shift_s();
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}

static struct timespec kernels(const struct timespec *until)
{
    struct timespec at = *until;
    if (at.tv_sec > NEVER_MONOTONIC_S)
        at.tv_sec -= shift_s();
    return at;
}

static int (*next_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

static int is_before(const struct timespec *one, const struct timespec *other)
{
    return one->tv_sec < other->tv_sec || (one->tv_sec == other->tv_sec && one->tv_nsec < other->tv_nsec);
}

/* The kernel measures such a wait anew when the clock is set. */
static int wait_while_clock_jumps(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
    int rc = ETIMEDOUT;
    struct timespec now;
    for (clock_gettime(CLOCK_REALTIME, &now); rc == ETIMEDOUT && is_before(&now, until);
         clock_gettime(CLOCK_REALTIME, &now)) {
        struct timespec end = kernels(until), slice;
        real(CLOCK_REALTIME, &slice);
        slice.tv_nsec += SLICE_NS;
        slice.tv_sec += slice.tv_nsec / SECOND_NS;
        slice.tv_nsec %= SECOND_NS;
        rc = next_timedwait(cond, mutex, is_before(&end, &slice) ? &end : &slice);
    }
    return rc;
}

EXPORT int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                                  const struct timespec *restrict until)
{
    if (!next_timedwait)
        *(void **)&next_timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (jump_s && until->tv_sec > NEVER_MONOTONIC_S)
        return wait_while_clock_jumps(cond, mutex, until);
    struct timespec at = kernels(until);
    return next_timedwait(cond, mutex, &at);
}

EXPORT int pthread_timedjoin_np(pthread_t thread, void **value, const struct timespec *until)
{
    static int (*next)(pthread_t, void **, const struct timespec *);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "pthread_timedjoin_np");
    struct timespec at = kernels(until);
    return next(thread, value, &at);
}
