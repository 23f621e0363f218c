/* postgresql/change.c: ALTER ROLE with a verifier that was made here; the clear text stays here. */
#include <string.h>

#include "common/watchdog.h"
#include "postgresql/scram.h"
#include "postgresql/session.h"
#include "postgresql/statement.h"

enum { PASSWORD_MAX = 16384 };

static const char *const parts[] = {"password", NULL};
static const char *const methods[] = {"functional", "self", NULL};
const struct field change_fields[] = {
    TEXT("account", struct change_request, account, .required = true, .max = NAME_BYTES_MAX, .keeps_blanks = true,
         .check = pg_name_check),
    TEXT("part", struct change_request, part, .required = true, .words = parts),
    TEXT("method", struct change_request, method, .words = methods, .or_text = "functional"),
    SECRET("password", struct change_request, password, .required = true, .max = PASSWORD_MAX),
    SECRET("current", struct change_request, current, .max = SECRET_BYTES_MAX),
    FIELD_END,
};

static RESULT make_statement(struct server *s, PGconn *c, const struct change_request *r, struct arena *a,
                             const char **ret, struct err *e)
{
    struct str verifier = STR_ABSENT;
    TRY(scram_make(r->password, a, &verifier, e));
    made_remember(&s->made, r->account, r->password, verifier);
    char *name = PQescapeIdentifier(c, r->account.p, r->account.n);
    char *literal = PQescapeLiteral(c, verifier.p, verifier.n);
    bool is_quoted = name && literal;
    if (is_quoted)
        *ret = arena_printf(a, "ALTER ROLE %s PASSWORD %s", name, literal).p;
    PQfreemem(name);
    PQfreemem(literal);
    return is_quoted ? SUCCESS : FAIL_AS(e, INVALID, "bad_request", "account: cannot be quoted");
}

/* 22023 is how passwordcheck and its like refuse. */
static RESULT explain(const struct reply *reply, bool is_self, struct arena *a, struct err *e)
{
    struct str state = str_of(reply_state(reply)), text = reply_text(reply, a);
    if (str_equal(state, S("42704")))
        return FAIL_AS(e, REFUSED, "no_account", "%.*s", STR_ARG(text));
    if (str_equal(state, S("22023")))
        return FAIL_AS(e, REFUSED, "policy", "%.*s", STR_ARG(text));
    if (str_equal(state, S("42501")) && !is_self)
        return FAIL_AS(e, UNREACHABLE, "elevation_denied", "%.*s", STR_ARG(text));
    return FAIL_AS(e, REFUSED, "refused", "%.*s", STR_ARG(text));
}

static RESULT alter(struct server *s, PGconn *c, const struct change_request *r, bool is_self, struct arena *a,
                    struct err *e)
{
    const char *sql = NULL;
    TRY(make_statement(s, c, r, a, &sql, e));
    if (watchdog_has_expired())
        return FAIL_AS(e, UNREACHABLE, "unsent", "there is no time left to send the change");
    AUTO_REPLY reply = statement_run(c, sql);
    if (reply.kind == REPLY_ERROR)
        return explain(&reply, is_self, a, e);
    if (reply.kind == REPLY_DONE && strcmp(PQcmdStatus(reply.result), "ALTER ROLE") == 0)
        return SUCCESS;
    const char *why = watchdog_has_expired() ? "the server did not acknowledge the change in time"
                                             : "the connection broke before the change was acknowledged";
    return FAIL_AS(e, UNCERTAIN, "unknown", "%s", why);
}

static RESULT change_by_functional(struct server *s, const struct change_request *r, struct arena *a, struct err *e)
{
    TRY(server_need_session(s, e));
    result done = alter(s, s->session, r, false, a, e);
    if (done.code == UNCERTAIN)
        server_forget_session(s);
    return done;
}

/* Where the present password is refused, an earlier attempt may have set the new one: then all is done. */
static RESULT open_own(struct server *s, const struct change_request *r, struct arena *a, struct answer *answer,
                       struct session_outcome *ret, bool *ret_is_done, struct err *e)
{
    const struct pg_login present = {r->account, r->current}, wanted = {r->account, r->password};
    TRY(session_open(s, &present, a, answer, ret, e));
    if (ret->session)
        return SUCCESS;
    struct str why = ret->why;
    if (ret->word == LOGIN_ACCEPTED)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the account cannot begin a session: %.*s", STR_ARG(why));
    if (ret->word == LOGIN_DENIED) {
        struct session_outcome second = {0};
        TRY(session_open(s, &wanted, a, answer, &second, e));
        *ret_is_done = second.word == LOGIN_ACCEPTED || second.word == LOGIN_LOCKED;
        PQfinish(second.session);
        if (*ret_is_done)
            return SUCCESS;
    }
    return FAIL_AS(e, REFUSED, "refused", "the account cannot sign in with its present password: %.*s", STR_ARG(why));
}

static RESULT change_by_itself(struct server *s, const struct change_request *r, struct arena *a, struct answer *answer,
                               struct err *e)
{
    struct session_outcome outcome = {0};
    struct str token = STR_ABSENT;
    bool is_done = false;
    TRY(open_own(s, r, a, answer, &outcome, &is_done, e));
    if (is_done)
        return SUCCESS;
    AUTOFREE(pg_conn) c = outcome.session;
    watchdog_guard(PQsocket(c));
    TRY(session_prepare(c, a, &token, e));
    return alter(s, c, r, true, a, e);
}

result change_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct server *s = state;
    const struct change_request *r = request;
    bool is_self = str_equal(r->method, S("self"));
    if (!s->target.is_set)
        return FAIL_AS(e, INVALID, "bad_request", "a check comes first");
    if (is_self && !r->current)
        return FAIL_AS(e, INVALID, "bad_request", "current: is required");
    if (secret_has_any(r->password, "\0\r\n", 3))
        return FAIL_AS(e, INVALID, "bad_request", "password: no line ends");
    if (secret_length(r->password) > PASSWORD_BYTES_MAX)
        return FAIL_AS(e, REFUSED, "policy", "a password has at most %d bytes here", PASSWORD_BYTES_MAX);
    watchdog_start(s->target.address.timeout_s);
    return is_self ? change_by_itself(s, r, a, answer, e) : change_by_functional(s, r, a, e);
}
