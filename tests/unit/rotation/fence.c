/* unit/rotation/fence.c: how long an attempt may still reach the target, whatever the wall clock says by now. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "rotation/fence.h"

#define HERE S("6d1d5b2a-here")

static int make_arena(void **state)
{
    *state = arena_new();
    return 0;
}

static int drop_arena(void **state)
{
    arena_free(*state);
    return 0;
}

static void assert_about(int64_t left, int64_t seconds)
{
    assert_true(left > (seconds - 2) * SECONDS && left <= seconds * SECONDS);
}

static void no_jump_of_the_wall_clock_ends_it(void **state)
{
    struct str fence = fence_text(*state, HERE, S("60"));
    int64_t now = clock_now();
    assert_about(fence_left(fence, HERE, now, 5), 60);
    assert_about(fence_left(fence, HERE, now - 1 * DAYS, 5), 60);
    assert_about(fence_left(fence, HERE, now + 1 * DAYS, 5), 60);
}

static void it_ends_by_the_clock_that_nobody_sets(void **state)
{
    struct str fence =
        arena_printf(*state, "@%.*s %lld 60", STR_ARG(HERE), (long long)(clock_since_boot() - 61 * SECONDS));
    if (clock_since_boot() > 61 * SECONDS)
        assert_int_equal(fence_left(fence, HERE, clock_now(), 5), 0);
    fence = arena_printf(*state, "@%.*s %lld 60", STR_ARG(HERE), (long long)clock_since_boot());
    assert_about(fence_left(fence, HERE, clock_now(), 5), 60);
}

static void of_another_boot_the_wall_clock_counts(void **state)
{
    int64_t now = clock_now();
    struct str texts[] = {S("60"), fence_text(*state, S("another"), S("60")), S("@6d1d5b2a-here 99999999999999999 60"),
                          S("@6d1d5b2a-here x 60"), fence_text(*state, S(""), S("60"))};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        assert_about(fence_left(texts[i], HERE, now, 5), 60);
        assert_int_equal(fence_left(texts[i], HERE, now - 61 * SECONDS, 5), 0);
    }
    assert_about(fence_left(fence_text(*state, HERE, S("60")), S(""), now, 5), 60);
}

static void without_seconds_the_time_out_counts(void **state)
{
    struct str hows[] = {S(""), S("0"), S("3601"), S("session 12:ab")};
    for (size_t i = 0; i < sizeof(hows) / sizeof(*hows); i++)
        assert_about(fence_left(fence_text(*state, HERE, hows[i]), HERE, clock_now(), 20), 20);
}

static void a_session_is_named(void **state)
{
    struct str token;
    assert_true(fence_is_session(fence_text(*state, HERE, S(FENCE_SESSION "12:ab cd")), &token));
    assert_true(str_equal(token, S("12:ab cd")));
    assert_true(fence_is_session(S("session 12:ab"), &token) && str_equal(token, S("12:ab")));
    assert_false(fence_is_session(fence_text(*state, HERE, S("5")), &token));
    assert_false(fence_is_session(S(""), &token));
    assert_false(fence_is_session(S("@"), &token));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_arena, drop_arena)
    const struct CMUnitTest tests[] = {
        TEST(no_jump_of_the_wall_clock_ends_it),
        TEST(it_ends_by_the_clock_that_nobody_sets),
        TEST(of_another_boot_the_wall_clock_counts),
        TEST(without_seconds_the_time_out_counts),
        TEST(a_session_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
