/* ssh/check.c: connect, compare the host's key, sign in, and find out what the functional account may do. */
#include <string.h>

#include "common/check.h"
#include "common/watchdog.h"
#include "ssh/authorized_keys.h"
#include "ssh/change.h"
#include "ssh/session.h"
#include "ssh/verifier.h"

enum { SECRET_MAX = 16384, NAME_MAX_POINTS = 256 };

const char *account_name_check(struct str s)
{
    enum { NAME_BYTES_MAX = 246 };
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool is_inner = i > 0 && ((c >= '0' && c <= '9') || c == '.' || c == '-');
        bool is_last = i > 0 && i + 1 == s.n && c == '$';
        if (!is_letter && !is_inner && !is_last)
            return "not a name of an account";
    }
    return s.n > NAME_BYTES_MAX ? "too long for the name of an account" : NULL;
}

static const char *const elevations[] = {"", "sudo", NULL};
static const struct field functional_fields[] = {
    TEXT("account", struct check_functional, account, .required = true, .max = NAME_MAX_POINTS, .keeps_blanks = true,
         .check = account_name_check),
    SECRET("password", struct check_functional, password, .max = 1024),
    SECRET("private_key", struct check_functional, private_key, .max = SECRET_MAX),
    SECRET("passphrase", struct check_functional, passphrase, .max = 1024),
    TEXT("elevation", struct check_functional, elevation, .words = elevations, .or_text = ""),
    FIELD_END,
};
static const struct field address_fields[] = {TARGET_ROWS(22), FIELD_END};
const struct field check_fields[] = {
    CHECK_TARGET_ROWS(struct check_request, address_fields),
    OBJECT("functional", struct check_request, functional, struct check_functional, functional_fields),
    TEXT("account", struct check_request, account, .max = NAME_MAX_POINTS, .keeps_blanks = true,
         .check = account_name_check),
    TEXT("part", struct check_request, part, .max = 32),
    FLAG("again", struct check_request, is_again),
    FIELD_END,
};

result as_unreachable(struct err *e)
{
    if (e && e->word && (strcmp(e->word, "unknown") == 0 || strcmp(e->word, "unsent") == 0)) {
        e->word = "unreachable";
        e->code = UNREACHABLE;
    }
    return (result){e ? e->code : UNREACHABLE};
}

void host_forget_session(struct host *h)
{
    if (h->session)
        ssh_session_struct_free(h->session);
    h->session = NULL;
    h->read_elevation = h->change_elevation = h->key_elevation = ELEVATION_UNTRIED;
    h->key_account = STR_ABSENT;
    h->has_fence = h->is_sudo_password_wrong = false;
    h->default_scheme = h->checked_account = h->checked_scheme = STR_ABSENT;
}

static bool is_same_functional(const struct host *h, const struct check_functional *f)
{
    const struct ssh_login *known = &h->functional;
    return f && h->has_functional && str_equal(f->account, known->account) && str_equal(f->elevation, h->elevation) &&
           secret_equal(f->password, known->password) && secret_equal(f->private_key, known->private_key) &&
           secret_equal(f->passphrase, known->passphrase);
}

/* Who signs in anew with a password that is wrong by now has failed once; sudo counts it twice, for its second question
 * gets no answer. */
static bool has_given_password(const struct host *h)
{
    return h->read_elevation == ELEVATION_SUDO_PASSWORD || h->change_elevation == ELEVATION_SUDO_PASSWORD ||
           h->key_elevation == ELEVATION_SUDO_PASSWORD;
}

/* A check replaces what an earlier one has left, but for the session of one that is asked again. */
static RESULT remember(struct host *h, const struct check_request *r, bool *ret_is_kept, struct err *e)
{
    const struct check_functional *f = r->functional;
    bool is_same = false;
    if (f && !f->password && !f->private_key)
        return FAIL_AS(e, INVALID, "bad_request", "functional: a password or a private key is required");
    TRY(target_keep(&h->target, r->target, &r->host_keys, &is_same, e));
    *ret_is_kept =
        r->is_again && is_same && h->session && r->account.n > 0 && is_same_functional(h, f) && !has_given_password(h);
    if (*ret_is_kept)
        return SUCCESS;
    host_forget_session(h);
    struct arena *a = h->target.arena;
    h->has_functional = f != NULL;
    if (!f)
        return SUCCESS;
    h->functional = (struct ssh_login){arena_str(a, f->account), secret_copy(a, f->password),
                                       secret_copy(a, f->private_key), secret_copy(a, f->passphrase)};
    h->elevation = arena_str(a, f->elevation);
    return SUCCESS;
}

static RESULT sign_in(struct host *h, struct arena *a, struct answer *answer, struct err *e)
{
    AUTOFREE(ssh_session_struct) s = NULL;
    enum login_word word = LOGIN_DENIED;
    ssh_session opened = NULL;
    TRY(session_open(h, h->functional.account, a, &opened, e));
    s = opened;
    result done = session_login(s, &h->functional, false, a, &word, e);
    if (!is_ok(done))
        return done.code == UNREACHABLE ? done : check_denied(answer, "refused", e);
    if (word != LOGIN_ACCEPTED)
        return check_denied_by_word(answer, login_word_text(word), e);
    h->session = TAKE(s);
    h->target.session_key = h->seen;
    return SUCCESS;
}

/* What belongs to the functional account is looked for once in a session, what belongs to the account each time. */
static RESULT look_at_account(struct host *h, const struct check_request *r, struct arena *a, struct findings *found,
                              struct err *e)
{
    struct str field = STR_ABSENT;
    h->checked_account = STR_ABSENT;
    result read = verifier_read(h, r->account, a, &field, e);
    found->can_compare = is_ok(read);
    if (!is_ok(read) && strcmp(e->word, "unreadable") != 0)
        return read;
    found->scheme = verifier_scheme(h, field);
    found->can_change = h->change_elevation != ELEVATION_UNTRIED && h->change_elevation != ELEVATION_DENIED;
    if (!found->can_change)
        TRY(change_find_way(h, a, &found->can_change, e));
    if (!str_equal(r->part, S("password")))
        TRY(authorized_keys_may_write(h, r->account, a, &found->can_install_keys, e));
    h->checked_account = arena_str(h->target.arena, r->account);
    h->checked_scheme = found->scheme;
    if (verifier_is_locked(field))
        found->text = S("the account's password is locked; a change unlocks it");
    else if (h->is_sudo_password_wrong)
        found->text = S("sudo does not take the functional account's password");
    else if (!found->can_change)
        found->text = S("the functional account may not set passwords");
    else if (!found->can_compare)
        found->text = S("the functional account may not read the password's hash");
    return SUCCESS;
}

static RESULT look_again(void *state, const void *request, struct arena *a, struct findings *found, struct err *e)
{
    struct host *h = state;
    watchdog_guard(ssh_get_fd(h->session));
    return look_at_account(h, request, a, found, e);
}

static RESULT look_first(void *state, const void *request, struct arena *a, struct answer *answer,
                         struct findings *found, struct err *e)
{
    struct host *h = state;
    const struct check_request *r = request;
    AUTOFREE(ssh_session_struct) unused = NULL;
    result opened = h->has_functional ? sign_in(h, a, answer, e) : session_open(h, S("nobody"), a, &unused, e);
    answer->host_key = h->seen;
    TRY(opened);
    return h->session && r->account.n > 0 ? look_at_account(h, r, a, found, e) : SUCCESS;
}

static void forget(void *state)
{
    host_forget_session(state);
}

result check_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    static const struct check_way way = {look_again, look_first, forget};
    struct host *h = state;
    struct findings found = {0};
    bool is_kept = false;
    TRY(remember(h, request, &is_kept, e));
    TRY(check_look(&way, &h->target, is_kept, h, request, a, answer, &found, e));
    found.fence_s = h->has_fence ? CHANGE_FENCE_S : 0;
    findings_write(&found, answer->writer);
    return SUCCESS;
}
