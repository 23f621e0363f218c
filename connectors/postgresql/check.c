/* postgresql/check.c: connect, compare the server's key, sign in, and find out what the functional account may do. */
#include "common/check.h"
#include "base/text.h"
#include "common/watchdog.h"
#include "postgresql/session.h"
#include "postgresql/statement.h"

enum { PORT_DEFAULT = 5432 };

const char *pg_name_check(struct str s)
{
    if (s.n > NAME_BYTES_MAX)
        return "a name has at most 63 bytes";
    return text_has_control(s) ? "no control characters" : NULL;
}

static const struct field functional_fields[] = {
    TEXT("account", struct check_functional, account, .required = true, .max = NAME_BYTES_MAX, .keeps_blanks = true,
         .check = pg_name_check),
    SECRET("password", struct check_functional, password, .required = true, .max = SECRET_BYTES_MAX),
    FIELD_END,
};
static const struct field address_fields[] = {
    TARGET_ROWS(PORT_DEFAULT),
    TEXT("instance", struct target_address, instance, .max = NAME_BYTES_MAX, .keeps_blanks = true, .or_text = "",
         .check = pg_name_check),
    FIELD_END,
};
const struct field check_fields[] = {
    CHECK_TARGET_ROWS(struct check_request, address_fields),
    OBJECT("functional", struct check_request, functional, struct check_functional, functional_fields),
    TEXT("account", struct check_request, account, .max = NAME_BYTES_MAX, .keeps_blanks = true, .check = pg_name_check),
    FLAG("again", struct check_request, is_again),
    FIELD_END,
};

void server_forget_session(struct server *s)
{
    if (s->session)
        PQfinish(s->session);
    s->session = NULL;
    s->token = STR_ABSENT;
}

result server_need_session(struct server *s, struct err *e)
{
    if (!s->has_functional)
        return FAIL_AS(e, INVALID, "bad_request", "the check named no functional account");
    if (s->session && !statement_may_run(s->session))
        server_forget_session(s);
    if (!s->session)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "there is no functional session, or it has ended");
    watchdog_guard(PQsocket(s->session));
    return SUCCESS;
}

static bool is_same_functional(const struct server *s, const struct check_functional *f)
{
    return f && s->has_functional && str_equal(f->account, s->functional.account) &&
           secret_equal(f->password, s->functional.password);
}

/* A check replaces what an earlier one has left, but for the session of one that is asked again. */
static RESULT remember(struct server *s, const struct check_request *r, bool *ret_is_kept, struct err *e)
{
    bool is_same = false;
    TRY(target_keep(&s->target, r->target, &r->host_keys, &is_same, e));
    *ret_is_kept = r->is_again && is_same && s->session && r->account.n > 0 && is_same_functional(s, r->functional);
    if (*ret_is_kept)
        return SUCCESS;
    server_forget_session(s);
    s->has_functional = r->functional != NULL;
    if (r->functional)
        s->functional = (struct pg_login){arena_str(s->target.arena, r->functional->account),
                                          secret_copy(s->target.arena, r->functional->password)};
    return SUCCESS;
}

static RESULT sign_in(struct server *s, struct arena *a, struct answer *answer, struct session_outcome *outcome,
                      struct err *e)
{
    result opened = session_open(s, &s->functional, a, answer, outcome, e);
    if (opened.code == REFUSED)
        return check_denied(answer, "refused", e);
    TRY(opened);
    if (!outcome->session) {
        err_set(e, UNREACHABLE, NULL, "the functional account cannot sign in: %.*s", STR_ARG(outcome->why));
        return check_denied(answer, login_word_text(outcome->word), e);
    }
    AUTOFREE(pg_conn) c = outcome->session;
    struct str token = STR_ABSENT;
    TRY(session_prepare(c, a, &token, e));
    s->token = arena_str(s->target.arena, token);
    s->session = TAKE(c);
    s->target.session_key = (struct host_key){arena_str(s->target.arena, outcome->seen.type),
                                              arena_str(s->target.arena, outcome->seen.sha256)};
    return SUCCESS;
}

/* From version 16 on, CREATEROLE alone is no right on a role; up to 15 it is, but for superusers and replication. The
 * rights on pg_authid are those of the database that this session is in. */
static const char look_sql[] =
    "SELECT role.rolname !~ '^pg_' AND (me.rolsuper OR me.rolcreaterole AND NOT role.rolsuper AND"
    "   CASE WHEN current_setting('server_version_num')::int >= 160000"
    "     THEN pg_has_role(me.oid, role.oid, 'MEMBER WITH ADMIN OPTION') ELSE NOT role.rolreplication END),"
    " has_column_privilege('pg_catalog.pg_authid', 'rolname', 'SELECT') AND"
    "   has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'SELECT'),"
    " pg_is_in_recovery(), role.rolcanlogin, coalesce(role.rolvaliduntil <= now(), false)"
    " FROM pg_roles role, pg_roles me WHERE role.rolname = $1::text AND me.rolname = current_user";

static RESULT look_at_account(struct server *s, struct str account, struct arena *a, struct findings *found,
                              struct err *e)
{
    const char *values[] = {arena_cstr(a, account)};
    AUTO_REPLY reply = statement_ask(s->session, look_sql, values, 1);
    if (reply.kind == REPLY_ERROR)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "%.*s", STR_ARG(reply_text(&reply, a)));
    if (reply.kind != REPLY_DONE)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the session broke while the rights were looked up");
    if (PQntuples(reply.result) != 1)
        return FAIL_AS(e, REFUSED, "no_account", "the server has no role of this name");
    bool is_standby = reply_is_true(&reply, 0, 2);
    found->can_change = reply_is_true(&reply, 0, 0) && !is_standby;
    found->can_compare = reply_is_true(&reply, 0, 1);
    if (is_standby)
        found->text = S("this server is a standby: it takes no changes");
    else if (!found->can_change)
        found->text = S("the functional account may not set this role's password");
    else if (!reply_is_true(&reply, 0, 3))
        found->text = S("the role may not log in (NOLOGIN)");
    else if (reply_is_true(&reply, 0, 4))
        found->text = S("the role's VALID UNTIL has passed: even the right password is refused");
    else if (!found->can_compare)
        found->text = S("the functional account may not read the password's verifier");
    return SUCCESS;
}

static RESULT look_again(void *state, const void *request, struct arena *a, struct findings *found, struct err *e)
{
    struct server *s = state;
    const struct check_request *r = request;
    TRY(server_need_session(s, e));
    return look_at_account(s, r->account, a, found, e);
}

static RESULT look_first(void *state, const void *request, struct arena *a, struct answer *answer,
                         struct findings *found, struct err *e)
{
    struct server *s = state;
    const struct check_request *r = request;
    struct session_outcome outcome = {0};
    result opened =
        s->has_functional ? sign_in(s, a, answer, &outcome, e) : session_open(s, NULL, a, answer, &outcome, e);
    answer->host_key = outcome.seen;
    TRY(opened);
    return s->session && r->account.n > 0 ? look_at_account(s, r->account, a, found, e) : SUCCESS;
}

static void forget(void *state)
{
    server_forget_session(state);
}

result check_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    static const struct check_way way = {look_again, look_first, forget};
    struct server *s = state;
    struct findings found = {0};
    bool is_kept = false;
    TRY(remember(s, request, &is_kept, e));
    TRY(check_look(&way, &s->target, is_kept, s, request, a, answer, &found, e));
    found.scheme = S("SCRAM-SHA-256");
    if (s->session)
        found.fence_token = s->token;
    findings_write(&found, answer->writer);
    return SUCCESS;
}
