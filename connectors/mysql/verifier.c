/* mysql/verifier.c: the two kinds of verifiers whose making the server leaves to anybody. */
#include "mysql/verifier.h"

#include <openssl/evp.h>
#include <sodium.h>

#include "base/log.h"
#include "base/secret_open.h"
#include "base/text.h"

enum { SHA1_BYTES = 20, POINT_BYTES = 32, BASE64_ROOM = 64 };

enum scheme scheme_of_plugin(struct str plugin)
{
    if (str_equal(plugin, S("mysql_native_password")))
        return SCHEME_NATIVE;
    return str_equal(plugin, S("ed25519")) ? SCHEME_ED25519 : SCHEME_NONE;
}

const char *scheme_text(enum scheme scheme)
{
    static const char *const texts[] = {[SCHEME_NONE] = "", [SCHEME_NATIVE] = "native", [SCHEME_ED25519] = "ed25519"};
    return texts[scheme];
}

static void upper(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] >= 'a' && text[i] <= 'z')
            text[i] = (char)(text[i] - ('a' - 'A'));
}

static struct str make_native(struct str password, struct arena *a)
{
    unsigned char once[SHA1_BYTES], twice[SHA1_BYTES];
    if (EVP_Digest(password.p, password.n, once, NULL, EVP_sha1(), NULL) != 1 ||
        EVP_Digest(once, sizeof(once), twice, NULL, EVP_sha1(), NULL) != 1)
        die("SHA-1 cannot be had");
    struct str hex = hex_encode(a, (struct str){(const char *)twice, sizeof(twice)});
    struct str made = arena_printf(a, "*%.*s", STR_ARG(hex));
    upper((char *)made.p, made.n);
    wipe(once, sizeof(once));
    return made;
}

/* The server's plugin takes the whole password for the seed that RFC 8032 5.1.5 hashes, whatever its length. */
static struct str make_ed25519(struct str password, struct arena *a)
{
    unsigned char scalar[crypto_hash_sha512_BYTES], point[POINT_BYTES];
    char *text = arena_alloc(a, BASE64_ROOM);
    crypto_hash_sha512(scalar, (const unsigned char *)password.p, password.n);
    if (crypto_scalarmult_ed25519_base(point, scalar) != 0)
        die("a point of ed25519 cannot be made");
    wipe(scalar, sizeof(scalar));
    sodium_bin2base64(text, BASE64_ROOM, point, sizeof(point), sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    return str_of(text);
}

struct str verifier_make(enum scheme scheme, const struct secret *password, struct arena *a)
{
    struct str open = secret_open(password);
    return scheme == SCHEME_ED25519 ? make_ed25519(open, a) : make_native(open, a);
}

bool verifier_matches(enum scheme scheme, struct str stored, const struct secret *password, struct arena *a)
{
    struct str made = verifier_make(scheme, password, a), present = arena_str(a, stored);
    if (scheme == SCHEME_NATIVE)
        upper((char *)present.p, present.n);
    return made.n == present.n && equal_constant_time(made.p, present.p, made.n);
}
