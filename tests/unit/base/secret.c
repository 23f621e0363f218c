/* base/secret.c: copies, comparisons and what is in a secret. */
#include "base/secret.h"

#include "base/secret_open.h"
#include "check.h"

static void secrets_are_copies(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    char source[] = "hunter2";
    struct secret *s = secret_new(a, source, 7), *copy = secret_copy(a, s);
    wipe(source, sizeof(source));
    assert_memory_equal(source, "\0\0\0\0\0\0\0\0", 8);
    assert_text(secret_open(s), "hunter2");
    assert_true(secret_equal(s, copy));
    secret_set_length(s, 3);
    assert_text(secret_open(s), "hun");
    assert_memory_equal(secret_open(s).p + 3, "\0\0\0\0", 4);
    assert_int_equal(secret_length(copy), 7);
    assert_false(secret_equal(s, copy));
    assert_null(secret_copy(a, NULL));
}

static void none_is_not_empty(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct secret *empty = secret_new(a, NULL, 0);
    assert_true(secret_equal(NULL, NULL) && secret_equal(empty, secret_new(a, "", 0)));
    assert_false(secret_equal(empty, NULL) || secret_equal(NULL, empty));
    assert_int_equal(secret_length(NULL), 0);
    assert_false(str_is_set(secret_open(NULL)));
    assert_true(str_is_set(secret_open(empty)));
}

static void each_byte_counts(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    for (size_t i = 0; i < 32; i++) {
        char one[32] = {0}, other[32] = {0};
        other[i] = (char)0x80;
        assert_false(secret_equal(secret_new(a, one, 32), secret_new(a, other, 32)));
        assert_false(equal_constant_time(one, other, 32));
        assert_true(equal_constant_time(one, other, i));
    }
}

static void bytes_are_looked_for(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    assert_true(secret_has_any(secret_new(a, "a\0b", 3), "\0\r\n", 3));
    assert_true(secret_has_any(secret_new(a, "a\n", 2), "\0\r\n", 3));
    assert_false(secret_has_any(secret_new(a, "ab", 2), "\0\r\n", 3));
    assert_false(secret_has_any(NULL, "\0", 1));
    assert_true(secret_is_utf8(secret_new(a, "päss", 5)));
    assert_false(secret_is_utf8(secret_new(a, "\xE4", 1)));
}

static void grow(void)
{
    char *room;
    secret_set_length(secret_with_room(arena_new(), 3, &room), 4);
}

static void a_secret_never_grows(void **state)
{
    (void)state;
    assert_dies(grow);
}

RUN(cmocka_unit_test(secrets_are_copies), cmocka_unit_test(none_is_not_empty), cmocka_unit_test(each_byte_counts),
    cmocka_unit_test(bytes_are_looked_for), cmocka_unit_test(a_secret_never_grows))
