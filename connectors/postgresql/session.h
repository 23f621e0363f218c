/* postgresql/session.h: a TLS connection to the server whose key is pinned, and signing in on it. */
#pragma once

#include "postgresql/server.h"

enum login_word { LOGIN_ACCEPTED, LOGIN_DENIED, LOGIN_LOCKED };
const char *login_word_text(enum login_word word);

struct session_outcome {
    struct host_key seen; /* also on failure, when the server showed a key */
    enum login_word word;
    PGconn *session; /* NULL unless accepted, and also when the password is right but the session cannot begin */
    struct str why;  /* in the server's words, when there is no session */
};

/* Connect, compare the key of the TLS certificate with the pinned ones, and only then sign in. `who` NULL: end there.
 * Only SCRAM-SHA-256-PLUS is spoken, by which the server never sees the password. Blocks until the watchdog's deadline
 * at most. Codes: unreachable, host_key_unknown, host_key_changed, refused (it wants another proof, or none). */
RESULT session_open(const struct server *s, const struct pg_login *who, struct arena *a, struct answer *answer,
                    struct session_outcome *ret, struct err *e);

/* Make a fresh session fit for changes, so that one that is acknowledged is on disk, and name it: "pid:microseconds" of
 * its start. Codes: unreachable. */
RESULT session_prepare(PGconn *c, struct arena *a, struct str *ret_token, struct err *e);
