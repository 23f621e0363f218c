/* ssh/main.c: keyturn-connector-ssh: Linux and Unix accounts over SSH. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "common/sandbox.h"
#include "common/watchdog.h"
#include "ssh/authorized_keys.h"
#include "ssh/key.h"
#include "ssh/restart.h"
#include "ssh/session.h"
#include "ssh/verifier.h"

enum { SECRET_MAX = 16384, NAME_MAX_POINTS = 256 };

const struct field login_fields[] = {
    TEXT("account", struct login_request, account, .required = true, .max = NAME_MAX_POINTS, .keeps_blanks = true,
         .check = account_name_check),
    SECRET("password", struct login_request, password, .max = 1024),
    SECRET("private_key", struct login_request, private_key, .max = SECRET_MAX),
    SECRET("passphrase", struct login_request, passphrase, .max = 1024),
    FIELD_END,
};

result login_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct host *h = state;
    const struct login_request *r = request;
    if (!h->target.is_set)
        return FAIL_AS(e, INVALID, "bad_request", "a check comes first");
    if (!r->password == !r->private_key)
        return FAIL_AS(e, INVALID, "bad_request", "either a password or a private key is required");
    watchdog_start(h->target.address.timeout_s);
    const struct ssh_login login = {r->account, r->password, r->private_key, r->passphrase};
    ssh_session opened = NULL;
    result done = session_open(h, r->account, a, &opened, e);
    answer->host_key = h->seen;
    TRY(done);
    AUTOFREE(ssh_session_struct) s = opened;
    enum login_word word = LOGIN_DENIED;
    TRY(session_login(s, &login, false, a, &word, e));
    json_key(answer->writer, S("result"));
    json_write_str(answer->writer, str_of(login_word_text(word)));
    return SUCCESS;
}

const struct field compare_fields[] = {
    TEXT("account", struct compare_request, account, .required = true, .max = NAME_MAX_POINTS, .keeps_blanks = true,
         .check = account_name_check),
    SECRET("password", struct compare_request, password, .max = 1024),
    TEXT("public_key", struct compare_request, public_key, .max = SECRET_MAX),
    FIELD_END,
};

static RESULT compare_password(struct host *h, const struct compare_request *r, struct arena *a, struct answer *answer,
                               bool *ret, struct err *e)
{
    struct str field = STR_ABSENT;
    TRY(verifier_read(h, r->account, a, &field, e));
    *ret = made_is(&h->made, r->account, r->password, field);
    if (!*ret)
        TRY(verifier_matches(field, r->password, a, ret, e));
    json_key(answer->writer, S("scheme"));
    json_write_str(answer->writer, verifier_prefix(field));
    json_key(answer->writer, S("locked"));
    json_write_bool(answer->writer, verifier_is_locked(field));
    return SUCCESS;
}

result compare_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct host *h = state;
    const struct compare_request *r = request;
    bool has_key = str_is_set(r->public_key) && r->public_key.n > 0;
    if (!h->has_functional)
        return FAIL_AS(e, INVALID, "bad_request", "the check named no functional account");
    if (!h->session)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the check opened no functional session");
    if (has_key == (r->password != NULL))
        return FAIL_AS(e, INVALID, "bad_request", "either a password or a public key is required");
    watchdog_start(h->target.address.timeout_s);
    watchdog_guard(ssh_get_fd(h->session));
    bool is_match = false;
    if (has_key)
        TRY(authorized_keys_has(h, r->account, r->public_key, a, &is_match, e));
    else
        TRY(compare_password(h, r, a, answer, &is_match, e));
    json_key(answer->writer, S("match"));
    json_write_bool(answer->writer, is_match);
    return SUCCESS;
}

static const struct operation operations[] = {
    {"check", check_fields, sizeof(struct check_request), check_run},
    {"change", change_fields, sizeof(struct change_request), change_run},
    {"login", login_fields, sizeof(struct login_request), login_run},
    {"compare", compare_fields, sizeof(struct compare_request), compare_run},
    {"restart", restart_fields, sizeof(struct restart_request), restart_run},
    {"inspect_key", inspect_fields, sizeof(struct inspect_request), inspect_run},
    {"make_key", make_fields, sizeof(struct make_request), make_run},
    {.name = NULL},
};

/* OpenSSL reads its settings and loads its providers at its first real work. */
static void let_libraries_read_their_files(void)
{
    ssh_key key = NULL;
    ssh_init();
    if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK)
        die("libssh cannot make a key: OpenSSL does not work");
    ssh_key_free(key);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "keyturn-ssh"); /* one that was started by descriptor has a number for a name */
    let_libraries_read_their_files();
    sandbox_enter();
    struct host h = {.target.arena = arena_new()};
    int status = serve("ssh", operations, &h);
    host_forget_session(&h);
    made_free(&h.made);
    arena_free(h.target.arena);
    fflush(NULL);
    _exit(status); /* a leak checker at exit would need what the sandbox has taken away */
}
