/* controlroom/check.c: connect, compare the server's key, sign in as the functional account. */
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
    FIELD_END,
};

/* A check replaces what an earlier one has left. */
static RESULT remember(struct far *f, const struct check_request *r, struct err *e)
{
    if (r->functional && secret_length(r->functional->password) == 0)
        return FAIL_AS(e, INVALID, "bad_request", "functional: a password or an API key is required");
    TRY(target_keep(&f->target, r->target, &r->host_keys, NULL, e));
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
    if (r.code == REFUSED) {
        e->code = UNREACHABLE;
        e->word = "functional_denied";
        return (result){UNREACHABLE};
    }
    TRY(r);
    if (word == SIGN_IN_DENIED)
        return FAIL_AS(e, UNREACHABLE, "functional_denied", "the Control Room does not know this user with this %s",
                       is_api_key ? "API key (a secret of 40 such characters is sent as one)" : "password");
    f->token = secret_copy(f->target.arena, token);
    return SUCCESS;
}

result check_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct far *f = state;
    struct line_to *opened = NULL;
    TRY(remember(f, request, e));
    watchdog_start(f->target.address.timeout_s);
    TRY(line_to_open(f, &opened, e));
    AUTOFREE(line_to) line = opened;
    if (f->has_functional) {
        TRY(sign_in(f, line, a, answer, e));
        f->session = TAKE(line);
    } else {
        TRY(look(f, line, a, answer, e));
    }
    struct json_writer *w = answer->writer;
    static const char *const cannot[] = {"can_change", "can_compare", "can_install_keys"};
    for (size_t i = 0; i < sizeof cannot / sizeof cannot[0]; i++) {
        json_key(w, str_of(cannot[i]));
        json_write_bool(w, false);
    }
    json_key(w, S("fence"));
    json_write_str(w, S("none"));
    json_key(w, S("text"));
    json_write_str(w, S("values are pushed there; the users' own passwords are not changed"));
    return SUCCESS;
}
