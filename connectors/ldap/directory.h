/* ldap/directory.h: the one directory that this process serves, and the functional account's session on it. */
#pragma once

#include <ldap.h>

#include "common/target.h"

struct directory {
    struct target target;
    bool has_functional;
    struct str functional_account;
    const struct secret *functional_password;
    LDAP *session;         /* of the functional account; NULL: none */
    struct str session_dn; /* the name that it was opened with */
};

/* For the rows of requests: NULL when it may name an account, else the reason. */
const char *account_name_check(struct str s);
/* The same for a distinguished name (RFC 4514); an empty one counts as none. */
const char *account_dn_check(struct str s);
enum { NAME_POINTS_MAX = 256, DN_POINTS_MAX = 2048, PASSWORD_BYTES_MAX = 1024 };

/* End the functional session. */
void directory_forget_session(struct directory *d);
/* Fails unless a check has opened the functional session; guards its socket. */
RESULT directory_use_session(struct directory *d, struct err *e);

/* The operations of the protocol: what each request holds and does. */
extern const struct field check_fields[], change_fields[];

struct check_functional {
    struct str account;
    struct secret *password;
};
struct check_request {
    struct target_address *target;
    struct list host_keys;
    struct check_functional *functional;
    struct str account, dn;
    bool is_again;
};
result check_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);

struct change_request {
    struct str account, dn, part, method;
    struct secret *password, *current;
};
result change_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);
