/* ssh/verifier.h: the host's own proof of a password: the hash in its shadow file. */
#pragma once

#include "ssh/elevate.h"

/* crypt(3) takes no longer password, so no host could check one. */
enum { PASSWORD_BYTES_MAX = 511 };

/* Read the account's field anew. Codes: no_account, unreadable, unreachable. */
RESULT verifier_read(struct host *h, struct str account, struct arena *a, struct str *ret_field, struct err *e);
/* The scheme for a new hash: that of the present field when our libcrypt knows it for a good one, else the one that the
 * host's login.defs names, else "$6$". `field` may be absent. */
struct str verifier_scheme(struct host *h, struct str field);
bool verifier_is_locked(struct str field);
/* A lock in front of the hash is looked past. UNREACHABLE with code unreadable for a scheme that is unknown here. */
RESULT verifier_matches(struct str field, const struct secret *password, struct arena *a, bool *ret, struct err *e);
/* The scheme's prefix of a field, absent when it is not one of the good ones. */
struct str verifier_prefix(struct str field);
RESULT verifier_make(struct str scheme, const struct secret *password, struct arena *a, struct str *ret, struct err *e);
