/* identity/token_claims.c: a token's payload as text. */
#include "identity/token_claims.h"

#include "base/json.h"
#include "crypto/random.h"

enum { PAYLOAD_MAX = 8192, CSRF_BYTES = 16 };

static void write_int(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, str_of(key));
    json_write_int(w, v);
}

static void write_str(struct json_writer *w, const char *key, struct str v)
{
    json_key(w, str_of(key));
    json_write_str(w, v);
}

static void write_licenses(struct json_writer *w, struct str licenses)
{
    json_key(w, S("licenses"));
    json_array_begin(w);
    while (str_is_set(licenses)) {
        struct str word = str_trim(str_cut(&licenses, ','));
        if (word.n > 0)
            json_write_str(w, word);
    }
    json_array_end(w);
}

struct str claims_write(struct arena *a, const struct user *u, const struct token_claims *claims, struct str tenant)
{
    AUTOBUF out;
    buf_init(&out, PAYLOAD_MAX);
    struct json_writer w = {.out = &out};
    json_object_begin(&w);
    write_str(&w, "sub", arena_printf(a, "%lld", (long long)claims->user_id));
    write_str(&w, "clientType", S("WEB"));
    write_licenses(&w, u->license_features);
    json_key(&w, S("analyticsLicensesPurchased"));
    json_object_begin(&w);
    json_key(&w, S("AnalyticsClient"));
    json_write_bool(&w, false);
    json_object_end(&w);
    write_str(&w, "tenantUuid", tenant);
    write_str(&w, "hybridTenant", S(""));
    json_key(&w, S("multipleLogin"));
    json_write_bool(&w, claims->multiple_login);
    write_int(&w, "iat", claims->issued_at_s);
    write_int(&w, "exp", claims->ends_at_s);
    write_str(&w, "iss", S("AutomationAnywhere"));
    write_int(&w, "nanoTime", claims->nano_time);
    write_str(&w, "csrfToken", random_hex(a, CSRF_BYTES));
    write_int(&w, "pwdAt", claims->password_at);
    write_int(&w, "apiKeyId", claims->api_key_id);
    json_object_end(&w);
    return out.has_failed ? STR_ABSENT : arena_str(a, buf_str(&out));
}

struct wanted {
    const char *name;
    int64_t *number;
    bool is_found;
};

static RESULT read_claim(struct json *j, struct str key, struct wanted *wanted, size_t n, struct token_claims *claims,
                         bool *is_ours, struct err *e)
{
    struct str text;
    for (size_t i = 0; i < n; i++) {
        if (str_equal(key, str_of(wanted[i].name))) {
            wanted[i].is_found = true;
            return json_int(j, wanted[i].number, e);
        }
    }
    if (str_equal(key, S("multipleLogin")))
        return json_bool(j, &claims->multiple_login, e);
    if (str_equal(key, S("iss"))) {
        TRY(json_string(j, &text, e));
        *is_ours = str_equal(text, S("AutomationAnywhere"));
        return SUCCESS;
    }
    if (!str_equal(key, S("sub")))
        return json_skip(j, e);
    TRY(json_string(j, &text, e));
    return str_to_int(text, 1, INT64_MAX, &claims->user_id) ? SUCCESS : FAIL(e, INVALID, "sub: is no user");
}

static RESULT read_all(struct json *j, struct token_claims *ret, struct err *e)
{
    struct token_claims claims = {0};
    bool is_ours = false, more = false;
    struct wanted wanted[] = {{"iat", &claims.issued_at_s, false},
                              {"exp", &claims.ends_at_s, false},
                              {"nanoTime", &claims.nano_time, false},
                              {"pwdAt", &claims.password_at, false},
                              {"apiKeyId", &claims.api_key_id, false}};
    size_t n = sizeof wanted / sizeof wanted[0];
    struct str key;
    TRY(json_enter(j, '{', e));
    TRY(json_next_key(j, &key, &more, e));
    while (more) {
        TRY(read_claim(j, key, wanted, n, &claims, &is_ours, e));
        TRY(json_next_key(j, &key, &more, e));
    }
    TRY(json_end(j, e));
    for (size_t i = 0; i < n; i++)
        if (!wanted[i].is_found)
            return FAIL(e, INVALID, "%s: is missing", wanted[i].name);
    if (!is_ours || claims.user_id == 0)
        return FAIL(e, INVALID, "iss: is not ours");
    *ret = claims;
    return SUCCESS;
}

RESULT claims_read(struct arena *a, struct str payload, struct token_claims *ret, struct err *e)
{
    struct json j;
    json_init(&j, payload, 0, a);
    return is_ok(read_all(&j, ret, e)) ? SUCCESS : FAIL(e, UNAUTHENTICATED, "Access token is not valid or has expired");
}
