/* postgresql/scram.c: RFC 5803's verifier, made and compared on our side, so that the clear text never travels. */
#include "postgresql/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/secret_open.h"
#include "base/text.h"
#include "postgresql/saslprep.h"

/* The bound keeps a verifier that somebody has forged from costing minutes; PostgreSQL's default is 4,096. */
enum { ITERATIONS = 4096, ITERATIONS_MAX = 1000000, SALT_BYTES = 16, SALT_BYTES_MAX = 1024, KEY_BYTES = 32 };
enum { MD5_BYTES = 16 };

struct keys {
    unsigned char stored[KEY_BYTES], server[KEY_BYTES];
};

static bool hmac(const unsigned char key[KEY_BYTES], struct str text, unsigned char ret[KEY_BYTES])
{
    return HMAC(EVP_sha256(), key, KEY_BYTES, (const unsigned char *)text.p, text.n, ret, NULL) != NULL;
}

static bool derive(const struct secret *password, struct str salt, int iterations, struct arena *a, struct keys *ret)
{
    unsigned char salted[KEY_BYTES], client[KEY_BYTES];
    struct str prepared = secret_open(saslprep(a, password));
    bool is_made = PKCS5_PBKDF2_HMAC(prepared.p, (int)prepared.n, (const unsigned char *)salt.p, (int)salt.n,
                                     iterations, EVP_sha256(), KEY_BYTES, salted) == 1 &&
                   hmac(salted, S("Client Key"), client) && hmac(salted, S("Server Key"), ret->server) &&
                   EVP_Digest(client, KEY_BYTES, ret->stored, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_cleanse(salted, sizeof(salted));
    OPENSSL_cleanse(client, sizeof(client));
    return is_made;
}

static struct str base64_of(struct arena *a, const unsigned char *bytes, size_t n)
{
    return base64_encode(a, (struct str){(const char *)bytes, n});
}

result scram_make(const struct secret *password, struct arena *a, struct str *ret, struct err *e)
{
    unsigned char salt[SALT_BYTES];
    struct keys keys;
    if (RAND_bytes(salt, SALT_BYTES) != 1 ||
        !derive(password, (struct str){(const char *)salt, SALT_BYTES}, ITERATIONS, a, &keys))
        return FAIL_AS(e, INTERNAL, "unsent", "the verifier cannot be made");
    *ret = arena_printf(a, "SCRAM-SHA-256$%d:%.*s$%.*s:%.*s", ITERATIONS, STR_ARG(base64_of(a, salt, SALT_BYTES)),
                        STR_ARG(base64_of(a, keys.stored, KEY_BYTES)), STR_ARG(base64_of(a, keys.server, KEY_BYTES)));
    return SUCCESS;
}

struct str verifier_scheme(struct str verifier)
{
    struct str digest = str_sub(verifier, 3, verifier.n);
    if (str_starts(verifier, S("SCRAM-SHA-256$")))
        return S("SCRAM-SHA-256");
    if (str_starts(verifier, S("md5")) && digest.n == (size_t)2 * MD5_BYTES && text_is_hex(digest))
        return S("md5");
    return STR_ABSENT;
}

static result unreadable(struct err *e)
{
    return FAIL_AS(e, UNREACHABLE, "unreadable", "the verifier is of a kind that is not known here");
}

/* "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>" */
static RESULT scram_matches(struct str verifier, const struct secret *password, struct arena *a, bool *ret,
                            struct err *e)
{
    struct str salt, stored, server;
    int64_t iterations;
    str_cut(&verifier, '$');
    struct str count = str_cut(&verifier, ':'), salt_text = str_cut(&verifier, '$');
    struct str stored_text = str_cut(&verifier, ':');
    bool is_read = str_to_int(count, 1, ITERATIONS_MAX, &iterations) && base64_decode(a, salt_text, &salt) &&
                   base64_decode(a, stored_text, &stored) && str_is_set(verifier) &&
                   base64_decode(a, verifier, &server);
    struct keys keys;
    if (!is_read || salt.n > SALT_BYTES_MAX || stored.n != KEY_BYTES || server.n != KEY_BYTES ||
        !derive(password, salt, (int)iterations, a, &keys))
        return unreadable(e);
    *ret =
        equal_constant_time(keys.stored, stored.p, KEY_BYTES) && equal_constant_time(keys.server, server.p, KEY_BYTES);
    return SUCCESS;
}

static RESULT md5_matches(struct str verifier, struct str account, const struct secret *password, struct arena *a,
                          bool *ret, struct err *e)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct str clear = secret_open(password), known;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_made = context && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1 &&
                   EVP_DigestUpdate(context, clear.p, clear.n) == 1 &&
                   EVP_DigestUpdate(context, account.p, account.n) == 1 &&
                   EVP_DigestFinal_ex(context, digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    if (!is_made || !hex_decode(a, str_sub(verifier, 3, verifier.n), &known) || known.n != MD5_BYTES)
        return unreadable(e);
    *ret = equal_constant_time(digest, known.p, MD5_BYTES);
    return SUCCESS;
}

result verifier_matches(struct str verifier, struct str account, const struct secret *password, struct arena *a,
                        bool *ret, struct err *e)
{
    if (!str_is_set(verifier)) {
        *ret = false;
        return SUCCESS;
    }
    struct str scheme = verifier_scheme(verifier);
    if (str_equal(scheme, S("md5")))
        return md5_matches(verifier, account, password, a, ret, e);
    if (!str_is_set(scheme))
        return unreadable(e);
    return scram_matches(verifier, password, a, ret, e);
}
