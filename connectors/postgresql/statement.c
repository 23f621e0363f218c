/* postgresql/statement.c: what counts as an answer is decided by the protocol, never by a text. */
#include "postgresql/statement.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>

#include "common/watchdog.h"

enum { REPLY_BYTES_MAX = 1 << 20, LATE_MESSAGES_MAX = 16 };

void reply_free(struct reply *r)
{
    PQclear(r->result);
}

bool connection_wait(PGconn *c, short events)
{
    SSL *ssl = PQsslStruct(c, "OpenSSL");
    if ((events & POLLIN) && ssl && SSL_pending(ssl) > 0)
        return true;
    for (;;) {
        struct pollfd ready = {.fd = PQsocket(c), .events = events};
        int left_ms = watchdog_left_ms();
        if (ready.fd < 0 || left_ms == 0)
            return false;
        int n = poll(&ready, 1, left_ms);
        if (n > 0 || (n < 0 && errno != EINTR))
            return n > 0;
    }
}

/* The connection that is being read, one at a time, and how far it may be. */
static struct {
    const BIO *of;
    uint64_t until;
} reading;

/* libpq takes a message in whole, and makes room for the length that it claims to have. */
static long refuse_a_flood(BIO *b, int what, const char *data, size_t n, int i, long l, int ret, size_t *processed)
{
    (void)data, (void)n, (void)i, (void)l, (void)processed;
    if (what != BIO_CB_READ || (b == reading.of && BIO_number_read(b) < reading.until))
        return ret;
    BIO_clear_retry_flags(b);
    errno = ECONNRESET;
    return -1;
}

void connection_allow_reply(PGconn *c)
{
    SSL *ssl = PQsslStruct(c, "OpenSSL");
    BIO *b = ssl ? SSL_get_rbio(ssl) : NULL;
    if (!b)
        return;
    reading.of = b;
    reading.until = BIO_number_read(b) + REPLY_BYTES_MAX;
    BIO_set_callback_ex(b, refuse_a_flood);
}

static bool send_rest(PGconn *c)
{
    int rest;
    while ((rest = PQflush(c)) == 1)
        if (!connection_wait(c, POLLIN | POLLOUT) || PQconsumeInput(c) != 1)
            return false;
    return rest == 0;
}

/* The next result, or NULL at the end of the answer; false when there is no way to get there. */
static bool next_result(PGconn *c, PGresult **ret)
{
    while (PQisBusy(c))
        if (!connection_wait(c, POLLIN) || PQconsumeInput(c) != 1)
            return false;
    *ret = PQgetResult(c);
    return true;
}

/* An error that ends the session may come after the commit; only one that leaves it usable took all back. */
static enum reply_kind kind_of(PGconn *c, const PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);
    if (PQstatus(c) != CONNECTION_OK || PQtransactionStatus(c) != PQTRANS_IDLE)
        return REPLY_NO_WORD;
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return REPLY_DONE;
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    bool is_error = status == PGRES_FATAL_ERROR && severity && state && strcmp(severity, "ERROR") == 0;
    return is_error ? REPLY_ERROR : REPLY_NO_WORD;
}

static struct reply read_reply(PGconn *c)
{
    struct reply reply = {REPLY_NO_WORD, NULL};
    PGresult *more = NULL;
    if (!send_rest(c) || !next_result(c, &reply.result) || !reply.result)
        return reply;
    if (!next_result(c, &more))
        return reply;
    if (more)
        PQclear(more);
    else
        reply.kind = kind_of(c, reply.result);
    return reply;
}

struct reply statement_run(PGconn *c, const char *sql)
{
    connection_allow_reply(c);
    PQsetnonblocking(c, 1);
    if (PQsendQuery(c, sql) != 1)
        return (struct reply){REPLY_NO_WORD, NULL};
    return read_reply(c);
}

struct reply statement_ask(PGconn *c, const char *sql, const char *const *values, int n)
{
    connection_allow_reply(c);
    PQsetnonblocking(c, 1);
    if (PQsendQueryParams(c, sql, n, NULL, values, NULL, NULL, 0) != 1)
        return (struct reply){REPLY_NO_WORD, NULL};
    return read_reply(c);
}

bool statement_may_run(PGconn *c)
{
    connection_allow_reply(c);
    for (int i = 0; i < LATE_MESSAGES_MAX; i++) {
        SSL *ssl = PQsslStruct(c, "OpenSSL");
        struct pollfd ready = {.fd = PQsocket(c), .events = POLLIN};
        if (PQstatus(c) != CONNECTION_OK || PQtransactionStatus(c) != PQTRANS_IDLE || !ssl)
            return false;
        if (SSL_pending(ssl) == 0 && poll(&ready, 1, 0) == 0)
            return true;
        if (PQconsumeInput(c) != 1)
            return false;
        PQisBusy(c); /* takes the messages apart */
    }
    return false;
}

const char *reply_state(const struct reply *r)
{
    const char *state = r->result ? PQresultErrorField(r->result, PG_DIAG_SQLSTATE) : NULL;
    return state ? state : "";
}

struct str reply_text(const struct reply *r, struct arena *a)
{
    struct str text = str_of(r->result ? PQresultErrorField(r->result, PG_DIAG_MESSAGE_PRIMARY) : NULL);
    if (!str_is_set(text))
        return S("the server gave no reason");
    if (str_find(text, S("SCRAM-SHA-256$")) >= 0 || str_find(text, S("md5")) >= 0)
        return S("(left out)");
    return arena_printf(a, "%.*s (%s)", STR_ARG(text), reply_state(r));
}

bool reply_is_true(const struct reply *r, int row, int column)
{
    return str_equal(reply_value(r, row, column), S("t"));
}

struct str reply_value(const struct reply *r, int row, int column)
{
    bool is_there = r->kind == REPLY_DONE && row < PQntuples(r->result) && column < PQnfields(r->result) &&
                    !PQgetisnull(r->result, row, column);
    return is_there ? str_of(PQgetvalue(r->result, row, column)) : STR_ABSENT;
}
