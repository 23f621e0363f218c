/* postgresql/session.c: libpq, step by step, so that nothing is said before the key has been looked at. */
#include "postgresql/session.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <string.h>

#include "base/secret_open.h"
#include "base/text.h"
#include "common/tls_pin.h"
#include "common/watchdog.h"
#include "postgresql/statement.h"

const char *login_word_text(enum login_word word)
{
    static const char *const texts[] = {
        [LOGIN_ACCEPTED] = "accepted", [LOGIN_DENIED] = "denied", [LOGIN_LOCKED] = "locked"};
    return texts[word];
}

static void hear_nothing(void *argument, const PGresult *notice)
{
    (void)argument;
    (void)notice;
}

static bool is_numeric(const char *address)
{
    unsigned char room[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, address, room) == 1 || inet_pton(AF_INET6, address, room) == 1;
}

/* They come before what the role or the database has set for itself. The server takes a statement back that waits for
 * somebody's lock, before the watchdog here would have to call its outcome unknown. */
static const char *session_settings(const struct server *s, struct arena *a)
{
    return arena_printf(a, "-c search_path=pg_catalog -c default_transaction_read_only=off -c statement_timeout=%d",
                        (int)s->target.address.timeout_s * 1000 - 500)
        .p;
}

/* Every file that libpq would look for in a home directory is named, so that it asks nobody where that is. */
static RESULT start(const struct server *s, const struct pg_login *who, struct arena *a, PGconn **ret, struct err *e)
{
    const char *address = arena_cstr(a, s->target.address.address);
    if (!is_numeric(address))
        return FAIL_AS(e, INVALID, "bad_request", "the address is not numeric");
    struct str instance = s->target.address.instance;
    const struct {
        const char *name, *value;
    } all[] = {
        {"hostaddr", address},
        {"port", arena_printf(a, "%d", (int)s->target.address.port).p},
        {"dbname", instance.n > 0 ? arena_cstr(a, instance) : "postgres"},
        {"user", who ? arena_cstr(a, who->account) : "keyturn"},
        {"password", who ? arena_cstr(a, secret_open(who->password)) : NULL},
        {"sslmode", "require"},
        {"ssl_min_protocol_version", "TLSv1.2"},
        {"gssencmode", "disable"},
        {"channel_binding", "require"},
        {"sslsni", "0"},
        {"client_encoding", "UTF8"},
        {"options", session_settings(s, a)},
        {"application_name", "keyturn"},
        {"passfile", "/nonexistent/pgpass"},
        {"sslcert", "/nonexistent/certificate"},
        {"sslkey", "/nonexistent/key"},
        {"sslrootcert", "/nonexistent/root"},
        {"sslcrl", "/nonexistent/crl"},
    };
    enum { ALL = sizeof(all) / sizeof(all[0]) };
    const char *names[ALL + 1] = {0}, *values[ALL + 1] = {0};
    for (size_t i = 0; i < ALL; i++) {
        names[i] = all[i].name;
        values[i] = all[i].value;
    }
    PGconn *c = PQconnectStartParams(names, values, 0);
    if (!c)
        return FAIL_AS(e, INTERNAL, "unsent", "libpq has no connection");
    PQsetNoticeReceiver(c, hear_nothing, NULL);
    PQsetErrorVerbosity(c, PQERRORS_VERBOSE);
    *ret = c;
    return SUCCESS;
}

static RESULT read_key(PGconn *c, struct arena *a, struct host_key *ret, struct err *e)
{
    SSL *ssl = PQsslStruct(c, "OpenSSL");
    X509 *certificate = ssl ? SSL_get1_peer_certificate(ssl) : NULL;
    unsigned char *der = NULL;
    int n = certificate ? i2d_X509(certificate, &der) : -1;
    result done = FAIL_AS(e, UNREACHABLE, "unreachable", "the server showed no certificate");
    if (n > 0)
        done = tls_pin_of((struct str){(const char *)der, (size_t)n}, a, ret, e);
    OPENSSL_free(der);
    X509_free(certificate);
    return done;
}

/* What libpq writes about a failure, with verbose errors: "…: FATAL:  28P01: what is wrong\nLOCATION:  function, …".
 * The words are in the server's language, these three parts are not. */
struct failure {
    struct str state, text, function;
};

static bool is_state(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'A' && s.p[i] <= 'Z'))
            return false;
    return s.n == 5;
}

static struct failure read_failure(struct str message)
{
    struct failure f = {.state = STR_ABSENT, .function = STR_ABSENT};
    struct str rest = message, line = str_cut(&rest, '\n');
    ptrdiff_t prefix = str_find(line, S(" failed: "));
    f.text = prefix >= 0 ? str_sub(line, (size_t)prefix + 9, line.n) : line;
    ptrdiff_t colon = str_find(f.text, S(":  "));
    if (colon < 0 || !is_state(str_sub(f.text, (size_t)colon + 3, 5)))
        return f;
    f.state = str_sub(f.text, (size_t)colon + 3, 5);
    f.text = str_trim(str_sub(f.text, (size_t)colon + 9, f.text.n));
    while (str_is_set(rest)) {
        line = str_cut(&rest, '\n');
        if (str_starts(line, S("LOCATION:  ")))
            f.function = str_cut(&(struct str){line.p + 11, line.n - 11}, ',');
    }
    return f;
}

/* These refuse a session that has proved its password; all other places come before that. */
static bool is_after_the_password(struct str function)
{
    return str_equal(function, S("InitializeSessionUserId")) || str_equal(function, S("InitPostgres")) ||
           str_equal(function, S("CheckMyDatabase"));
}

static RESULT explain_without_state(const struct failure *f, struct err *e)
{
    if (watchdog_has_expired())
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the server did not answer in time");
    if (str_find(f->text, S("channel binding")) >= 0)
        return FAIL_AS(e, REFUSED, "refused",
                       "the server does not ask this account for SCRAM-SHA-256 with channel binding: it needs "
                       "scram-sha-256 in pg_hba.conf and a SCRAM password (no md5, no trust)");
    if (str_find(f->text, S("does not support SSL")) >= 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable",
                       "the server speaks no TLS: set ssl = on, ssl_cert_file and ssl_key_file in postgresql.conf");
    if (str_find(f->text, S("could not find digest")) >= 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable",
                       "SCRAM cannot be bound to the server's certificate (Ed25519?): it needs one of RSA or ECDSA");
    return FAIL_AS(e, UNREACHABLE, "unreachable", "%.*s", STR_ARG(f->text));
}

static RESULT explain(const struct failure *f, struct arena *a, struct session_outcome *ret, struct err *e)
{
    if (!str_is_set(f->state))
        return explain_without_state(f, e);
    bool is_right = is_after_the_password(f->function);
    static const char *const not_for_now[] = {"42501", "3D000", "53300", "55000"};
    ret->why = arena_printf(a, "%.*s (%.*s)", STR_ARG(f->text), STR_ARG(f->state));
    if (str_equal(f->state, S("28P01")) || (is_right && str_equal(f->state, S("28000")))) {
        ret->word = is_right ? LOGIN_LOCKED : LOGIN_DENIED;
        return SUCCESS;
    }
    for (size_t i = 0; is_right && i < sizeof(not_for_now) / sizeof(not_for_now[0]); i++)
        if (str_equal(f->state, str_of(not_for_now[i]))) {
            ret->word = LOGIN_ACCEPTED;
            return SUCCESS;
        }
    if (str_starts(f->state, S("28")) || str_starts(f->state, S("0A")))
        return FAIL_AS(e, REFUSED, "refused", "%.*s", STR_ARG(ret->why));
    return FAIL_AS(e, UNREACHABLE, "unreachable", "%.*s", STR_ARG(ret->why));
}

/* CONNECTION_MADE comes twice: with the bare connection, and with TLS on it; the start-up packet goes out after that.
 */
static bool is_at_the_pin(PGconn *c)
{
    return PQstatus(c) == CONNECTION_MADE && PQsslInUse(c);
}

RESULT session_open(const struct server *s, const struct pg_login *who, struct arena *a, struct answer *answer,
                    struct session_outcome *ret, struct err *e)
{
    PGconn *started = NULL;
    TRY(start(s, who, a, &started, e));
    AUTOFREE(pg_conn) c = started;
    bool is_pinned = false;
    PostgresPollingStatusType next = PQstatus(c) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    while (next == PGRES_POLLING_READING || next == PGRES_POLLING_WRITING) {
        watchdog_guard(PQsocket(c));
        if (!connection_wait(c, next == PGRES_POLLING_READING ? POLLIN : POLLOUT))
            return FAIL_AS(e, UNREACHABLE, "unreachable", "the server did not answer in time");
        next = PQconnectPoll(c);
        if (is_pinned || !is_at_the_pin(c))
            continue;
        TRY(read_key(c, a, &ret->seen, e));
        TRY(tls_pin_check(&ret->seen, s->target.keys, s->target.key_count, answer, e));
        is_pinned = true;
        connection_allow_reply(c);
        if (!who)
            return SUCCESS;
    }
    if (next != PGRES_POLLING_OK) {
        struct failure f = read_failure(arena_str(a, str_of(PQerrorMessage(c))));
        return explain(&f, a, ret, e);
    }
    if (!is_pinned)
        return FAIL_AS(e, INTERNAL, "unsent", "libpq went on without a look at the key");
    ret->word = LOGIN_ACCEPTED;
    ret->session = TAKE(c);
    return SUCCESS;
}

RESULT session_prepare(PGconn *c, struct arena *a, struct str *ret_token, struct err *e)
{
    static const char sql[] = "SELECT pid || ':' || round(EXTRACT(epoch FROM backend_start)::numeric * 1000000),"
                              " set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
                              "   WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)"
                              " FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    AUTO_REPLY reply = statement_ask(c, sql, NULL, 0);
    struct str token = reply_value(&reply, 0, 0);
    if (reply.kind == REPLY_ERROR)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "%.*s", STR_ARG(reply_text(&reply, a)));
    if (!str_is_set(token))
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the session broke before it was ready");
    *ret_token = arena_str(a, token);
    return SUCCESS;
}
