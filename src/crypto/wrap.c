/* crypto/wrap.c: root and recovery keys as text, and data keys wrapped by them. */
#include "crypto/wrap.h"

#include <sodium.h>

#include "base/log.h"
#include "base/secret_open.h"
#include "crypto/locked.h"
#include "crypto/parts.h"
#include "crypto/random.h"

enum {
    NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG_BYTES = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    WRAP_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES,
    HEX_DIGITS = 2 * KEY_BYTES,
    ASSOCIATED_MAX = INSTALLATION_MAX + 200,
};
_Static_assert(KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "one size for all keys");

static const struct str root_prefix = {"keyturn-key-1:", sizeof "keyturn-key-1:" - 1};
static const struct str recovery_prefix = {"keyturn-recovery-1:", sizeof "keyturn-recovery-1:" - 1};

struct data_key {
    unsigned char bytes[KEY_BYTES];
};

struct root {
    unsigned char bytes[KEY_BYTES];
    bool is_recovery;
};

struct secret *keyring_make_root(struct arena *a, bool is_recovery)
{
    struct str prefix = is_recovery ? recovery_prefix : root_prefix;
    unsigned char bytes[KEY_BYTES];
    char hex[HEX_DIGITS + 1];
    random_bytes(bytes, sizeof bytes);
    sodium_bin2hex(hex, sizeof hex, bytes, sizeof bytes);

    char *out;
    struct secret *text = secret_with_room(a, prefix.n + HEX_DIGITS + 1, &out);
    memcpy(out, prefix.p, prefix.n);
    memcpy(out + prefix.n, hex, HEX_DIGITS);
    out[prefix.n + HEX_DIGITS] = '\n';
    wipe(bytes, sizeof bytes);
    wipe(hex, sizeof hex);
    return text;
}

static bool root_parse(const struct secret *text, struct root *ret)
{
    if (!text)
        return false;
    struct str rest = secret_open(text);
    ret->is_recovery = str_starts(rest, recovery_prefix);
    if (!ret->is_recovery && !str_starts(rest, root_prefix))
        return false;
    size_t prefix = ret->is_recovery ? recovery_prefix.n : root_prefix.n;
    struct str digits = str_sub(rest, prefix, rest.n - prefix);
    if (str_ends(digits, S("\n")))
        digits.n--;
    size_t n = 0;
    return digits.n == HEX_DIGITS &&
           sodium_hex2bin(ret->bytes, sizeof ret->bytes, digits.p, digits.n, NULL, &n, NULL) == 0 && n == KEY_BYTES;
}

struct data_key *data_key_new(void)
{
    struct data_key *d = locked_alloc(sizeof *d);
    random_bytes(d->bytes, sizeof d->bytes);
    return d;
}

void data_key_free(struct data_key *d)
{
    locked_free(d);
}

const unsigned char *data_key_bytes(const struct data_key *d)
{
    return d->bytes;
}

static result associate(struct buf *b, int64_t id, struct str installation, bool is_recovery, struct err *e)
{
    if (installation.n == 0 || installation.n > INSTALLATION_MAX)
        return FAIL(e, INVALID, "installation: must have 1 to %d bytes", INSTALLATION_MAX);
    parts_add(b, S("keyturn-wrap/1"));
    parts_add(b, installation);
    parts_add_number(b, id);
    parts_add(b, is_recovery ? S("recovery") : S("root"));
    if (b->has_failed)
        die("associated data of a wrap outgrows %d bytes", ASSOCIATED_MAX);
    return SUCCESS;
}

static struct str wrap_key(const struct data_key *d, const struct root *root, const struct buf *associated,
                           struct arena *a)
{
    unsigned char *out = arena_alloc(a, WRAP_BYTES);
    random_bytes(out, NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE_BYTES, NULL, d->bytes, sizeof d->bytes,
                                               (const unsigned char *)associated->p, associated->n, NULL, out,
                                               root->bytes);
    return (struct str){(const char *)out, WRAP_BYTES};
}

RESULT data_key_wrap(const struct data_key *d, int64_t id, const struct secret *root, struct str installation,
                     struct arena *a, struct str *ret_wrap, struct err *e)
{
    struct root parsed = {0};
    AUTOBUF associated;
    buf_init(&associated, ASSOCIATED_MAX);
    result r = root_parse(root, &parsed) ? associate(&associated, id, installation, parsed.is_recovery, e)
                                         : FAIL(e, INVALID, "key: is not the text of a Keyturn key");
    if (is_ok(r))
        *ret_wrap = wrap_key(d, &parsed, &associated, a);
    wipe(&parsed, sizeof parsed);
    return r;
}

static result unwrap_key(struct str wrap, const struct root *root, const struct buf *associated, struct data_key **ret,
                         struct err *e)
{
    if (wrap.n != WRAP_BYTES)
        return FAIL(e, INVALID, "key: the wrapped data key has %zu bytes instead of %d", wrap.n, WRAP_BYTES);
    const unsigned char *nonce = (const unsigned char *)wrap.p;
    struct data_key *d = locked_alloc(sizeof *d);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(d->bytes, NULL, NULL, nonce + NONCE_BYTES, WRAP_BYTES - NONCE_BYTES,
                                                   (const unsigned char *)associated->p, associated->n, nonce,
                                                   root->bytes) != 0) {
        data_key_free(d);
        return FAIL(e, INVALID, "key: is not the one of this installation");
    }
    *ret = d;
    return SUCCESS;
}

RESULT data_key_unwrap(struct str wrap, int64_t id, const struct secret *root, struct str installation,
                       struct data_key **ret, struct err *e)
{
    struct root parsed = {0};
    AUTOBUF associated;
    buf_init(&associated, ASSOCIATED_MAX);
    result r = root_parse(root, &parsed) ? associate(&associated, id, installation, parsed.is_recovery, e)
                                         : FAIL(e, INVALID, "key: is not the text of a Keyturn key");
    if (is_ok(r))
        r = unwrap_key(wrap, &parsed, &associated, ret, e);
    wipe(&parsed, sizeof parsed);
    return r;
}
