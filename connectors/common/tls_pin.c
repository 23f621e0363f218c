/* common/tls_pin.c: the public key of a TLS certificate, hashed and compared. */
#include "common/tls_pin.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

static bool hash_key(struct str der_certificate, unsigned char hash[EVP_MAX_MD_SIZE], unsigned *ret_n)
{
    const unsigned char *at = (const unsigned char *)der_certificate.p;
    X509 *certificate = d2i_X509(NULL, &at, (long)der_certificate.n);
    unsigned char *key = NULL;
    int n = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key) : -1;
    bool is_hashed = n > 0 && EVP_Digest(key, (size_t)n, hash, ret_n, EVP_sha256(), NULL) == 1;
    OPENSSL_free(key);
    X509_free(certificate);
    return is_hashed;
}

result tls_pin_of(struct str der_certificate, struct arena *a, struct host_key *ret, struct err *e)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char text[2 * EVP_MAX_MD_SIZE];
    unsigned n;
    if (!hash_key(der_certificate, hash, &n))
        return FAIL(e, INVALID, "the target's certificate cannot be read");
    int length = EVP_EncodeBlock((unsigned char *)text, hash, (int)n);
    while (length > 0 && text[length - 1] == '=')
        length--;
    ret->type = S("x509");
    ret->sha256 = arena_printf(a, "SHA256:%.*s", length, text);
    return SUCCESS;
}

result tls_pin_check(const struct host_key *seen, const struct host_key *pinned, size_t n, struct answer *answer,
                     struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(pinned[i].type, seen->type) && str_equal(pinned[i].sha256, seen->sha256))
            return SUCCESS;
    answer->host_key = *seen;
    if (n == 0)
        return FAIL_AS(e, UNREACHABLE, "host_key_unknown", "no key of this target is pinned yet");
    return FAIL_AS(e, UNREACHABLE, "host_key_changed", "the target's certificate has another key than the pinned one");
}
