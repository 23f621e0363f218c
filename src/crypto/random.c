/* crypto/random.c: the system's randomness (libsodium). */
#include "crypto/random.h"

#include <sodium.h>

#include "base/log.h"
#include "base/secret_open.h"
#include "base/text.h"
#include "crypto/locked.h"

void crypto_start(void)
{
    if (sodium_init() < 0)
        die("libsodium does not start: no source of randomness");
    locked_start();
}

void random_bytes(void *p, size_t n)
{
    randombytes_buf(p, n);
}

uint32_t random_below(uint32_t bound)
{
    if (bound == 0)
        die("random_below: nothing is below 0");
    return randombytes_uniform(bound);
}

static void fill_from(char *out, struct str alphabet, size_t n)
{
    if (alphabet.n == 0 || alphabet.n > UINT32_MAX)
        die("random text: an alphabet of %zu characters", alphabet.n);
    for (size_t i = 0; i < n; i++)
        out[i] = alphabet.p[random_below((uint32_t)alphabet.n)];
}

struct str random_text(struct arena *a, struct str alphabet, size_t n)
{
    char *out = arena_alloc(a, n + 1);
    fill_from(out, alphabet, n);
    return (struct str){out, n};
}

struct str random_hex(struct arena *a, size_t bytes)
{
    char *raw = arena_alloc(a, bytes);
    random_bytes(raw, bytes);
    return hex_encode(a, (struct str){raw, bytes});
}

struct secret *random_secret_text(struct arena *a, struct str alphabet, size_t n)
{
    char *out;
    struct secret *s = secret_with_room(a, n, &out);
    fill_from(out, alphabet, n);
    return s;
}
