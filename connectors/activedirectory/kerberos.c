/* activedirectory/kerberos.c: one authentication exchange, over our own socket, with libkrb5 for the messages. */
#include "activedirectory/kerberos.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "activedirectory/kerberos_context.h"
#include "base/log.h"
#include "base/secret_open.h"
#include "common/guess.h"
#include "common/watchdog.h"

enum { KERBEROS_PORT = 88, REPLY_BYTES_MAX = 128 * 1024, ROUNDS_MAX = 2, TICKET_S = 300, LENGTH_BYTES = 4 };

static const char clocks_differ[] = "the clocks of this server and of the domain controller differ too much";

/* What the exchange needs; all of it goes at its end. */
struct exchange {
    krb5_context context;
    krb5_principal client;
    krb5_get_init_creds_opt *options;
    krb5_init_creds_context steps;
    krb5_data request, realm;
    const struct target_address *to;
    struct arena *arena;
    bool has_proof; /* the request holds one of the password: a guess */
};

static void exchange_end(struct exchange *x)
{
    krb5_free_data_contents(x->context, &x->request);
    krb5_free_data_contents(x->context, &x->realm);
    if (x->steps)
        krb5_init_creds_free(x->context, x->steps);
    if (x->options)
        krb5_get_init_creds_opt_free(x->context, x->options);
    if (x->client)
        krb5_free_principal(x->context, x->client);
    if (x->context)
        krb5_free_context(x->context);
}
#define AUTO_EXCHANGE __attribute__((cleanup(exchange_end))) struct exchange

void kerberos_prepare_library(void)
{
    krb5_context context = kerberos_context_new();
    krb5_data password = {.length = 1, .data = (char *)"x"}, salt = password;
    krb5_keyblock key = {0};
    if (!context || krb5_c_string_to_key(context, ENCTYPE_AES256_CTS_HMAC_SHA1_96, &password, &salt, &key) != 0)
        die("libkrb5 does not work");
    krb5_free_keyblock_contents(context, &key);
    krb5_free_context(context);
}

/* ---- the stream: each message has its length in front ---- */

static result lost(struct err *e)
{
    const char *why =
        watchdog_has_expired() ? "Kerberos did not answer in time" : "the connection to Kerberos (port 88) broke";
    return FAIL_AS(e, UNREACHABLE, "unreachable", "%s", why);
}

/* False: the time is over, or the other end has gone. */
static bool is_ready(int fd, short what)
{
    struct pollfd ready = {.fd = fd, .events = what};
    int n;
    do
        n = watchdog_has_expired() ? 0 : poll(&ready, 1, watchdog_left_ms());
    while (n < 0 && errno == EINTR);
    return n > 0;
}

static bool send_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = is_ready(fd, POLLOUT) ? send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT) : -1;
        if (sent < 0 && (errno != EAGAIN || watchdog_has_expired()))
            return false;
        bytes += sent > 0 ? sent : 0;
        n -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

static bool receive_all(int fd, char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t got = is_ready(fd, POLLIN) ? recv(fd, bytes, n, MSG_DONTWAIT) : 0;
        if (got == 0 || (got < 0 && (errno != EAGAIN || watchdog_has_expired())))
            return false;
        bytes += got > 0 ? got : 0;
        n -= got > 0 ? (size_t)got : 0;
    }
    return true;
}

static RESULT converse(int fd, const krb5_data *request, struct arena *a, krb5_data *ret, struct err *e)
{
    unsigned n = request->length;
    const char length[LENGTH_BYTES] = {(char)(n >> 24), (char)(n >> 16 & 0xff), (char)(n >> 8 & 0xff),
                                       (char)(n & 0xff)};
    unsigned char back[LENGTH_BYTES];
    if (!send_all(fd, length, sizeof(length)) || !send_all(fd, request->data, n) ||
        !receive_all(fd, (char *)back, sizeof(back)))
        return lost(e);
    size_t size = (size_t)back[0] << 24 | (size_t)back[1] << 16 | (size_t)back[2] << 8 | back[3];
    if (size == 0 || size > REPLY_BYTES_MAX)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "what answers at port 88 is no Kerberos");
    char *reply = arena_alloc(a, size);
    if (!receive_all(fd, reply, size))
        return lost(e);
    *ret = (krb5_data){.length = (unsigned)size, .data = reply};
    return SUCCESS;
}

/* A connection for each request: not every domain controller waits for a second one. *ret_is_closed: there is none. */
static RESULT ask(struct exchange *x, krb5_data *ret, bool *ret_is_closed, struct err *e)
{
    int opened = -1;
    const struct dial how = {.port = KERBEROS_PORT, .wait_ms = watchdog_left_ms() / 3, .blocks = true};
    result dialled = target_dial(x->to, &how, x->arena, &opened, e);
    *ret_is_closed = !is_ok(dialled);
    if (watchdog_has_expired())
        return lost(e);
    if (*ret_is_closed)
        return dialled.code == UNREACHABLE ? SUCCESS : dialled;
    AUTOCLOSE fd = opened;
    if (x->has_proof)
        guess_sent();
    return converse(fd, &x->request, x->arena, ret, e);
}

/* ---- the exchange ---- */

static RESULT prepare(struct exchange *x, struct str domain, struct str account, const struct secret *password,
                      const char *service, struct err *e)
{
    struct str realm = arena_str(x->arena, domain);
    for (size_t i = 0; i < realm.n; i++)
        if (realm.p[i] >= 'a' && realm.p[i] <= 'z')
            ((char *)realm.p)[i] = (char)(realm.p[i] - ('a' - 'A'));
    x->context = kerberos_context_new();
    krb5_error_code rc = x->context ? 0 : KRB5_CONFIG_CANTOPEN;
    if (rc == 0)
        rc = krb5_build_principal(x->context, &x->client, (unsigned)realm.n, realm.p, arena_cstr(x->arena, account),
                                  (char *)NULL);
    if (rc == 0)
        rc = krb5_get_init_creds_opt_alloc(x->context, &x->options);
    if (rc == 0) {
        krb5_get_init_creds_opt_set_tkt_life(x->options, TICKET_S);
        krb5_get_init_creds_opt_set_forwardable(x->options, 0);
        krb5_get_init_creds_opt_set_proxiable(x->options, 0);
        rc = krb5_init_creds_init(x->context, x->client, NULL, NULL, 0, x->options, &x->steps);
    }
    if (rc == 0 && service)
        rc = krb5_init_creds_set_service(x->context, x->steps, service);
    if (rc == 0)
        rc = krb5_init_creds_set_password(x->context, x->steps, arena_cstr(x->arena, secret_open(password)));
    return rc == 0 ? SUCCESS : FAIL_AS(e, INTERNAL, "unsent", "libkrb5 does not work: error %d", (int)rc);
}

/* One step of libkrb5: take a reply, make the next request. *ret_is_done: there is none, the ticket is there. */
static krb5_error_code step(struct exchange *x, krb5_data *reply, bool *ret_is_done)
{
    unsigned flags = 0;
    krb5_free_data_contents(x->context, &x->request);
    krb5_free_data_contents(x->context, &x->realm);
    krb5_error_code rc = krb5_init_creds_step(x->context, x->steps, reply, &x->request, &x->realm, &flags);
    *ret_is_done = rc == 0 && !(flags & KRB5_INIT_CREDS_STEP_FLAG_CONTINUE);
    return rc;
}

/* The ticket did not decrypt, or libkrb5 did not like something else in it. */
static RESULT explain_step(const struct exchange *x, krb5_error_code rc, enum kerberos_word *ret, struct err *e)
{
    if (rc == KRB5KRB_AP_ERR_BAD_INTEGRITY) {
        *ret = KERBEROS_DENIED;
        return SUCCESS;
    }
    if (rc == KRB5_KDCREP_SKEW || rc == KRB5KRB_AP_ERR_SKEW)
        return FAIL_AS(e, REFUSED, "refused", "%s", clocks_differ);
    const char *why = krb5_get_error_message(x->context, rc);
    err_set(e, REFUSED, "refused", "Kerberos cannot prove this password: %s", why);
    krb5_free_error_message(x->context, why);
    return (result){REFUSED};
}

static RESULT explain_error(krb5_error_code code, bool has_guessed, enum kerberos_word *ret, struct err *e)
{
    switch (code) {
    case KRB5KDC_ERR_PREAUTH_FAILED:
        if (!has_guessed)
            break;
        *ret = KERBEROS_DENIED;
        return SUCCESS;
    case KRB5KDC_ERR_CLIENT_REVOKED:
        *ret = KERBEROS_REVOKED;
        return SUCCESS;
    case KRB5KDC_ERR_NAME_EXP:
        *ret = KERBEROS_EXPIRED;
        return SUCCESS;
    case KRB5KDC_ERR_KEY_EXP:
        *ret = KERBEROS_MUST_CHANGE;
        return SUCCESS;
    case KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN:
        return FAIL_AS(e, REFUSED, "no_account", "Kerberos knows no such account");
    case KRB5KRB_AP_ERR_SKEW:
        return FAIL_AS(e, REFUSED, "refused", "%s", clocks_differ);
    case KRB5KDC_ERR_POLICY:
        return FAIL_AS(e, REFUSED, "refused", "the domain's rules do not let this account sign in from here or now");
    case KRB5KDC_ERR_ETYPE_NOSUPP:
        return FAIL_AS(e, REFUSED, "refused", "the account has no Kerberos key of a kind that is still safe");
    default:
        break;
    }
    return FAIL_AS(e, REFUSED, "refused", "Kerberos answers with error %d", (int)(code - ERROR_TABLE_BASE_krb5));
}

/* 0 when the reply is no error message. */
static krb5_error_code error_in(const struct exchange *x, const krb5_data *reply)
{
    krb5_error *error = NULL;
    krb5_error_code code = 0;
    if (krb5_rd_error(x->context, reply, &error) == 0)
        code = ERROR_TABLE_BASE_krb5 + (krb5_error_code)error->error;
    krb5_free_error(x->context, error);
    return code;
}

/* libkrb5 itself would go on after a wrong password; here the domain controller's first word is the last. */
static RESULT run(struct exchange *x, enum kerberos_word *ret, struct err *e)
{
    krb5_data reply = {0};
    for (int round = 0; round < ROUNDS_MAX; round++) {
        bool is_done = false, is_closed = false;
        krb5_error_code rc = step(x, &reply, &is_done);
        if (rc != 0)
            return explain_step(x, rc, ret, e);
        x->has_proof = round > 0;
        TRY(ask(x, &reply, &is_closed, e));
        if (is_closed && round > 0)
            return lost(e);
        guess_answered();
        *ret = KERBEROS_CLOSED;
        if (is_closed)
            return SUCCESS;
        krb5_error_code code = error_in(x, &reply);
        if (code == KRB5KDC_ERR_PREAUTH_REQUIRED && round == 0)
            continue;
        if (code != 0)
            return explain_error(code, round > 0, ret, e);
        rc = step(x, &reply, &is_done);
        if (rc != 0)
            return explain_step(x, rc, ret, e);
        *ret = KERBEROS_ACCEPTED;
        if (is_done)
            return SUCCESS;
        break;
    }
    return FAIL_AS(e, REFUSED, "refused", "Kerberos asks for another proof than the password");
}

static RESULT log_in(const struct target_address *to, struct str domain, struct str account,
                     const struct secret *password, const char *service, struct arena *a, enum kerberos_word *ret,
                     struct err *e)
{
    AUTO_EXCHANGE x = {.to = to, .arena = a};
    TRY(prepare(&x, domain, account, password, service, e));
    return run(&x, ret, e);
}

/* "The password has run out" is an error message, which anybody could have made, and may come before any password was
 * looked at. A ticket that is good for a change only is proof. */
RESULT kerberos_login(const struct target_address *to, struct str domain, struct str account,
                      const struct secret *password, struct arena *a, enum kerberos_word *ret, struct err *e)
{
    enum kerberos_word word = KERBEROS_DENIED;
    TRY(log_in(to, domain, account, password, NULL, a, &word, e));
    if (word == KERBEROS_MUST_CHANGE) {
        TRY(log_in(to, domain, account, password, "kadmin/changepw", a, &word, e));
        if (word == KERBEROS_MUST_CHANGE)
            return FAIL_AS(e, REFUSED, "refused", "the account must change its password, and is told nothing more");
        if (word == KERBEROS_CLOSED)
            return lost(e);
        if (word == KERBEROS_ACCEPTED)
            word = KERBEROS_MUST_CHANGE;
    }
    *ret = word;
    return SUCCESS;
}
