/* postgresql/main.c: keyturn-connector-postgresql: roles of PostgreSQL servers. */
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "common/sandbox.h"
#include "common/watchdog.h"
#include "postgresql/scram.h"
#include "postgresql/session.h"
#include "postgresql/statement.h"

DEFINE_AUTOFREE(arena)

const struct field login_fields[] = {
    TEXT("account", struct login_request, account, .required = true, .max = NAME_BYTES_MAX, .keeps_blanks = true,
         .check = pg_name_check),
    SECRET("password", struct login_request, password, .required = true, .max = SECRET_BYTES_MAX),
    FIELD_END,
};

result login_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct server *s = state;
    const struct login_request *r = request;
    if (!s->target.is_set)
        return FAIL_AS(e, INVALID, "bad_request", "a check comes first");
    watchdog_start(s->target.address.timeout_s);
    const struct pg_login who = {r->account, r->password};
    struct session_outcome outcome = {0};
    result done = session_open(s, &who, a, answer, &outcome, e);
    PQfinish(outcome.session);
    answer->host_key = outcome.seen;
    TRY(done);
    json_key(answer->writer, S("result"));
    json_write_str(answer->writer, str_of(login_word_text(outcome.word)));
    return SUCCESS;
}

const struct field compare_fields[] = {
    TEXT("account", struct compare_request, account, .required = true, .max = NAME_BYTES_MAX, .keeps_blanks = true,
         .check = pg_name_check),
    SECRET("password", struct compare_request, password, .required = true, .max = SECRET_BYTES_MAX),
    FIELD_END,
};

result compare_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    static const char sql[] = "SELECT role.rolcanlogin, secret.rolpassword FROM pg_roles role"
                              " LEFT JOIN pg_authid secret ON secret.rolname = role.rolname"
                              " WHERE role.rolname = $1::text";
    struct server *s = state;
    const struct compare_request *r = request;
    if (!s->target.is_set)
        return FAIL_AS(e, INVALID, "bad_request", "a check comes first");
    watchdog_start(s->target.address.timeout_s);
    TRY(server_need_session(s, e));
    const char *values[] = {arena_cstr(a, r->account)};
    AUTO_REPLY reply = statement_ask(s->session, sql, values, 1);
    if (reply.kind == REPLY_ERROR)
        return FAIL_AS(e, UNREACHABLE, "unreadable", "%.*s", STR_ARG(reply_text(&reply, a)));
    if (reply.kind != REPLY_DONE)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the functional session broke");
    if (PQntuples(reply.result) != 1)
        return FAIL_AS(e, REFUSED, "no_account", "the server has no role of this name");
    struct str verifier = reply_value(&reply, 0, 1);
    bool is_match = made_is(&s->made, r->account, r->password, verifier);
    if (!is_match)
        TRY(verifier_matches(verifier, r->account, r->password, a, &is_match, e));
    json_key(answer->writer, S("match"));
    json_write_bool(answer->writer, is_match);
    json_key(answer->writer, S("scheme"));
    json_write_str(answer->writer, verifier_scheme(verifier));
    json_key(answer->writer, S("locked"));
    json_write_bool(answer->writer, !reply_is_true(&reply, 0, 0));
    return SUCCESS;
}

static const struct operation operations[] = {
    {"check", check_fields, sizeof(struct check_request), check_run},
    {"change", change_fields, sizeof(struct change_request), change_run},
    {"login", login_fields, sizeof(struct login_request), login_run},
    {"compare", compare_fields, sizeof(struct compare_request), compare_run},
    {"fence", fence_fields, sizeof(struct fence_request), fence_run},
    {.name = NULL},
};

/* OpenSSL reads its settings and loads its providers at its first real work. */
static void let_libraries_read_their_files(void)
{
    AUTOFREE(arena) a = arena_new();
    struct str verifier;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context || !is_ok(scram_make(secret_new(a, "x", 1), a, &verifier, NULL)))
        die("OpenSSL does not work");
    SSL_CTX_free(context);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "keyturn-pg"); /* one that was started by descriptor has a number for a name */
    let_libraries_read_their_files();
    clearenv(); /* libpq takes its defaults from PGSERVICE, PGOPTIONS and thirty more */
    sandbox_enter();
    struct server s = {.target.arena = arena_new()};
    int status = serve("postgresql", operations, &s);
    server_forget_session(&s);
    made_free(&s.made);
    arena_free(s.target.arena);
    fflush(NULL);
    _exit(status); /* a leak checker at exit would need what the sandbox has taken away */
}
