/* identity/registration.h: API registrations of the Password Safe face (passwordsafe-api 2.1). */
#pragma once

#include "base/field.h"
#include "crypto/keyring.h"
#include "db/db.h"

struct registration {
    int64_t id;
    struct str name, type;
    bool is_active, is_visible, user_password_required;
    int64_t token_minutes, key_version;
    struct list rules; /* of struct registration_rule */
};
struct registration_rule {
    int64_t id, created_at;
    struct str type, value, description;
};
/* By API key (keyed hash). UNAUTHENTICATED, also for one that is not active. */
RESULT registration_by_key(struct db *db, struct arena *a, struct str key, struct registration *ret, struct err *e);
RESULT registration_get(struct db *db, struct arena *a, int64_t id, struct registration *ret,
                        struct err *e); /* "API Registration not found" */
RESULT registration_list(struct db *db, struct arena *a, struct registration **ret, size_t *ret_n, struct err *e);

/* An empty rule set is loopback only (passwordsafe-api 2.1). is_loopback: the server's own finding; an address that
 * looks like loopback without it (a forwarded one) matches no rule. */
bool registration_allows(const struct registration *r, struct str address, bool is_loopback);
RESULT registration_rule_check(struct str type, struct str value, struct err *e); /* is it well-formed? */

struct registration_change {
    struct str name, type;
    struct opt_bool is_active, is_visible, user_password_required;
    struct opt_int token_minutes;
    struct list rules; /* of struct registration_rule; replaces when is_set */
};
/* Makes a key of 128 characters for the key type (or takes `key`, for init), kept by keyed hash and sealed. *ret_key is
 * NULL for the other type. CONFLICT name taken; INVALID; SEALED. */
RESULT registration_create(struct db *db, struct arena *a, const struct keyring *keys,
                           const struct registration_change *with, const struct secret *key, int64_t now,
                           int64_t *ret_id, struct secret **ret_key, struct err *e);
/* The type stays what it is: INVALID. */
RESULT registration_update(struct db *db, struct arena *a, int64_t id, const struct registration_change *with,
                           int64_t now, struct err *e);
RESULT registration_delete(struct db *db, struct arena *a, int64_t id,
                           struct err *e); /* CONFLICT: the access policy of a user */
RESULT registration_key(struct db *db, struct arena *a, const struct keyring *keys, int64_t id, struct secret **ret,
                        struct err *e);
RESULT registration_rotate(struct db *db, struct arena *a, const struct keyring *keys, int64_t id, struct secret **ret,
                           struct err *e); /* ends its sessions */
/* One of the user's active groups has the registration enabled (key type), or he is an application user with it as
 * access policy and in an active group. */
RESULT registration_has_user(struct db *db, struct arena *a, int64_t registration_id, int64_t user_id, bool *ret,
                             struct err *e);
