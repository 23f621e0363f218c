/* rotation/keepsake.h: the last candidates that this process sent to systems, sealed, in memory. Should the store lose
 * its last commits (a standby without them takes over), they are put back. Inside rotation/ only. */
#pragma once

#include "rotation/rotation.h"
#include "rotation/version.h"

/* This version is about to be sent. Any thread. */
void keepsakes_keep(struct keepsakes *k, const struct keyring *keys, int64_t account_id, int64_t number,
                    const struct login_secret *secret, struct str public_key);
/* Add those that the store does not have any more as new versions; *ret_n: how many. On the writer. */
RESULT keepsakes_put_back(struct keepsakes *k, struct db *db, struct arena *a, const struct keyring *keys, int64_t now,
                          size_t *ret_n, struct err *e);
