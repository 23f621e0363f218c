/* activedirectory/domain.h: the one domain controller that this process serves, and what a check has left behind. */
#pragma once

#include "activedirectory/directory.h"

enum { NAME_MAX_POINTS = 256, DN_MAX_POINTS = 1024, PASSWORD_MAX = 1024 };

struct check_functional {
    struct str account;
    struct secret *password;
};

/* The last password that this process has set: what a login without Kerberos can be compared with. */
struct last_change {
    struct arena *arena;
    struct str account;
    int64_t key_version; /* the one that the change has made; 0: nothing is known */
    struct secret *password;
};

struct domain {
    struct target target;
    bool has_functional;
    struct check_functional functional;
    struct directory session; /* of the functional account; not open: none */
    struct last_change last;
};

/* NULL when it is the sAMAccountName of an account, else the reason. */
const char *account_name_check(struct str s);
/* NULL when no code point of it is a control character, else the reason. */
const char *plain_text_check(struct str s);
/* A password that can be sent: not empty, UTF-8, without U+0000. Fails with bad_request and the name of the field. */
RESULT password_check(const struct secret *password, const char *field, struct err *e);
/* account@domain, which a domain controller takes for a simple bind. */
struct str account_bind_name(const struct directory *directory, struct str account, struct arena *a);

/* The operations of the protocol: what each request holds and does. */
extern const struct field check_fields[], change_fields[], login_fields[];

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

struct login_request {
    struct str account, dn;
    struct secret *password, *private_key;
};
result login_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);
