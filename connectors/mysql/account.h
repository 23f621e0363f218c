/* mysql/account.h: user@host: names, and what the server's table knows about an account. */
#pragma once

#include "mysql/session.h"

struct account_name {
    struct str user, host; /* host: absent when the name has none */
};

/* NULL when the name is `user` or `user@host`; else the reason. */
const char *account_name_check(struct str s);
struct account_name account_name_split(struct str s);

struct auth_method {
    struct str plugin, text;
};

struct account {
    struct str user, host;
    bool is_read; /* else the functional account may not read the table, and the rest is assumed */
    bool is_locked;
    struct auth_method *methods; /* any of them lets the account in */
    size_t method_count, password_methods;
    size_t password_at; /* the method that has the password, when password_methods is 1 */
};

/* Read the account's row anew through the functional session. Without the right to read, a name without a host is
 * taken for user@'%', and one native password is assumed. Codes: no_account, refused (several rows), unreadable,
 * unreachable. */
RESULT account_find(struct server *s, struct str name, struct arena *a, struct account *ret, struct err *e);
/* Does this session, signed in with the name's user, run as the very account? Another row of the server's table may
 * have let it in, and then the login says nothing. Codes: refused, unreachable. */
RESULT account_check_current(struct server *s, MYSQL *m, struct str name, struct arena *a, bool *ret_must_change,
                             struct err *e);
