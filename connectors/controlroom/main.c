/* controlroom/main.c: keyturn-connector-controlroom: followers of accounts in another Control Room. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <openssl/ssl.h>

#include "base/log.h"
#include "base/text.h"
#include "common/sandbox.h"
#include "common/watchdog.h"
#include "controlroom/far.h"

struct login_request {
    struct str account;
    struct secret *password;
};
static const struct field login_fields[] = {
    TEXT("account", struct login_request, account, .required = true, .max = NAME_POINTS_MAX, .keeps_blanks = true),
    SECRET("password", struct login_request, password, .required = true, .max = SECRET_BYTES_MAX),
    FIELD_END,
};

static result login_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct far *f = state;
    const struct login_request *r = request;
    enum sign_in_word word = SIGN_IN_DENIED;
    const struct secret *token = NULL;
    struct line_to *opened = NULL;
    if (!f->target.is_set)
        return FAIL_AS(e, INVALID, "bad_request", "a check comes first");
    if (text_has_control(r->account))
        return FAIL_AS(e, INVALID, "bad_request", "account: not a name");
    watchdog_start(f->target.address.timeout_s);
    TRY(line_to_open(f, &opened, e));
    AUTOFREE(line_to) line = opened;
    TRY(session_sign_in(f, line, r->account, r->password, false, a, answer, &word, &token, e));
    json_key(answer->writer, S("result"));
    json_write_str(answer->writer, word == SIGN_IN_ACCEPTED ? S("accepted") : S("denied"));
    return SUCCESS;
}

static const struct operation operations[] = {
    {"check", check_fields, sizeof(struct check_request), check_run},
    {"push", push_fields, sizeof(struct push_request), push_run},
    {"login", login_fields, sizeof(struct login_request), login_run},
    {.name = NULL},
};

/* OpenSSL without its settings' file; everything that reads files does so now. */
static void start_libraries(void)
{
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        die("libcurl does not start");
    SSL_CTX *first = SSL_CTX_new(TLS_client_method());
    if (!first)
        die("OpenSSL does not work");
    SSL_CTX_free(first);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "keyturn-ctlroom"); /* one that was started by descriptor has a number for a name */
    start_libraries();
    sandbox_enter();
    struct far f = {.target.arena = arena_new()};
    int status = serve("controlroom", operations, &f);
    far_forget_session(&f);
    arena_free(f.target.arena);
    fflush(NULL);
    _exit(status); /* a leak checker at exit would need what the sandbox has taken away */
}
