/* ldap/verifier.c: the schemes of RFC 2307 and its kin, recomputed on our side. */
#include "ldap/verifier.h"

#include <crypt.h>

#include <openssl/evp.h>

#include "base/secret_open.h"
#include "base/text.h"

enum { VALUES_MAX = 16, VALUE_BYTES_MAX = 1024 };

static char user_password[] = "userPassword", locked_time[] = "pwdAccountLockedTime";
static char changed_time[] = "pwdChangedTime", end_time[] = "pwdEndTime", reset[] = "pwdReset";
char *verifier_attributes[] = {user_password, locked_time, changed_time, end_time, reset, NULL};

struct scheme {
    const char *name;
    const EVP_MD *(*digest)(void); /* NULL: crypt(3) */
    bool has_salt;
};
static const struct scheme schemes[] = {
    {"{SSHA}", EVP_sha1, true},      {"{SHA}", EVP_sha1, false},      {"{SSHA256}", EVP_sha256, true},
    {"{SHA256}", EVP_sha256, false}, {"{SSHA384}", EVP_sha384, true}, {"{SHA384}", EVP_sha384, false},
    {"{SSHA512}", EVP_sha512, true}, {"{SHA512}", EVP_sha512, false}, {"{CRYPT}", NULL, true},
};

/* "{NAME}" at the front; empty for clear text. */
static struct str scheme_part(struct str value)
{
    ptrdiff_t end = str_starts(value, S("{")) ? str_find_char(value, '}') : -1;
    return str_sub(value, 0, (size_t)(end + 1));
}

static const struct scheme *scheme_of(struct str value)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (str_equal_fold(scheme_part(value), str_of(schemes[i].name)))
            return &schemes[i];
    return NULL;
}

void verifiers_read(LDAP *ld, LDAPMessage *entry, struct arena *a, struct verifiers *ret)
{
    struct berval **values = ldap_get_values_len(ld, entry, user_password);
    *ret = (struct verifiers){.values = arena_array(a, struct str, VALUES_MAX)};
    for (size_t i = 0; values && values[i]; i++) {
        if (values[i]->bv_len > 0 && values[i]->bv_len <= VALUE_BYTES_MAX && ret->n < VALUES_MAX)
            ret->values[ret->n++] = arena_str(a, (struct str){values[i]->bv_val, values[i]->bv_len});
        else
            ret->has_others = true;
        wipe(values[i]->bv_val, values[i]->bv_len);
    }
    ldap_value_free_len(values);
    ret->locked_since = search_value(ld, entry, locked_time, a);
}

bool verifiers_are_known(const struct verifiers *v)
{
    for (size_t i = 0; i < v->n; i++)
        if (scheme_part(v->values[i]).n > 0 && !scheme_of(v->values[i]))
            return false;
    return v->n > 0 && !v->has_others;
}

struct str verifiers_scheme(const struct verifiers *v)
{
    return v->n > 0 && scheme_of(v->values[0]) ? scheme_part(v->values[0]) : S("");
}

/* *ret_can: false when the value is none of its scheme, or its scheme is one that libcrypt does not know. */
static bool match_crypt(struct str setting, const struct secret *password, struct arena *a, bool *ret_can)
{
    struct crypt_data *data = arena_new_of(a, struct crypt_data);
    *ret_can = true;
    if (secret_length(password) >= CRYPT_MAX_PASSPHRASE_SIZE)
        return false;
    const char *made = crypt_rn(arena_cstr(a, secret_open(password)), arena_cstr(a, setting), data, sizeof(*data));
    *ret_can = made != NULL;
    bool is_match = *ret_can && strlen(made) == setting.n && equal_constant_time(made, setting.p, setting.n);
    wipe(data, sizeof(*data));
    return is_match;
}

static bool match_digest(const struct scheme *s, struct str text, const struct secret *password, struct arena *a,
                         bool *ret_can)
{
    struct str value = STR_ABSENT, opened = secret_open(password);
    unsigned char made[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    size_t size = (size_t)EVP_MD_get_size(s->digest());
    *ret_can = base64_decode(a, text, &value) && value.n >= size && s->has_salt == (value.n > size);
    EVP_MD_CTX *context = *ret_can ? EVP_MD_CTX_new() : NULL;
    *ret_can = context && EVP_DigestInit_ex(context, s->digest(), NULL) == 1 &&
               EVP_DigestUpdate(context, opened.p, opened.n) == 1 &&
               EVP_DigestUpdate(context, value.p + size, value.n - size) == 1 &&
               EVP_DigestFinal_ex(context, made, &n) == 1 && n == size;
    EVP_MD_CTX_free(context);
    bool is_match = *ret_can && equal_constant_time(made, value.p, size);
    wipe(made, sizeof(made));
    return is_match;
}

static bool match_one(struct str value, const struct secret *password, struct arena *a, bool *ret_can)
{
    struct str part = scheme_part(value), rest = str_sub(value, part.n, value.n);
    const struct scheme *s = scheme_of(value);
    *ret_can = s || part.n == 0;
    if (!*ret_can)
        return false;
    if (s)
        return s->digest ? match_digest(s, rest, password, a, ret_can) : match_crypt(rest, password, a, ret_can);
    struct str opened = secret_open(password);
    return opened.n == value.n && equal_constant_time(opened.p, value.p, value.n);
}

result verifiers_match(const struct verifiers *v, const struct secret *password, struct arena *a, bool *ret,
                       struct err *e)
{
    bool can_tell = !v->has_others, is_match = false;
    if (v->n == 0 && !v->has_others)
        return FAIL_AS(e, UNREACHABLE, "unreadable", "the account has no userPassword that may be read");
    for (size_t i = 0; i < v->n && !is_match; i++) {
        bool can = false;
        is_match = match_one(v->values[i], password, a, &can);
        can_tell = can_tell && can;
    }
    if (!is_match && !can_tell)
        return FAIL_AS(e, UNREACHABLE, "unreadable", "the account's userPassword has a scheme that is unknown here");
    *ret = is_match;
    return SUCCESS;
}
