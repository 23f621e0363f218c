/* controlroom/session.c: signing in, by password or API key (v2, and v1 where that is all there is). */
#include "base/secret_open.h"
#include "common/guess.h"
#include "controlroom/far.h"

enum { BODY_BYTES_MAX = 256 * 1024, TOKEN_BYTES_MAX = 8192, API_KEY_LENGTH = 40 };

struct signed_in {
    struct secret *token;
};
static const struct field signed_in_fields[] = {
    SECRET("token", struct signed_in, token, .required = true, .max = TOKEN_BYTES_MAX),
    FIELD_END,
};

static bool is_key_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/' ||
           c == '-' || c == '_' || c == '=';
}

bool session_is_api_key(const struct secret *secret)
{
    struct str opened = secret_open(secret);
    for (size_t i = 0; i < opened.n; i++)
        if (!is_key_character(opened.p[i]))
            return false;
    return opened.n == API_KEY_LENGTH;
}

/* It goes into a header as it is, so it must not end one and begin another. */
static bool is_token(const struct secret *token)
{
    struct str opened = secret_open(token);
    for (size_t i = 0; i < opened.n; i++)
        if (!is_key_character(opened.p[i]) && opened.p[i] != '.')
            return false;
    return opened.n > 0;
}

static void write_body(struct buf *body, struct str account, const struct secret *secret, bool is_api_key)
{
    struct json_writer w = {.out = body};
    json_object_begin(&w);
    json_key(&w, S("username"));
    json_write_str(&w, account);
    json_key(&w, is_api_key ? S("apiKey") : S("password"));
    json_write_str(&w, secret_open(secret));
    json_key(&w, S("multipleLogin"));
    json_write_bool(&w, true);
    json_object_end(&w);
}

static bool is_unknown_path(long status)
{
    return status == 404 || status == 405;
}

static RESULT ask(const struct far *f, struct line_to *l, const struct buf *body, struct arena *a,
                  struct answer *answer, struct http_reply *reply, struct err *e)
{
    static const char *const paths[] = {"/v2/authentication", "/v1/authentication"};
    bool was_sent;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct http_call call = {.method = "POST", .path = paths[i], .body = body};
        result done = http_exchange(f, l, &call, a, answer, reply, &was_sent, e);
        if (was_sent)
            guess_sent();
        TRY(done);
        if (!is_unknown_path(reply->status))
            return SUCCESS;
        guess_answered(); /* nobody has looked at it */
    }
    return FAIL_AS(e, UNREACHABLE, "unreachable", "no Control Room answers there (%ld)", reply->status);
}

static RESULT take_token(struct http_reply *reply, struct arena *a, const struct secret **ret, struct err *e)
{
    struct signed_in found = {0};
    struct json j;
    json_init(&j, buf_str(&reply->body), JSON_LAST_WINS, a);
    if (!is_ok(fields_decode(signed_in_fields, &j, &found, NULL)) || !is_token(found.token))
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the answer to the sign-in holds no token");
    *ret = found.token;
    return SUCCESS;
}

result session_sign_in(const struct far *f, struct line_to *l, struct str account, const struct secret *secret,
                       bool is_api_key, struct arena *a, struct answer *answer, enum sign_in_word *ret,
                       const struct secret **ret_token, struct err *e)
{
    AUTO_REPLY reply = {0};
    AUTOBUF body;
    buf_init(&body, BODY_BYTES_MAX);
    write_body(&body, account, secret, is_api_key);
    if (body.has_failed)
        return FAIL_AS(e, INVALID, "bad_request", "the name or the secret is too long");
    TRY(ask(f, l, &body, a, answer, &reply, e));
    bool is_for_now = reply.status == 408 || reply.status == 429;
    bool is_no = reply.status >= 400 && reply.status < 500 && !is_for_now;
    if (is_no || reply.status == 200)
        guess_answered();
    if (reply.status == 401) {
        *ret = SIGN_IN_DENIED;
        return SUCCESS;
    }
    if (reply.status == 200) {
        *ret = SIGN_IN_ACCEPTED;
        return take_token(&reply, a, ret_token, e);
    }
    struct str text = http_refusal(&reply, a);
    if (is_no)
        return FAIL_AS(e, REFUSED, "refused", "the Control Room takes no such sign-in: %.*s", STR_ARG(text));
    return FAIL_AS(e, UNREACHABLE, "unreachable", "the Control Room cannot say: %.*s", STR_ARG(text));
}

void far_forget_session(struct far *f)
{
    line_to_free(f->session);
    f->session = NULL;
    f->token = NULL;
}
