/* vault/sealing.h: rows of values, and sealing, opening and reading them back; for this folder only. */
#pragma once

#include "vault/value.h"

enum {
    VALUE_BYTES_MAX = 8192,
    KEPT_BYTES_MAX = 65536 /* of one that somebody else keeps: a private key */
};

struct stored_value {
    struct value value; /* clear: NULL */
    int64_t kept_by, seal_version;
    struct str sealed;
};
/* Of attribute_values v. */
#define VALUE_COLUMNS                                                                                                  \
    "v.id, v.attribute_id, v.user_id, v.kept_by, v.sealed, v.seal_version, v.version, v.created_by, v.created_at,"     \
    " v.updated_by, v.updated_at"
enum { VALUE_COLUMN_COUNT = 11 };
struct stored_value stored_value_of_row(const struct rows *rows, size_t row);

/* There, at most so many bytes of UTF-8 without U+0000: INVALID. */
RESULT value_check(const struct secret *value, size_t max, struct err *e);

/* What a row of attribute_values is sealed with. A version is never given twice, so a blob of yesterday opens nowhere.
 */
struct sealed {
    struct str blob;
    int64_t version;
};
RESULT value_seal(struct db *db, struct arena *a, const struct keyring *keys, int64_t attribute_id, int64_t user_id,
                  const struct secret *value, struct sealed *ret, struct err *e);
RESULT value_unseal(struct arena *a, const struct keyring *keys, const struct stored_value *v, struct secret **ret,
                    struct err *e);
/* The row now opens to this value (I1), else INTERNAL. *ret is the row. */
RESULT value_read_back(struct db *db, struct arena *a, const struct keyring *keys, int64_t id,
                       const struct secret *value, struct value *ret, struct err *e);
