/* db/postgresql.h: connections to a PostgreSQL store. For the files postgresql*.c only. */
#pragma once

#include <libpq-fe.h>

#include "base/clock.h"
#include "db/postgresql_place.h"

/* A connection to a server that takes writes, set up for us, within some seconds. `what` tells the connections of a
 * process apart in pg_stat_activity. Errors: BUSY, whose text names hosts and is for the log and the command line. */
RESULT postgresql_connect(const struct postgresql_place *p, const char *what, PGconn **ret, struct err *e);
/* Hold the name of this server with this connection: while it lives no other can have it. `ends_former`: whoever holds
 * it is an earlier connection of this process, and is ended. Returns only when whatever that one had under way is over.
 * Errors: CONFLICT: another process serves under it; BUSY. */
RESULT postgresql_hold_name(PGconn *pg, const char *server, bool ends_former, struct err *e);

/* ---- asking (postgresql_ask.c) ---- */

#define POSTGRESQL_ANSWERS_WITHIN (8 * SECONDS) /* nobody waits longer than 20 s in all */

/* False when the socket was not ready until then (monotonic), or is broken. */
bool postgresql_wait(PGconn *pg, short events, int64_t until);
/* The next answer, NULL when there is none (in a pipeline: between those to two statements). False when the connection
 * is lost, or nothing came until then; *ret is the caller's to clear all the same. */
bool postgresql_next(PGconn *pg, int64_t until, PGresult **ret);
/* Statements on a connection that is not in a pipeline, with one value or NULL for none; the last answer. NULL when
 * none came in time, or the connection broke: it is of no use any more then. */
PGresult *postgresql_ask(PGconn *pg, const char *query, const char *value);
const char *postgresql_problem(const PGconn *pg); /* in libpq's words, which are the connection's */

/* ---- one connection (postgresql_wire.c) ---- */

enum { DEFERRED_MAX = 16 };

struct connection {
    PGconn *pg; /* NULL while it is lost */
    struct store *store;
    enum db_kind kind;
    struct cache *statements;
    unsigned statement_count;
    unsigned sent, answered;      /* commands of the exchange under way, and how many of them went well */
    char *deferred[DEFERRED_MAX]; /* ours; goes out in front of the next statement */
    size_t deferred_count;
    int64_t deadline;
    bool has_begun; /* BEGIN was asked for, sent or not */
    bool is_lost, is_in_doubt, has_collided, was_warned;
    int64_t complained_at;
};

struct statement { /* prepared on its connection */
    struct connection *connection;
    char name[16];
    unsigned prepared_by; /* the command of the exchange that prepares it; 0: none under way */
    bool is_prepared;
    size_t n;
    enum param_kind kinds[]; /* as prepared: PARAM_NULL leaves the type to the server */
};

/* `ends_former`: see postgresql_hold_name. */
RESULT connection_make(struct connection *c, bool ends_former, struct err *e);
void connection_drop(struct connection *c); /* whatever it had under way is lost */

/* The driver's own, of a store that may be away (postgresql_open.c). */
RESULT postgresql_open(struct store *s, enum db_kind kind, struct connection **ret, struct err *e);
RESULT postgresql_reach(struct connection *c, struct err *e);
void postgresql_close(struct connection *c); /* NULL is fine */
/* Let a control statement wait for the next statement. */
void connection_defer(struct connection *c, const char *text);
void connection_forget_deferred(struct connection *c);
/* Hand everything that waits to libpq. */
bool connection_send_deferred(struct connection *c);
/* All that was sent (is_sent: it could be) goes out; wait for the answers. *ret is that to the last statement, the
 * caller's to clear, NULL when there was none. After a collision the transaction is rolled back. */
RESULT connection_exchange(struct connection *c, bool is_sent, PGresult **ret, struct err *e);
/* One control statement now, with what waits in front of it. *ret_tag: what the server says it did. */
RESULT connection_run_now(struct connection *c, const char *text, char ret_tag[16], struct err *e);

/* ---- rows (postgresql_rows.c) ---- */

enum postgresql_type { /* as the server numbers them */
                       TYPE_BOOL = 16,
                       TYPE_BLOB = 17,
                       TYPE_NAME = 19,
                       TYPE_INT8 = 20,
                       TYPE_INT2 = 21,
                       TYPE_INT4 = 23,
                       TYPE_TEXT = 25,
                       TYPE_UNKNOWN = 705,
                       TYPE_VARCHAR = 1043
};
/* All rows of an answer in binary form. A type that no store has stops the process. TOO_LARGE. */
RESULT postgresql_gather(const PGresult *rows, struct gathering *into, struct err *e);
