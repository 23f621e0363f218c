/* crypto/password.c: what verifies although it should not, and what hashes alike. */
#include "check.h"

#include "base/clock.h"
#include "crypto/password.h"
#include "crypto/random.h"

static void verifies_the_password_and_nothing_near_it(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct str encoded, again;
    struct secret *right = secret_new(a, "p\xc3\xa4ss\0word", 10);
    assert_success(password_hash(right, a, &encoded, NULL));
    assert_success(password_hash(right, a, &again, NULL));
    assert_true(str_starts(encoded, S("$argon2id$v=19$m=65536,t=2,p=1$")));
    assert_false(str_equal(encoded, again));
    assert_true(password_verify(encoded, right));
    assert_true(password_verify(again, right));
    assert_false(password_verify(encoded, secret_new(a, "p\xc3\xa4ss", 5)));
    assert_false(password_verify(encoded, secret_new(a, "p\xc3\xa4ss\0worD", 10)));
    assert_false(password_verify(encoded, secret_new(a, "p\xc3\xa4ss\0word\0", 11)));
    assert_false(password_verify(encoded, secret_of(a, "")));
    assert_false(password_verify(encoded, NULL));
    assert_code(password_hash(NULL, a, &encoded, NULL), INTERNAL);
    assert_success(password_hash(secret_of(a, ""), a, &encoded, NULL));
    assert_true(password_verify(encoded, secret_of(a, "")));
    arena_free(a);
}

static void refuses_what_is_no_hash(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct str encoded;
    struct secret *right = secret_of(a, "right");
    assert_success(password_hash(right, a, &encoded, NULL));
    char *long_text = arena_alloc(a, 4001);
    memset(long_text, '$', 4000);
    char *with_nul = arena_alloc(a, encoded.n + 2);
    memcpy(with_nul, encoded.p, encoded.n);
    const struct str bad[] = {
        STR_ABSENT,
        S(""),
        S("right"),
        S("$"),
        S("$argon2id$"),
        S("$6$salt$hash"),
        {long_text, 4000},
        {with_nul, encoded.n + 1},
        str_sub(encoded, 0, encoded.n - 1),
        str_sub(encoded, 1, encoded.n - 1),
        arena_printf(a, "%.*sA", STR_ARG(encoded)),
        arena_printf(a, "%.*s\n", STR_ARG(encoded)),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(password_verify(bad[i], right));
    assert_true(password_verify(str_sub(arena_printf(a, "%.*sX", STR_ARG(encoded)), 0, encoded.n), right));
    arena_free(a);
}

/* Only a factor of three is held: the machine may be busy. */
static void spends_the_same_time_on_nobody(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct str encoded;
    assert_success(password_hash(secret_of(a, "right"), a, &encoded, NULL));
    int64_t somebody = INT64_MAX, nobody = INT64_MAX;
    for (int i = 0; i < 3; i++) {
        int64_t start = clock_monotonic();
        assert_false(password_verify(encoded, secret_of(a, "wrong")));
        int64_t middle = clock_monotonic();
        password_verify_nobody(secret_of(a, "wrong"));
        int64_t end = clock_monotonic();
        somebody = middle - start < somebody ? middle - start : somebody;
        nobody = end - middle < nobody ? end - middle : nobody;
    }
    password_verify_nobody(NULL);
    assert_true(nobody * 3 > somebody && somebody * 3 > nobody);
    arena_free(a);
}

static void hashes_by_key_and_value(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct str key = S("0123456789abcdef0123456789abcdef"), other = S("0123456789abcdef0123456789abcdeF");
    struct str hash = keyed_hash_str(a, key, S("token"));
    assert_int_equal(hash.n, HASH_BYTES);
    assert_same(hash, keyed_hash_str(a, key, S("token")));
    assert_same(hash, keyed_hash(a, key, secret_of(a, "token")));
    assert_false(str_equal(hash, keyed_hash_str(a, other, S("token"))));
    assert_false(str_equal(hash, keyed_hash_str(a, key, S("tokeN"))));
    assert_false(str_equal(hash, keyed_hash_str(a, key, S(""))));
    arena_free(a);
}

static struct str hash_parts(struct arena *a, const struct str *parts, size_t n)
{
    struct hasher h;
    unsigned char out[HASH_BYTES];
    hasher_start(&h);
    for (size_t i = 0; i < n; i++)
        hasher_add(&h, parts[i]);
    hasher_end(&h, out);
    return arena_str(a, (struct str){(const char *)out, sizeof out});
}

static void hashes_no_two_lists_of_parts_alike(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    const struct {
        struct str parts[3];
        size_t n;
    } lists[] = {
        {{S("")}, 0},
        {{S("")}, 1},
        {{S(""), S("")}, 2},
        {{S("ab")}, 1},
        {{S("a"), S("b")}, 2},
        {{S("b"), S("a")}, 2},
        {{S(""), S("ab")}, 2},
        {{S("ab"), S("")}, 2},
        {{S("a"), S(""), S("b")}, 3},
        {{S("a"), S("b"), S("")}, 3},
        {{S("\0\0\0\0\0\0\0\0")}, 1},
        {{S("a\0\0\0\0\0\0\0\1b")}, 1},
        {{S("\0\0\0\0\0\0\0\1a\0\0\0\0\0\0\0\1b")}, 1},
    };
    enum { LISTS = sizeof lists / sizeof *lists };
    struct str hashes[LISTS];
    for (size_t i = 0; i < LISTS; i++) {
        hashes[i] = hash_parts(a, lists[i].parts, lists[i].n);
        assert_same(hashes[i], hash_parts(a, lists[i].parts, lists[i].n));
        for (size_t j = 0; j < i; j++)
            assert_false(str_equal(hashes[i], hashes[j]));
    }
    arena_free(a);
}

int main(void)
{
    crypto_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_the_password_and_nothing_near_it),
        cmocka_unit_test(refuses_what_is_no_hash),
        cmocka_unit_test(spends_the_same_time_on_nobody),
        cmocka_unit_test(hashes_by_key_and_value),
        cmocka_unit_test(hashes_no_two_lists_of_parts_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
