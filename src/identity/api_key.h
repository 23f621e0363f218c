/* identity/api_key.h: API keys of people (keyturn-api 7). */
#pragma once

#include "base/secret.h"
#include "db/db.h"

struct api_key {
    int64_t id, created_at, used_at;
    struct str name;
};
/* 40 characters, shown once. For somebody else: the caller asks grant_check_user. CONFLICT name taken. */
RESULT api_key_create(struct db *db, struct arena *a, int64_t user_id, struct str name, int64_t now,
                      struct api_key *ret, struct secret **ret_key, struct err *e);
RESULT api_key_list(struct db *db, struct arena *a, int64_t user_id, struct api_key **ret, size_t *ret_n,
                    struct err *e);
RESULT api_key_delete(struct db *db, int64_t user_id, int64_t id, struct err *e); /* tokens got by it end */
/* As api_key_find, and nothing is written: for a prepare step. */
RESULT api_key_look(struct db *db, struct arena *a, struct str user_name, const struct secret *key,
                    int64_t *ret_user_id, int64_t *ret_key_id, struct err *e);
/* Whose key is it, and is it this user's? UNAUTHENTICATED. On the writer: moves used_at. */
RESULT api_key_find(struct db *db, struct arena *a, struct str user_name, const struct secret *key, int64_t now,
                    int64_t *ret_user_id, int64_t *ret_key_id, struct err *e);
