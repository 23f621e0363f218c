/* db/postgresql_wire.c: a connection: sending, waiting for answers, and what is left when it breaks. Control statements
 * wait for the next statement, and go out together with it. */
#include "db/postgresql.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* ---- errors ---- */

void connection_forget_deferred(struct connection *c)
{
    while (c->deferred_count > 0)
        free(c->deferred[--c->deferred_count]);
}

void connection_drop(struct connection *c)
{
    c->is_lost = true;
    c->has_begun = false;
    PQfinish(c->pg);
    c->pg = NULL;
    cache_free(c->statements);
    c->statements = NULL;
    connection_forget_deferred(c);
}

static result fail_lost(struct connection *c, const char *why, struct err *e)
{
    if (!c->is_lost)
        log_warning("store: the connection to %s is lost: %.200s", c->store->place, why);
    connection_drop(c);
    return FAIL(e, BUSY, "the store cannot be reached");
}

static bool is_class(const char *state, const char *class)
{
    return strncmp(state, class, strlen(class)) == 0;
}

/* A server that takes no writes any more, or stops, has nothing more for this connection. */
static bool ends_connection(const char *state)
{
    return is_class(state, "08") || is_class(state, "57P0") || is_class(state, "25006") || is_class(state, "25P03");
}

struct reason {
    const char *state; /* its beginning */
    enum code code;
    const char *text;
};
static const struct reason reasons[] = {
    {"40001", BUSY, "the store is busy with changes of other servers"},
    {"40P01", BUSY, "the store is busy with changes of other servers"},
    {"55P03", BUSY, "the store is busy with changes of other servers"},
    {"23505", CONFLICT, "it exists already"},
    {"23503", CONFLICT, "what it refers to is missing, or it is still in use"},
    {"57014", BUSY, "the search took too long"},
    {"53100", STORE_FULL, "the store is full"},
    {"53", BUSY, "the store has no room for more work at present"},
    {"", INTERNAL, "the store failed"},
};

/* Only of mistakes in a statement are PostgreSQL's own words logged: others may quote a value. */
static void log_state(const char *state, const PGresult *answer)
{
    const char *text = is_class(state, "42") ? PQresultErrorField(answer, PG_DIAG_MESSAGE_PRIMARY) : "";
    log_error("store: PostgreSQL %s %s", state[0] ? state : "(no code)", text ? text : "");
}

/* A collision has cost the whole transaction, whatever a savepoint may say: it is rolled back at once. */
static result fail(struct connection *c, const PGresult *answer, struct err *e)
{
    const char *given = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
    char state[8];
    snprintf(state, sizeof(state), "%s", given ? given : "");
    if (PQstatus(c->pg) == CONNECTION_BAD || ends_connection(state))
        return fail_lost(c, state[0] ? state : PQerrorMessage(c->pg), e);
    const struct reason *reason = reasons;
    while (!is_class(state, reason->state))
        reason++;
    c->has_collided = is_class(state, "40001") || is_class(state, "40P01") || is_class(state, "55P03");
    if (reason->code == INTERNAL)
        log_state(state, answer);
    return FAIL(e, reason->code, "%s", reason->text);
}

/* ---- sending and receiving ---- */

static int64_t latest_answer(const struct connection *c)
{
    int64_t until = clock_monotonic() + POSTGRESQL_ANSWERS_WITHIN;
    return c->deadline && c->deadline + 2 * SECONDS < until ? c->deadline + 2 * SECONDS : until;
}

static bool flush(struct connection *c, int64_t until)
{
    for (;;) {
        int rest = PQflush(c->pg);
        if (rest <= 0)
            return rest == 0;
        if (!postgresql_wait(c->pg, POLLIN | POLLOUT, until) || !PQconsumeInput(c->pg))
            return false;
    }
}

static bool is_good(const PGresult *answer)
{
    ExecStatusType status = PQresultStatus(answer);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* Answers until the end of the pipeline. The last good one before it is the caller's; the first bad one is kept. */
static bool collect(struct connection *c, PGresult **ret_last, PGresult **ret_bad)
{
    int64_t until = latest_answer(c);
    *ret_last = *ret_bad = NULL;
    if (!flush(c, until))
        return false;
    for (;;) {
        PGresult *answer = NULL;
        if (!postgresql_next(c->pg, until, &answer)) {
            PQclear(answer);
            return false;
        }
        if (!answer)
            continue;
        if (PQresultStatus(answer) == PGRES_PIPELINE_SYNC) {
            PQclear(answer);
            return true;
        }
        PGresult **at = is_good(answer) ? ret_last : ret_bad;
        c->answered += at == ret_last;
        if (at == ret_bad && *ret_bad) {
            PQclear(answer);
            continue;
        }
        PQclear(*at);
        *at = answer;
    }
}

/* What went well of the exchange that collided is still asked for afterwards. */
static void roll_back_collision(struct connection *c)
{
    char tag[16];
    struct err ignored;
    unsigned answered = c->answered;
    c->has_begun = false;
    connection_forget_deferred(c);
    (void)!is_ok(connection_run_now(c, "ROLLBACK", tag, &ignored));
    c->has_collided = true;
    c->answered = answered;
}

result connection_exchange(struct connection *c, bool is_sent, PGresult **ret, struct err *e)
{
    PGresult *last = NULL, *bad = NULL;
    c->has_collided = c->was_warned = false;
    c->answered = 0;
    connection_forget_deferred(c);
    if (!is_sent || !PQpipelineSync(c->pg) || !collect(c, &last, &bad)) {
        result r = fail_lost(c, postgresql_problem(c->pg), e);
        PQclear(last);
        PQclear(bad);
        return r;
    }
    c->sent = 0;
    if (!bad) {
        *ret = last;
        return SUCCESS;
    }
    result r = fail(c, bad, e);
    PQclear(last);
    PQclear(bad);
    if (c->has_collided)
        roll_back_collision(c);
    return r;
}

bool connection_send_deferred(struct connection *c)
{
    for (size_t i = 0; i < c->deferred_count; i++, c->sent++)
        if (!PQsendQueryParams(c->pg, c->deferred[i], 0, NULL, NULL, NULL, NULL, 1))
            return false;
    return true;
}

void connection_defer(struct connection *c, const char *text)
{
    char *copy = strdup(text);
    if (!copy || c->deferred_count == DEFERRED_MAX)
        die("too many statements wait for the next one, or memory is out");
    c->deferred[c->deferred_count++] = copy;
}

result connection_run_now(struct connection *c, const char *text, char ret_tag[16], struct err *e)
{
    PGresult *answer = NULL;
    connection_defer(c, text);
    TRY(connection_exchange(c, connection_send_deferred(c), &answer, e));
    snprintf(ret_tag, 16, "%s", PQcmdStatus(answer));
    PQclear(answer);
    return SUCCESS;
}

/* ---- opening ---- */

/* A COMMIT whose wait for the standbys was cut short says so in a warning only. */
static void note_warning(void *context, const PGresult *notice)
{
    (void)notice;
    struct connection *c = context;
    c->was_warned = true;
}

/* Called before the statement that takes the place is sent. */
static void release_statement(void *statement)
{
    struct statement *s = statement;
    struct connection *c = s->connection;
    char text[40];
    snprintf(text, sizeof(text), "DEALLOCATE %s", s->name);
    if (!c->is_lost && s->is_prepared)
        c->sent += PQsendQueryParams(c->pg, text, 0, NULL, NULL, NULL, NULL, 1) == 1;
    free(s);
}

static bool make_read_only(PGconn *pg)
{
    PGresult *answer = postgresql_ask(pg, "SET default_transaction_read_only = on", NULL);
    bool is_set = PQresultStatus(answer) == PGRES_COMMAND_OK;
    PQclear(answer);
    return is_set;
}

result connection_make(struct connection *c, bool ends_former, struct err *e)
{
    char what[100];
    const char *server = c->store->server ? c->store->server : "tool";
    snprintf(what, sizeof(what), "keyturn %s %s", server, c->kind == DB_WRITER ? "writer" : "reader");
    TRY(postgresql_connect(c->store->remote, what, &c->pg, e));
    if (c->kind == DB_WRITER && c->store->server)
        TRY(postgresql_hold_name(c->pg, c->store->server, ends_former, e));
    if (c->kind == DB_READER && !make_read_only(c->pg))
        return FAIL(e, BUSY, "the store cannot be reached: %s", postgresql_problem(c->pg));
    PQsetNoticeReceiver(c->pg, note_warning, c);
    /* libpq refuses these when the connection has broken meanwhile, and else never. */
    if (PQstatus(c->pg) != CONNECTION_OK || PQsetnonblocking(c->pg, 1) != 0 || !PQenterPipelineMode(c->pg))
        return FAIL(e, BUSY, "the store cannot be reached: %s", postgresql_problem(c->pg));
    c->statements = cache_new(STATEMENTS_CACHED, release_statement);
    c->sent = 0;
    c->is_lost = false;
    return SUCCESS;
}
