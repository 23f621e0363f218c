/* ssh/key.c: reading, describing and making key pairs, all in memory. */
#include "ssh/key.h"

#include <inttypes.h>
#include <string.h>

#include "base/secret_open.h"
#include "base/text.h"
#include "common/watchdog.h"

/* A key may ask for any number of rounds of its key derivation. OpenSSH's form says how many beforehand: ssh-keygen
 * takes 16 to 24 of its own accord, and a hundred are one second. The other forms end by their time. */
enum { ROUNDS_MAX = 1000, OTHER_FORM_TIME_S = 5 };
enum { KEY_TIME_S = 20, RSA_BITS_MIN = 2048, RSA_BITS_MAX = 4096, RSA_BITS_DEFAULT = 3072 };

#define OPENSSH_BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"

struct passphrase {
    const struct secret *secret;
    bool was_asked;
};

/* libssh asks only when the key is encrypted. */
static int give_passphrase(const char *prompt, char *into, size_t size, int echo, int verify, void *context)
{
    (void)prompt, (void)echo, (void)verify;
    struct passphrase *p = context;
    p->was_asked = true;
    struct str bytes = p->secret ? secret_open(p->secret) : STR_ABSENT;
    if (bytes.n == 0 || bytes.n >= size)
        return -1;
    memcpy(into, bytes.p, bytes.n);
    into[bytes.n] = '\0';
    return 0;
}

static uint32_t read_u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* A length and as many bytes (RFC 4251 5). */
static bool take_string(struct str *blob, struct str *ret)
{
    uint32_t n = blob->n < 4 ? UINT32_MAX : read_u32((const unsigned char *)blob->p);
    if (blob->n < 4 || n > blob->n - 4)
        return false;
    *ret = str_sub(*blob, 4, n);
    *blob = str_sub(*blob, 4 + (size_t)n, blob->n);
    return true;
}

/* As libssh looks for it: anywhere. */
static bool is_openssh_form(struct str text)
{
    return str_find(text, S(OPENSSH_BEGIN)) >= 0;
}

/* The bytes between the two marks; false: they are none. libssh skips what stands behind the first mark in its line. */
static bool openssh_bytes(struct arena *a, struct str text, struct str *ret)
{
    struct str rest = str_sub(text, (size_t)str_find(text, S(OPENSSH_BEGIN)) + S(OPENSSH_BEGIN).n, text.n);
    ptrdiff_t end = str_find(rest, S("-----END"));
    if (end < 1 || (rest.p[0] != '\n' && rest.p[0] != '\r'))
        return false;
    char *packed = arena_alloc(a, rest.n + 1);
    size_t n = 0;
    for (ptrdiff_t i = 0; i < end; i++)
        if (!strchr(" \t\r\n\v\f", rest.p[i]))
            packed[n++] = rest.p[i];
    return base64_decode(a, (struct str){packed, n}, ret);
}

/* "openssh-key-v1", NUL, cipher, derivation, its options (OpenSSH's PROTOCOL.key): of bcrypt, a salt and the rounds. */
static RESULT check_rounds(struct arena *a, struct str text, struct err *e)
{
    struct str blob, cipher, derivation, options, salt;
    bool is_read = openssh_bytes(a, text, &blob) && str_starts(blob, S("openssh-key-v1\0"));
    if (is_read)
        blob = str_sub(blob, sizeof("openssh-key-v1"), blob.n);
    is_read = is_read && take_string(&blob, &cipher) && take_string(&blob, &derivation) && take_string(&blob, &options);
    if (is_read && str_equal(derivation, S("none")))
        return SUCCESS;
    if (!is_read || !str_equal(derivation, S("bcrypt")) || !take_string(&options, &salt) || options.n != 4)
        return FAIL_AS(e, INVALID, "bad_key", "not a private key that we can read");
    uint32_t rounds = read_u32((const unsigned char *)options.p);
    if (rounds > ROUNDS_MAX)
        return FAIL_AS(e, INVALID, "bad_key",
                       "the key asks for %" PRIu32 " rounds of its key derivation, and at most %d are taken: "
                       "`ssh-keygen -p -a 16` writes it anew",
                       rounds, ROUNDS_MAX);
    return SUCCESS;
}

RESULT key_read(const struct secret *private_key, const struct secret *passphrase, ssh_key *ret, bool *ret_is_encrypted,
                struct err *e)
{
    if (secret_length(private_key) > KEY_TEXT_MAX)
        return FAIL_AS(e, INVALID, "bad_key", "a key has at most %d bytes", KEY_TEXT_MAX);
    AUTOFREE(arena) a = arena_new();
    struct passphrase p = {.secret = passphrase};
    struct str text = secret_open(private_key);
    ssh_key key = NULL;
    if (is_openssh_form(text))
        TRY(check_rounds(a, text, e));
    int rc = ssh_pki_import_privkey_base64(arena_cstr(a, text), NULL, give_passphrase, &p, &key);
    *ret_is_encrypted = p.was_asked;
    if (rc == SSH_OK && key) {
        *ret = key;
        return SUCCESS;
    }
    if (!p.was_asked)
        return FAIL_AS(e, INVALID, "bad_key", "not a private key that we can read");
    if (secret_length(passphrase) == 0)
        return FAIL_AS(e, INVALID, "passphrase_required", "the key is encrypted");
    return FAIL_AS(e, INVALID, "wrong_passphrase", "the passphrase does not open the key");
}

/* The public form is three length-prefixed strings: name, exponent, modulus (RFC 4253 6.6). */
static int rsa_bits(struct arena *a, struct str base64)
{
    struct str blob, part = {0};
    if (!base64_decode(a, base64, &blob))
        return 0;
    for (int i = 0; i < 3; i++)
        if (!take_string(&blob, &part))
            return 0;
    while (part.n > 0 && part.p[0] == '\0')
        part = str_sub(part, 1, part.n);
    return part.n ? (int)part.n * 8 - __builtin_clz((unsigned char)part.p[0]) + 24 : 0;
}

static RESULT describe(ssh_key key, struct arena *a, struct str *ret, struct err *e)
{
    char *text = NULL;
    if (ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
        return FAIL_AS(e, INVALID, "bad_key", "the key has no public half");
    struct str base64 = arena_str(a, str_of(text));
    ssh_string_free_char(text);
    enum ssh_keytypes_e type = ssh_key_type(key);
    bool is_taken = type == SSH_KEYTYPE_ED25519 || type == SSH_KEYTYPE_ECDSA_P256 || type == SSH_KEYTYPE_ECDSA_P384 ||
                    type == SSH_KEYTYPE_ECDSA_P521 || (type == SSH_KEYTYPE_RSA && rsa_bits(a, base64) >= RSA_BITS_MIN);
    if (!is_taken)
        return FAIL_AS(e, INVALID, "bad_key", "only ed25519, ECDSA and RSA from %d bits are taken", RSA_BITS_MIN);
    *ret = arena_printf(a, "%s %.*s", ssh_key_type_to_char(type), STR_ARG(base64));
    return SUCCESS;
}

static RESULT describe_pair(ssh_key key, struct arena *a, struct str *ret, struct err *e)
{
    AUTOFREE(ssh_key_struct) public_key = NULL;
    ssh_key half = NULL;
    if (ssh_pki_export_privkey_to_pubkey(key, &half) != SSH_OK)
        return FAIL_AS(e, INVALID, "bad_key", "the key has no public half");
    public_key = half;
    return describe(public_key, a, ret, e);
}

RESULT key_line_read(struct str line, struct arena *a, struct str *ret_identity, struct err *e)
{
    if (line.n > KEY_TEXT_MAX || text_has_control(line) || !text_is_utf8(line))
        return FAIL_AS(e, INVALID, "bad_request", "public_key: one line of at most %d bytes", KEY_TEXT_MAX);
    struct str rest = str_trim(line);
    struct str type = str_cut(&rest, ' ');
    struct str base64 = str_cut(&rest, ' ');
    ssh_key key = NULL;
    const char *type_text = arena_cstr(a, type);
    if (base64.n == 0 ||
        ssh_pki_import_pubkey_base64(arena_cstr(a, base64), ssh_key_type_from_name(type_text), &key) != SSH_OK)
        return FAIL_AS(e, INVALID, "bad_request", "public_key: not \"type base64 comment\"");
    AUTOFREE(ssh_key_struct) held = key;
    struct str identity = STR_ABSENT;
    if (!is_ok(describe(held, a, &identity, e)))
        return FAIL_AS(e, INVALID, "bad_request", "public_key: only ed25519, ECDSA and RSA from %d bits", RSA_BITS_MIN);
    if (!str_equal(identity, arena_printf(a, "%.*s %.*s", STR_ARG(type), STR_ARG(base64))))
        return FAIL_AS(e, INVALID, "bad_request", "public_key: not written as OpenSSH writes it");
    *ret_identity = identity;
    return SUCCESS;
}

const struct field inspect_fields[] = {
    SECRET("private_key", struct inspect_request, private_key, .required = true, .max = KEY_TEXT_MAX),
    SECRET("passphrase", struct inspect_request, passphrase, .max = 1024),
    FIELD_END,
};

result inspect_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    (void)state;
    const struct inspect_request *r = request;
    watchdog_start(is_openssh_form(secret_open(r->private_key)) ? KEY_TIME_S : OTHER_FORM_TIME_S);
    AUTOFREE(ssh_key_struct) key = NULL;
    bool is_encrypted = false;
    struct str public_key = STR_ABSENT;
    TRY(key_read(r->private_key, r->passphrase, &key, &is_encrypted, e));
    TRY(describe_pair(key, a, &public_key, e));
    json_key(answer->writer, S("public_key"));
    json_write_str(answer->writer, public_key);
    json_key(answer->writer, S("encrypted"));
    json_write_bool(answer->writer, is_encrypted);
    return SUCCESS;
}

static const char *const key_types[] = {"ed25519", "rsa", NULL};
const struct field make_fields[] = {
    TEXT("type", struct make_request, type, .required = true, .words = key_types),
    INT("size", struct make_request, size, .max = RSA_BITS_MAX),
    FIELD_END,
};

static RESULT generate(const struct make_request *r, ssh_key *ret, struct err *e)
{
    bool is_rsa = str_equal(r->type, S("rsa"));
    int64_t size = r->size == 0 ? RSA_BITS_DEFAULT : r->size;
    if (is_rsa && (size < RSA_BITS_MIN || size % 8 != 0))
        return FAIL_AS(e, INVALID, "bad_request", "size: %d to %d bits, in steps of 8", RSA_BITS_MIN, RSA_BITS_MAX);
    if (ssh_pki_generate(is_rsa ? SSH_KEYTYPE_RSA : SSH_KEYTYPE_ED25519, is_rsa ? (int)size : 0, ret) != SSH_OK)
        return FAIL_AS(e, INTERNAL, "unsent", "no key could be made");
    return SUCCESS;
}

result make_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    (void)state;
    watchdog_start(KEY_TIME_S);
    ssh_key made = NULL;
    TRY(generate(request, &made, e));
    AUTOFREE(ssh_key_struct) key = made;
    struct str public_key = STR_ABSENT;
    TRY(describe_pair(key, a, &public_key, e));
    char *text = NULL;
    if (ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &text) != SSH_OK)
        return FAIL_AS(e, INTERNAL, "unsent", "the key could not be written");
    json_key(answer->writer, S("private_key"));
    json_write_str(answer->writer, str_of(text));
    wipe(text, strlen(text));
    ssh_string_free_char(text);
    json_key(answer->writer, S("public_key"));
    json_write_str(answer->writer, public_key);
    return SUCCESS;
}
