/* common/made.h: the last verifier that this process has made. A compare that finds the very same text on the target,
 * for the same account and password, knows the answer without hashing again. */
#pragma once

#include "base/secret.h"

struct made {
    struct arena *arena; /* its own: wiped at the next one */
    struct str account, verifier;
    const struct secret *password;
};

void made_remember(struct made *m, struct str account, const struct secret *password, struct str verifier);
/* Is `present`, byte for byte, what was made of this password for this account? */
bool made_is(const struct made *m, struct str account, const struct secret *password, struct str present);
void made_free(struct made *m); /* one that has never held anything is fine */
