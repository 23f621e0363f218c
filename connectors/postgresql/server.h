/* postgresql/server.h: the one database server that this process serves, and the functional account's session on it. */
#pragma once

#include <libpq-fe.h>

#include "common/made.h"
#include "common/target.h"

static inline void pg_conn_free(struct pg_conn *c)
{
    PQfinish(c);
}
DEFINE_AUTOFREE(pg_conn)

/* PostgreSQL cuts a longer name off without a word, and then means another role. */
enum { NAME_BYTES_MAX = 63, SECRET_BYTES_MAX = 1024, PASSWORD_BYTES_MAX = 1000 };

struct pg_login {
    struct str account;
    const struct secret *password;
};

struct server {
    struct target target;
    bool has_functional;
    struct pg_login functional;
    PGconn *session;  /* of the functional account; NULL: none */
    struct str token; /* "pid:microseconds" of that session */
    struct made made;
};

/* NULL when it can be the name of a role or a database; else the reason. */
const char *pg_name_check(struct str s);
void server_forget_session(struct server *s);
/* The functional session of the last check, still there; else the codes bad_request, unreachable. */
RESULT server_need_session(struct server *s, struct err *e);

/* The operations of the protocol: what each request holds and does. */
extern const struct field check_fields[], change_fields[], login_fields[], compare_fields[], fence_fields[];

struct check_functional {
    struct str account;
    struct secret *password;
};
struct check_request {
    struct target_address *target;
    struct list host_keys;
    struct check_functional *functional;
    struct str account;
    bool is_again;
};
result check_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);

struct change_request {
    struct str account, part, method;
    struct secret *password, *current;
};
result change_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);

struct login_request {
    struct str account;
    struct secret *password;
};
result login_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);

struct compare_request {
    struct str account;
    struct secret *password;
};
result compare_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);

struct fence_request {
    struct str token;
};
result fence_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);
