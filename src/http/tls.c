/* http/tls.c: OpenSSL between two memory buffers. */
#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/log.h"

struct tls_context {
    SSL_CTX *ssl;
};

struct tls {
    SSL *ssl;
    BIO *from_network, *to_network; /* owned by ssl */
};

/* A key behind a pass phrase would make OpenSSL ask on the terminal. */
static int refuse_pass_phrase(char *room, int size, int is_writing, void *context)
{
    (void)room, (void)size, (void)is_writing, (void)context;
    return -1;
}

static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_n, const unsigned char *offered,
                           unsigned offered_n, void *context)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    (void)ssl, (void)context;
    if (SSL_select_next_proto(&chosen, ret_n, ours, sizeof(ours) - 1, offered, offered_n) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static const char *last_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    return reason ? reason : "unknown reason";
}

static RESULT set_rules(SSL_CTX *ssl, struct err *e)
{
    SSL_CTX_set_default_passwd_cb(ssl, refuse_pass_phrase);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
#ifdef SSL_OP_CLEANSE_PLAINTEXT
    SSL_CTX_set_options(ssl, SSL_OP_CLEANSE_PLAINTEXT);
#endif
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
    if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ssl, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
        return FAIL(e, INTERNAL, "tls: OpenSSL refuses our settings: %s", last_reason());
    return SUCCESS;
}

static RESULT load_files(SSL_CTX *ssl, const char *certificate_file, const char *key_file, struct err *e)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ssl, certificate_file) != 1)
        return FAIL(e, INVALID, "tls: certificate file %s: %s", certificate_file, last_reason());
    if (SSL_CTX_use_PrivateKey_file(ssl, key_file, SSL_FILETYPE_PEM) != 1)
        return FAIL(e, INVALID, "tls: key file %s (does it belong to %s?): %s", key_file, certificate_file,
                    last_reason());
    return SUCCESS;
}

RESULT tls_context_new(const char *certificate_file, const char *key_file, struct tls_context **ret, struct err *e)
{
    struct tls_context *context = calloc(1, sizeof(*context));
    result outcome;

    if (!context || !(context->ssl = SSL_CTX_new(TLS_server_method())))
        die("out of memory");
    outcome = set_rules(context->ssl, e);
    if (is_ok(outcome))
        outcome = load_files(context->ssl, certificate_file, key_file, e);
    if (is_ok(outcome))
        *ret = context;
    else
        tls_context_free(context);
    ERR_clear_error();
    return outcome;
}

void tls_context_free(struct tls_context *context)
{
    if (!context)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}

struct tls *tls_new(struct tls_context *context)
{
    struct tls *t = calloc(1, sizeof(*t));

    if (!t || !(t->ssl = SSL_new(context->ssl)) || !(t->from_network = BIO_new(BIO_s_mem())) ||
        !(t->to_network = BIO_new(BIO_s_mem())))
        die("out of memory");
    SSL_set_bio(t->ssl, t->from_network, t->to_network);
    SSL_set_accept_state(t->ssl);
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    free(t);
}

bool tls_is_established(const struct tls *t)
{
    return SSL_is_init_finished(t->ssl);
}

void tls_take(struct tls *t, struct str from_network)
{
    if (BIO_write(t->from_network, from_network.p, (int)from_network.n) != (int)from_network.n)
        die("out of memory");
}

enum tls_outcome tls_read(struct tls *t, char *room, size_t n, size_t *ret_n)
{
    ERR_clear_error();
    if (SSL_read_ex(t->ssl, room, n, ret_n) == 1)
        return TLS_READ;
    switch (SSL_get_error(t->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WAITS;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        ERR_clear_error();
        return TLS_BROKEN;
    }
}

bool tls_write(struct tls *t, struct str clear)
{
    size_t n = 0;

    ERR_clear_error();
    return clear.n == 0 || (SSL_write_ex(t->ssl, clear.p, clear.n, &n) == 1 && n == clear.n);
}

void tls_say_goodbye(struct tls *t)
{
    ERR_clear_error();
    if (tls_is_established(t))
        SSL_shutdown(t->ssl);
    ERR_clear_error();
}

size_t tls_give(struct tls *t, char *room, size_t n)
{
    int given = BIO_read(t->to_network, room, (int)n);

    return given > 0 ? (size_t)given : 0;
}
