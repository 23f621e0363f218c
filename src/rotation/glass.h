/* rotation/glass.h: break-glass: any version of an account, to whoever holds the right (keyturn-api 5). */
#pragma once

#include "crypto/keyring.h"
#include "rotation/version.h"

/* Open the version, and owe the account a change. NOT_FOUND "Version not found". */
RESULT glass_break(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t number,
                   int64_t now, struct login_secret *ret, struct err *e);
/* Queue what is owed, once the account is stable: no change under way, neither drift nor mismatch. On the clockwork. */
RESULT glass_settle(struct db *db, struct arena *a, const struct keyring *keys, int64_t now, bool *ret_made,
                    struct err *e);
