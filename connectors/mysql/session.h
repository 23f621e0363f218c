/* mysql/session.h: a connection to the server whose certificate is known, signing in on it, and asking it. */
#pragma once

#include "mysql/server.h"

enum login_word { LOGIN_ACCEPTED, LOGIN_MUST_CHANGE, LOGIN_DENIED, LOGIN_LOCKED };
const char *login_word_text(enum login_word word);

/* Load all that the library would read later from files; call before the sandbox. */
void session_prepare_library(void);

/* Connect over TLS and sign in, in one go: the protocol knows no connection without. The certificate is the one that
 * probe_run has seen, or another with a pinned key. *ret is set when the word is accepted; whether
 * such a session must change its password first shows at its first statement. Blocks until the watchdog's deadline at
 * most. Codes: those of probe_run, unreachable, refused (the server asks for something else than this password). */
RESULT session_open(struct server *s, struct str user, const struct secret *password, struct arena *a,
                    struct answer *answer, MYSQL **ret, enum login_word *ret_word, struct err *e);

struct table {
    size_t rows, columns;
    struct str *cells; /* row by row; NULL is absent */
};
/* Run a statement that changes no account, and read its rows, a bounded number of them. Codes: unreachable (no whole
 * answer), unsent (the server answered with an error: mysql_errno tells which). */
RESULT session_query(MYSQL *m, struct str statement, struct arena *a, struct table *ret, struct err *e);
/* The first cell of the first row; absent when there is none. */
struct str table_first(const struct table *t);

/* 'text', escaped for this session. */
struct str session_quote(MYSQL *m, struct str text, struct arena *a);
/* The error of the library or, when the time is over, that. */
const char *session_problem(MYSQL *m);
