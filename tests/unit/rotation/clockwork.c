/* unit/rotation/clockwork.c: which time is believed when the wall clock jumps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "rotation/clockwork.h"

#define START (20000 * DAYS)

struct hands { /* the two clocks of a machine */
    struct clockwork c;
    int64_t wall, boot;
};

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

static int64_t pass(struct hands *h, int64_t time)
{
    h->wall += time;
    h->boot += time;
    return clockwork_now(&h->c, h->wall, h->boot);
}

static int64_t pass_seconds(struct hands *h, int64_t seconds)
{
    int64_t now = 0;
    for (int64_t i = 0; i < seconds; i++)
        now = pass(h, SECONDS);
    return now;
}

static void expect_belief(struct hands *h)
{
    int64_t now = pass(h, SECONDS);
    assert_int_equal(now, h->wall);
}

static struct hands started(void)
{
    struct hands h = {.wall = START, .boot = 77 * SECONDS};
    assert_int_equal(clockwork_now(&h.c, h.wall, h.boot), START);
    return h;
}

static void test_the_first_look_is_believed(void **state)
{
    (void)state;
    struct hands h = started();
    assert_true(h.c.has_gone_back); /* whoever stood here before may have had another clock */
    assert_int_equal(pass_seconds(&h, 100), START + 100 * SECONDS);
    assert_false(clockwork_has_skipped(&h.c, START));
    assert_false(clockwork_has_skipped(&h.c, 0));
}

/* A server that starts `time` later on the same boot, with the line of the one before. */
static struct hands restarted(const struct hands *before, struct arena *a, int64_t time)
{
    struct hands h = {.wall = before->wall + time, .boot = before->boot + time};
    clockwork_resume(&h.c, clockwork_line(&before->c, S("boot-1"), a), S("boot-1"), h.boot);
    return h;
}

static void test_a_restart_makes_nobody_believe_a_jump(void **state)
{
    struct arena *a = *state;
    struct hands before = started();
    before.wall += 1 * DAYS; /* while it is off, or just before */
    struct hands h = restarted(&before, a, 10 * SECONDS);
    assert_int_equal(pass(&h, SECONDS), START + 11 * SECONDS);
    assert_true(h.c.has_gone_back);
    struct hands again = restarted(&h, a, 30 * MINUTES);
    assert_int_equal(pass(&again, SECONDS), START + 30 * MINUTES + 12 * SECONDS);
    again = restarted(&again, a, 30 * MINUTES); /* an hour is an hour, however often it is started in it */
    expect_belief(&again);
    assert_true(clockwork_has_skipped(&again.c, START + 12 * HOURS));
    again = restarted(&again, a, SECONDS);
    expect_belief(&again);
    assert_true(clockwork_has_skipped(&again.c, START + 12 * HOURS));
}

static void test_a_clock_put_right_between_two_starts_is_believed(void **state)
{
    struct arena *a = *state;
    struct hands before = started();
    before.wall += 1 * DAYS;
    (void)pass(&before, SECONDS);
    before.wall -= 1 * DAYS;
    struct hands h = restarted(&before, a, SECONDS);
    expect_belief(&h);
    assert_int_equal(h.c.held_since, 0);
}

static void test_a_line_of_another_boot_says_nothing(void **state)
{
    struct arena *a = *state;
    struct hands before = started();
    const struct str good = clockwork_line(&before.c, S("boot-1"), a);
    const struct str lines[] = {STR_ABSENT,
                                S(""),
                                S("boot-1"),
                                S("boot-1 1 2 3 4"),
                                S("boot-1 1 -2 3 4 5"),
                                S("boot-1 1 99999999999999999 3 4 5"),
                                S("boot-1 x 2 3 4 5")};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct clockwork c = {0};
        clockwork_resume(&c, lines[i], S("boot-1"), before.boot);
        assert_false(c.is_set);
    }
    struct clockwork c = {0};
    clockwork_resume(&c, good, S("boot-2"), before.boot);
    assert_false(c.is_set);
    clockwork_resume(&c, good, S("boot-1"), before.boot - SECONDS); /* written later than now */
    assert_false(c.is_set);
    clockwork_resume(&c, good, S("boot-1"), before.boot);
    assert_true(c.is_set);
}

static void test_sleep_is_no_jump(void **state)
{
    (void)state;
    struct hands h = started();
    assert_int_equal(pass(&h, 30 * DAYS), START + 30 * DAYS);
    assert_false(clockwork_has_skipped(&h.c, START + 10 * DAYS));
}

static void test_a_small_step_is_believed(void **state)
{
    (void)state;
    struct hands h = started();
    h.c.has_gone_back = false;
    h.wall += 4 * MINUTES;
    expect_belief(&h);
    h.wall -= 4 * MINUTES;
    expect_belief(&h);
    assert_false(h.c.has_gone_back);
}

static void jump_and_return(int64_t jump)
{
    struct hands h = started();
    h.wall += jump;
    assert_int_equal(pass_seconds(&h, 3599), START + 3599 * SECONDS);
    h.wall -= jump;
    assert_int_equal(pass_seconds(&h, 10000), START + (3599 + 10000) * SECONDS);
    assert_false(clockwork_has_skipped(&h.c, START + jump / 2));
}

static void test_a_jump_that_is_put_right(void **state)
{
    (void)state;
    jump_and_return(1 * DAYS);
    jump_and_return(31 * DAYS);
    jump_and_return(3653 * DAYS);
}

static void test_a_jump_that_stays(void **state)
{
    (void)state;
    struct hands h = started();
    h.wall += 10 * DAYS;
    (void)pass_seconds(&h, 3700);
    expect_belief(&h);
    assert_true(clockwork_has_skipped(&h.c, START + 5 * DAYS));
    assert_true(clockwork_has_skipped(&h.c, START + 9 * DAYS));
    assert_false(clockwork_has_skipped(&h.c, START)); /* was due before */
    assert_false(clockwork_has_skipped(&h.c, h.wall + 1));
    assert_false(clockwork_has_skipped(&h.c, h.wall - 1)); /* became due since */
    h.wall -= 10 * DAYS;
    expect_belief(&h);
    assert_false(clockwork_has_skipped(&h.c, START + 5 * DAYS)); /* and ahead again */
}

static void test_two_jumps_are_one(void **state)
{
    (void)state;
    struct hands h = started();
    h.wall += 1 * DAYS;
    (void)pass_seconds(&h, 1800);
    h.wall += 1 * DAYS;
    assert_int_equal(pass_seconds(&h, 1700), START + 3500 * SECONDS);
    (void)pass_seconds(&h, 200);
    assert_int_equal(clockwork_now(&h.c, h.wall, h.boot), h.wall);
    assert_true(clockwork_has_skipped(&h.c, START + 2 * DAYS - HOURS));
}

static void test_backwards_is_believed_at_once(void **state)
{
    (void)state;
    struct hands h = started();
    h.c.has_gone_back = false;
    h.wall -= 3653 * DAYS;
    expect_belief(&h);
    assert_true(h.c.has_gone_back);
    (void)pass_seconds(&h, 100);
    expect_belief(&h);
}

/* Whoever did not ask the clockwork has written times of the jump meanwhile. */
static void test_a_jump_that_is_put_right_leaves_times_to_be_mended(void **state)
{
    (void)state;
    struct hands h = started();
    (void)pass_seconds(&h, 100);
    h.c.has_gone_back = false;
    h.wall += 30 * DAYS;
    int64_t held = pass(&h, SECONDS);
    assert_int_equal(held, h.wall - 30 * DAYS);
    assert_false(h.c.has_gone_back);
    h.wall -= 30 * DAYS;
    expect_belief(&h);
    assert_true(h.c.has_gone_back && h.c.was_ahead);
    assert_int_equal(h.c.back_at, h.boot);
}

/* Behind now, or ahead before: who has not seen it jump ahead cannot tell. */
static void test_only_a_jump_that_was_seen_is_known_to_be_undone(void **state)
{
    (void)state;
    struct hands h = started();
    assert_false(h.c.was_ahead);
    h.wall -= 30 * DAYS;
    expect_belief(&h);
    assert_true(h.c.has_gone_back && !h.c.was_ahead);
    h.wall += 60 * DAYS;
    (void)pass_seconds(&h, 3700); /* believed after all */
    h.wall -= 30 * DAYS;
    expect_belief(&h);
    assert_true(h.c.was_ahead);
}

static void test_times_are_mended_for_a_minute(void **state)
{
    (void)state;
    struct hands h = started();
    (void)pass_seconds(&h, 100);
    clockwork_has_mended(&h.c);
    assert_false(h.c.has_gone_back);
    h.wall -= DAYS;
    expect_belief(&h);
    clockwork_has_mended(&h.c);
    assert_true(h.c.has_gone_back); /* a writer may be under way with the time of before */
    (void)pass_seconds(&h, 58);
    clockwork_has_mended(&h.c);
    assert_true(h.c.has_gone_back);
    (void)pass_seconds(&h, 3);
    clockwork_has_mended(&h.c);
    assert_false(h.c.has_gone_back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_look_is_believed),
        cmocka_unit_test(test_sleep_is_no_jump),
        cmocka_unit_test(test_a_small_step_is_believed),
        cmocka_unit_test(test_a_jump_that_is_put_right),
        cmocka_unit_test(test_a_jump_that_stays),
        cmocka_unit_test(test_two_jumps_are_one),
        cmocka_unit_test(test_backwards_is_believed_at_once),
        cmocka_unit_test(test_a_jump_that_is_put_right_leaves_times_to_be_mended),
        cmocka_unit_test(test_only_a_jump_that_was_seen_is_known_to_be_undone),
        cmocka_unit_test(test_times_are_mended_for_a_minute),
        cmocka_unit_test(test_a_restart_makes_nobody_believe_a_jump),
        cmocka_unit_test(test_a_clock_put_right_between_two_starts_is_believed),
        cmocka_unit_test(test_a_line_of_another_boot_says_nothing),
    };
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
