/* crypto/certificate.c: the self-signed certificate of a first start, and what a certificate file says. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include "base/clock.h"
#include "base/scope.h"
#include "crypto/openssl_scope.h"
#include "crypto/random.h"
#include "crypto/token.h"

enum { VALID_DAYS = 397, SERIAL_BYTES = 16, NAME_MAX_BYTES = 253, FINGERPRINT_BYTES = 32 };

static bool is_host_name(struct str s)
{
    if (s.n == 0 || s.n > NAME_MAX_BYTES || s.p[0] == '.' || s.p[0] == '-' || str_find(s, S("..")) >= 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_';
        if (!is_fine)
            return false;
    }
    return true;
}

static bool is_listed_before(const struct str *names, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (str_equal_fold(names[j], names[i]))
            return true;
    return false;
}

/* NULL when it is neither an address nor a host name. */
static GENERAL_NAME *name_of(struct str s)
{
    char text[NAME_MAX_BYTES + 1] = {0};
    if (s.n == 0 || s.n > NAME_MAX_BYTES || str_find_char(s, '\0') >= 0)
        return NULL;
    memcpy(text, s.p, s.n);
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(text);
    GENERAL_NAME *name = address || is_host_name(s) ? GENERAL_NAME_new() : NULL;
    if (name && address) {
        GENERAL_NAME_set0_value(name, GEN_IPADD, address);
    } else if (name) {
        ASN1_IA5STRING *dns = ASN1_IA5STRING_new();
        if (dns)
            ASN1_STRING_set(dns, text, (int)s.n);
        GENERAL_NAME_set0_value(name, GEN_DNS, dns);
    }
    return name;
}

static result add_names(X509 *certificate, const struct str *names, size_t n, struct err *e)
{
    OPENSSL_AUTO(GENERAL_NAMES) list = GENERAL_NAMES_new();
    for (size_t i = 0; i < n; i++) {
        if (is_listed_before(names, i))
            continue;
        GENERAL_NAME *name = name_of(names[i]);
        if (!name || !list || sk_GENERAL_NAME_push(list, name) <= 0) {
            GENERAL_NAME_free(name);
            return FAIL(e, INVALID, "name %zu of the certificate: is neither an address nor a host name", i + 1);
        }
    }
    if (n == 0 || X509_add1_ext_i2d(certificate, NID_subject_alt_name, list, 0, X509V3_ADD_DEFAULT) != 1)
        return FAIL(e, INVALID, "the certificate needs a name");
    return SUCCESS;
}

static bool add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool is_added = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

static bool set_serial(X509 *certificate)
{
    unsigned char bytes[SERIAL_BYTES];
    random_bytes(bytes, sizeof bytes);
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, and of one length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool is_set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return is_set;
}

static bool fill(X509 *certificate, EVP_PKEY *key)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    time_t now = time(NULL);
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           X509_time_adj_ex(X509_getm_notBefore(certificate), 0, 0, &now) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), VALID_DAYS, 0, &now) != NULL &&
           X509_set_pubkey(certificate, key) == 1 &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"Keyturn", -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1 &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
           add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
           add_extension(certificate, NID_subject_key_identifier, "hash");
}

static result create(const char *path, int *ret_fd, struct err *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return FAIL(e, CONFLICT, "%s: is there already and is not replaced", path);
    if (fd < 0)
        return FAIL(e, INTERNAL, "%s: %s", path, strerror(errno));
    *ret_fd = fd;
    return SUCCESS;
}

/* One of the two; what was begun is taken away again when it cannot be finished. */
static result write_pem(const char *path, X509 *certificate, EVP_PKEY *key, struct err *e)
{
    AUTOCLOSE fd = -1;
    TRY(create(path, &fd, e));
    OPENSSL_AUTO(BIO) out = BIO_new_fd(fd, BIO_NOCLOSE);
    bool is_written = out && (key ? PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1
                                  : PEM_write_bio_X509(out, certificate) == 1);
    if (is_written && fsync(fd) == 0)
        return SUCCESS;
    unlink(path);
    return FAIL(e, INTERNAL, "%s: could not be written", path);
}

RESULT certificate_make(const char *certificate_file, const char *key_file, const struct str *names, size_t n,
                        struct err *e)
{
    OPENSSL_ERRORS_END;
    OPENSSL_AUTO(EVP_PKEY) key = EVP_EC_gen("P-256");
    OPENSSL_AUTO(X509) certificate = X509_new();
    if (!key || !certificate || !fill(certificate, key))
        return FAIL(e, INTERNAL, "OpenSSL cannot make a certificate");
    TRY(add_names(certificate, names, n, e));
    if (X509_sign(certificate, key, EVP_sha256()) <= 0)
        return FAIL(e, INTERNAL, "OpenSSL cannot sign a certificate");
    TRY(write_pem(key_file, NULL, key, e));
    result r = write_pem(certificate_file, certificate, NULL, e);
    if (!is_ok(r))
        unlink(key_file);
    return r;
}

static bool read_end(const X509 *certificate, int64_t *ret)
{
    struct tm t;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &t) != 1)
        return false;
    *ret = time_from_civil((struct civil){.year = t.tm_year + 1900,
                                          .month = t.tm_mon + 1,
                                          .day = t.tm_mday,
                                          .hour = t.tm_hour,
                                          .minute = t.tm_min,
                                          .second = t.tm_sec});
    return true;
}

RESULT certificate_read(const char *certificate_file, struct arena *a, int64_t *ret_ends_at,
                        struct str *ret_fingerprint, struct err *e)
{
    OPENSSL_ERRORS_END;
    errno = 0;
    OPENSSL_AUTO(BIO) file = BIO_new_file(certificate_file, "r");
    if (!file)
        return FAIL(e, errno == ENOENT ? NOT_FOUND : INTERNAL, "%s: %s", certificate_file, strerror(errno));
    /* The empty pass phrase keeps OpenSSL from asking the terminal for one. */
    OPENSSL_AUTO(X509) certificate = PEM_read_bio_X509(file, NULL, NULL, (void *)"");
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    int64_t ends_at;
    if (!certificate || X509_digest(certificate, EVP_sha256(), hash, &n) != 1 || n != FINGERPRINT_BYTES ||
        !read_end(certificate, &ends_at))
        return FAIL(e, INVALID, "%s: is not a certificate in PEM form", certificate_file);
    struct str text = arena_printf(a, "%02X", hash[0]);
    for (unsigned i = 1; i < n; i++)
        text = arena_printf(a, "%.*s:%02X", STR_ARG(text), hash[i]);
    *ret_fingerprint = text;
    *ret_ends_at = ends_at;
    return SUCCESS;
}
