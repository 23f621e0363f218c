/* crypto/locked.c: locked memory by libsodium, and by OpenSSL's secure heap for the keys that OpenSSL holds. */
#include "crypto/locked.h"

#include <openssl/crypto.h>
#include <sodium.h>
#include <stdatomic.h>

#include "base/log.h"

/* Room for some thousand TLS handshakes at once (their short-lived keys live here as well), an eighth of the usual
 * RLIMIT_MEMLOCK. */
enum { OPENSSL_HEAP_BYTES = 1 << 20, OPENSSL_PIECE_BYTES = 32 };

static void warn_once(void)
{
    static atomic_flag has_warned = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&has_warned))
        log_warning("keys cannot be locked in memory and may reach swap; raise RLIMIT_MEMLOCK (LimitMEMLOCK=16M) or "
                    "turn swap off");
}

void locked_start(void)
{
    if (CRYPTO_secure_malloc_initialized())
        return;
    int outcome = CRYPTO_secure_malloc_init(OPENSSL_HEAP_BYTES, OPENSSL_PIECE_BYTES);
    if (outcome == 0)
        die("no memory for OpenSSL's keys");
    if (outcome != 1)
        warn_once();
}

void *locked_alloc(size_t n)
{
    void *p = sodium_malloc(n);
    if (!p)
        die("no memory for a key of %zu bytes", n);
    /* sodium_malloc does not tell whether its own mlock worked; locking a locked page again does. */
    if (sodium_mlock(p, n) != 0)
        warn_once();
    sodium_memzero(p, n);
    return p;
}

void locked_free(void *p)
{
    sodium_free(p);
}
