/* vault/auto_login.h: one stored Windows login per user (controlroom-api 9). */
#pragma once

#include "base/field.h"
#include "crypto/keyring.h"
#include "identity/caller.h"

struct auto_login {
    int64_t user_id, kept_by, version /* grows, with gaps */, updated_by, updated_at;
    struct str login_name;
};
RESULT auto_login_get(struct db *db, struct arena *a, int64_t user_id, struct auto_login *ret,
                      struct err *e); /* NOT_FOUND */
enum auto_login_way { AUTO_LOGIN_CREATE /* CONFLICT when there is one */, AUTO_LOGIN_STORE };
/* CONFLICT with the keeper's words when it follows an account. */
RESULT auto_login_store(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who,
                        enum auto_login_way way, int64_t user_id, struct str login_name, const struct secret *password,
                        int64_t now, struct err *e);
RESULT auto_login_delete(struct db *db, struct arena *a, const struct caller *who, int64_t user_id, int64_t now,
                         struct err *e);
/* The clear password, for the user's own device only (keyturn-api 7). Where kept_by is not 0, ask the keeper's may_read
 * first. */
RESULT auto_login_open(struct db *db, struct arena *a, const struct keyring *keys, int64_t user_id,
                       struct auto_login *ret, struct secret **ret_password, struct err *e);

/* A device, or whatever else reads it, is the user's by now: told to the keeper of what is kept. */
RESULT auto_login_audience_grew(struct db *db, struct arena *a, int64_t user_id, struct str how, struct err *e);

/* For the keeper only. */
RESULT auto_login_keep(struct db *db, struct arena *a, const struct keyring *keys, int64_t user_id, int64_t kept_by,
                       struct str login_name, const struct secret *password, int64_t now, struct err *e);
/* Would it be taken? CONFLICT, INVALID. */
RESULT auto_login_may_keep(struct db *db, struct arena *a, int64_t user_id, int64_t kept_by, struct str login_name,
                           const struct secret *password, struct err *e);
RESULT auto_login_erase_kept(struct db *db, int64_t user_id, int64_t kept_by, struct err *e);
/* The user is about to be deleted: his auto-login goes, its link ends. */
RESULT auto_login_forget_user(struct db *db, struct arena *a, int64_t user_id, int64_t now, struct err *e);
