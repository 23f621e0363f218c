/* mysql/server.h: the one database server that this process serves, and the functional account's session on it. */
#pragma once

#include <mysql.h>

#include "common/target.h"

static inline void st_mysql_free(struct st_mysql *m)
{
    mysql_close(m);
}
DEFINE_AUTOFREE(st_mysql)

enum { PASSWORD_BYTES_MAX = 1024, SECRET_BYTES_MAX = 16384, NAME_POINTS_MAX = 256, FINGERPRINT_DIGITS = 40 };

struct server {
    struct target target;
    struct host_key seen; /* what the server showed last */
    char fingerprint[FINGERPRINT_DIGITS + 1];

    bool has_functional;
    struct str functional_user;
    const struct secret *functional_password;
    MYSQL *session; /* of the functional account; NULL: none */
    bool may_alter;
    struct str fence_token; /* empty: none */

    struct str found_name,
        found_host; /* an account's name as it was asked for, and the host that it turned out to have */
};

/* End the functional session and forget what was found out with it. */
void server_forget_session(struct server *s);

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
