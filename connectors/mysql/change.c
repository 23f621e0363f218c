/* mysql/change.c: a password by ALTER USER, or as the account itself. No text of the server's is shown here: it may
 * repeat the statement. */
#include <errmsg.h>
#include <mysqld_error.h>

#include "base/secret_open.h"
#include "common/watchdog.h"
#include "mysql/account.h"
#include "mysql/verifier.h"

static const char *const parts[] = {"password", NULL};
static const char *const methods[] = {"functional", "self", NULL};
const struct field change_fields[] = {
    TEXT("account", struct change_request, account, .required = true, .max = NAME_POINTS_MAX, .keeps_blanks = true,
         .check = account_name_check),
    TEXT("part", struct change_request, part, .required = true, .words = parts),
    TEXT("method", struct change_request, method, .words = methods, .or_text = "functional"),
    SECRET("password", struct change_request, password, .required = true, .max = SECRET_BYTES_MAX),
    SECRET("current", struct change_request, current, .max = PASSWORD_BYTES_MAX),
    FIELD_END,
};

/* Errors that the server gives before it touches an account. Anything else leaves the outcome open. */
static const struct {
    unsigned number;
    const char *code, *text;
} refusals[] = {
    {ER_SPECIFIC_ACCESS_DENIED_ERROR, "elevation_denied", "the functional account lacks the right CREATE USER"},
    {ER_DBACCESS_DENIED_ERROR, "elevation_denied", "the functional account may not set this password"},
    {ER_ACCESS_DENIED_ERROR, "elevation_denied", "the functional account may not set this password"},
    {ER_NOT_VALID_PASSWORD, "policy", "the server's rules refuse this password"},
    {ER_PASSWORD_NO_MATCH, "no_account", "the server knows no such account"},
    {ER_OPTION_PREVENTS_STATEMENT, "refused", "the server is read-only, or runs without accounts"},
    {ER_SET_PASSWORD_AUTH_PLUGIN, "refused", "the account signs in without a password of this server"},
    {ER_PLUGIN_IS_NOT_LOADED, "refused", "the account's authentication plugin is not loaded"},
    {ER_PASSWORD_ANONYMOUS_USER, "refused", "the server takes this session for an anonymous one"},
    {ER_WRONG_STRING_LENGTH, "refused", "the account's name is too long for the server"},
    {ER_MUST_CHANGE_PASSWORD, "refused", "the functional account must change its own password first"},
    {ER_PASSWD_LENGTH, "refused", "the server takes no hash of that length"},
    {ER_PARSE_ERROR, "refused", "the server does not understand the statement"},
};

/* ALTER USER fails with one and the same number for an account that is not there and for a password that breaks a
 * rule; the warnings beside it tell. */
static RESULT explain_cannot_user(MYSQL *m, struct arena *a, struct err *e)
{
    struct table warnings = {0};
    bool is_known = is_ok(session_query(m, S("SHOW WARNINGS"), a, &warnings, e)) && warnings.columns == 3;
    for (size_t i = 0; is_known && i < warnings.rows; i++) {
        int64_t number = 0;
        (void)str_to_int(warnings.cells[3 * i + 1], 1, INT32_MAX, &number);
        if (number == ER_NOT_VALID_PASSWORD)
            return FAIL_AS(e, REFUSED, "policy", "the server's rules refuse this password");
        is_known = number == ER_CANNOT_USER || number == ER_CANT_CREATE_USER_WITH_GRANT;
    }
    if (is_known)
        return FAIL_AS(e, REFUSED, "no_account", "the server knows no such account");
    return FAIL_AS(e, UNCERTAIN, "unknown", "the server gave no reason why it failed (%d)", ER_CANNOT_USER);
}

static RESULT explain(MYSQL *m, struct arena *a, struct err *e)
{
    unsigned number = mysql_errno(m);
    bool is_over = watchdog_has_expired();
    if (number == ER_CANNOT_USER && !is_over)
        return explain_cannot_user(m, a, e);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (refusals[i].number == number)
            return FAIL_AS(e, REFUSED, refusals[i].code, "%s", refusals[i].text);
    return FAIL_AS(e, UNCERTAIN, "unknown", "%s (%u)",
                   is_over ? "the server did not answer the change in time"
                           : "the server gave no definite answer to the change",
                   number);
}

/* From here on the change may have been made, unless the server says that it was not. */
static RESULT send_statement(MYSQL *m, struct str statement, struct arena *a, struct err *e)
{
    if (mysql_real_query(m, statement.p, statement.n) != 0)
        return explain(m, a, e);
    if (mysql_field_count(m) != 0)
        return FAIL_AS(e, UNCERTAIN, "unknown", "the server's answer to the change is out of step");
    return SUCCESS;
}

/* Where the server has rules for passwords, it must see the password: it takes no hash then, or checks nothing. */
static RESULT needs_clear_text(MYSQL *m, struct arena *a, bool *ret, struct err *e)
{
    struct table t = {0};
    TRY(session_query(m,
                      S("SELECT COUNT(*) FROM information_schema.plugins WHERE plugin_type = 'PASSWORD VALIDATION' AND "
                        "plugin_status = 'ACTIVE'"),
                      a, &t, e));
    *ret = !str_equal(table_first(&t), S("0"));
    return SUCCESS;
}

/* The statement replaces all methods of the account, so the others are named again as they are. */
static struct str make_statement(MYSQL *m, const struct account *account, const struct secret *password, bool is_clear,
                                 struct arena *a)
{
    AUTOBUF text;
    buf_init(&text, (size_t)4 * SECRET_BYTES_MAX + account->method_count * SECRET_BYTES_MAX);
    buf_add(&text, S("ALTER USER "));
    buf_add(&text, session_quote(m, account->user, a));
    buf_add_char(&text, '@');
    buf_add(&text, session_quote(m, account->host, a));
    for (size_t i = 0; i < account->method_count; i++) {
        const struct auth_method *method = &account->methods[i];
        bool is_ours = i == account->password_at;
        enum scheme scheme = scheme_of_plugin(method->plugin);
        buf_add(&text, i == 0 ? S(" IDENTIFIED VIA ") : S(" OR "));
        buf_add(&text, session_quote(m, method->plugin, a));
        if (is_ours || method->text.n > 0)
            buf_add(&text, is_ours && is_clear ? S(" USING PASSWORD(") : S(" USING "));
        if (is_ours)
            buf_add(&text, session_quote(m, is_clear ? secret_open(password) : verifier_make(scheme, password, a), a));
        else if (method->text.n > 0)
            buf_add(&text, session_quote(m, method->text, a));
        if (is_ours && is_clear)
            buf_add_char(&text, ')');
    }
    return arena_str(a, buf_str(&text));
}

static RESULT change_by_functional(struct server *s, const struct change_request *r, struct arena *a, struct err *e)
{
    struct account account = {0};
    bool is_clear = false;
    TRY(account_find(s, r->account, a, &account, e));
    if (account.password_methods != 1)
        return FAIL_AS(e, REFUSED, "refused", "the account has no password of this server, or several");
    TRY(needs_clear_text(s->session, a, &is_clear, e));
    result sent = send_statement(s->session, make_statement(s->session, &account, r->password, is_clear, a), a, e);
    if (sent.code == UNCERTAIN)
        server_forget_session(s);
    return sent;
}

/* What kind of verifier the account has, it cannot always read itself, so the server makes it from the clear text. */
static RESULT change_by_itself(struct server *s, const struct change_request *r, struct arena *a, struct answer *answer,
                               struct err *e)
{
    MYSQL *opened = NULL;
    enum login_word word = LOGIN_DENIED;
    bool must_change = false;
    struct table none = {0};
    TRY(session_open(s, account_name_split(r->account).user, r->current, a, answer, &opened, &word, e));
    AUTOFREE(st_mysql) m = opened;
    if (!m)
        return FAIL_AS(e, REFUSED, "refused", "the account cannot sign in with its present password: %s",
                       login_word_text(word));
    TRY(account_check_current(s, m, r->account, a, &must_change, e));
    TRY(session_query(m, S("SET NAMES utf8mb4"), a, &none, e));
    struct str quoted = session_quote(m, secret_open(r->password), a);
    return send_statement(m, arena_printf(a, "SET PASSWORD = PASSWORD(%.*s)", STR_ARG(quoted)), a, e);
}

static RESULT check_password(const struct secret *password, struct err *e)
{
    if (secret_has_any(password, "", 1))
        return FAIL_AS(e, INVALID, "bad_request", "password: no U+0000");
    if (secret_length(password) > PASSWORD_BYTES_MAX)
        return FAIL_AS(e, REFUSED, "policy", "a password of this server has at most %d bytes", PASSWORD_BYTES_MAX);
    return SUCCESS;
}

result change_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct server *s = state;
    const struct change_request *r = request;
    bool is_self = str_equal(r->method, S("self"));
    if (!s->target.is_set)
        return FAIL_AS(e, INVALID, "bad_request", "a check comes first");
    if (!is_self && !s->has_functional)
        return FAIL_AS(e, INVALID, "bad_request", "the check named no functional account");
    if (!is_self && !s->session)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the check opened no functional session");
    if (is_self && !r->current)
        return FAIL_AS(e, INVALID, "bad_request", "current: is required");
    TRY(check_password(r->password, e));
    watchdog_start(s->target.address.timeout_s);
    if (is_self)
        return change_by_itself(s, r, a, answer, e);
    watchdog_guard(mysql_get_socket(s->session));
    return change_by_functional(s, r, a, e);
}
