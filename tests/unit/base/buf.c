/* base/buf.c: the ceiling holds to the byte, failure is remembered. */
#include "base/buf.h"

#include "check.h"

static void the_ceiling_holds_to_the_byte(void **state)
{
    (void)state;
    static const size_t ceilings[] = {0, 1, 127, 128, 129, 1000};
    for (size_t i = 0; i < sizeof(ceilings) / sizeof(*ceilings); i++) {
        AUTOBUF b;
        buf_init(&b, ceilings[i]);
        for (size_t k = 0; k < ceilings[i]; k++)
            buf_add_char(&b, 'x');
        assert_false(b.has_failed);
        buf_add(&b, S(""));
        assert_false(b.has_failed);
        buf_add_char(&b, 'x');
        assert_true(b.has_failed);
        assert_int_equal(buf_str(&b).n, ceilings[i]);
    }
}

static void failure_is_remembered_until_cleared(void **state)
{
    (void)state;
    AUTOBUF b;
    buf_init(&b, 5);
    buf_add(&b, S("abc"));
    buf_add(&b, S("defg"));
    buf_add(&b, S("h"));
    buf_printf(&b, "%d", 1);
    assert_true(b.has_failed);
    assert_text(buf_str(&b), "abc");
    buf_clear(&b);
    assert_false(b.has_failed);
    buf_printf(&b, "%05d", 42);
    assert_false(b.has_failed);
    assert_text(buf_str(&b), "00042");
    buf_printf(&b, "%s", "");
    assert_false(b.has_failed);
}

static void huge_appends_do_not_wrap(void **state)
{
    (void)state;
    AUTOBUF b;
    buf_init(&b, SIZE_MAX / 2);
    buf_add(&b, S("abc"));
    buf_add_bytes(&b, "", SIZE_MAX - 1);
    assert_true(b.has_failed);
    assert_text(buf_str(&b), "abc");
}

static void the_front_is_dropped_and_wiped(void **state)
{
    (void)state;
    AUTOBUF b;
    buf_init(&b, 100);
    buf_drop_front(&b, 5);
    buf_add(&b, S("secret;rest"));
    buf_drop_front(&b, 7);
    assert_text(buf_str(&b), "rest");
    for (size_t i = 4; i < 11; i++)
        assert_int_equal(b.p[i], 0);
    buf_drop_front(&b, 100);
    assert_text(buf_str(&b), "");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(b.p[i], 0);
}

static void clearing_wipes_and_freeing_is_safe_twice(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_free(&b);
    buf_init(&b, 100);
    buf_add(&b, S("secret"));
    buf_clear(&b);
    assert_memory_equal(b.p, "\0\0\0\0\0\0", 6);
    buf_free(&b);
    buf_free(&b);
    buf_add(&b, S("again"));
    assert_text(buf_str(&b), "again");
    buf_free(&b);
}

RUN(cmocka_unit_test(the_ceiling_holds_to_the_byte), cmocka_unit_test(failure_is_remembered_until_cleared),
    cmocka_unit_test(huge_appends_do_not_wrap), cmocka_unit_test(the_front_is_dropped_and_wiped),
    cmocka_unit_test(clearing_wipes_and_freeing_is_safe_twice))
