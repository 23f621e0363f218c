/* mysql/login.c: signing in on a fresh connection, and comparing with what the server keeps. */
#include "common/watchdog.h"
#include "mysql/account.h"
#include "mysql/verifier.h"

const struct field login_fields[] = {
    TEXT("account", struct login_request, account, .required = true, .max = NAME_POINTS_MAX, .keeps_blanks = true,
         .check = account_name_check),
    SECRET("password", struct login_request, password, .required = true, .max = PASSWORD_BYTES_MAX),
    FIELD_END,
};
const struct field compare_fields[] = {
    TEXT("account", struct compare_request, account, .required = true, .max = NAME_POINTS_MAX, .keeps_blanks = true,
         .check = account_name_check),
    SECRET("password", struct compare_request, password, .required = true, .max = PASSWORD_BYTES_MAX),
    FIELD_END,
};

static RESULT try_password(struct server *s, const struct login_request *r, struct arena *a, struct answer *answer,
                           enum login_word *ret, struct err *e)
{
    MYSQL *opened = NULL;
    bool must_change = false;
    struct account_name name = account_name_split(r->account);
    TRY(session_open(s, name.user, r->password, a, answer, &opened, ret, e));
    AUTOFREE(st_mysql) m = opened;
    if (!m)
        return SUCCESS;
    TRY(account_check_current(s, m, r->account, a, &must_change, e));
    *ret = must_change ? LOGIN_MUST_CHANGE : LOGIN_ACCEPTED;
    return SUCCESS;
}

result login_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct server *s = state;
    const struct login_request *r = request;
    enum login_word word = LOGIN_DENIED;
    if (!s->target.is_set)
        return FAIL_AS(e, INVALID, "bad_request", "a check comes first");
    if (secret_has_any(r->password, "", 1))
        return FAIL_AS(e, INVALID, "bad_request", "password: no U+0000");
    watchdog_start(s->target.address.timeout_s);
    result done = try_password(s, r, a, answer, &word, e);
    answer->host_key = s->seen;
    TRY(done);
    json_key(answer->writer, S("result"));
    json_write_str(answer->writer, str_of(login_word_text(word)));
    return SUCCESS;
}

result compare_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct server *s = state;
    const struct compare_request *r = request;
    struct account account = {0};
    if (!s->has_functional)
        return FAIL_AS(e, INVALID, "bad_request", "the check named no functional account");
    if (!s->session)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the check opened no functional session");
    watchdog_start(s->target.address.timeout_s);
    watchdog_guard(mysql_get_socket(s->session));
    TRY(account_find(s, r->account, a, &account, e));
    if (!account.is_read)
        return FAIL_AS(e, UNREACHABLE, "unreadable", "the functional account may not read mysql.global_priv");
    if (account.password_methods != 1)
        return FAIL_AS(e, UNREACHABLE, "unreadable", "the account has no password of this server, or several");
    const struct auth_method *method = &account.methods[account.password_at];
    enum scheme scheme = scheme_of_plugin(method->plugin);
    json_key(answer->writer, S("scheme"));
    json_write_str(answer->writer, str_of(scheme_text(scheme)));
    json_key(answer->writer, S("locked"));
    json_write_bool(answer->writer, account.is_locked);
    json_key(answer->writer, S("match"));
    json_write_bool(answer->writer, verifier_matches(scheme, method->text, r->password, a));
    return SUCCESS;
}
