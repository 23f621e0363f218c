/* identity/caller.h: who calls, as the server itself derived it, in this transaction. */
#pragma once

#include "db/db.h"
#include "identity/rights.h"

struct caller {
    int64_t user_id;
    struct str name, address; /* address: the client's, for rules and records */
    bool is_loopback;
    enum face signed_in_on;                         /* which face's sign-in this is */
    bool carries_controlroom, carries_passwordsafe; /* whose rights count (keyturn-api 2.1) */
    int64_t password_at; /* when a password was checked for this session or token; 0: never */
    struct rights rights;
    int64_t registration_id; /* Password Safe */
    struct str session_hash; /* of the cookie's session, else absent */
    struct str token_hash;   /* of the token, else absent */
    int64_t token_ends_at;
};

/* Rights of a user by the roles of the faces given, now. AAE_Admin and Administrators are expanded. */
RESULT rights_of_user(struct db *db, struct arena *a, int64_t user_id, bool controlroom, bool passwordsafe,
                      struct rights *ret, struct err *e);
/* Does a rule role of one of these kinds exist for the user on any rule (with access level >= read)? Zero-terminated
 * roles. */
RESULT rule_role_anywhere(struct db *db, struct arena *a, const struct caller *who, const enum rule_role *roles,
                          bool *ret, struct err *e);
/* … on a rule that this account is a member of? Administrators: true. (passwordsafe-api 4.5) */
RESULT rule_role_on_account(struct db *db, struct arena *a, const struct caller *who, const enum rule_role *roles,
                            int64_t account_id, bool *ret, struct err *e);
