/* crypto/certificate.c: is the certificate what OpenSSL's own tool takes it for, and is no file ever replaced? */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "crypto/random.h"
#include "crypto/token.h"

struct folder {
    struct arena *a;
    char path[64];
    const char *certificate, *key;
};

static int folder_make(void **state)
{
    struct folder *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->a = arena_new();
    memcpy(f->path, "/tmp/keyturn-test-XXXXXX", sizeof "/tmp/keyturn-test-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    f->certificate = arena_printf(f->a, "%s/certificate.pem", f->path).p;
    f->key = arena_printf(f->a, "%s/key.pem", f->path).p;
    *state = f;
    return 0;
}

static int folder_remove(void **state)
{
    struct folder *f = *state;
    unlink(f->certificate);
    unlink(f->key);
    assert_int_equal(rmdir(f->path), 0);
    arena_free(f->a);
    free(f);
    return 0;
}

static const struct str names[] = {
    {"vault.example.org", 17}, {"localhost", 9}, {"127.0.0.1", 9}, {"::1", 3}, {"LOCALHOST", 9}};
enum { NAMES = sizeof names / sizeof *names };

/* What the command writes, both streams. */
static const char *output_of(struct folder *f, const char *arguments, const char *file)
{
    /* NOLINTNEXTLINE(cert-env33-c): every word of the command is ours. */
    FILE *p = popen(arena_printf(f->a, "openssl %s %s 2>&1", arguments, file).p, "r");
    assert_non_null(p);
    char *text = arena_alloc(f->a, 20000);
    size_t n = fread(text, 1, 19999, p);
    text[n] = '\0';
    assert_int_equal(pclose(p), 0);
    return text;
}

static void openssl_reads_it(void **state)
{
    struct folder *f = *state;
    int64_t before = clock_now(), ends_at = 0;
    struct str fingerprint;
    assert_success(certificate_make(f->certificate, f->key, names, NAMES, NULL));
    const char *text = output_of(f, "x509 -noout -text -fingerprint -sha256 -in", f->certificate);
    const char *const expected[] = {
        "DNS:vault.example.org, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1\n",
        "NIST CURVE: P-256",
        "ecdsa-with-SHA256",
        "Version: 3",
        "CA:FALSE",
        "TLS Web Server Authentication",
        "Digital Signature",
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_non_null(strstr(text, expected[i]));
    assert_success(certificate_read(f->certificate, f->a, &ends_at, &fingerprint, NULL));
    assert_int_equal(fingerprint.n, 95);
    assert_non_null(strstr(text, arena_printf(f->a, "Fingerprint=%.*s\n", STR_ARG(fingerprint)).p));
    assert_true(ends_at >= before - SECONDS + 397 * DAYS && ends_at <= clock_now() + 397 * DAYS);
    output_of(f, arena_printf(f->a, "verify -verify_hostname localhost -x509_strict -CAfile %s", f->certificate).p,
              f->certificate);
    const char *public_of_key = output_of(f, "pkey -pubout -in", f->key);
    assert_string_equal(public_of_key, output_of(f, "x509 -noout -pubkey -in", f->certificate));
}

static void replaces_no_file_and_shows_none(void **state)
{
    struct folder *f = *state;
    int64_t ends_at;
    struct str first, second;
    assert_success(certificate_make(f->certificate, f->key, names, NAMES, NULL));
    struct stat s;
    assert_int_equal(stat(f->key, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    assert_int_equal(stat(f->certificate, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    assert_success(certificate_read(f->certificate, f->a, &ends_at, &first, NULL));
    assert_code(certificate_make(f->certificate, f->key, names, NAMES, NULL), CONFLICT);
    assert_int_equal(unlink(f->key), 0);
    assert_code(certificate_make(f->certificate, f->key, names, NAMES, NULL), CONFLICT);
    assert_int_equal(access(f->key, F_OK), -1);
    assert_success(certificate_read(f->certificate, f->a, &ends_at, &second, NULL));
    assert_same(first, second);

    assert_int_equal(unlink(f->certificate), 0);
    assert_int_equal(symlink("/tmp/keyturn-test-nowhere", f->key), 0);
    assert_code(certificate_make(f->certificate, f->key, names, NAMES, NULL), CONFLICT);
    assert_int_equal(access("/tmp/keyturn-test-nowhere", F_OK), -1);
}

static void makes_a_key_of_its_own_each_time(void **state)
{
    struct folder *f = *state;
    int64_t ends_at;
    struct str first, second;
    assert_success(certificate_make(f->certificate, f->key, names, NAMES, NULL));
    assert_success(certificate_read(f->certificate, f->a, &ends_at, &first, NULL));
    const char *key = output_of(f, "pkey -pubout -in", f->key);
    unlink(f->certificate);
    unlink(f->key);
    assert_success(certificate_make(f->certificate, f->key, names, NAMES, NULL));
    assert_success(certificate_read(f->certificate, f->a, &ends_at, &second, NULL));
    assert_false(str_equal(first, second));
    assert_string_not_equal(key, output_of(f, "pkey -pubout -in", f->key));
}

static void refuses_names_that_are_none(void **state)
{
    struct folder *f = *state;
    char long_name[254];
    memset(long_name, 'a', sizeof long_name);
    const struct str bad[] = {S(""),
                              S("a b"),
                              S("a,DNS:b"),
                              S("a\0b"),
                              S("\xc3\xa4"),
                              S(".a"),
                              S("-a"),
                              S("a..b"),
                              S("*.a"),
                              S("[::1]"),
                              S("::1%lo"),
                              S("a\n"),
                              {long_name, sizeof long_name},
                              STR_ABSENT};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct str pair[] = {S("localhost"), bad[i]};
        assert_code(certificate_make(f->certificate, f->key, pair, 2, NULL), INVALID);
    }
    assert_code(certificate_make(f->certificate, f->key, NULL, 0, NULL), INVALID);
    assert_int_equal(access(f->key, F_OK), -1);
    assert_int_equal(access(f->certificate, F_OK), -1);
}

static void reads_no_certificate_where_none_is(void **state)
{
    struct folder *f = *state;
    int64_t ends_at = 7;
    struct str fingerprint = S("untouched");
    assert_code(certificate_read(f->certificate, f->a, &ends_at, &fingerprint, NULL), NOT_FOUND);
    assert_success(certificate_make(f->certificate, f->key, names, NAMES, NULL));
    assert_code(certificate_read(f->key, f->a, &ends_at, &fingerprint, NULL), INVALID);
    assert_int_equal(truncate(f->certificate, 200), 0);
    assert_code(certificate_read(f->certificate, f->a, &ends_at, &fingerprint, NULL), INVALID);
    assert_int_equal(truncate(f->certificate, 0), 0);
    assert_code(certificate_read(f->certificate, f->a, &ends_at, &fingerprint, NULL), INVALID);
    assert_code(certificate_read(f->path, f->a, &ends_at, &fingerprint, NULL), INVALID);
    assert_int_equal(ends_at, 7);
    assert_same(fingerprint, S("untouched"));
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    crypto_start();
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(openssl_reads_it),
        WITH_FOLDER(replaces_no_file_and_shows_none),
        WITH_FOLDER(makes_a_key_of_its_own_each_time),
        WITH_FOLDER(refuses_names_that_are_none),
        WITH_FOLDER(reads_no_certificate_where_none_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
