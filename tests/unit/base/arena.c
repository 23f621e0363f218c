/* base/arena.c: memory is zeroed, aligned, apart, and wiped between requests. */
#include "check.h"

static bool is_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

static void memory_is_zeroed_and_apart(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 16, 100, 4096, 4097, 8192, 100000, 3, 2000000, 5};
    AUTOFREE(arena) a = arena_new();
    for (int round = 0; round < 4; round++) {
        char *p[3 * sizeof(sizes) / sizeof(*sizes)];
        size_t n = sizeof(p) / sizeof(*p), count = sizeof(sizes) / sizeof(*sizes);
        for (size_t i = 0; i < n; i++) {
            p[i] = arena_alloc(a, sizes[i % count]);
            assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
            assert_true(is_zero(p[i], sizes[i % count]));
            memset(p[i], 1 + (int)i, sizes[i % count]);
        }
        for (size_t i = 0; i < n; i++) {
            for (size_t k = 0; k < sizes[i % count]; k++)
                assert_int_equal(p[i][k], 1 + (int)i);
            for (size_t k = 0; k < i; k++)
                assert_ptr_not_equal(p[i], p[k]);
        }
        arena_reset(a);
    }
}

static void bytes_in_use_are_counted(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    assert_int_equal(arena_bytes(a), 0);
    arena_alloc(a, 100);
    arena_array(a, int64_t, 5);
    assert_int_equal(arena_bytes(a), 140);
    arena_alloc(a, 1000000);
    assert_true(arena_bytes(a) >= 1000140);
    arena_reset(a);
    assert_int_equal(arena_bytes(a), 0);
}

static void texts_are_copied_with_a_nul_behind(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    char source[] = "abcdef";
    struct str copy = arena_str(a, (struct str){source, 3});
    memset(source, 'x', 6);
    assert_text(copy, "abc");
    assert_int_equal(copy.p[3], 0);
    assert_false(str_is_set(arena_str(a, STR_ABSENT)));
    assert_true(str_is_set(arena_str(a, S(""))));
    assert_string_equal(arena_cstr(a, S("abc")), "abc");
    assert_string_equal(arena_cstr(a, STR_ABSENT), "");
    assert_text(arena_printf(a, "%s-%d", "a", 7), "a-7");
    assert_int_equal(arena_printf(a, "%9000d", 7).n, 9000);
}

static void overflow(void)
{
    arena_alloc_array(arena_new(), SIZE_MAX / 2, 3);
}

static void beyond_memory(void)
{
    arena_alloc(arena_new(), SIZE_MAX - 8);
}

static void what_cannot_be_had_stops_the_process(void **state)
{
    (void)state;
    assert_dies(overflow);
    assert_dies(beyond_memory);
    arena_free(NULL);
}

RUN(cmocka_unit_test(memory_is_zeroed_and_apart), cmocka_unit_test(bytes_in_use_are_counted),
    cmocka_unit_test(texts_are_copied_with_a_nul_behind), cmocka_unit_test(what_cannot_be_had_stops_the_process))
