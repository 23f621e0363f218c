/* vault/sealing.c: values as they stand in the store. */
#include "vault/sealing.h"

#include <inttypes.h>

struct stored_value stored_value_of_row(const struct rows *rows, size_t row)
{
    return (struct stored_value){
        .value = {.id = row_int(rows, row, 0),
                  .attribute_id = row_int(rows, row, 1),
                  .user_id = row_int(rows, row, 2),
                  .version = row_int(rows, row, 6),
                  .created_by = row_int(rows, row, 7),
                  .created_at = row_int(rows, row, 8),
                  .updated_by = row_int(rows, row, 9),
                  .updated_at = row_int(rows, row, 10)},
        .kept_by = row_int(rows, row, 3),
        .sealed = row_blob(rows, row, 4),
        .seal_version = row_int(rows, row, 5),
    };
}

RESULT value_check(const struct secret *value, size_t max, struct err *e)
{
    if (!value)
        return FAIL(e, INVALID, "value: is required");
    if (secret_length(value) > max)
        return FAIL(e, INVALID, "value: has more than %zu bytes", max);
    if (secret_has_any(value, "\0", 1) || !secret_is_utf8(value))
        return FAIL(e, INVALID, "value: is not UTF-8, or has U+0000");
    return SUCCESS;
}

static struct place place_of(struct arena *a, int64_t attribute_id, int64_t user_id, int64_t version)
{
    return (struct place){.table = "attribute_values",
                          .column = arena_printf(a, "value/%" PRId64, user_id).p,
                          .row = attribute_id,
                          .version = version};
}

RESULT value_seal(struct db *db, struct arena *a, const struct keyring *keys, int64_t attribute_id, int64_t user_id,
                  const struct secret *value, struct sealed *ret, struct err *e)
{
    struct sealed s;
    TRY(db_next_number(db, "attribute_values.seal_version", 1, &s.version, e));
    TRY(seal_value(keys, place_of(a, attribute_id, user_id, s.version), value, a, &s.blob, e));
    *ret = s;
    return SUCCESS;
}

RESULT value_unseal(struct arena *a, const struct keyring *keys, const struct stored_value *v, struct secret **ret,
                    struct err *e)
{
    return unseal_value(keys, place_of(a, v->value.attribute_id, v->value.user_id, v->seal_version), v->sealed, a, ret,
                        e);
}

RESULT value_read_back(struct db *db, struct arena *a, const struct keyring *keys, int64_t id,
                       const struct secret *value, struct value *ret, struct err *e)
{
    struct rows rows;
    struct secret *found;
    TRY(db_query_one(db, a, SQL("SELECT " VALUE_COLUMNS " FROM attribute_values v WHERE v.id = $1", P_INT(id)),
                     "Attribute value", &rows, e));
    struct stored_value v = stored_value_of_row(&rows, 0);
    TRY(value_unseal(a, keys, &v, &found, e));
    if (!secret_equal(found, value))
        return FAIL(e, INTERNAL, "a value was read back other than it was written");
    *ret = v.value;
    return SUCCESS;
}
