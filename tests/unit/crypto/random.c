/* crypto/random.c: is the randomness uniform, bounded, and never the same? */
#include "check.h"

#include "base/secret_open.h"
#include "base/text.h"
#include "crypto/random.h"

static void stays_below_its_bound(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(random_below(1), 0);
        assert_true(random_below(3) < 3);
        assert_true(random_below(UINT32_MAX) < UINT32_MAX);
    }
}

/* 62 classes and 62,000 draws: the statistic has mean 61 and deviation 11; 200 is beyond any luck. */
static void draws_each_character_alike(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct str alphabet = S("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    struct str text = random_text(a, alphabet, 62000);
    double seen[128] = {0}, statistic = 0;
    for (size_t i = 0; i < text.n; i++)
        seen[(unsigned char)text.p[i] & 127]++;
    double total = 0;
    for (size_t i = 0; i < alphabet.n; i++) {
        double count = seen[(unsigned char)alphabet.p[i]];
        total += count;
        statistic += (count - 1000) * (count - 1000) / 1000;
    }
    assert_true(total > 61999.5 && total < 62000.5);
    assert_true(statistic < 200);
    arena_free(a);
}

static void never_gives_the_same_twice(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct str one = random_hex(a, 32), other = random_hex(a, 32);
    assert_int_equal(one.n, 64);
    assert_true(text_is_hex(one));
    assert_false(str_equal(one, other));
    assert_int_equal(random_hex(a, 0).n, 0);
    struct secret *first = random_secret_text(a, S("01"), 128), *second = random_secret_text(a, S("01"), 128);
    assert_int_equal(secret_length(first), 128);
    assert_false(secret_equal(first, second));
    for (size_t i = 0; i < 128; i++)
        assert_true(secret_open(first).p[i] == '0' || secret_open(first).p[i] == '1');
    arena_free(a);
}

/* A byte that stays zero in 64 fills was not written. */
static void fills_every_byte_asked_for_and_no_other(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 64; n++) {
        unsigned char seen[65] = {0};
        for (int round = 0; round < 64; round++) {
            unsigned char bytes[65] = {0};
            random_bytes(bytes, n);
            for (size_t i = 0; i < sizeof bytes; i++)
                seen[i] |= bytes[i];
        }
        for (size_t i = 0; i < sizeof seen; i++)
            assert_int_equal(seen[i] != 0, i < n);
    }
}

int main(void)
{
    crypto_start();
    crypto_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_below_its_bound),
        cmocka_unit_test(draws_each_character_alike),
        cmocka_unit_test(never_gives_the_same_twice),
        cmocka_unit_test(fills_every_byte_asked_for_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
