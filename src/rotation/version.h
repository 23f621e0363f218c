/* rotation/version.h: the versions of an account's secret. Each is whole: all its parts, sealed at (versions, part,
 * account, number). Versions are only added here; which one is current is turn.c's alone to say. Nothing here discards
 * one. */
#pragma once

#include "accounts/account.h"
#include "crypto/keyring.h"
#include "rotation/line.h"

struct version {
    int64_t account_id, number;
    struct str standing; /* pending, current, previous, retired */
    bool has_password, has_private_key, has_passphrase, key_is_ours, is_last_proved;
    struct str public_key, proved_by;
    int64_t proved_at, made_by, made_at;
};
struct version_secret { /* what is to be stored; a NULL part is copied from the current version */
    struct secret *password, *private_key, *passphrase;
    struct str public_key;  /* with private_key */
    bool has_no_passphrase; /* with private_key: it is not encrypted */
};
/* Write the next version as pending, then read it back and open it: INTERNAL when it is not what was given. */
RESULT version_make(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id,
                    const struct version_secret *with, int64_t by, int64_t now, int64_t *ret_number, struct err *e);
RESULT version_get(struct db *db, struct arena *a, int64_t account_id, int64_t number, struct version *ret,
                   struct err *e); /* "Version not found" */
RESULT version_open(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t number,
                    struct login_secret *ret, struct err *e);
RESULT version_list(struct db *db, struct arena *a, int64_t account_id, struct version **ret, size_t *ret_n,
                    struct err *e); /* newest first */
/* The newest proved version other than `not_this`; 0: none. */
RESULT version_last_proved(struct db *db, struct arena *a, int64_t account_id, int64_t *ret_number, struct err *e);
/* The first private key of an account is installed by somebody else; one that a job installed is ours to remove. */
RESULT version_key_is_ours(struct db *db, int64_t account_id, int64_t number, struct err *e);
/* It is no longer on the system. */
RESULT version_key_is_gone(struct db *db, int64_t account_id, int64_t number, struct err *e);
