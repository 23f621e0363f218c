/* rotation/release.h: a secret leaves to a client: recorded in the same transaction, with the state a reader is told
 * (keyturn-api 2.8). */
#pragma once

#include "crypto/keyring.h"
#include "rotation/version.h"

enum release_part { RELEASE_PASSWORD, RELEASE_PRIVATE_KEY, RELEASE_PASSPHRASE };
struct release {
    struct secret *secret;
    struct str state; /* X-Keyturn-State: "", "unverified", "changing", "unknown", "drift" */
    int64_t wait_for; /* a change is APPLYING or VERIFYING under this job: wait at most 2 s, then ask again; 0: no */
};
/* The current version's part. NOT_FOUND "DSS key not found" … `was_parked`: do not wait again. */
RESULT release_current(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id,
                       enum release_part part, bool was_parked, int64_t now, struct release *ret, struct err *e);
/* The word and the job to wait for, for whatever follows this account. */
RESULT release_state(struct db *db, struct arena *a, int64_t account_id, struct str *ret_state, int64_t *ret_wait_for,
                     struct err *e);
/* The worse of two words: drift, unknown, changing, unverified, "". */
struct str release_worse(struct str one, struct str other);
