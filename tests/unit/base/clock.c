/* base/clock.c: civil dates against the C library's, four formats, hostile times. */
#include "base/clock.h"

#include "check.h"

static void civil_dates_agree_with_the_c_library(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 8030 * 365; day += 1 + day % 7) {
        int64_t t = day * DAYS + 86399 * SECONDS + 999999;
        time_t seconds = t / SECONDS;
        struct tm wanted;
        gmtime_r(&seconds, &wanted);
        struct civil c = time_to_civil(t);
        assert_int_equal(c.year, wanted.tm_year + 1900);
        assert_int_equal(c.month, wanted.tm_mon + 1);
        assert_int_equal(c.day, wanted.tm_mday);
        assert_int_equal(c.hour * 10000 + c.minute * 100 + c.second, 235959);
        assert_int_equal(c.micro, 999999);
        assert_int_equal(time_from_civil(c), t);
    }
    assert_int_equal(time_to_civil(-1).year, 1969);
    assert_int_equal(time_to_civil(-1).micro, 999999);
}

static void overflowing_days_and_months_are_normalised(void **state)
{
    (void)state;
    struct civil c = time_to_civil(time_from_civil((struct civil){2023, 14, 30, 0, 0, 0, 0}));
    assert_true(c.year == 2024 && c.month == 3 && c.day == 1);
    c = time_to_civil(time_from_civil((struct civil){2024, 0, 0, 0, 0, 0, 0}));
    assert_true(c.year == 2023 && c.month == 11 && c.day == 30);
    c = time_to_civil(time_from_civil((struct civil){2024, -11, 1, 0, 0, 0, 0}));
    assert_true(c.year == 2023 && c.month == 1 && c.day == 1);
}

static void every_format_is_written(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    int64_t t;
    assert_true(time_parse(S("2024-05-02T07:01:22.462253Z"), &t));
    assert_text(time_format(a, t, TIME_Z_MICRO), "2024-05-02T07:01:22.462253Z");
    assert_text(time_format(a, t, TIME_Z_MILLI), "2024-05-02T07:01:22.462Z");
    assert_text(time_format(a, t, TIME_Z_SECOND), "2024-05-02T07:01:22Z");
    assert_text(time_format(a, t, TIME_BARE), "2024-05-02T07:01:22.462253");
}

static void a_bare_fraction_is_trimmed(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    int64_t t;
    assert_true(time_parse(S("2024-12-10T08:57:45.9"), &t));
    assert_text(time_format(a, t, TIME_BARE), "2024-12-10T08:57:45.9");
    assert_text(time_format(a, t, TIME_Z_MICRO), "2024-12-10T08:57:45.900000Z");
    assert_text(time_format(a, 0, TIME_BARE), "1970-01-01T00:00:00");
}

static void every_notation_is_read(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    static const char *const good[][2] = {
        {"2024-02-29", "2024-02-29T00:00:00.000000Z"},
        {"2024-02-29T10:00:00", "2024-02-29T10:00:00.000000Z"},
        {"2024-02-29t10:00:00z", "2024-02-29T10:00:00.000000Z"},
        {"2024-02-29T01:00:00+02:00", "2024-02-28T23:00:00.000000Z"},
        {"2024-12-31T23:30:00.5-01:30", "2025-01-01T01:00:00.500000Z"},
        {"2024-02-29T10:00:00.1234567Z", "2024-02-29T10:00:00.123456Z"},
        {"2024-02-29T10:00:00.123456789Z", "2024-02-29T10:00:00.123456Z"},
        {"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
        {"1970-01-01", "1970-01-01T00:00:00.000000Z"},
        {"2000-02-29", "2000-02-29T00:00:00.000000Z"},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        int64_t t;
        assert_true(time_parse(str_of(good[i][0]), &t));
        assert_text(time_format(a, t, TIME_Z_MICRO), good[i][1]);
    }
}

static const char *const hostile[] = {"",
                                      "2024",
                                      "2024-02",
                                      "2024-02-30",
                                      "2023-02-29",
                                      "2100-02-29",
                                      "2024-04-31",
                                      "2024-00-01",
                                      "2024-13-01",
                                      "2024-01-00",
                                      "2024-01-32",
                                      "2024-01-99",
                                      "1969-12-31",
                                      "10000-01-01",
                                      "-024-01-01",
                                      "2024-1-01",
                                      "2024-01--1",
                                      "2024-01-01T",
                                      "2024-01-01 10:00:00",
                                      "2024-01-01T10:00",
                                      "2024-01-01T24:00:00",
                                      "2024-01-01T10:60:00",
                                      "2024-01-01T10:00:60",
                                      "2024-01-01T10:00:00.",
                                      "2024-01-01T10:00:00.Z",
                                      "2024-01-01T10:00:00.1234567890Z",
                                      "2024-01-01T10:00:00ZZ",
                                      "2024-01-01T10:00:00+1:00",
                                      "2024-01-01T10:00:00+0100",
                                      "2024-01-01T10:00:00+24:00",
                                      "2024-01-01T10:00:00+01:60",
                                      "2024-01-01T10:00:00 Z",
                                      "1970-01-01T00:00:00+00:01",
                                      "9999-12-31T23:59:59-00:01",
                                      " 2024-01-01"};

static void hostile_times_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
        int64_t t = 77;
        if (time_parse(str_of(hostile[i]), &t) || t != 77)
            fail_msg("accepted %s", hostile[i]);
    }
    int64_t t;
    assert_false(time_parse(STR_ABSENT, &t));
}

static void the_clocks_run(void **state)
{
    (void)state;
    int64_t wall = clock_now(), from = clock_monotonic();
    assert_true(wall > time_from_civil((struct civil){2024, 1, 1, 0, 0, 0, 0}));
    usleep(2000);
    assert_in_range(clock_monotonic() - from, 2000, 10 * SECONDS);
}

RUN(cmocka_unit_test(civil_dates_agree_with_the_c_library),
    cmocka_unit_test(overflowing_days_and_months_are_normalised), cmocka_unit_test(every_format_is_written),
    cmocka_unit_test(a_bare_fraction_is_trimmed), cmocka_unit_test(every_notation_is_read),
    cmocka_unit_test(hostile_times_are_refused), cmocka_unit_test(the_clocks_run))
