/* crypto/token.c: every token that must not pass. */
#include "check.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>

#include "base/text.h"
#include "crypto/random.h"
#include "crypto/token.h"

static const char payload[] = "{\"sub\":\"7\",\"exp\":1700001200}";

struct bench {
    struct arena *a;
    struct token_signer *signer, *stranger;
    struct token_verifier *verifier;
    struct str token, header, payload, signature;
};

static int bench_open(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->a = arena_new();
    assert_success(token_signer_new(&b->signer, NULL));
    assert_success(token_signer_new(&b->stranger, NULL));
    assert_success(token_verifier_new(token_signer_public(b->signer), &b->verifier, NULL));
    assert_success(token_sign(b->signer, str_of(payload), b->a, &b->token, NULL));
    struct str rest = b->token;
    b->header = str_cut(&rest, '.');
    b->payload = str_cut(&rest, '.');
    b->signature = rest;
    *state = b;
    return 0;
}

static int bench_close(void **state)
{
    struct bench *b = *state;
    token_verifier_free(b->verifier);
    token_signer_free(b->signer);
    token_signer_free(b->stranger);
    arena_free(b->a);
    free(b);
    return 0;
}

static struct str join(struct bench *b, struct str header, struct str middle, struct str signature)
{
    return arena_printf(b->a, "%.*s.%.*s.%.*s", STR_ARG(header), STR_ARG(middle), STR_ARG(signature));
}

static void assert_refused(struct bench *b, struct str token)
{
    struct str out = S("untouched");
    struct err e = {0};
    assert_code(token_verify(&b->verifier, 1, token, b->a, &out, &e), UNAUTHENTICATED);
    assert_same(out, S("untouched"));
    assert_string_equal(e.text, "token: is not valid");
    assert_int_equal(ERR_peek_error(), 0);
}

static void passes_its_own(void **state)
{
    struct bench *b = *state;
    struct str out = STR_ABSENT;
    assert_same(b->header, base64url_encode(b->a, S("{\"alg\":\"RS512\"}")));
    assert_int_equal(b->signature.n, 342);
    assert_success(token_verify(&b->verifier, 1, b->token, b->a, &out, NULL));
    assert_same(out, str_of(payload));
    assert_refused(b, STR_ABSENT);
    assert_refused(b, S(""));
    assert_code(token_verify(NULL, 0, b->token, b->a, &out, NULL), UNAUTHENTICATED);
}

static struct str signed_by(struct bench *b, EVP_PKEY *key, const EVP_MD *digest, const char *header)
{
    struct str first =
        arena_printf(b->a, "%.*s.%.*s", STR_ARG(base64url_encode(b->a, str_of(header))), STR_ARG(b->payload));
    unsigned char signature[512];
    size_t n = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, digest, NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, signature, &n, (const unsigned char *)first.p, first.n), 1);
    EVP_MD_CTX_free(context);
    return arena_printf(b->a, "%.*s.%.*s", STR_ARG(first),
                        STR_ARG(base64url_encode(b->a, (struct str){(const char *)signature, n})));
}

/* A key that we hold both halves of, so that everything but the one defect is right. */
static void passes_no_other_algorithm_or_header(void **state)
{
    struct bench *b = *state;
    EVP_PKEY *key = EVP_RSA_gen(2048);
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(key, &der);
    struct token_verifier *own = b->verifier;
    assert_success(token_verifier_new((struct str){(const char *)der, (size_t)n}, &b->verifier, NULL));
    struct str out;
    struct str fine = signed_by(b, key, EVP_sha512(), "{\"alg\":\"RS512\"}");
    assert_success(token_verify(&b->verifier, 1, fine, b->a, &out, NULL));

    assert_refused(b, signed_by(b, key, EVP_sha256(), "{\"alg\":\"RS256\"}"));
    assert_refused(b, signed_by(b, key, EVP_sha256(), "{\"alg\":\"RS512\"}"));
    const char *const headers[] = {"{\"alg\":\"RS256\"}",
                                   "{\"alg\":\"none\"}",
                                   "{\"alg\":\"HS512\"}",
                                   "{\"alg\":\"RS512\",\"typ\":\"JWT\"}",
                                   "{\"typ\":\"JWT\",\"alg\":\"RS512\"}",
                                   "{ \"alg\":\"RS512\"}",
                                   "{\"alg\":\"rs512\"}",
                                   "{\"ALG\":\"RS512\"}",
                                   "{\"alg\":\"RS512\",\"alg\":\"none\"}",
                                   "{\"alg\":\"RS512\"}\n",
                                   "{\"alg\":\"RS512\",\"kid\":\"../../x\"}",
                                   "{\"alg\":\"RS512\",\"jwk\":{}}",
                                   "{}",
                                   "{\"alg\":\"PS512\"}"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        assert_refused(b, signed_by(b, key, EVP_sha512(), headers[i]));

    EVP_PKEY *small = EVP_RSA_gen(1024);
    assert_refused(b, signed_by(b, small, EVP_sha512(), "{\"alg\":\"RS512\"}"));
    EVP_PKEY_free(small);
    token_verifier_free(b->verifier);
    b->verifier = own;
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

static void passes_no_unsigned_or_hmac_token(void **state)
{
    struct bench *b = *state;
    struct str none = base64url_encode(b->a, S("{\"alg\":\"none\"}"));
    struct str hmac = base64url_encode(b->a, S("{\"alg\":\"HS512\"}")), public_key = token_signer_public(b->signer);
    assert_refused(b, join(b, none, b->payload, S("")));
    assert_refused(b, join(b, none, b->payload, b->signature));
    assert_refused(b, join(b, b->header, b->payload, S("")));
    struct str headers[] = {hmac, b->header};
    for (int i = 0; i < 2; i++) {
        struct str first = arena_printf(b->a, "%.*s.%.*s", STR_ARG(headers[i]), STR_ARG(b->payload));
        unsigned char mac[64];
        unsigned n = 0;
        assert_non_null(
            HMAC(EVP_sha512(), public_key.p, (int)public_key.n, (const unsigned char *)first.p, first.n, mac, &n));
        struct str text = base64url_encode(b->a, (struct str){(const char *)mac, n});
        assert_refused(b, join(b, headers[i], b->payload, text));
    }
}

static void passes_no_other_key_and_no_exchanged_part(void **state)
{
    struct bench *b = *state;
    struct str foreign, second, rest, out;
    assert_success(token_sign(b->stranger, str_of(payload), b->a, &foreign, NULL));
    assert_refused(b, foreign);
    assert_success(token_sign(b->signer, S("{\"sub\":\"1\"}"), b->a, &second, NULL));
    rest = second;
    str_cut(&rest, '.');
    struct str other_payload = str_cut(&rest, '.');
    assert_refused(b, join(b, b->header, other_payload, b->signature));
    assert_refused(b, join(b, b->header, b->payload, rest));
    assert_refused(b, join(b, b->payload, b->header, b->signature));
    assert_refused(b, join(b, b->header, b->signature, b->payload));
    assert_success(token_verify(&b->verifier, 1, join(b, b->header, other_payload, rest), b->a, &out, NULL));
    assert_same(out, S("{\"sub\":\"1\"}"));

    struct token_verifier *both[2] = {NULL, b->verifier};
    assert_success(token_verifier_new(token_signer_public(b->stranger), &both[0], NULL));
    assert_success(token_verify(both, 2, b->token, b->a, &out, NULL));
    assert_success(token_verify(both, 2, foreign, b->a, &out, NULL));
    assert_code(token_verify(both, 1, b->token, b->a, &out, NULL), UNAUTHENTICATED);
    token_verifier_free(both[0]);
}

static void passes_only_the_one_spelling(void **state)
{
    struct bench *b = *state;
    struct arena *a = b->a;
    struct str t = b->token;
    for (size_t n = 0; n < t.n; n++)
        assert_refused(b, str_sub(t, 0, n));
    const struct str bad[] = {
        arena_printf(a, "%.*s=", STR_ARG(t)),
        arena_printf(a, "%.*s==", STR_ARG(t)),
        arena_printf(a, "%.*s.", STR_ARG(t)),
        arena_printf(a, "%.*s.A", STR_ARG(t)),
        arena_printf(a, "%.*s\n", STR_ARG(t)),
        arena_printf(a, "%.*s ", STR_ARG(t)),
        arena_printf(a, " %.*s", STR_ARG(t)),
        arena_printf(a, ".%.*s", STR_ARG(t)),
        arena_printf(a, "%.*sAAAA", STR_ARG(t)),
        arena_printf(a, "Bearer %.*s", STR_ARG(t)),
        join(b, b->header, S(""), b->signature),
        join(b, S(""), b->payload, b->signature),
        S(".."),
        S("."),
        S("..."),
        arena_printf(a, "%.*s=.%.*s.%.*s", STR_ARG(b->header), STR_ARG(b->payload), STR_ARG(b->signature)),
        arena_printf(a, "%.*s..%.*s.%.*s", STR_ARG(b->header), STR_ARG(b->payload), STR_ARG(b->signature)),
        arena_printf(a, "%.*s.%.*s=.%.*s", STR_ARG(b->header), STR_ARG(b->payload), STR_ARG(b->signature)),
        arena_printf(a, "%.*s.%.*s", STR_ARG(b->header), STR_ARG(b->payload)),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(b, bad[i]);
    /* The last character of 342 holds two bits that mean nothing; a lenient decoder takes all four of these. */
    int passed = 0;
    for (const char *c = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.\n"; *c; c++) {
        struct str out, varied = arena_str(a, t);
        ((char *)varied.p)[t.n - 1] = *c;
        passed += is_ok(token_verify(&b->verifier, 1, varied, a, &out, NULL));
    }
    assert_int_equal(passed, 1);
    for (size_t bit = 0; bit < 8 * t.n; bit++) {
        struct str flipped = arena_str(a, t);
        ((char *)flipped.p)[bit / 8] ^= (char)(1 << bit % 8);
        assert_refused(b, flipped);
    }
}

static void holds_its_size(void **state)
{
    struct bench *b = *state;
    struct str token = S("untouched"), out;
    struct str large = random_text(b->a, S("ab"), 5800), too_large = random_text(b->a, S("ab"), 5900);
    assert_success(token_sign(b->signer, large, b->a, &token, NULL));
    assert_true(token.n <= 8192);
    assert_success(token_verify(&b->verifier, 1, token, b->a, &out, NULL));
    assert_same(out, large);
    token = S("untouched");
    assert_code(token_sign(b->signer, too_large, b->a, &token, NULL), INTERNAL);
    assert_code(token_sign(b->signer, S(""), b->a, &token, NULL), INTERNAL);
    assert_same(token, S("untouched"));
    assert_refused(b, random_text(b->a, S("a"), 100000));
    assert_refused(b, join(b, b->header, random_text(b->a, S("A"), 9000), b->signature));
}

static struct str public_of(struct bench *b, EVP_PKEY *key)
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(key, &der);
    assert_true(n > 0);
    struct str out = arena_str(b->a, (struct str){(const char *)der, (size_t)n});
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    return out;
}

static void takes_only_rsa_keys(void **state)
{
    struct bench *b = *state;
    struct str good = token_signer_public(b->signer);
    struct token_verifier *v = NULL;
    assert_true(is_rsa_public_key(good));
    struct str large = public_of(b, EVP_RSA_gen(3072)), small = public_of(b, EVP_RSA_gen(512));
    assert_true(is_rsa_public_key(large));
    assert_false(is_rsa_public_key(small));
    assert_code(token_verifier_new(large, &v, NULL), INVALID);
    const struct str bad[] = {
        STR_ABSENT,
        S(""),
        S("garbage"),
        S("\x30\x80"),
        S("\x30\x82\xff\xff"),
        arena_printf(b->a, "%s", "-----BEGIN PUBLIC KEY-----\n"),
        str_sub(good, 0, good.n - 1),
        str_sub(good, 1, good.n - 1),
        public_of(b, EVP_EC_gen("P-256")),
        public_of(b, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")),
        random_text(b->a, S("0"), 5000),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(is_rsa_public_key(bad[i]));
        assert_code(token_verifier_new(bad[i], &v, NULL), INVALID);
        assert_int_equal(ERR_peek_error(), 0);
    }
    char *longer = arena_alloc(b->a, good.n + 1);
    memcpy(longer, good.p, good.n);
    assert_false(is_rsa_public_key((struct str){longer, good.n + 1}));
    assert_null(v);
}

static void keeps_its_private_half_in_locked_memory(void **state)
{
    (void)state;
    struct token_signer *s = NULL;
    size_t before = CRYPTO_secure_used();
    assert_success(token_signer_new(&s, NULL));
    /* d, and the two primes with what speeds them up: 7 times 128 bytes. */
    assert_true(CRYPTO_secure_used() >= before + 7 * 128);
    token_signer_free(s);
    assert_int_equal(CRYPTO_secure_used(), before);
}

struct worker {
    struct bench *b;
    int passed;
};

static void *sign_many(void *argument)
{
    struct worker *w = argument;
    struct arena *a = arena_new();
    for (int i = 0; i < 50; i++) {
        struct str token, out, text = arena_printf(a, "{\"nanoTime\":%d}", i);
        w->passed += is_ok(token_sign(w->b->signer, text, a, &token, NULL)) &&
                     is_ok(token_verify(&w->b->verifier, 1, token, a, &out, NULL)) && str_equal(out, text);
    }
    arena_free(a);
    return NULL;
}

static void signs_from_many_threads(void **state)
{
    pthread_t threads[4];
    struct worker workers[4];
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){*state, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, sign_many, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].passed, 50);
    }
}

int main(void)
{
    crypto_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_its_own),
        cmocka_unit_test(passes_no_other_algorithm_or_header),
        cmocka_unit_test(passes_no_unsigned_or_hmac_token),
        cmocka_unit_test(passes_no_other_key_and_no_exchanged_part),
        cmocka_unit_test(passes_only_the_one_spelling),
        cmocka_unit_test(holds_its_size),
        cmocka_unit_test(takes_only_rsa_keys),
        cmocka_unit_test(keeps_its_private_half_in_locked_memory),
        cmocka_unit_test(signs_from_many_threads),
    };
    return cmocka_run_group_tests(tests, bench_open, bench_close);
}
