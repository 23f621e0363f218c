/* rotation/hostkey.h: the host keys of a managed system (keyturn-api 6, passwordsafe-api 8.5). Every change and test
 * goes only to a `pinned` or `approved` key. */
#pragma once

#include "base/field.h"
#include "db/db.h"

struct host_key_row {
    int64_t id, system_id, seen_at, made_by;
    struct str type, sha256, state;
};
/* At most 100, by id; of more, first every key that is trusted, then those seen last. */
RESULT hostkey_list(struct db *db, struct arena *a, int64_t system_id, struct host_key_row **ret, size_t *ret_n,
                    struct err *e);
/* The pinned and approved ones, the latest first: what a connector compares with. */
enum { TRUSTED_KEYS_MAX = 16 };
RESULT hostkey_trusted(struct db *db, struct arena *a, int64_t system_id, struct host_key_row **ret, size_t *ret_n,
                       struct err *e);
/* First use: only while no key of this system is pinned or approved. */
RESULT hostkey_pin(struct db *db, struct arena *a, int64_t system_id, struct str type, struct str sha256, int64_t now,
                   bool *ret_is_pinned, struct err *e);
RESULT hostkey_saw(struct db *db, int64_t system_id, struct str type, struct str sha256, int64_t now,
                   struct err *e); /* changed: refused, kept to be looked at; of a system the last 8 */
RESULT hostkey_approve(struct db *db, struct arena *a, int64_t system_id, struct str type, struct str sha256,
                       int64_t by, int64_t now, struct host_key_row *ret, struct err *e); /* INVALID when malformed */
RESULT hostkey_accept(struct db *db, struct arena *a, int64_t system_id, int64_t id, int64_t by, int64_t now,
                      struct host_key_row *ret, struct err *e);
RESULT hostkey_remove(struct db *db, int64_t system_id, int64_t id, struct err *e);
