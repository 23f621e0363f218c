/* ssh/login.c: signing in, with one guess at most, and putting the host's answer into one of five words. */
#include <poll.h>

#include "base/secret_open.h"
#include "common/guess.h"
#include "common/watchdog.h"
#include "ssh/command.h"
#include "ssh/key.h"
#include "ssh/session.h"

enum { DIALOG_ROUNDS_MAX = 8, DIALOG_TEXT_MAX = 16384, WAIT_MS = 1000 };

const char *login_word_text(enum login_word word)
{
    static const char *const texts[] = {
        [LOGIN_ACCEPTED] = "accepted", [LOGIN_MUST_CHANGE] = "must_change", [LOGIN_DENIED] = "denied",
        [LOGIN_LOCKED] = "locked",     [LOGIN_EXPIRED] = "expired",
    };
    return texts[word];
}

/* What keyboard-interactive has shown so far; lower case, so that words are found whatever their case. */
struct dialog {
    struct buf text;
    bool has_answered;
};

static void dialog_free(struct dialog *d)
{
    buf_free(&d->text);
}

static void dialog_add(struct dialog *d, struct str text)
{
    for (size_t i = 0; i < text.n && d->text.n < DIALOG_TEXT_MAX; i++) {
        char c = text.p[i];
        buf_add_char(&d->text, (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c));
    }
    buf_add_char(&d->text, '\n');
}

static bool says(const struct buf *text, struct str part)
{
    return str_find(buf_str(text), part) >= 0;
}

/* Any other prompt may be a change dialog or a second factor, and must never see the password. */
static bool asks_for_the_password(const char *prompt, bool is_echoed)
{
    __attribute__((cleanup(dialog_free))) struct dialog lower = {0};
    buf_init(&lower.text, DIALOG_TEXT_MAX + 64);
    dialog_add(&lower, str_of(prompt));
    const struct buf *text = &lower.text;
    return !is_echoed && says(text, S("password")) && !says(text, S("new")) && !says(text, S("current")) &&
           !says(text, S("retype"));
}

static bool must_change(const struct buf *text)
{
    return says(text, S("required to change your password")) || says(text, S("password has expired")) ||
           says(text, S("password change required"));
}

static enum login_word refusal_word(const struct dialog *d)
{
    if (says(&d->text, S("locked due to")))
        return LOGIN_LOCKED;
    if (says(&d->text, S("account has expired")))
        return LOGIN_EXPIRED;
    return LOGIN_DENIED;
}

enum method { BY_NOTHING, BY_DIALOG, BY_PASSWORD, BY_KEY };
struct step { /* of signing in */
    enum method method;
    const char *password;
    ssh_key key;
};

static int take_step(ssh_session s, const struct step *step)
{
    switch (step->method) {
    case BY_NOTHING:
        return ssh_userauth_none(s, NULL);
    case BY_DIALOG:
        return ssh_userauth_kbdint(s, NULL, NULL);
    case BY_PASSWORD:
        return ssh_userauth_password(s, NULL, step->password);
    case BY_KEY:
        return ssh_userauth_publickey(s, NULL, step->key);
    }
    return SSH_AUTH_ERROR;
}

static void wait_for_host(ssh_session s)
{
    int left_ms = watchdog_left_ms();
    bool has_more = (ssh_get_poll_flags(s) & SSH_WRITE_PENDING) != 0;
    struct pollfd ready = {.fd = ssh_get_fd(s), .events = (short)(has_more ? POLLIN | POLLOUT : POLLIN)};
    poll(&ready, 1, left_ms < WAIT_MS ? left_ms + 1 : WAIT_MS);
}

/* A blocking call would wait on after the host has said goodbye (libssh 0.10). */
static int authenticate(ssh_session s, const struct step *step)
{
    ssh_set_blocking(s, 0);
    int rc = take_step(s, step);
    while (rc == SSH_AUTH_AGAIN && ssh_is_connected(s) && !watchdog_has_expired()) {
        wait_for_host(s);
        rc = take_step(s, step);
    }
    ssh_set_blocking(s, 1);
    return rc == SSH_AUTH_AGAIN ? SSH_AUTH_ERROR : rc;
}

static bool has_said(ssh_session s, struct str part)
{
    return str_find(str_of(ssh_get_error(s)), part) >= 0;
}

/* So sshd answers the last guess that a connection has (MaxAuthTries). */
static bool is_refused_for_good(ssh_session s)
{
    return has_said(s, S("SSH_MSG_DISCONNECT")) && has_said(s, S("Too many authentication failures"));
}

static result lost(struct err *e)
{
    const char *why =
        watchdog_has_expired() ? "the host did not answer in time" : "the connection broke while signing in";
    return FAIL_AS(e, UNREACHABLE, "unreachable", "%s", why);
}

/* One round of questions. *ret_goes_on is false when there is one that the password must not answer. */
static int answer_round(ssh_session s, struct dialog *d, const char *password, bool *ret_goes_on)
{
    dialog_add(d, str_of(ssh_userauth_kbdint_getname(s)));
    dialog_add(d, str_of(ssh_userauth_kbdint_getinstruction(s)));
    int prompts = ssh_userauth_kbdint_getnprompts(s);
    bool may_answer = prompts == 1 && !d->has_answered;
    for (int i = 0; i < prompts; i++) {
        char is_echoed = 0;
        const char *prompt = ssh_userauth_kbdint_getprompt(s, (unsigned)i, &is_echoed);
        dialog_add(d, str_of(prompt));
        may_answer = may_answer && prompt && asks_for_the_password(prompt, is_echoed != 0);
    }
    *ret_goes_on = prompts <= 0 || may_answer;
    if (prompts > 0 && may_answer) {
        ssh_userauth_kbdint_setanswer(s, 0, password);
        d->has_answered = true;
        guess_sent();
    }
    return *ret_goes_on ? authenticate(s, &(struct step){.method = BY_DIALOG}) : SSH_AUTH_INFO;
}

/* *ret_has_guessed: the password was sent, so that no second method may send it again. */
static RESULT login_by_dialog(ssh_session s, const char *password, enum login_word *ret, bool *ret_has_guessed,
                              struct err *e)
{
    __attribute__((cleanup(dialog_free))) struct dialog d = {0};
    buf_init(&d.text, DIALOG_TEXT_MAX + 64);
    bool goes_on = true;
    int rc = authenticate(s, &(struct step){.method = BY_DIALOG});
    for (int round = 0; rc == SSH_AUTH_INFO && goes_on && round < DIALOG_ROUNDS_MAX; round++)
        rc = answer_round(s, &d, password, &goes_on);
    *ret_has_guessed = d.has_answered;
    if (rc == SSH_AUTH_INFO && d.has_answered && must_change(&d.text)) {
        *ret = LOGIN_MUST_CHANGE;
        return SUCCESS;
    }
    if (rc == SSH_AUTH_PARTIAL)
        guess_answered();
    if (rc == SSH_AUTH_INFO || rc == SSH_AUTH_PARTIAL)
        return FAIL_AS(e, REFUSED, "refused", "the host asks for more than a password");
    if (rc == SSH_AUTH_SUCCESS && !d.has_answered)
        return FAIL_AS(e, REFUSED, "refused", "the host lets this account in without a secret");
    bool is_answered = rc == SSH_AUTH_SUCCESS || rc == SSH_AUTH_DENIED || (d.has_answered && is_refused_for_good(s));
    if (!is_answered && refusal_word(&d) == LOGIN_DENIED)
        return lost(e);
    *ret = rc == SSH_AUTH_SUCCESS ? LOGIN_ACCEPTED : refusal_word(&d);
    return SUCCESS;
}

/* These methods let an account in whose password has run out; only what a command answers shows it. */
static enum login_word look_for_must_change(ssh_session s)
{
    struct err e = {0};
    AUTO_COMMAND_OUTPUT output = {0};
    if (!is_ok(command_run(s, ":", STR_ABSENT, &output, &e)) || output.status == 0)
        return LOGIN_ACCEPTED;
    __attribute__((cleanup(dialog_free))) struct dialog d = {0};
    buf_init(&d.text, DIALOG_TEXT_MAX + 64);
    dialog_add(&d, command_text(&output));
    bool is_forced = must_change(&d.text);
    return is_forced ? LOGIN_MUST_CHANGE : LOGIN_ACCEPTED;
}

/* An expired account is not refused: sshd accepts the right secret, says so in a banner and hangs up. A host that goes
 * down hangs up as well. */
static bool says_expired(ssh_session s)
{
    __attribute__((cleanup(dialog_free))) struct dialog d = {0};
    buf_init(&d.text, DIALOG_TEXT_MAX + 64);
    char *banner = ssh_get_issue_banner(s);
    dialog_add(&d, str_of(banner ? banner : ""));
    ssh_string_free_char(banner);
    return refusal_word(&d) == LOGIN_EXPIRED;
}

static RESULT login_by_method(ssh_session s, const struct step *step, enum login_word *ret, struct err *e)
{
    int rc = authenticate(s, step);
    if (rc == SSH_AUTH_PARTIAL) {
        guess_answered();
        return FAIL_AS(e, REFUSED, "refused", "the host asks for more than this secret");
    }
    if (rc == SSH_AUTH_SUCCESS)
        *ret = look_for_must_change(s);
    else if (rc == SSH_AUTH_DENIED || is_refused_for_good(s))
        *ret = LOGIN_DENIED;
    else if (!watchdog_has_expired() && !ssh_is_connected(s) && says_expired(s))
        *ret = LOGIN_EXPIRED;
    else
        return lost(e);
    return SUCCESS;
}

static RESULT login_by_key(ssh_session s, const struct ssh_login *login, enum login_word *ret, struct err *e)
{
    AUTOFREE(ssh_key_struct) key = NULL;
    bool is_encrypted = false;
    TRY(key_read(login->private_key, login->passphrase, &key, &is_encrypted, e));
    return login_by_method(s, &(struct step){.method = BY_KEY, .key = key}, ret, e);
}

static RESULT sign_in(ssh_session s, const struct ssh_login *login, bool is_by_method_only, struct arena *a,
                      enum login_word *ret, struct err *e)
{
    int rc = authenticate(s, &(struct step){.method = BY_NOTHING});
    if (rc == SSH_AUTH_SUCCESS)
        return FAIL_AS(e, REFUSED, "refused", "the host lets this account in without a secret");
    if (rc != SSH_AUTH_DENIED && rc != SSH_AUTH_PARTIAL)
        return lost(e);
    int methods = ssh_userauth_list(s, NULL);
    if (login->private_key)
        return login_by_key(s, login, ret, e);
    const char *password = arena_cstr(a, secret_open(login->password));
    if ((methods & SSH_AUTH_METHOD_INTERACTIVE) && !(is_by_method_only && (methods & SSH_AUTH_METHOD_PASSWORD))) {
        bool has_guessed = false;
        enum login_word word = LOGIN_DENIED;
        result done = login_by_dialog(s, password, &word, &has_guessed, e);
        if (!is_ok(done) || has_guessed || word != LOGIN_DENIED || !(methods & SSH_AUTH_METHOD_PASSWORD)) {
            if (is_ok(done))
                *ret = word;
            return done;
        }
    }
    if (!(methods & SSH_AUTH_METHOD_PASSWORD))
        return FAIL_AS(e, REFUSED, "refused", "the host takes no password from this account");
    guess_sent();
    return login_by_method(s, &(struct step){.method = BY_PASSWORD, .password = password}, ret, e);
}

RESULT session_login(ssh_session s, const struct ssh_login *login, bool is_by_method_only, struct arena *a,
                     enum login_word *ret, struct err *e)
{
    TRY(sign_in(s, login, is_by_method_only, a, ret, e));
    guess_answered();
    return SUCCESS;
}
