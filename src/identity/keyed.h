/* identity/keyed.h: the keyed hashes by which keys, secrets and sessions are found; for this folder only. */
#pragma once

#include "base/secret.h"
#include "db/db.h"

/* Under the store's own key (secrets_of_store 'keyed_hash'). INTERNAL in a store that init has not finished. */
RESULT keyed_hash_of(struct db *db, struct arena *a, const struct secret *value, struct str *ret, struct err *e);
RESULT keyed_hash_of_str(struct db *db, struct arena *a, struct str value, struct str *ret, struct err *e);

extern const struct str key_alphabet; /* letters and digits: what keys are made of */
