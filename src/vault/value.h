/* vault/value.h: attribute values: who may set, who may read in clear (controlroom-api 4.4, keyturn-api 3.1).
 *
 * A holder of `updateany` reaches the values of credentials that he does not see. An owner sets standard values only
 * with `createstandard` (controlroom-api 3). */
#pragma once

#include "crypto/keyring.h"
#include "vault/credential.h"

enum masking { MASKED_SETTER = 0, MASKED_NEVER }; /* setting masked_values */

struct value {
    int64_t id, attribute_id, user_id; /* user_id 0: standard */
    struct secret *clear;              /* NULL: masked, written as "" */
    int64_t version, created_by, created_at, updated_by, updated_at;
};
struct value_query {
    int64_t credential_id, attribute_id /* 0: all */, user_id /* 0: not given */;
    enum masking masking;
    bool can_wait; /* with a change under way the caller will wait and ask again: nothing is noted now */
};
struct value_reading {
    struct str credential_name;
    struct value *values;
    size_t n;
    struct str state;  /* the worst word of X-Keyturn-State, "" for none */
    int64_t wait_for;  /* a job under way that a linked value should wait for; 0: none */
    bool revealed_any; /* something left in clear */
};
/* Opens what the caller may see in clear, on the writer (REVEALS). Order: attribute, then value id. */
RESULT value_read(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who,
                  const struct value_query *q, int64_t now, struct value_reading *ret, struct err *e);

struct value_entry {
    int64_t attribute_id, user_id;
    struct secret *value;
};
/* All or nothing. *ret_ids: of the new values, in order. */
RESULT value_create(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who,
                    int64_t credential_id, const struct value_entry *entries, size_t n, int64_t now, struct value *ret,
                    struct err *e);
RESULT value_update(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who,
                    int64_t credential_id, int64_t value_id, const struct secret *value, struct opt_int version,
                    int64_t now, struct value *ret, struct err *e);
RESULT value_delete(struct db *db, struct arena *a, const struct caller *who, int64_t credential_id, int64_t value_id,
                    int64_t now, struct err *e);

/* ---- for the keeper only (rotation/turn.c, rotation/link.c): no rule of the faces applies ---- */

/* The attribute that a link ends in: its credential, name, flags, and the value there (0: none). NOT_FOUND. */
struct link_end {
    struct credential credential;
    struct attribute attribute;
    int64_t value_id, kept_by;
};
RESULT value_link_end(struct db *db, struct arena *a, int64_t attribute_id, struct link_end *ret, struct err *e);
/* Store (insert or replace) the standard value, kept by `kept_by`; version +1, updated by user 0. */
RESULT value_keep(struct db *db, struct arena *a, const struct keyring *keys, int64_t attribute_id, int64_t kept_by,
                  const struct secret *value, int64_t now, struct err *e);
/* Would it be taken? CONFLICT, INVALID. */
RESULT value_may_keep(struct db *db, struct arena *a, int64_t attribute_id, int64_t kept_by, const struct secret *value,
                      struct err *e);
RESULT value_kept(struct db *db, struct arena *a, const struct keyring *keys, int64_t attribute_id, int64_t kept_by,
                  struct secret **ret, struct err *e);
RESULT value_erase_kept(struct db *db, int64_t attribute_id, int64_t kept_by, struct err *e);
