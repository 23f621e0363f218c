/* accounts/functional.h: functional accounts, with which the server changes others' passwords (passwordsafe-api 6.8).
 */
#pragma once

#include "base/field.h"
#include "crypto/keyring.h"
#include "db/db.h"

struct functional_account {
    int64_t id, platform_id, system_count, secret_version;
    struct str domain_name, account_name, display_name, description, elevation_command;
    bool has_password, has_key;
};
struct functional_secret {
    struct secret *password, *private_key, *passphrase;
};
RESULT functional_get(struct db *db, struct arena *a, int64_t id, struct functional_account *ret, struct err *e);
RESULT functional_list(struct db *db, struct arena *a, struct functional_account **ret, size_t *ret_n, struct err *e);
RESULT functional_create(struct db *db, struct arena *a, const struct keyring *keys,
                         const struct functional_account *with, const struct functional_secret *secret, int64_t *ret_id,
                         struct err *e); /* INVALID by platform rules, CONFLICT duplicate */
RESULT functional_delete(struct db *db, struct arena *a, int64_t id,
                         struct err *e); /* INVALID (400) while referenced */
/* Its password becomes this one; keys stay. Sealed anew and read back. */
RESULT functional_turn(struct db *db, struct arena *a, const struct keyring *keys, int64_t id, struct secret *password,
                       struct err *e);
RESULT functional_open(struct db *db, struct arena *a, const struct keyring *keys, int64_t id,
                       struct functional_secret *ret, struct err *e);
