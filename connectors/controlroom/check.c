/* controlroom/check.c: connect, compare the server's key, sign in as the functional account. */
#include "common/check.h"
#include "base/text.h"
#include "common/watchdog.h"
#include "controlroom/far.h"

enum { HTTPS_PORT = 443 };

static const char *check_name(struct str s)
{
    return text_has_control(s) ? "not a name" : NULL;
}

static const struct field functional_fields[] = {
    TEXT("account", struct check_functional, account, .required = true, .max = NAME_POINTS_MAX, .keeps_blanks = true,
         .check = check_name),
    SECRET("password", struct check_functional, password, .max = SECRET_BYTES_MAX),
    FIELD_END,
};
static const struct field address_fields[] = {TARGET_ROWS(HTTPS_PORT), FIELD_END};
const struct field check_fields[] = {
    CHECK_TARGET_ROWS(struct check_request, address_fields),
    OBJECT("functional", struct check_request, functional, struct check_functional, functional_fields),
    TEXT("account", struct check_request, account, .max = NAME_POINTS_MAX, .keeps_blanks = true),
    FLAG("again", struct check_request, is_again),
    FIELD_END,
};

static bool is_same_functional(const struct far *f, const struct check_functional *r)
{
    return r && f->has_functional && str_equal(r->account, f->functional_account) &&
           secret_equal(r->password, f->functional_secret);
}

/* A check replaces what an earlier one has left, but for the session of one that is asked again. */
static RESULT remember(struct far *f, const struct check_request *r, bool *ret_is_kept, struct err *e)
{
    bool is_same = false;
    if (r->functional && secret_length(r->functional->password) == 0)
        return FAIL_AS(e, INVALID, "bad_request", "functional: a password or an API key is required");
    TRY(target_keep(&f->target, r->target, &r->host_keys, &is_same, e));
    *ret_is_kept = r->is_again && is_same && f->session && r->account.n > 0 && is_same_functional(f, r->functional);
    if (*ret_is_kept)
        return SUCCESS;
    far_forget_session(f);
    f->has_functional = r->functional != NULL;
    if (r->functional) {
        f->functional_account = arena_str(f->target.arena, r->functional->account);
        f->functional_secret = secret_copy(f->target.arena, r->functional->password);
    }
    return SUCCESS;
}

/* Without a functional account a request that needs nobody signed in is enough to see the key. */
static RESULT look(const struct far *f, struct line_to *l, struct arena *a, struct answer *answer, struct err *e)
{
    AUTO_REPLY reply = {0};
    bool was_sent;
    struct http_call call = {.method = "GET", .path = "/v1/authentication/type"};
    return http_exchange(f, l, &call, a, answer, &reply, &was_sent, e);
}

static RESULT sign_in(struct far *f, struct line_to *l, struct arena *a, struct answer *answer, struct err *e)
{
    enum sign_in_word word = SIGN_IN_DENIED;
    const struct secret *token = NULL;
    bool is_api_key = session_is_api_key(f->functional_secret);
    result r =
        session_sign_in(f, l, f->functional_account, f->functional_secret, is_api_key, a, answer, &word, &token, e);
    if (r.code == REFUSED)
        return check_denied(answer, "refused", e);
    TRY(r);
    if (word == SIGN_IN_DENIED) {
        err_set(e, UNREACHABLE, NULL, "the Control Room does not know this user with this %s",
                is_api_key ? "API key (a secret of 40 such characters is sent as one)" : "password");
        return check_denied(answer, "denied", e);
    }
    f->token = secret_copy(f->target.arena, token);
    return SUCCESS;
}

/* Is anybody there, and still the same one? That the token counts shows when it is used: before anything is changed, or
 * by a refusal. */
static RESULT look_again(void *state, const void *request, struct arena *a, struct findings *found, struct err *e)
{
    struct far *f = state;
    struct answer none = {0};
    (void)request;
    (void)found;
    if (is_ok(look(f, f->session, a, &none, e)))
        return SUCCESS;
    e->code = UNREACHABLE;
    e->word = "unreachable";
    return (result){UNREACHABLE};
}

static RESULT look_first(void *state, const void *request, struct arena *a, struct answer *answer,
                         struct findings *found, struct err *e)
{
    struct far *f = state;
    struct line_to *opened = NULL;
    (void)request;
    (void)found;
    TRY(line_to_open(f, &opened, e));
    AUTOFREE(line_to) line = opened;
    if (!f->has_functional)
        return look(f, line, a, answer, e);
    TRY(sign_in(f, line, a, answer, e));
    f->target.session_key = (struct host_key){arena_str(f->target.arena, answer->host_key.type),
                                              arena_str(f->target.arena, answer->host_key.sha256)};
    f->session = TAKE(line);
    return SUCCESS;
}

static void forget(void *state)
{
    far_forget_session(state);
}

result check_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    static const struct check_way way = {look_again, look_first, forget};
    struct far *f = state;
    struct findings found = {0};
    bool is_kept = false;
    TRY(remember(f, request, &is_kept, e));
    TRY(check_look(&way, &f->target, is_kept, f, request, a, answer, &found, e));
    found.text = S("values are pushed there; the users' own passwords are not changed");
    findings_write(&found, answer->writer);
    return SUCCESS;
}
