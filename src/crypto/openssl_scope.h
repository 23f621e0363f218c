/* crypto/openssl_scope.h: OpenSSL's objects released at the end of their scope. */
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

/* OPENSSL_AUTO(BIO) file = BIO_new(...);  NULL is fine */
#define OPENSSL_AUTO(type) __attribute__((cleanup(type##_auto_))) type *
#define DEFINE_OPENSSL_AUTO(type)                                                                                      \
    static inline void type##_auto_(type **p)                                                                          \
    {                                                                                                                  \
        type##_free(*p);                                                                                               \
    }

static inline void BIO_auto_(BIO **p)
{
    BIO_free_all(*p);
}
DEFINE_OPENSSL_AUTO(EVP_PKEY)
DEFINE_OPENSSL_AUTO(EVP_MD_CTX)
DEFINE_OPENSSL_AUTO(X509)
DEFINE_OPENSSL_AUTO(GENERAL_NAMES)

/* Errors are queued per thread, and what we leave there a TLS connection on the same thread takes for its own.
 * OPENSSL_ERRORS_END; at the top of each function that calls OpenSSL. */
static inline void openssl_errors_end_(const int *unused)
{
    (void)unused;
    ERR_clear_error();
}
#define OPENSSL_ERRORS_END __attribute__((cleanup(openssl_errors_end_), unused)) int openssl_errors_ = 0
