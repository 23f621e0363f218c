/* crypto/password.c: Argon2id and BLAKE2b by libsodium. */
#include "crypto/password.h"

#include <errno.h>
#include <sodium.h>

#include "base/log.h"
#include "base/secret_open.h"
#include "crypto/parts.h"

enum { PASSES = 2, MEMORY_BYTES = 64 << 20 };

RESULT password_hash(const struct secret *password, struct arena *a, struct str *ret_encoded, struct err *e)
{
    if (!password)
        return FAIL(e, INTERNAL, "there is no password to hash");
    struct str text = secret_open(password);
    char encoded[crypto_pwhash_STRBYTES];
    if (crypto_pwhash_str(encoded, text.p, text.n, PASSES, MEMORY_BYTES) != 0)
        return FAIL(e, INTERNAL, "a password could not be hashed: no %d MiB of memory", MEMORY_BYTES >> 20);
    *ret_encoded = arena_str(a, str_of(encoded));
    return SUCCESS;
}

bool password_verify(struct str encoded, const struct secret *password)
{
    char terminated[crypto_pwhash_STRBYTES] = {0};
    if (!password || encoded.n == 0 || encoded.n >= sizeof terminated || str_find_char(encoded, '\0') >= 0)
        return false;
    memcpy(terminated, encoded.p, encoded.n);
    struct str text = secret_open(password);
    errno = 0;
    if (crypto_pwhash_str_verify(terminated, text.p, text.n) == 0)
        return true;
    /* Want of memory must not pass for a wrong guess: it would count against the user. */
    if (errno == ENOMEM)
        die("no memory to verify a password");
    return false;
}

void password_verify_nobody(const struct secret *password)
{
    static const unsigned char salt[crypto_pwhash_SALTBYTES];
    unsigned char hash[32];
    struct str text = password ? secret_open(password) : S("");
    if (crypto_pwhash(hash, sizeof hash, text.p, text.n, salt, PASSES, MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13) != 0)
        die("no memory to verify a password");
    wipe(hash, sizeof hash);
}

struct str keyed_hash_str(struct arena *a, struct str key, struct str value)
{
    /* libsodium would take an empty key and hash without one. */
    if (key.n < crypto_generichash_KEYBYTES_MIN || key.n > crypto_generichash_KEYBYTES_MAX)
        die("the key of the keyed hashes has %zu bytes", key.n);
    unsigned char *hash = arena_alloc(a, HASH_BYTES);
    crypto_generichash(hash, HASH_BYTES, (const unsigned char *)value.p, value.n, (const unsigned char *)key.p, key.n);
    return (struct str){(const char *)hash, HASH_BYTES};
}

struct str keyed_hash(struct arena *a, struct str key, const struct secret *value)
{
    return keyed_hash_str(a, key, value ? secret_open(value) : S(""));
}

_Static_assert(sizeof(struct hasher) >= sizeof(crypto_generichash_state), "room for libsodium's state");
_Static_assert(_Alignof(struct hasher) >= _Alignof(crypto_generichash_state), "its alignment");

static crypto_generichash_state *state_of(struct hasher *h)
{
    return (crypto_generichash_state *)(void *)h->state;
}

void hasher_start(struct hasher *h)
{
    crypto_generichash_init(state_of(h), NULL, 0, HASH_BYTES);
}

void hasher_add(struct hasher *h, struct str part)
{
    unsigned char length[NUMBER_BYTES];
    big_endian_put(length, part.n);
    crypto_generichash_update(state_of(h), length, sizeof length);
    crypto_generichash_update(state_of(h), (const unsigned char *)part.p, part.n);
}

void hasher_end(struct hasher *h, unsigned char ret[HASH_BYTES])
{
    crypto_generichash_final(state_of(h), ret, HASH_BYTES);
    wipe(h, sizeof *h);
}
