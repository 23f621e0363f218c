/* ldap/change.h: finding out whether a change is allowed, without making one. */
#pragma once

#include "ldap/session.h"

/* May the functional session set this entry's password? Asks the server to remove a random value that is certainly not
 * there: a server that allows it says that there is none, and nothing changes. `ret_why` is NULL when it may.
 * Codes: unreachable. */
RESULT change_is_allowed(LDAP *ld, const char *dn, struct arena *a, const char **ret_why, struct err *e);

/* The account's DN for a session of its own: the given one, else by its uid, looked for by the functional account where
 * there is one, else by anyone on the new connection `own`. Codes: those of search_account. */
RESULT change_own_dn(struct directory *d, LDAP *own, struct str account, struct str dn, struct arena *a,
                     const char **ret, struct err *e);
