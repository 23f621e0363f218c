/* crypto/keyring.c: does a sealed value open anywhere but at its place, or under any key but its own? */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/secret_open.h"
#include "crypto/keyring.h"
#include "crypto/random.h"

static const struct place home = {"attribute_value", "value", 17, 3};

struct bench {
    struct arena *a;
    struct secret *root, *recovery;
    struct data_key *keys[2];
    struct str wraps[2], recovery_wrap;
    struct keyring *k;
};

/* A keyring that is open with data key 1; data key 2 lies ready. */
static int bench_open(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->a = arena_new();
    b->root = keyring_make_root(b->a, false);
    b->recovery = keyring_make_root(b->a, true);
    for (int i = 0; i < 2; i++) {
        b->keys[i] = data_key_new();
        assert_success(data_key_wrap(b->keys[i], i + 1, b->root, S("here"), b->a, &b->wraps[i], NULL));
    }
    assert_success(data_key_wrap(b->keys[0], 1, b->recovery, S("here"), b->a, &b->recovery_wrap, NULL));
    b->k = keyring_new();
    assert_success(keyring_add(b->k, 1, b->wraps[0], b->root, S("here"), NULL));
    *state = b;
    return 0;
}

static int bench_close(void **state)
{
    struct bench *b = *state;
    keyring_free(b->k);
    data_key_free(b->keys[0]);
    data_key_free(b->keys[1]);
    arena_free(b->a);
    free(b);
    return 0;
}

static struct str seal(struct bench *b, const char *text)
{
    struct str blob;
    assert_success(seal_value(b->k, home, secret_of(b->a, text), b->a, &blob, NULL));
    return blob;
}

static struct str copy(struct bench *b, struct str s)
{
    return arena_str(b->a, s);
}

static void gives_back_what_was_sealed(void **state)
{
    struct bench *b = *state;
    for (size_t n = 0; n < 5000; n = n * 3 + 1) {
        struct secret *value = random_secret_text(b->a, S("abc"), n), *opened = NULL;
        struct str blob, again;
        assert_success(seal_value(b->k, home, value, b->a, &blob, NULL));
        assert_success(seal_value(b->k, home, value, b->a, &again, NULL));
        assert_int_equal(blob.n, 8 + 24 + n + 16);
        assert_false(str_equal(blob, again));
        assert_success(unseal_value(b->k, home, blob, b->a, &opened, NULL));
        assert_true(secret_equal(value, opened));
    }
    struct str blob = {"untouched", 9};
    assert_code(seal_value(b->k, home, NULL, b->a, &blob, NULL), INTERNAL);
    assert_same(blob, S("untouched"));
}

static void does_not_open_elsewhere(void **state)
{
    struct bench *b = *state;
    struct str blob = seal(b, "s3cret");
    const struct place elsewhere[] = {
        {"attribute_valu", "value", 17, 3},
        {"attribute_value2", "value", 17, 3},
        {"", "value", 17, 3},
        {"attribute_value", "", 17, 3},
        {"attribute_value", "valu", 17, 3},
        {"attribute_valuev", "alue", 17, 3},
        {"value", "attribute_value", 17, 3},
        {"attribute_value", "value", 18, 3},
        {"attribute_value", "value", 3, 17},
        {"attribute_value", "value", 17, 2},
        {"attribute_value", "value", 17, 4},
        {"attribute_value", "value", -17, 3},
        {"attribute_value", "value", 17, -3},
        {"ATTRIBUTE_VALUE", "value", 17, 3},
    };
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        struct secret *opened = NULL;
        struct err e = {0};
        assert_code(unseal_value(b->k, elsewhere[i], blob, b->a, &opened, &e), INTERNAL);
        assert_null(opened);
        assert_null(strstr(e.text, "s3cret"));
    }
}

static void notices_any_flipped_bit_and_any_cut(void **state)
{
    struct bench *b = *state;
    struct str blob = seal(b, "s3cret");
    struct secret *opened = NULL;
    for (size_t bit = 0; bit < 8 * blob.n; bit++) {
        struct str bad = copy(b, blob);
        ((char *)bad.p)[bit / 8] ^= (char)(1 << bit % 8);
        assert_code(unseal_value(b->k, home, bad, b->a, &opened, NULL), INTERNAL);
    }
    for (size_t n = 0; n < blob.n; n++) {
        assert_code(unseal_value(b->k, home, str_sub(copy(b, blob), 0, n), b->a, &opened, NULL), INTERNAL);
        assert_code(unseal_value(b->k, home, str_sub(blob, blob.n - n, n), b->a, &opened, NULL), INTERNAL);
    }
    char *room = arena_alloc(b->a, blob.n + 1);
    memcpy(room, blob.p, blob.n);
    struct str longer = {room, blob.n + 1};
    assert_code(unseal_value(b->k, home, longer, b->a, &opened, NULL), INTERNAL);
    assert_code(unseal_value(b->k, home, STR_ABSENT, b->a, &opened, NULL), INTERNAL);
    assert_null(opened);
}

/* The same data key under another id or for another installation: the key fits, the associated data does not. */
static void does_not_open_under_another_id_or_installation(void **state)
{
    struct bench *b = *state;
    struct str blob = seal(b, "s3cret"), wrap;
    struct secret *opened = NULL;
    struct keyring *other = keyring_new();
    assert_success(data_key_wrap(b->keys[0], 1, b->root, S("there"), b->a, &wrap, NULL));
    assert_success(keyring_add(other, 1, wrap, b->root, S("there"), NULL));
    assert_code(unseal_value(other, home, blob, b->a, &opened, NULL), INTERNAL);
    assert_code(keyring_add(other, 2, b->wraps[1], b->root, S("here"), NULL), INVALID);
    keyring_close(other);

    assert_success(data_key_wrap(b->keys[0], 5, b->root, S("here"), b->a, &wrap, NULL));
    assert_success(keyring_add(other, 5, wrap, b->root, S("here"), NULL));
    assert_code(unseal_value(other, home, blob, b->a, &opened, NULL), INTERNAL);
    struct str renamed = copy(b, blob);
    ((char *)renamed.p)[7] = 5;
    assert_code(unseal_value(other, home, renamed, b->a, &opened, NULL), INTERNAL);
    assert_null(opened);
    keyring_free(other);
}

static void seals_with_the_highest_id_and_opens_with_all(void **state)
{
    struct bench *b = *state;
    struct str old = seal(b, "old");
    assert_success(keyring_add(b->k, 2, b->wraps[1], b->root, S("here"), NULL));
    struct str new = seal(b, "new");
    assert_int_equal(old.p[7], 1);
    assert_int_equal(new.p[7], 2);
    struct secret *opened = NULL;
    assert_success(unseal_value(b->k, home, old, b->a, &opened, NULL));
    assert_true(secret_equal(opened, secret_of(b->a, "old")));
    struct str swapped = copy(b, new);
    ((char *)swapped.p)[7] = 1;
    assert_code(unseal_value(b->k, home, swapped, b->a, &opened, NULL), INTERNAL);

    struct keyring *backwards = keyring_new();
    assert_success(keyring_add(backwards, 2, b->wraps[1], b->root, S("here"), NULL));
    assert_success(keyring_add(backwards, 1, b->wraps[0], b->root, S("here"), NULL));
    assert_success(seal_value(backwards, home, secret_of(b->a, "x"), b->a, &new, NULL));
    assert_int_equal(new.p[7], 2);
    keyring_free(backwards);
}

static void refuses_a_wrong_key(void **state)
{
    struct bench *b = *state;
    struct keyring *k = keyring_new();
    struct str text = secret_open(b->root), here = S("here");
    struct secret *other = keyring_make_root(b->a, false);
    struct str hex = str_sub(text, strlen("keyturn-key-1:"), 64);
    const struct secret *const wrong[] = {
        other,
        b->recovery,
        NULL,
        secret_of(b->a, ""),
        secret_new(b->a, hex.p, hex.n),
        secret_new(b->a, text.p, text.n - 2),
        secret_of(b->a, arena_printf(b->a, "%.*s\n", STR_ARG(text)).p),
        secret_of(b->a, arena_printf(b->a, "%.*s ", STR_ARG(text)).p),
        secret_of(b->a, arena_printf(b->a, " %.*s", STR_ARG(text)).p),
        secret_of(b->a, arena_printf(b->a, "keyturn-key-2:%.*s\n", STR_ARG(hex)).p),
        secret_of(b->a, arena_printf(b->a, "keyturn-recovery-1:%.*s\n", STR_ARG(hex)).p),
        secret_of(b->a, arena_printf(b->a, "keyturn-key-1:%.*sg\n", STR_ARG(str_sub(hex, 0, 63))).p),
        secret_of(b->a, arena_printf(b->a, "keyturn-key-1:%.*s0\n", STR_ARG(hex)).p),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err e = {0};
        assert_code(keyring_add(k, 1, b->wraps[0], wrong[i], here, &e), INVALID);
        assert_null(strstr(e.text, arena_cstr(b->a, str_sub(hex, 0, 8))));
    }
    assert_code(keyring_add(k, 2, b->wraps[0], b->root, here, NULL), INVALID);
    assert_code(keyring_add(k, 1, b->wraps[0], b->root, S("her"), NULL), INVALID);
    assert_code(keyring_add(k, 1, b->wraps[0], b->root, S(""), NULL), INVALID);
    assert_code(keyring_add(k, 1, b->recovery_wrap, b->root, here, NULL), INVALID);
    for (size_t bit = 0; bit < 8 * b->wraps[0].n; bit++) {
        struct str bad = copy(b, b->wraps[0]);
        ((char *)bad.p)[bit / 8] ^= (char)(1 << bit % 8);
        assert_code(keyring_add(k, 1, bad, b->root, here, NULL), INVALID);
    }
    for (size_t n = 0; n < b->wraps[0].n; n++)
        assert_code(keyring_add(k, 1, str_sub(b->wraps[0], 0, n), b->root, here, NULL), INVALID);
    assert_false(keyring_is_open(k));
    keyring_free(k);
}

static void opens_by_recovery_key_and_without_the_newline(void **state)
{
    struct bench *b = *state;
    struct str blob = seal(b, "s3cret"), text = secret_open(b->root);
    assert_int_equal(text.n, strlen("keyturn-key-1:") + 64 + 1);
    assert_int_equal(text.p[text.n - 1], '\n');
    assert_true(str_starts(secret_open(b->recovery), S("keyturn-recovery-1:")));
    struct keyring *k = keyring_new();
    struct secret *opened = NULL;
    assert_success(keyring_add(k, 1, b->recovery_wrap, b->recovery, S("here"), NULL));
    assert_success(unseal_value(k, home, blob, b->a, &opened, NULL));
    assert_true(secret_equal(opened, secret_of(b->a, "s3cret")));
    assert_success(keyring_add(k, 1, b->wraps[0], b->root, S("here"), NULL));
    keyring_close(k);
    assert_success(keyring_add(k, 1, b->wraps[0], secret_new(b->a, text.p, text.n - 1), S("here"), NULL));
    assert_success(unseal_value(k, home, blob, b->a, &opened, NULL));
    keyring_free(k);
}

static void does_nothing_when_closed(void **state)
{
    struct bench *b = *state;
    struct str blob = seal(b, "s3cret"), mac, out = STR_ABSENT, public_key;
    struct secret *opened = NULL;
    bool ok = true;
    assert_success(keyring_mac(b->k, PURPOSE_LINK_MAC, S("m"), b->a, &mac, NULL));
    assert_true(keyring_is_open(b->k));
    keyring_close(b->k);
    keyring_close(b->k);
    assert_false(keyring_is_open(b->k));
    assert_code(seal_value(b->k, home, secret_of(b->a, "x"), b->a, &out, NULL), SEALED);
    assert_code(unseal_value(b->k, home, blob, b->a, &opened, NULL), SEALED);
    assert_code(keyring_mac(b->k, PURPOSE_LINK_MAC, S("m"), b->a, &out, NULL), SEALED);
    assert_code(keyring_mac_check(b->k, PURPOSE_LINK_MAC, S("m"), mac, &ok, NULL), SEALED);
    assert_code(keyring_sign(b->k, S("m"), b->a, &out, &public_key, NULL), SEALED);
    assert_null(opened);
    assert_false(str_is_set(out));
    assert_true(ok);
    assert_success(keyring_add(b->k, 1, b->wraps[0], b->root, S("here"), NULL));
    assert_success(unseal_value(b->k, home, blob, b->a, &opened, NULL));
}

static void takes_64_data_keys_and_no_second_one_of_an_id(void **state)
{
    struct bench *b = *state;
    struct str wrap;
    assert_success(data_key_wrap(b->keys[1], 1, b->root, S("here"), b->a, &wrap, NULL));
    assert_code(keyring_add(b->k, 1, wrap, b->root, S("here"), NULL), CONFLICT);
    for (int64_t id = 2; id <= 65; id++) {
        assert_success(data_key_wrap(b->keys[1], id, b->root, S("here"), b->a, &wrap, NULL));
        result r = keyring_add(b->k, id, wrap, b->root, S("here"), NULL);
        assert_int_equal(r.code, id <= 64 ? OK : CONFLICT);
    }
    assert_success(keyring_add(b->k, 2, b->wraps[1], b->root, S("here"), NULL));
    assert_int_equal(seal(b, "x").p[7], 64);
}

static bool mac_holds(struct bench *b, enum purpose purpose, struct str message, struct str mac)
{
    bool ok = false;
    assert_success(keyring_mac_check(b->k, purpose, message, mac, &ok, NULL));
    return ok;
}

static void keeps_macs_apart(void **state)
{
    struct bench *b = *state;
    struct str mac, other, message = S("link 4 follows account 9");
    assert_success(keyring_mac(b->k, PURPOSE_LINK_MAC, message, b->a, &mac, NULL));
    assert_int_equal(mac.n, 40);
    assert_true(mac_holds(b, PURPOSE_LINK_MAC, message, mac));
    assert_false(mac_holds(b, PURPOSE_BACKUP, message, mac));
    assert_false(mac_holds(b, PURPOSE_AUDIT_HEAD, message, mac));
    assert_false(mac_holds(b, PURPOSE_LINK_MAC, S("link 4 follows account 8"), mac));
    assert_false(mac_holds(b, PURPOSE_LINK_MAC, S(""), mac));
    assert_false(mac_holds(b, PURPOSE_LINK_MAC, message, STR_ABSENT));
    for (size_t bit = 0; bit < 8 * mac.n; bit++) {
        struct str bad = copy(b, mac);
        ((char *)bad.p)[bit / 8] ^= (char)(1 << bit % 8);
        assert_false(mac_holds(b, PURPOSE_LINK_MAC, message, bad));
        assert_false(mac_holds(b, PURPOSE_LINK_MAC, message, str_sub(mac, 0, bit / 8)));
    }
    assert_success(keyring_add(b->k, 2, b->wraps[1], b->root, S("here"), NULL));
    assert_true(mac_holds(b, PURPOSE_LINK_MAC, message, mac));
    assert_success(keyring_mac(b->k, PURPOSE_LINK_MAC, message, b->a, &other, NULL));
    assert_false(str_equal(mac, other));
    bool ok = false;
    assert_code(keyring_mac(b->k, PURPOSE_VALUES, message, b->a, &mac, NULL), INTERNAL);
    assert_code(keyring_mac(b->k, PURPOSE_CHECKPOINT, message, b->a, &mac, NULL), INTERNAL);
    assert_code(keyring_mac(b->k, (enum purpose)0, message, b->a, &mac, NULL), INTERNAL);
    assert_code(keyring_mac_check(b->k, (enum purpose)6, message, mac, &ok, NULL), INTERNAL);
}

static void signs_what_only_its_public_key_confirms(void **state)
{
    struct bench *b = *state;
    struct str signature, public_key, again, later_key;
    assert_success(keyring_sign(b->k, S("head 7"), b->a, &signature, &public_key, NULL));
    assert_true(signature_check(S("head 7"), signature, public_key));
    assert_false(signature_check(S("head 8"), signature, public_key));
    for (size_t bit = 0; bit < 8 * signature.n; bit++) {
        struct str bad = copy(b, signature);
        ((char *)bad.p)[bit / 8] ^= (char)(1 << bit % 8);
        assert_false(signature_check(S("head 7"), bad, public_key));
    }
    assert_false(signature_check(S("head 7"), str_sub(signature, 0, 63), public_key));
    assert_false(signature_check(S("head 7"), signature, str_sub(public_key, 0, 31)));
    assert_false(signature_check(S("head 7"), STR_ABSENT, STR_ABSENT));
    assert_success(keyring_add(b->k, 2, b->wraps[1], b->root, S("here"), NULL));
    assert_success(keyring_sign(b->k, S("head 7"), b->a, &again, &later_key, NULL));
    assert_false(str_equal(public_key, later_key));
    assert_false(signature_check(S("head 7"), signature, later_key));
}

struct crowd {
    struct bench *b;
    struct str blob;
    atomic_bool stop;
    atomic_int opened, wrong;
};

static void *keep_opening(void *argument)
{
    struct crowd *c = argument;
    struct arena *a = arena_new();
    while (!atomic_load(&c->stop)) {
        struct secret *value = NULL;
        result r = unseal_value(c->b->k, home, c->blob, a, &value, NULL);
        if (r.code == OK && secret_equal(value, secret_of(a, "s3cret")))
            atomic_fetch_add(&c->opened, 1);
        else if (r.code != SEALED)
            atomic_fetch_add(&c->wrong, 1);
        arena_reset(a);
    }
    arena_free(a);
    return NULL;
}

static void closes_and_opens_under_a_crowd(void **state)
{
    struct bench *b = *state;
    struct crowd c = {.b = b, .blob = seal(b, "s3cret")};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_opening, &c), 0);
    for (int i = 0; i < 200 || atomic_load(&c.opened) < 100; i++) {
        keyring_close(b->k);
        assert_success(keyring_add(b->k, 1, b->wraps[0], b->root, S("here"), NULL));
    }
    atomic_store(&c.stop, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&c.wrong), 0);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_open, bench_close)

int main(void)
{
    crypto_start();
    const struct CMUnitTest tests[] = {
        WITH_BENCH(gives_back_what_was_sealed),
        WITH_BENCH(does_not_open_elsewhere),
        WITH_BENCH(notices_any_flipped_bit_and_any_cut),
        WITH_BENCH(does_not_open_under_another_id_or_installation),
        WITH_BENCH(seals_with_the_highest_id_and_opens_with_all),
        WITH_BENCH(refuses_a_wrong_key),
        WITH_BENCH(opens_by_recovery_key_and_without_the_newline),
        WITH_BENCH(does_nothing_when_closed),
        WITH_BENCH(takes_64_data_keys_and_no_second_one_of_an_id),
        WITH_BENCH(keeps_macs_apart),
        WITH_BENCH(signs_what_only_its_public_key_confirms),
        WITH_BENCH(closes_and_opens_under_a_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
