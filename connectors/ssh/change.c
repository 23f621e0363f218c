/* ssh/change.c: a password through chpasswd -e; the clear text stays here. */
#include <string.h>

#include "ssh/change.h"

#include "common/watchdog.h"
#include "ssh/authorized_keys.h"
#include "ssh/verifier.h"

enum { SECRET_MAX = 16384, NAME_MAX_POINTS = 256, EXIT_TIMED_OUT = 124 };

static const char with_fence[] = "/usr/bin/timeout -k 1 5 /usr/sbin/chpasswd -e";
static const char without_fence[] = "/usr/sbin/chpasswd -e";

static const char *const parts[] = {"password", "add_key", "remove_key", NULL};
static const char *const methods[] = {"functional", "self", NULL};
const struct field change_fields[] = {
    TEXT("account", struct change_request, account, .required = true, .max = NAME_MAX_POINTS, .keeps_blanks = true,
         .check = account_name_check),
    TEXT("part", struct change_request, part, .required = true, .words = parts),
    TEXT("method", struct change_request, method, .words = methods, .or_text = "functional"),
    SECRET("password", struct change_request, password, .max = SECRET_MAX),
    TEXT("public_key", struct change_request, public_key, .max = SECRET_MAX),
    SECRET("current", struct change_request, current, .max = 1024),
    SECRET("current_key", struct change_request, current_key, .max = SECRET_MAX),
    SECRET("current_passphrase", struct change_request, current_passphrase, .max = 1024),
    FIELD_END,
};

/* Forms that ask for no password come first: a refused one is a line in the host's log and a letter to its owner. */
RESULT change_find_way(struct host *h, struct arena *a, bool *ret_may, struct err *e)
{
    static const enum elevation ways[] = {ELEVATION_NONE, ELEVATION_SUDO, ELEVATION_SUDO_PASSWORD};
    bool needs_sudo = str_equal(h->elevation, S("sudo"));
    for (size_t i = 0; i < 2 * sizeof(ways) / sizeof(ways[0]); i++) {
        enum elevation how = ways[i / 2];
        bool has_fence = i % 2 == 0;
        if (needs_sudo == (how == ELEVATION_NONE) || (how == ELEVATION_SUDO_PASSWORD && !h->functional.password))
            continue;
        AUTO_COMMAND_OUTPUT output = {0};
        result ran = elevate(h, &how, NULL, has_fence ? with_fence : without_fence, STR_ABSENT, a, &output, e);
        if (!is_ok(ran) && strcmp(e->word, "elevation_denied") != 0)
            return as_unreachable(e);
        if (is_ok(ran) && elevate_has_worked(&output)) {
            h->change_elevation = how;
            h->has_fence = has_fence;
            *ret_may = true;
            return SUCCESS;
        }
    }
    h->change_elevation = ELEVATION_DENIED;
    *ret_may = false;
    return SUCCESS;
}

/* A line of chpasswd's own; a login shell may write others, of whatever it likes. */
static struct str line_of_chpasswd(struct str text, struct str part)
{
    while (str_is_set(text)) {
        struct str line = str_cut(&text, '\n');
        if (str_starts(line, S("chpasswd: ")) && str_find(line, part) >= 0)
            return line;
    }
    return STR_ABSENT;
}

/* A refusal is definite only when its text is one that chpasswd writes before it touches a file. */
static RESULT explain_refusal(const struct command_output *o, struct err *e)
{
    static const struct {
        const char *text, *code;
    } known[] = {
        {"does not exist", "no_account"},
        {"cannot lock", "refused"},
        {"missing new password", "refused"},
        {"line too long", "refused"},
        {"password not changed", "refused"},
        {"cannot open", "refused"},
        {"Permission denied", "elevation_denied"},
        {"Cannot determine your user name", "refused"},
        {"error detected, changes ignored", "refused"},
    };
    struct str text = command_text(o);
    bool is_half_done = str_find(text, S("failure while writing")) >= 0;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && o->status == 1 && !is_half_done; i++) {
        struct str line = line_of_chpasswd(text, str_of(known[i].text));
        if (str_is_set(line))
            return FAIL_AS(e, REFUSED, known[i].code, "%.*s", STR_ARG(line));
    }
    if (o->status == EXIT_TIMED_OUT)
        return FAIL_AS(e, UNCERTAIN, "unknown", "the change did not end in time on the host and was ended there");
    return FAIL_AS(e, UNCERTAIN, "unknown", "exit status %d: %.*s", o->status, STR_ARG(text));
}

static RESULT check_password(const struct secret *password, struct err *e)
{
    if (secret_length(password) == 0)
        return FAIL_AS(e, INVALID, "bad_request", "password: is required");
    if (secret_has_any(password, "\n\r", 3))
        return FAIL_AS(e, INVALID, "bad_request", "password: no line ends");
    if (secret_length(password) > PASSWORD_BYTES_MAX)
        return FAIL_AS(e, REFUSED, "policy", "a password on this host has at most %d bytes", PASSWORD_BYTES_MAX);
    return SUCCESS;
}

static RESULT find_scheme(struct host *h, struct str account, struct arena *a, struct str *ret, struct err *e)
{
    struct str field = STR_ABSENT;
    bool is_checked = str_is_set(h->checked_account) && str_equal(h->checked_account, account);
    result read = is_checked ? SUCCESS : verifier_read(h, account, a, &field, e);
    if (!is_ok(read) && strcmp(e->word, "unreadable") != 0)
        return read;
    *ret = is_checked ? h->checked_scheme : verifier_scheme(h, field);
    return SUCCESS;
}

static RESULT change_by_functional(struct host *h, const struct change_request *r, struct arena *a, struct err *e)
{
    bool may = true;
    if (h->change_elevation == ELEVATION_UNTRIED)
        TRY(change_find_way(h, a, &may, e));
    if (h->change_elevation == ELEVATION_DENIED)
        return FAIL_AS(e, UNREACHABLE, "elevation_denied", "the functional account may not set passwords");
    struct str scheme = STR_ABSENT, made = STR_ABSENT;
    TRY(find_scheme(h, r->account, a, &scheme, e));
    TRY(verifier_make(scheme, r->password, a, &made, e));
    made_remember(&h->made, r->account, r->password, made);
    struct str line = arena_printf(a, "%.*s:%.*s\n", STR_ARG(r->account), STR_ARG(made));
    AUTO_COMMAND_OUTPUT output = {0};
    TRY(elevate(h, &h->change_elevation, NULL, h->has_fence ? with_fence : without_fence, line, a, &output, e));
    return elevate_has_worked(&output) ? SUCCESS : explain_refusal(&output, e);
}

RESULT change_open_own(struct host *h, const struct ssh_login *login, bool is_by_method_only, struct arena *a,
                       ssh_session *ret, enum login_word *ret_word, struct err *e)
{
    ssh_session opened = NULL;
    TRY(session_open(h, login->account, a, &opened, e));
    AUTOFREE(ssh_session_struct) s = opened;
    TRY(session_login(s, login, is_by_method_only, a, ret_word, e));
    if (*ret_word != LOGIN_ACCEPTED && *ret_word != LOGIN_MUST_CHANGE)
        return FAIL_AS(e, REFUSED, "refused", "the account cannot sign in with its present secret: %s",
                       login_word_text(*ret_word));
    *ret = TAKE(s);
    return SUCCESS;
}

static RESULT change_key(struct host *h, const struct change_request *r, bool is_self, struct arena *a, struct err *e)
{
    const struct ssh_login own = {r->account, r->current, r->current_key, r->current_passphrase};
    struct key_change change = {
        .account = r->account, .line = r->public_key, .is_removal = str_equal(r->part, S("remove_key"))};
    if (!is_self)
        return authorized_keys_change(h, h->session, &change, a, e);
    enum login_word word = LOGIN_DENIED;
    ssh_session opened = NULL;
    TRY(change_open_own(h, &own, false, a, &opened, &word, e));
    AUTOFREE(ssh_session_struct) s = opened;
    change.is_own_session = true;
    return authorized_keys_change(h, s, &change, a, e);
}

result change_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    (void)answer;
    struct host *h = state;
    const struct change_request *r = request;
    bool is_self = str_equal(r->method, S("self")), is_password = str_equal(r->part, S("password"));
    if (!h->target.is_set)
        return FAIL_AS(e, INVALID, "bad_request", "a check comes first");
    if (!is_self && !h->has_functional)
        return FAIL_AS(e, INVALID, "bad_request", "the check named no functional account");
    if (!is_self && !h->session)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the check opened no functional session");
    if (is_self && !r->current && (is_password || !r->current_key))
        return FAIL_AS(e, INVALID, "bad_request", "current: is required");
    if (is_password)
        TRY(check_password(r->password, e));
    watchdog_start(h->target.address.timeout_s);
    if (!is_self)
        watchdog_guard(ssh_get_fd(h->session));
    if (!is_password)
        return change_key(h, r, is_self, a, e);
    if (is_self)
        return self_change_run(h, r->account, r->current, r->password, a, e);
    return change_by_functional(h, r, a, e);
}
