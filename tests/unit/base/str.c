/* base/str.c: absent and empty texts, ends of ranges, numbers. */
#include "check.h"

static void numbers_are_exact(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "0x1",
                                      "1e2",
                                      "--1",
                                      "1-1",
                                      "a",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        int64_t value = 77;
        assert_false(str_to_int(str_of(bad[i]), INT64_MIN, INT64_MAX, &value));
        assert_int_equal(value, 77);
    }
    int64_t value;
    assert_true(str_to_int(S("9223372036854775807"), INT64_MIN, INT64_MAX, &value) && value == INT64_MAX);
    assert_true(str_to_int(S("-9223372036854775808"), INT64_MIN, INT64_MAX, &value) && value == INT64_MIN);
    assert_true(str_to_int(S("007"), 7, 7, &value) && value == 7);
    assert_false(str_to_int(S("8"), 0, 7, &value));
    assert_false(str_to_int(S("-1"), 0, 7, &value));
    assert_false(str_to_int(STR_ABSENT, 0, 7, &value));
}

static void numbers_come_back_from_text(void **state)
{
    static const int64_t values[] = {INT64_MIN, INT64_MIN + 1, -10, -9, -1, 0, 1, 9, 10, 99, 100, INT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char room[INT_TEXT_BYTES], expected[32];
        snprintf(expected, sizeof(expected), "%lld", (long long)values[i]);
        assert_true(str_equal(str_from_int(values[i], room), str_of(expected)));
    }
}

static void absent_equals_empty(void **state)
{
    (void)state;
    assert_true(str_equal(STR_ABSENT, S("")) && str_equal_fold(S(""), STR_ABSENT));
    assert_false(str_is_set(str_of(NULL)));
    assert_true(str_is_set(S("")));
    assert_false(str_equal(S("a"), STR_ABSENT));
    assert_false(str_is_set(str_sub(STR_ABSENT, 3, 3)));
}

static void folding_is_ascii_only(void **state)
{
    (void)state;
    assert_true(str_equal_fold(S("Content-TYPE"), S("cONTENT-type")));
    assert_false(str_equal_fold(S("[a"), S("{A")));
    assert_false(str_equal_fold(S("Ä"), S("ä")));
    assert_false(str_equal(S("a"), S("A")));
}

static void parts_are_found(void **state)
{
    (void)state;
    assert_int_equal(str_find(S("aab"), S("ab")), 1);
    assert_int_equal(str_find(S("ab"), S("abc")), -1);
    assert_int_equal(str_find(STR_ABSENT, S("a")), -1);
    assert_int_equal(str_find_char(S("a=b=c"), '='), 1);
    assert_int_equal(str_find_char(STR_ABSENT, '='), -1);
    assert_true(str_starts(S("PS-Auth key"), S("PS-Auth ")) && str_starts(S("x"), S("")));
    assert_false(str_starts(S("PS"), S("PS-Auth ")));
    assert_true(str_ends(S("a.c"), S(".c")));
    assert_false(str_ends(S("c"), S(".c")));
}

static void cutting_ends_with_absent(void **state)
{
    (void)state;
    struct str rest = S("a,,b");
    assert_text(str_cut(&rest, ','), "a");
    assert_text(str_cut(&rest, ','), "");
    assert_text(str_cut(&rest, ','), "b");
    assert_false(str_is_set(rest));
}

static void trimming_stays_inside(void **state)
{
    (void)state;
    struct str rest = S("a,");
    assert_text(str_cut(&rest, ','), "a");
    assert_text(rest, "");
    assert_text(str_trim(S(" \t a b\t ")), "a b");
    assert_text(str_trim(S(" \t ")), "");
}

static void slices_are_clamped(void **state)
{
    (void)state;
    assert_text(str_sub(S("abc"), 1, SIZE_MAX), "bc");
    assert_text(str_sub(S("abc"), 9, 1), "");
}

RUN(cmocka_unit_test(numbers_are_exact), cmocka_unit_test(absent_equals_empty), cmocka_unit_test(folding_is_ascii_only),
    cmocka_unit_test(parts_are_found), cmocka_unit_test(numbers_come_back_from_text),
    cmocka_unit_test(cutting_ends_with_absent), cmocka_unit_test(trimming_stays_inside),
    cmocka_unit_test(slices_are_clamped))
