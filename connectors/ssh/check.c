/* ssh/check.c: connect, compare the host's key, sign in, and find out what the functional account may do. */
#include <string.h>

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
}

/* A check replaces what an earlier one has left. */
static RESULT remember(struct host *h, const struct check_request *r, struct err *e)
{
    const struct check_functional *f = r->functional;
    bool is_same = false;
    if (f && !f->password && !f->private_key)
        return FAIL_AS(e, INVALID, "bad_request", "functional: a password or a private key is required");
    TRY(target_keep(&h->target, r->target, &r->host_keys, &is_same, e));
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

static RESULT sign_in(struct host *h, struct arena *a, struct err *e)
{
    AUTOFREE(ssh_session_struct) s = NULL;
    enum login_word word = LOGIN_DENIED;
    ssh_session opened = NULL;
    TRY(session_open(h, h->functional.account, a, &opened, e));
    s = opened;
    result done = session_login(s, &h->functional, false, a, &word, e);
    if (!is_ok(done) && done.code == UNREACHABLE)
        return done;
    if (!is_ok(done)) {
        e->word = "functional_denied";
        e->code = UNREACHABLE;
        return (result){UNREACHABLE};
    }
    if (word != LOGIN_ACCEPTED)
        return FAIL_AS(e, UNREACHABLE, "functional_denied", "the functional account cannot sign in: %s",
                       login_word_text(word));
    h->session = TAKE(s);
    return SUCCESS;
}

struct findings {
    bool can_change, can_compare, can_install_keys;
    struct str scheme;
    const char *text;
};

static RESULT look_at_account(struct host *h, struct str account, struct arena *a, struct findings *found,
                              struct err *e)
{
    struct str field = STR_ABSENT;
    result read = verifier_read(h, account, a, &field, e);
    found->can_compare = is_ok(read);
    if (!is_ok(read) && strcmp(e->word, "unreadable") != 0)
        return read;
    found->scheme = verifier_scheme(h, field);
    TRY(change_find_way(h, a, &found->can_change, e));
    TRY(authorized_keys_may_write(h, account, a, &found->can_install_keys, e));
    if (verifier_is_locked(field))
        found->text = "the account's password is locked; a change unlocks it";
    else if (!found->can_change)
        found->text = "the functional account may not set passwords";
    else if (!found->can_compare)
        found->text = "the functional account may not read the password's hash";
    return SUCCESS;
}

static void write_findings(const struct host *h, const struct findings *found, struct json_writer *w)
{
    json_key(w, S("can_change"));
    json_write_bool(w, found->can_change);
    json_key(w, S("can_compare"));
    json_write_bool(w, found->can_compare);
    json_key(w, S("can_install_keys"));
    json_write_bool(w, found->can_install_keys);
    json_key(w, S("scheme"));
    json_write_str(w, found->scheme);
    json_key(w, S("fence"));
    json_write_str(w, h->has_fence ? S("timeout") : S("none"));
    json_key(w, S("fence_s"));
    json_write_int(w, h->has_fence ? CHANGE_FENCE_S : 0);
    json_key(w, S("text"));
    json_write_str(w, str_of(found->text));
}

result check_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct host *h = state;
    const struct check_request *r = request;
    TRY(remember(h, r, e));
    watchdog_start(h->target.address.timeout_s);
    struct findings found = {.text = ""};
    result done;
    if (h->has_functional) {
        done = sign_in(h, a, e);
    } else {
        ssh_session s = NULL;
        done = session_open(h, S("nobody"), a, &s, e);
        if (is_ok(done))
            ssh_session_struct_free(s);
    }
    answer->host_key = h->seen;
    TRY(done);
    if (h->session && str_is_set(r->account) && r->account.n > 0)
        TRY(look_at_account(h, r->account, a, &found, e));
    write_findings(h, &found, answer->writer);
    return SUCCESS;
}
