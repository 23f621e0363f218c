/* base/check.h: what the tests of base share. */
#pragma once

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/result.h"
#include "base/scope.h"

DEFINE_AUTOFREE(arena)

#define RUN(...)                                                                                                       \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                                               \
        return cmocka_run_group_tests(tests, NULL, NULL);                                                              \
    }

/* The text must be exactly this, and not absent. */
#define assert_text(s, wanted)                                                                                         \
    do {                                                                                                               \
        struct str got_ = (s);                                                                                         \
        assert_non_null(got_.p);                                                                                       \
        if (!str_equal(got_, str_of(wanted)))                                                                          \
            fail_msg("got \"%.*s\", wanted \"%s\"", STR_ARG(got_), (wanted));                                          \
    } while (0)

#define assert_code(r, wanted) assert_string_equal(code_name((r).code), code_name(wanted))

/* The function must end the process by abort(). */
static inline void assert_dies(void (*function)(void))
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(STDERR_FILENO);
        function();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
