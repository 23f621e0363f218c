/* base/log.c: one whole line per call, nothing that a terminal obeys. */
#include "base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <regex.h>

#include "check.h"

enum { THREADS = 4, LINES = 200 };

/* Run with stderr in a file; what was written comes back. */
static struct str captured(struct arena *a, void (*function)(void))
{
    char name[] = "/tmp/keyturn-log-XXXXXX";
    int file = mkstemp(name), saved = dup(STDERR_FILENO);
    assert_true(file >= 0 && saved >= 0);
    unlink(name);
    fcntl(file, F_SETFL, O_APPEND);
    dup2(file, STDERR_FILENO);
    function();
    dup2(saved, STDERR_FILENO);
    close(saved);
    off_t n = lseek(file, 0, SEEK_END);
    char *text = arena_alloc(a, (size_t)n + 1);
    assert_int_equal(pread(file, text, (size_t)n, 0), n);
    close(file);
    return (struct str){text, (size_t)n};
}

static bool matches(struct str text, const char *pattern)
{
    regex_t r;
    assert_int_equal(regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB), 0);
    int found = regexec(&r, text.p, 0, NULL, 0);
    regfree(&r);
    return found == 0;
}

#define STAMP "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z "

static void log_forgery(void)
{
    log_warning("name %s", "x\n2026-01-01T00:00:00Z info forged\x1b[31m\x7f\xC2\x9b\tend é");
}

static void a_line_cannot_be_forged(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct str text = captured(a, log_forgery);
    assert_true(matches(text, STAMP "warning name x\\?2026-01-01T00:00:00Z info forged\\?\\[31m\\?\\?\\?\\?end é\n$"));
    assert_int_equal(str_find_char(text, '\n'), (ptrdiff_t)text.n - 1);
}

static void log_levels(void)
{
    log_debug("hidden");
    log_set_level(LOG_ERROR);
    log_warning("hidden");
    log_error("shown %d", 1);
    log_set_level(LOG_DEBUG);
    log_debug("shown %d", 2);
    log_set_level(LOG_INFO);
}

static void levels_are_kept(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct str text = captured(a, log_levels);
    assert_int_equal(str_find(text, S("hidden")), -1);
    struct str first = str_cut(&text, '\n');
    assert_true(str_ends(first, S(" error shown 1")));
    assert_true(str_ends(text, S(" debug shown 2\n")));
}

static void log_long(void)
{
    char text[10000];
    memset(text, 'x', sizeof(text));
    log_info("%.*s", (int)sizeof(text), text);
}

static void a_long_line_is_cut_and_ends(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct str text = captured(a, log_long);
    assert_in_range(text.n, 4000, 4096);
    assert_int_equal(str_find_char(text, '\n'), (ptrdiff_t)text.n - 1);
}

static void *write_lines(void *argument)
{
    for (int i = 0; i < LINES; i++)
        log_info("thread %d says a line of some length", *(int *)argument);
    return NULL;
}

static void log_from_threads(void)
{
    pthread_t thread[THREADS];
    int number[THREADS];
    for (int i = 0; i < THREADS; i++) {
        number[i] = i;
        assert_int_equal(pthread_create(&thread[i], NULL, write_lines, &number[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

static void threads_do_not_mix_their_lines(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct str text = captured(a, log_from_threads);
    int lines = 0;
    for (; text.n > 0; lines++) {
        struct str line = str_cut(&text, '\n');
        assert_true(matches(arena_str(a, line), STAMP "info thread [0-3] says a line of some length$"));
    }
    assert_int_equal(lines, THREADS * LINES);
}

static void die_now(void)
{
    die("a state that must not be: %d", 7);
}

static void dying_aborts(void **state)
{
    (void)state;
    assert_dies(die_now);
}

RUN(cmocka_unit_test(a_line_cannot_be_forged), cmocka_unit_test(levels_are_kept),
    cmocka_unit_test(a_long_line_is_cut_and_ends), cmocka_unit_test(threads_do_not_mix_their_lines),
    cmocka_unit_test(dying_aborts))
