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
static const struct field address_fields[] = {
    TEXT("name", struct host_address, name, .max = 255, .or_text = ""),
    TEXT("address", struct host_address, address, .required = true, .max = 64),
    INT("port", struct host_address, port, .min = 1, .max = 65535, .or_int = 22),
    INT("timeout_s", struct host_address, timeout_s, .min = 1, .max = 300, .or_int = 30),
    FIELD_END,
};
static const struct field key_fields[] = {
    TEXT("type", struct host_key, type, .required = true, .max = 64),
    TEXT("sha256", struct host_key, sha256, .required = true, .max = 64),
    FIELD_END,
};
const struct field check_fields[] = {
    OBJECT("target", struct check_request, target, struct host_address, address_fields, .required = true),
    LIST("host_keys", struct check_request, host_keys, struct host_key, key_fields, .max = 64),
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

/* A check replaces what an earlier one has left; the host stays the same for the life of the process. */
static RESULT remember(struct host *h, const struct check_request *r, struct err *e)
{
    const struct host_address *to = r->target;
    if (h->is_set && (!str_equal(to->address, h->address.address) || to->port != h->address.port))
        return FAIL_AS(e, INVALID, "bad_request", "this process serves another target");
    struct host_key *keys = arena_array(h->arena, struct host_key, r->host_keys.n);
    for (size_t i = 0; i < r->host_keys.n; i++) {
        const struct host_key *key = (const struct host_key *)r->host_keys.at + i;
        keys[i] = (struct host_key){arena_str(h->arena, key->type), arena_str(h->arena, key->sha256)};
    }
    host_forget_session(h);
    h->address =
        (struct host_address){arena_str(h->arena, to->name), arena_str(h->arena, to->address), to->port, to->timeout_s};
    h->keys = keys;
    h->key_count = r->host_keys.n;
    h->is_set = true;
    h->has_functional = r->functional != NULL;
    if (!r->functional)
        return SUCCESS;
    const struct check_functional *f = r->functional;
    if (!f->password && !f->private_key)
        return FAIL_AS(e, INVALID, "bad_request", "functional: a password or a private key is required");
    h->functional = (struct ssh_login){arena_str(h->arena, f->account), secret_copy(h->arena, f->password),
                                       secret_copy(h->arena, f->private_key), secret_copy(h->arena, f->passphrase)};
    h->elevation = arena_str(h->arena, f->elevation);
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
    watchdog_start(h->address.timeout_s);
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
