/* unit/accounts/schedule.c: month ends, leap years, strictly after. */
#include "fixture.h"

static int64_t at(const char *text)
{
    int64_t t;
    assert_true(time_parse(str_of(text), &t));
    return t;
}

static void expect(const char *type, int64_t days, const char *change_time, const char *from, const char *wanted)
{
    int64_t next = schedule_next(str_of(type), days, str_of(change_time), at(from));
    if (next != at(wanted)) {
        struct arena *a = arena_new();
        fail_msg("%s %s from %s: %s, not %s", type, change_time, from, arena_cstr(a, time_format(a, next, TIME_BARE)),
                 wanted);
    }
}

static void test_first_of_month(void **state)
{
    (void)state;
    expect("first", 0, "23:30", "2025-01-05T09:12:33", "2025-02-01T23:30:00");
    expect("first", 0, "23:30", "2025-02-01T23:29:59.999999", "2025-02-01T23:30:00");
    expect("first", 0, "23:30", "2025-02-01T23:30:00", "2025-03-01T23:30:00"); /* strictly after */
    expect("first", 0, "23:30", "2025-02-01T23:30:00.000001", "2025-03-01T23:30:00");
    expect("first", 0, "00:00", "2024-12-31T23:59:59", "2025-01-01T00:00:00");
    expect("first", 0, "00:00", "2025-12-01T00:00:00", "2026-01-01T00:00:00");
}

static void test_last_of_month(void **state)
{
    (void)state;
    expect("last", 0, "02:00", "2024-02-10", "2024-02-29T02:00:00");
    expect("last", 0, "02:00", "2025-02-10", "2025-02-28T02:00:00");
    expect("last", 0, "02:00", "2100-02-10", "2100-02-28T02:00:00"); /* no leap year */
    expect("last", 0, "02:00", "2000-02-10", "2000-02-29T02:00:00");
    expect("last", 0, "02:00", "2025-01-31T02:00:00", "2025-02-28T02:00:00");
    expect("last", 0, "02:00", "2025-01-31T01:59:59", "2025-01-31T02:00:00");
    expect("last", 0, "02:00", "2025-03-31T12:00:00", "2025-04-30T02:00:00");
    expect("last", 0, "02:00", "2025-12-31T02:00:00", "2026-01-31T02:00:00");
    expect("last", 0, "02:00", "2024-01-31T23:59:59", "2024-02-29T02:00:00");
}

static void test_every_n_days(void **state)
{
    (void)state;
    expect("xdays", 30, "02:00", "2025-01-05T09:12:33.47", "2025-02-04T02:00:00");
    expect("xdays", 1, "00:00", "2024-02-28T23:59:59", "2024-02-29T00:00:00");
    expect("xdays", 1, "23:59", "2024-12-31T00:00:00", "2025-01-01T23:59:00");
    expect("xdays", 999, "12:00", "2024-01-01T12:00:00", "2026-09-26T12:00:00");
    expect("xdays", 0, "12:00", "2024-01-01T13:00:00", "2024-01-02T12:00:00"); /* never now or before */
    expect("xdays", -5, "12:00", "2024-01-01T13:00:00", "2024-01-02T12:00:00");
}

static void test_always_strictly_after(void **state)
{
    (void)state;
    static const char *const types[] = {"first", "last", "xdays"};
    int64_t from = at("2023-12-30T00:00:00");
    for (int64_t minutes = 0; minutes < 800 * 24 * 60; minutes += 397)
        for (size_t i = 0; i < 3; i++) {
            int64_t t = from + minutes * MINUTES, next = schedule_next(str_of(types[i]), 1, S("07:41"), t);
            assert_true(next > t);
            assert_true(next - t <= 62 * DAYS);
            assert_int_equal(next % DAYS, 7 * HOURS + 41 * MINUTES);
        }
}

/* Years far away, and a clock that was set to one. */
static void test_far_away(void **state)
{
    (void)state;
    expect("first", 0, "23:30", "2099-12-31T23:59:59", "2100-01-01T23:30:00");
    expect("last", 0, "00:00", "2400-02-01", "2400-02-29T00:00:00");
    expect("last", 0, "23:59", "9998-12-31T23:59:00", "9999-01-31T23:59:00");
    expect("xdays", 1, "00:00", "2100-02-28T12:00:00", "2100-03-01T00:00:00");
    expect("xdays", 999, "00:00", "1970-01-01T00:00:00", "1972-09-26T00:00:00");
    expect("first", 0, "00:00", "1970-01-01T00:00:00", "1970-02-01T00:00:00");
    expect("xdays", 366, "05:00", "2024-02-29T05:00:00", "2025-03-01T05:00:00");
    expect("xdays", 365, "05:00", "2023-02-28T05:00:00", "2024-02-28T05:00:00");
}

/* Whoever slept over several dates gets the one date that lies ahead, not those that he missed. */
static void test_only_the_next_of_many(void **state)
{
    (void)state;
    expect("xdays", 1, "04:00", "2025-06-10T09:00:00", "2025-06-11T04:00:00");
    expect("first", 0, "04:00", "2035-06-10T09:00:00", "2035-07-01T04:00:00");
    expect("last", 0, "04:00", "2035-06-30T04:00:00", "2035-07-31T04:00:00");
}

static void test_once_a_day(void **state)
{
    (void)state;
    enum { ACCOUNTS = 2400 };
    unsigned in_hour[24] = {0};
    int64_t now = at("2025-01-05T09:12:33");
    for (int64_t id = 1; id <= ACCOUNTS; id++) {
        int64_t next = schedule_daily(id, now);
        assert_true(next > now && next <= now + DAYS);
        assert_int_equal(schedule_daily(id, next), next + DAYS); /* the same time of day, strictly after */
        assert_int_equal(schedule_daily(id, next - 1), next);
        in_hour[next % DAYS / HOURS]++;
    }
    for (size_t i = 0; i < 24; i++)
        if (in_hour[i] < ACCOUNTS / 48 || in_hour[i] > ACCOUNTS / 12)
            fail_msg("%u of %d in hour %zu", in_hour[i], ACCOUNTS, i);
}

static void test_time_of_day(void **state)
{
    (void)state;
    static const char *const good[] = {"00:00", "23:59", "09:05"};
    static const char *const bad[] = {"",      "24:00", "23:60", "9:05",   "09:5",  "09:05:00", " 9:05", "0905",
                                      "ab:cd", "09-05", "-1:00", "09:05 ", "+9:05", "1:234",    "99:99"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(schedule_time_is_valid(str_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (schedule_time_is_valid(str_of(bad[i])))
            fail_msg("\"%s\" passes", bad[i]);
    assert_false(schedule_time_is_valid(STR_ABSENT));
    assert_int_equal(schedule_on_date(at("2025-02-04T17:00:00"), S("02:30")), at("2025-02-04T02:30:00"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_of_month),        cmocka_unit_test(test_last_of_month),
        cmocka_unit_test(test_every_n_days),          cmocka_unit_test(test_always_strictly_after),
        cmocka_unit_test(test_time_of_day),           cmocka_unit_test(test_far_away),
        cmocka_unit_test(test_only_the_next_of_many), cmocka_unit_test(test_once_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
