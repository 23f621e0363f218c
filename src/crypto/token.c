/* crypto/token.c: RS512 tokens in JWS compact form, by OpenSSL. */
#include "crypto/token.h"

#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/openssl_scope.h"

enum { KEY_BITS = 2048, SIGNATURE_BYTES = KEY_BITS / 8, TOKEN_MAX = 8192, PUBLIC_DER_MAX = 4096 };

/* {"alg":"RS512"} and the dot behind it. */
static const struct str header = {"eyJhbGciOiJSUzUxMiJ9.", sizeof "eyJhbGciOiJSUzUxMiJ9." - 1};

struct token_signer {
    EVP_PKEY *key;
    unsigned char *public_der;
    size_t public_n;
};

struct token_verifier {
    EVP_PKEY *key;
};

RESULT token_signer_new(struct token_signer **ret, struct err *e)
{
    OPENSSL_ERRORS_END;
    OPENSSL_AUTO(EVP_PKEY) key = EVP_RSA_gen(KEY_BITS);
    unsigned char *der = NULL;
    int n = key ? i2d_PUBKEY(key, &der) : -1;
    if (n <= 0)
        return FAIL(e, INTERNAL, "OpenSSL cannot make an RSA key");
    struct token_signer *s = calloc(1, sizeof *s);
    if (!s)
        die("no memory for a token signer");
    *s = (struct token_signer){key, der, (size_t)n};
    key = NULL;
    *ret = s;
    return SUCCESS;
}

void token_signer_free(struct token_signer *s)
{
    if (!s)
        return;
    EVP_PKEY_free(s->key);
    OPENSSL_free(s->public_der);
    free(s);
}

struct str token_signer_public(const struct token_signer *s)
{
    return (struct str){(const char *)s->public_der, s->public_n};
}

RESULT token_sign(struct token_signer *s, struct str payload_json, struct arena *a, struct str *ret_token,
                  struct err *e)
{
    OPENSSL_ERRORS_END;
    if (payload_json.n == 0 || payload_json.n > TOKEN_MAX)
        return FAIL(e, INTERNAL, "a token cannot carry %zu bytes", payload_json.n);
    struct str signed_part = arena_printf(a, "%.*s%.*s", STR_ARG(header), STR_ARG(base64url_encode(a, payload_json)));
    unsigned char signature[SIGNATURE_BYTES];
    size_t n = sizeof signature;
    OPENSSL_AUTO(EVP_MD_CTX) context = EVP_MD_CTX_new();
    if (!context || EVP_DigestSignInit(context, NULL, EVP_sha512(), NULL, s->key) != 1 ||
        EVP_DigestSign(context, signature, &n, (const unsigned char *)signed_part.p, signed_part.n) != 1)
        return FAIL(e, INTERNAL, "OpenSSL cannot sign a token");
    struct str last = base64url_encode(a, (struct str){(const char *)signature, n});
    struct str token = arena_printf(a, "%.*s.%.*s", STR_ARG(signed_part), STR_ARG(last));
    if (token.n > TOKEN_MAX)
        return FAIL(e, INTERNAL, "a token cannot carry %zu bytes", payload_json.n);
    *ret_token = token;
    return SUCCESS;
}

/* NULL unless all of it is one RSA SubjectPublicKeyInfo. */
static EVP_PKEY *read_rsa(struct str der)
{
    if (der.n == 0 || der.n > PUBLIC_DER_MAX)
        return NULL;
    const unsigned char *at = (const unsigned char *)der.p;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)der.n);
    if (key && at == (const unsigned char *)der.p + der.n && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

bool is_rsa_public_key(struct str der)
{
    OPENSSL_ERRORS_END;
    OPENSSL_AUTO(EVP_PKEY) key = read_rsa(der);
    return key && EVP_PKEY_get_bits(key) >= 1024;
}

RESULT token_verifier_new(struct str public_der, struct token_verifier **ret, struct err *e)
{
    OPENSSL_ERRORS_END;
    OPENSSL_AUTO(EVP_PKEY) key = read_rsa(public_der);
    if (!key || EVP_PKEY_get_bits(key) != KEY_BITS)
        return FAIL(e, INVALID, "token key: is no RSA key of %d bits", KEY_BITS);
    struct token_verifier *v = calloc(1, sizeof *v);
    if (!v)
        die("no memory for a token verifier");
    v->key = key;
    key = NULL;
    *ret = v;
    return SUCCESS;
}

void token_verifier_free(struct token_verifier *v)
{
    if (!v)
        return;
    EVP_PKEY_free(v->key);
    free(v);
}

static bool is_signed_by(const struct token_verifier *v, struct str signed_part, struct str signature)
{
    OPENSSL_AUTO(EVP_MD_CTX) context = EVP_MD_CTX_new();
    return context && EVP_DigestVerifyInit(context, NULL, EVP_sha512(), NULL, v->key) == 1 &&
           EVP_DigestVerify(context, (const unsigned char *)signature.p, signature.n,
                            (const unsigned char *)signed_part.p, signed_part.n) == 1;
}

static bool verify(struct token_verifier *const *verifiers, size_t n, struct str token, struct arena *a,
                   struct str *ret_payload)
{
    if (token.n > TOKEN_MAX || !str_starts(token, header))
        return false;
    struct str rest = str_sub(token, header.n, token.n - header.n), payload, signature;
    struct str middle = str_cut(&rest, '.');
    if (middle.n == 0 || !str_is_set(rest) || !base64url_decode(a, middle, &payload) ||
        !base64url_decode(a, rest, &signature) || signature.n != SIGNATURE_BYTES)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (is_signed_by(verifiers[i], str_sub(token, 0, header.n + middle.n), signature)) {
            *ret_payload = payload;
            return true;
        }
    }
    return false;
}

RESULT token_verify(struct token_verifier *const *verifiers, size_t n, struct str token, struct arena *a,
                    struct str *ret_payload, struct err *e)
{
    OPENSSL_ERRORS_END;
    if (!verify(verifiers, n, token, a, ret_payload))
        return FAIL(e, UNAUTHENTICATED, "token: is not valid");
    return SUCCESS;
}
