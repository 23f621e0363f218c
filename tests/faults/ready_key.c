/* tests/faults/ready_key.c: LD_PRELOAD: a program asks OpenSSL for an RSA key, and gets the one in the file
 * KEYTURN_RSA_KEY.
 *
 * A server makes one at each start, to sign tokens with; that was a third of all the work of a sweep. Nothing that a
 * sweep looks at depends on it, and no two servers of a run are given the same. */
#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef EVP_PKEY *keygen(OSSL_LIB_CTX *, const char *, const char *, ...);

static EVP_PKEY *read_key(const char *path)
{
    FILE *file = path ? fopen(path, "re") : NULL;
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    if (file)
        fclose(file);
    return key;
}

__attribute__((visibility("default"))) EVP_PKEY *EVP_PKEY_Q_keygen(OSSL_LIB_CTX *library, const char *properties,
                                                                   const char *type, ...)
{
    va_list more;
    va_start(more, type);
    keygen *real = (keygen *)dlsym(RTLD_NEXT, "EVP_PKEY_Q_keygen");
    EVP_PKEY *key = NULL;
    if (strcmp(type, "RSA") != 0)
        key = real(library, properties, type, va_arg(more, const char *));
    else if (!(key = read_key(getenv("KEYTURN_RSA_KEY"))))
        key = real(library, properties, type, va_arg(more, size_t));
    va_end(more);
    return key;
}
