/* base/log.h: one line per event on stderr: time, level, what, and what to do. Any thread. Never a secret, never a
 * raw path or query. The layer that decides logs, once. */
#pragma once

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

void log_set_level(enum log_level least);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_line(LOG_ERROR, __VA_ARGS__)

/* A state that must not happen: log, abort. No core is written. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
