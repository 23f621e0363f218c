/* rotation/line_answer.c: what a connector's answer may say. A connector that was taken over knows its system's
 * secrets: nothing that is kept of its answers, or shown to anybody, may carry them on. */
#include "base/text.h"
#include "rotation/line_internal.h"

static const struct field host_key_fields[] = {
    TEXT("type", struct host_key, type, .max = 64),
    TEXT("sha256", struct host_key, sha256, .max = 64),
    FIELD_END,
};
static const struct field reply_fields[] = {
    INT("id", struct line_reply, id, .required = true, .max = INT64_MAX),
    FLAG("ok", struct line_reply, ok, .required = true),
    TEXT("code", struct line_reply, code, .max = 64, .or_text = ""),
    TEXT("text", struct line_reply, text, .max = 4096, .or_text = ""),
    TEXT("connector", struct line_reply, connector, .max = 64),
    INT("protocol", struct line_reply, protocol),
    OBJECT("host_key", struct line_reply, host_key, struct host_key, host_key_fields),
    FLAG("can_change", struct line_reply, can_change),
    FLAG("can_compare", struct line_reply, can_compare),
    FLAG("can_install_keys", struct line_reply, can_install_keys),
    TEXT("scheme", struct line_reply, scheme, .max = 16, .or_text = ""),
    TEXT("fence", struct line_reply, fence, .max = 16, .or_text = ""),
    TEXT("fence_token", struct line_reply, fence_token, .max = 100, .or_text = ""),
    INT("fence_s", struct line_reply, fence_s, .max = FENCE_S_MAX),
    OPT_FLAG("is_functional", struct line_reply, is_functional),
    TEXT("result", struct line_reply, result, .max = 32, .or_text = ""),
    FLAG("match", struct line_reply, match),
    FLAG("locked", struct line_reply, locked),
    FLAG("encrypted", struct line_reply, encrypted),
    FLAG("guessed", struct line_reply, guessed),
    FLAG("password_denied", struct line_reply, password_denied),
    TEXT("public_key", struct line_reply, public_key, .max = 16384),
    SECRET("private_key", struct line_reply, private_key, .max = 16384),
    FIELD_END,
};

enum { TOKEN_MAX = 100, SCHEME_MAX = 16, KEY_TYPE_MAX = 64, PUBLIC_KEY_MAX = 16384 };

static bool is_plain(struct str s, size_t max)
{
    bool is_printable = s.n <= max;
    for (size_t i = 0; i < s.n && is_printable; i++)
        is_printable = s.p[i] >= 0x20 && s.p[i] < 0x7F;
    return is_printable;
}

static bool is_key_type(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_of_a_name = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                            c == '.' || c == '_' || c == '@';
        if (!is_of_a_name)
            return false;
    }
    return s.n > 0 && s.n <= KEY_TYPE_MAX;
}

static bool is_host_key(const struct host_key *key, const struct censor *c)
{
    return is_key_type(key->type) && !censor_finds(c, key->type) && text_is_fingerprint(key->sha256) &&
           !censor_finds(c, str_sub(key->sha256, S("SHA256:").n, key->sha256.n));
}

/* Lines of a private key are not looked for in a public one: of some RSA keys they are the very same. */
static bool is_sensible(const struct line_reply *r, const struct censor *c)
{
    return is_plain(r->fence_token, TOKEN_MAX) && !censor_finds(c, r->fence_token) && is_plain(r->scheme, SCHEME_MAX) &&
           !censor_finds(c, r->scheme) && is_plain(r->public_key, PUBLIC_KEY_MAX) &&
           !censor_finds_whole(c, r->public_key) && (!r->host_key || is_host_key(r->host_key, c));
}

RESULT answer_read(struct str line, int64_t id, const struct censor *c, struct arena *a, struct line_reply *ret,
                   struct err *e)
{
    struct line_reply reply = {0};
    struct json j;
    if (str_find_char(line, '\n') != (ptrdiff_t)line.n - 1)
        return FAIL(e, INVALID, "more than one line");
    json_init(&j, str_sub(line, 0, line.n - 1), 0, a);
    TRY(fields_decode(reply_fields, &j, &reply, e));
    TRY(json_end(&j, e));
    if (reply.id != id)
        return FAIL(e, INVALID, "the answer of another request");
    if (!is_sensible(&reply, c))
        return FAIL(e, INVALID, "not what these fields hold");
    reply.text = censor_text(c, a, reply.text);
    *ret = reply;
    return SUCCESS;
}
