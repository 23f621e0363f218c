/* base/log.c: lines on stderr. Allocates nothing: it must work when memory is gone. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_BYTES_MAX = 4096 };

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARNING] = "warning", [LOG_ERROR] = "error"};

static atomic_int least_level = LOG_INFO;

void log_set_level(enum log_level least)
{
    atomic_store(&least_level, (int)least);
}

/* C0, DEL and C1 (C2 80 to C2 9F): a terminal that shows the log obeys them. */
static void replace_controls(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c < 0x20 || c == 0x7F) {
            p[i] = '?';
        } else if (c == 0xC2 && i + 1 < n && ((unsigned char)p[i + 1] & 0xE0) == 0x80) {
            p[i] = '?';
            p[i + 1] = '?';
        }
    }
}

__attribute__((format(printf, 2, 0))) static void write_line(enum log_level level, const char *format,
                                                             va_list arguments)
{
    char line[LINE_BYTES_MAX];
    struct civil c = time_to_civil(clock_now());
    size_t room = sizeof(line) - 1; /* one byte is the line's end */
    int head = snprintf(line, room, "%04d-%02d-%02dT%02d:%02d:%02dZ %s ", c.year, c.month, c.day, c.hour, c.minute,
                        c.second, level_names[level]);
    int text = vsnprintf(line + head, room - (size_t)head, format, arguments);
    if (text < 0)
        text = 0;
    size_t n = (size_t)head + (size_t)text;
    if (n > room - 1)
        n = room - 1;
    replace_controls(line, n);
    line[n++] = '\n';
    while (write(STDERR_FILENO, line, n) < 0 && errno == EINTR)
        ;
}

void log_line(enum log_level level, const char *format, ...)
{
    if ((int)level < atomic_load(&least_level))
        return;
    int saved = errno;
    va_list arguments;
    va_start(arguments, format);
    write_line(level, format, arguments);
    va_end(arguments);
    errno = saved;
}

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(LOG_ERROR, format, arguments);
    va_end(arguments);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
    abort();
}
