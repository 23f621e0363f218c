/* rotation/glass.h: break-glass: any version of an account, to whoever holds the right (keyturn-api 5). */
#pragma once

#include "crypto/keyring.h"
#include "rotation/version.h"

/* The trigger of the change that it costs. */
#define GLASS "breakGlass"

/* Open the version, and owe the account a change (owed.h). NOT_FOUND "Version not found". */
RESULT glass_break(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t number,
                   int64_t now, struct login_secret *ret, struct err *e);
/* A change that waits does so until what was read has been of some use. */
RESULT glass_put_off(struct db *db, int64_t account_id, int64_t broken_at, struct err *e);
