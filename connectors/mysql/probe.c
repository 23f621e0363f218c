/* mysql/probe.c: greeting, request for TLS, handshake, and the certificate's key against the pinned ones. */
#include "mysql/probe.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "common/tls_pin.h"
#include "common/watchdog.h"

enum { GREETING_BYTES_MAX = 4096, HEADER_BYTES = 4, ERROR_MARK = 0xff };
enum { GREETING_VERSION = 10, OFFERS_TLS = 0x0800, SHA1_BYTES = 20 };

static inline void ssl_st_free(struct ssl_st *s)
{
    SSL_free(s);
}
DEFINE_AUTOFREE(ssl_st)
static inline void ssl_ctx_st_free(struct ssl_ctx_st *c)
{
    SSL_CTX_free(c);
}
DEFINE_AUTOFREE(ssl_ctx_st)
static inline void x509_st_free(struct x509_st *x)
{
    X509_free(x);
}
DEFINE_AUTOFREE(x509_st)

/* True when the socket is ready; false when the time is over. */
static bool wait_for(int fd, short events)
{
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = events};
        if (watchdog_has_expired())
            return false;
        int n = poll(&ready, 1, watchdog_left_ms());
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
    }
}

static RESULT receive(int fd, unsigned char *into, size_t n, struct err *e)
{
    while (n > 0) {
        ssize_t got = recv(fd, into, n, 0);
        if (got > 0) {
            into += got;
            n -= (size_t)got;
            continue;
        }
        bool may_wait = got < 0 && (errno == EAGAIN || errno == EINTR);
        if (may_wait && wait_for(fd, POLLIN))
            continue;
        return FAIL_AS(e, UNREACHABLE, "unreachable", "%s",
                       may_wait ? "the server did not answer in time" : "the connection broke before the greeting");
    }
    return SUCCESS;
}

/* The greeting: version 10, the server's version as text, 13 bytes that do not matter here, what it offers. */
static RESULT read_greeting(int fd, struct arena *a, struct err *e)
{
    unsigned char header[HEADER_BYTES];
    TRY(receive(fd, header, sizeof(header), e));
    size_t n = header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16;
    if (n < 4 || n > GREETING_BYTES_MAX)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "this is no MariaDB server");
    unsigned char *body = arena_alloc(a, n);
    TRY(receive(fd, body, n, e));
    if (body[0] == ERROR_MARK) {
        struct str text = {(const char *)body + 3, n - 3};
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the server takes no connection (%d): %.*s",
                       body[1] | body[2] << 8, STR_ARG(text));
    }
    const unsigned char *end = memchr(body + 1, 0, n - 1);
    size_t offers_at = end ? (size_t)(end - body) + 14 : n;
    if (body[0] != GREETING_VERSION || offers_at + 2 > n)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "this is no MariaDB server");
    if (!((body[offers_at] | body[offers_at + 1] << 8) & OFFERS_TLS))
        return FAIL_AS(e, UNREACHABLE, "unreachable",
                       "the server offers no TLS: set ssl_cert and ssl_key in its configuration");
    return SUCCESS;
}

/* The first packet of a client that wants TLS, up to where it would name an account: LONG_PASSWORD, PROTOCOL_41, SSL,
 * SECURE_CONNECTION, PLUGIN_AUTH; 1 MiB; utf8mb4. */
static RESULT ask_for_tls(int fd, struct err *e)
{
    static const unsigned char packet[HEADER_BYTES + 32] = {32, 0, 0, 1, 0x01, 0x8a, 0x08, 0, 0, 0, 0x10, 0, 45};
    if (send(fd, packet, sizeof(packet), MSG_NOSIGNAL) != (ssize_t)sizeof(packet))
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the connection broke before TLS");
    return SUCCESS;
}

static RESULT shake_hands(SSL *tls, int fd, struct err *e)
{
    for (;;) {
        int done = SSL_connect(tls);
        if (done == 1)
            return SUCCESS;
        int wish = SSL_get_error(tls, done);
        bool may_wait = wish == SSL_ERROR_WANT_READ || wish == SSL_ERROR_WANT_WRITE;
        if (may_wait && wait_for(fd, wish == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT))
            continue;
        return FAIL_AS(e, UNREACHABLE, "unreachable", "%s",
                       may_wait ? "the server did not answer in time"
                                : "the TLS handshake failed (TLS 1.2 or later is needed)");
    }
}

/* SHA-1, since that is all that the library compares: an impostor would need another certificate with the hash of one
 * whose key is pinned, a second preimage, which SHA-1 still stands. */
static RESULT take_certificate(struct server *s, SSL *tls, struct arena *a, struct answer *answer, struct err *e)
{
    AUTOFREE(x509_st) certificate = SSL_get1_peer_certificate(tls);
    unsigned char *der = NULL;
    int n = certificate ? i2d_X509(certificate, &der) : -1;
    if (n <= 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the server shows no certificate");
    struct str bytes = arena_str(a, (struct str){(const char *)der, (size_t)n});
    OPENSSL_free(der);
    struct host_key seen = {0};
    if (!is_ok(tls_pin_of(bytes, a, &seen, e))) {
        e->word = "unreachable";
        return (result){e->code};
    }
    s->seen = (struct host_key){arena_str(s->target.arena, seen.type), arena_str(s->target.arena, seen.sha256)};
    TRY(tls_pin_check(&s->seen, s->target.keys, s->target.key_count, answer, e));
    unsigned char hash[SHA1_BYTES];
    if (EVP_Digest(bytes.p, bytes.n, hash, NULL, EVP_sha1(), NULL) != 1)
        return FAIL_AS(e, INTERNAL, "unsent", "SHA-1 cannot be had");
    struct str hex = hex_encode(a, (struct str){(const char *)hash, sizeof(hash)});
    memcpy(s->fingerprint, hex.p, FINGERPRINT_DIGITS);
    return SUCCESS;
}

result probe_run(struct server *s, struct arena *a, struct answer *answer, struct err *e)
{
    int dialled = -1;
    s->seen = (struct host_key){0};
    s->fingerprint[0] = '\0';
    TRY(target_dial(&s->target.address, &(struct dial){0}, a, &dialled, e));
    AUTOCLOSE fd = dialled;
    TRY(read_greeting(fd, a, e));
    TRY(ask_for_tls(fd, e));
    AUTOFREE(ssl_ctx_st) context = SSL_CTX_new(TLS_client_method());
    AUTOFREE(ssl_st) tls = context ? SSL_new(context) : NULL;
    if (!tls || SSL_set_min_proto_version(tls, TLS1_2_VERSION) != 1 || SSL_set_fd(tls, fd) != 1)
        return FAIL_AS(e, INTERNAL, "unsent", "TLS cannot be had");
    TRY(shake_hands(tls, fd, e));
    return take_certificate(s, tls, a, answer, e);
}
