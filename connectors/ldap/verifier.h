/* ldap/verifier.h: the directory's own proof of a password: the values of userPassword. */
#pragma once

#include "ldap/search.h"

struct verifiers {
    struct str *values;
    size_t n;
    bool has_others;         /* values that are too long or too many to be looked at */
    struct str locked_since; /* absent: not locked, or not to be read */
};
/* What to ask for of an entry whose verifiers are wanted. */
extern char *verifier_attributes[];
void verifiers_read(LDAP *ld, LDAPMessage *entry, struct arena *a, struct verifiers *ret);
/* Is there a value, and can each be recomputed here? */
bool verifiers_are_known(const struct verifiers *v);
/* "{SSHA}" of the first value in the server's spelling; "" for any that is unknown: it might be a password in clear. */
struct str verifiers_scheme(const struct verifiers *v);
/* Does any value belong to this password? Fails with unreadable when none does, but one is of an unknown scheme, or
 * when there is no value to be read. */
RESULT verifiers_match(const struct verifiers *v, const struct secret *password, struct arena *a, bool *ret,
                       struct err *e);
