/* postgresql/statement.h: one statement, its definite answer, or none. */
#pragma once

#include "postgresql/server.h"

enum reply_kind {
    REPLY_DONE,    /* done, and acknowledged */
    REPLY_ERROR,   /* the server has refused it: nothing of it stands */
    REPLY_NO_WORD, /* no definite answer: the connection broke, or what came made no sense */
};
struct reply {
    enum reply_kind kind;
    PGresult *result; /* never NULL when DONE or ERROR */
};
void reply_free(struct reply *r);
#define AUTO_REPLY __attribute__((cleanup(reply_free))) struct reply

/* A statement without parameters, committed before its answer comes. */
struct reply statement_run(PGconn *c, const char *sql);
/* A query with text parameters ($1...). */
struct reply statement_ask(PGconn *c, const char *sql, const char *const *values, int n);
/* Has the session ended meanwhile? Reads what came in; sends nothing. */
bool statement_may_run(PGconn *c);

/* "" when there is none. */
const char *reply_state(const struct reply *r);
/* What the server said, in one line; never the statement or a verifier. */
struct str reply_text(const struct reply *r, struct arena *a);
bool reply_is_true(const struct reply *r, int row, int column);
struct str reply_value(const struct reply *r, int row, int column); /* absent: null */

/* Wait until the socket is ready, as poll(2) says it; false at the watchdog's deadline. */
bool connection_wait(PGconn *c, short events);
/* From here on the server may send 1 MiB; what comes after that breaks the connection. Needs its TLS. */
void connection_allow_reply(PGconn *c);
