/* mysql/check.c: compare the server's key, sign in, and find out what the functional account may do. */
#include <mysqld_error.h>
#include <string.h>

#include "common/check.h"
#include "common/tls_pin.h"
#include "common/watchdog.h"
#include "mysql/account.h"
#include "mysql/fence.h"
#include "mysql/probe.h"
#include "mysql/verifier.h"

enum { OLDEST_VERSION = 100400 };

static const struct field functional_fields[] = {
    TEXT("account", struct check_functional, account, .required = true, .max = NAME_POINTS_MAX, .keeps_blanks = true,
         .check = account_name_check),
    SECRET("password", struct check_functional, password, .required = true, .max = PASSWORD_BYTES_MAX),
    FIELD_END,
};
static const struct field address_fields[] = {TARGET_ROWS(3306), FIELD_END};
const struct field check_fields[] = {
    CHECK_TARGET_ROWS(struct check_request, address_fields),
    OBJECT("functional", struct check_request, functional, struct check_functional, functional_fields),
    TEXT("account", struct check_request, account, .max = NAME_POINTS_MAX, .keeps_blanks = true,
         .check = account_name_check),
    FLAG("again", struct check_request, is_again),
    FIELD_END,
};

void server_forget_session(struct server *s)
{
    if (s->session)
        mysql_close(s->session);
    s->session = NULL;
    s->may_alter = false;
    s->fence_token = S("");
}

static bool is_same_functional(const struct server *s, const struct check_functional *f)
{
    return f && s->has_functional && str_equal(account_name_split(f->account).user, s->functional_user) &&
           secret_equal(f->password, s->functional_password);
}

/* A check replaces what an earlier one has left, but for the session of one that is asked again. */
static RESULT remember(struct server *s, const struct check_request *r, bool *ret_is_kept, struct err *e)
{
    bool is_same = false;
    TRY(target_keep(&s->target, r->target, &r->host_keys, &is_same, e));
    s->found_name = STR_ABSENT;
    *ret_is_kept = r->is_again && is_same && s->session && r->account.n > 0 && is_same_functional(s, r->functional);
    if (*ret_is_kept)
        return SUCCESS;
    server_forget_session(s);
    s->has_functional = r->functional != NULL;
    if (!r->functional)
        return SUCCESS;
    s->functional_user = arena_str(s->target.arena, account_name_split(r->functional->account).user);
    s->functional_password = secret_copy(s->target.arena, r->functional->password);
    return SUCCESS;
}

/* A line of SHOW GRANTS: "GRANT what, what ON *.* TO …". Lines of roles that are in force are among them. */
static bool grants_altering(struct str line)
{
    ptrdiff_t end = str_find(line, S(" ON *.* TO "));
    struct str rights = end > 0 ? str_sub(line, 0, (size_t)end) : S("");
    return str_starts(line, S("GRANT ")) &&
           (str_find(rights, S("CREATE USER")) > 0 || str_find(rights, S("ALL PRIVILEGES")) > 0);
}

static RESULT look_at_session(struct server *s, struct arena *a, struct err *e)
{
    struct table grants = {0};
    struct str token = S("");
    if (!mariadb_connection(s->session) || mysql_get_server_version(s->session) < OLDEST_VERSION)
        return FAIL_AS(e, UNREACHABLE, "unsent", "only MariaDB from 10.4 on is known here");
    /* The greeting asks for this as well, but a server may be told to ignore that. */
    TRY(session_query(s->session, S("SET NAMES utf8mb4"), a, &grants, e));
    TRY(session_query(s->session, S("SHOW GRANTS"), a, &grants, e));
    for (size_t i = 0; i < grants.rows && grants.columns == 1; i++)
        s->may_alter |= grants_altering(grants.cells[i]);
    TRY(fence_mark(s->session, a, &token, e));
    s->fence_token = arena_str(s->target.arena, token);
    return SUCCESS;
}

static RESULT sign_in(struct server *s, struct arena *a, struct answer *answer, struct err *e)
{
    enum login_word word = LOGIN_DENIED;
    result done = session_open(s, s->functional_user, s->functional_password, a, answer, &s->session, &word, e);
    if (done.code == REFUSED)
        return check_denied(answer, "refused", e);
    TRY(done);
    if (word != LOGIN_ACCEPTED)
        return check_denied_by_word(answer, login_word_text(word), e);
    s->target.session_key = s->seen;
    done = look_at_session(s, a, e);
    if (is_ok(done))
        return SUCCESS;
    bool must_change = mysql_errno(s->session) == ER_MUST_CHANGE_PASSWORD;
    server_forget_session(s);
    return must_change ? check_denied(answer, login_word_text(LOGIN_MUST_CHANGE), e) : done;
}

static RESULT look_at_account(struct server *s, struct str name, struct arena *a, struct findings *found, struct err *e)
{
    struct account account = {0};
    TRY(account_find(s, name, a, &account, e));
    bool has_password = account.password_methods == 1;
    enum scheme scheme = has_password ? scheme_of_plugin(account.methods[account.password_at].plugin) : SCHEME_NONE;
    found->scheme = str_of(scheme_text(scheme));
    found->can_change = s->may_alter && has_password;
    found->can_compare = account.is_read && has_password;
    if (!s->may_alter)
        found->text = S("the functional account lacks the right CREATE USER");
    else if (account.password_methods > 1)
        found->text = S("the account has several passwords: none of them can be the one to change");
    else if (!has_password)
        found->text = S("the account signs in without a password of this server");
    else if (!account.is_read)
        found->text = arena_printf(a,
                                   "the functional account may not read mysql.global_priv: the account is taken to be "
                                   "%.*s@%.*s, and a change gives it mysql_native_password alone",
                                   STR_ARG(account.user), STR_ARG(account.host));
    else if (account.is_locked)
        found->text = S("the account is locked; a change leaves it so");
    return SUCCESS;
}

/* A session that was killed says so by an error of the server's. */
static RESULT look_again(void *state, const void *request, struct arena *a, struct findings *found, struct err *e)
{
    struct server *s = state;
    const struct check_request *r = request;
    watchdog_guard(mysql_get_socket(s->session));
    result done = look_at_account(s, r->account, a, found, e);
    if (done.code == UNREACHABLE && strcmp(e->word, "unreadable") != 0)
        e->word = "unreachable";
    return done;
}

static RESULT look_first(void *state, const void *request, struct arena *a, struct answer *answer,
                         struct findings *found, struct err *e)
{
    struct server *s = state;
    const struct check_request *r = request;
    result opened = probe_run(s, a, answer, e);
    if (is_ok(opened) && s->has_functional)
        opened = sign_in(s, a, answer, e);
    answer->host_key = s->seen;
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
    if (s->session)
        found.fence_token = s->fence_token;
    findings_write(&found, answer->writer);
    return SUCCESS;
}
