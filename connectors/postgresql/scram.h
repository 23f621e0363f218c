/* postgresql/scram.h: the server's own proof of a password, as it stands in pg_authid.rolpassword. */
#pragma once

#include "base/result.h"
#include "base/secret.h"

/* A new verifier "SCRAM-SHA-256$4096:SALT$STORED:SERVER" with 16 random bytes of salt. Error: INTERNAL, word unsent. */
RESULT scram_make(const struct secret *password, struct arena *a, struct str *ret, struct err *e);
/* Does the verifier belong to the password? An absent one belongs to none. MD5 ones ("md5" and the digest of password
 * and account) are known too. UNREACHABLE with the word unreadable for any other scheme. */
RESULT verifier_matches(struct str verifier, struct str account, const struct secret *password, struct arena *a,
                        bool *ret, struct err *e);
/* "SCRAM-SHA-256" or "md5"; absent for anything else. */
struct str verifier_scheme(struct str verifier);
