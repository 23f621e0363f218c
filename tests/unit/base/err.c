/* base/err.c: the reason is cut, extended and kept safely. */
#include "check.h"

static void a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    static const char *const wide[] = {"é", "€", "😀"};
    for (size_t w = 0; w < 3; w++)
        for (size_t lead = 0; lead < 4; lead++) {
            char text[3 * ERR_TEXT_MAX] = "";
            memset(text, 'x', lead);
            for (size_t n = lead; n + strlen(wide[w]) < sizeof(text); n += strlen(wide[w]))
                memcpy(text + n, wide[w], strlen(wide[w]));
            struct err e;
            assert_code(FAIL(&e, INVALID, "%s", text), INVALID);
            size_t n = strlen(e.text);
            assert_true(n <= ERR_TEXT_MAX && n > ERR_TEXT_MAX - 4);
            assert_int_equal((n - lead) % strlen(wide[w]), 0);
        }
}

static void arguments_may_point_into_the_error(void **state)
{
    (void)state;
    struct err e;
    (void)FAIL(&e, NOT_FOUND, "no such thing");
    (void)FAIL_AS(&e, CONFLICT, "4033", "wrapped: %s", e.text);
    assert_string_equal(e.text, "wrapped: no such thing");
    assert_string_equal(e.word, "4033");
    assert_int_equal(e.code, CONFLICT);
}

static void lines_are_gathered(void **state)
{
    (void)state;
    struct err e;
    (void)FAIL_AS(&e, NOT_FOUND, "word", "old");
    err_add_line(&e, "%s: is required", "name");
    err_add_line(&e, "age: too much");
    assert_string_equal(e.text, "name: is required\nage: too much");
    assert_int_equal(e.code, INVALID);
    assert_null(e.word);
    for (int i = 0; i < 500; i++)
        err_add_line(&e, "line %d", i);
    assert_true(strlen(e.text) <= ERR_TEXT_MAX);
}

static void nobody_has_to_want_the_reason(void **state)
{
    (void)state;
    assert_code(FAIL(NULL, BUSY, "full"), BUSY);
    err_add_line(NULL, "nothing");
}

static void every_code_has_its_own_name(void **state)
{
    (void)state;
    for (int i = 0; i < CODE_COUNT; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(code_name((enum code)i), code_name((enum code)k));
    assert_string_equal(code_name(STORE_FULL), "STORE_FULL");
    assert_string_equal(code_name((enum code)99), "?");
}

RUN(cmocka_unit_test(a_long_text_is_cut_between_characters), cmocka_unit_test(arguments_may_point_into_the_error),
    cmocka_unit_test(lines_are_gathered), cmocka_unit_test(nobody_has_to_want_the_reason),
    cmocka_unit_test(every_code_has_its_own_name))
