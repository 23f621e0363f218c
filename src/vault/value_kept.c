/* vault/value_kept.c: standard values that somebody else keeps: stored, read and erased on his behalf alone. */
#include "vault/attributes.h"
#include "vault/sealing.h"

RESULT value_link_end(struct db *db, struct arena *a, int64_t attribute_id, struct link_end *ret, struct err *e)
{
    struct rows rows;
    struct link_end end = {0};
    TRY(db_query_one(db, a,
                     SQL("SELECT t.credential_id, COALESCE(v.id, 0), COALESCE(v.kept_by, 0) FROM attributes t"
                         " LEFT JOIN attribute_values v ON v.attribute_id = t.id AND v.user_id = 0 WHERE t.id = $1",
                         P_INT(attribute_id)),
                     "Attribute", &rows, e));
    TRY(credential_load(db, a, row_int(&rows, 0, 0), &end.credential, e));
    TRY(credential_load_attributes(db, a, &end.credential, 1, e));
    end.value_id = row_int(&rows, 0, 1);
    end.kept_by = row_int(&rows, 0, 2);
    const struct attribute *attributes = end.credential.attributes.at;
    for (size_t i = 0; i < end.credential.attributes.n; i++)
        if (attributes[i].id == attribute_id)
            end.attribute = attributes[i];
    *ret = end;
    return SUCCESS;
}

/* The store alone says where a link ends: whoever aims its row elsewhere gets nothing written there. */
static RESULT check_end(struct db *db, struct arena *a, int64_t attribute_id, int64_t kept_by, struct err *e)
{
    struct link_end end;
    TRY(value_link_end(db, a, attribute_id, &end, e));
    if (end.attribute.user_provided || !end.attribute.masked)
        return FAIL(e, CONFLICT, "Attribute '%.*s' is user-provided or not masked", STR_ARG(end.attribute.name));
    if (end.kept_by != 0 && end.kept_by != kept_by)
        return FAIL(e, CONFLICT, "Attribute '%.*s' follows something else", STR_ARG(end.attribute.name));
    return SUCCESS;
}

RESULT value_may_keep(struct db *db, struct arena *a, int64_t attribute_id, int64_t kept_by, const struct secret *value,
                      struct err *e)
{
    TRY(value_check(value, KEPT_BYTES_MAX, e));
    return check_end(db, a, attribute_id, kept_by, e);
}

RESULT value_keep(struct db *db, struct arena *a, const struct keyring *keys, int64_t attribute_id, int64_t kept_by,
                  const struct secret *value, int64_t now, struct err *e)
{
    struct sealed sealed;
    struct value kept;
    int64_t id;
    TRY(value_may_keep(db, a, attribute_id, kept_by, value, e));
    TRY(value_seal(db, a, keys, attribute_id, 0, value, &sealed, e));
    TRY(db_insert(db,
                  SQL("INSERT INTO attribute_values (attribute_id, user_id, sealed, seal_version, kept_by, created_by,"
                      " created_at, updated_by, updated_at) VALUES ($1, 0, $2, $3, $4, 0, $5, 0, $5)"
                      " ON CONFLICT (attribute_id, user_id) DO UPDATE SET sealed = excluded.sealed,"
                      " seal_version = excluded.seal_version, kept_by = excluded.kept_by,"
                      " version = attribute_values.version + 1, updated_by = 0, updated_at = excluded.updated_at"
                      " RETURNING id",
                      P_INT(attribute_id), P_BLOB(sealed.blob), P_INT(sealed.version), P_INT(kept_by), P_INT(now)),
                  &id, "The value could not be stored", e));
    return value_read_back(db, a, keys, id, value, &kept, e);
}

RESULT value_kept(struct db *db, struct arena *a, const struct keyring *keys, int64_t attribute_id, int64_t kept_by,
                  struct secret **ret, struct err *e)
{
    struct rows rows;
    TRY(db_query_one(db, a,
                     SQL("SELECT " VALUE_COLUMNS " FROM attribute_values v"
                         " WHERE v.attribute_id = $1 AND v.user_id = 0 AND v.kept_by = $2",
                         P_INT(attribute_id), P_INT(kept_by)),
                     "Attribute value", &rows, e));
    struct stored_value v = stored_value_of_row(&rows, 0);
    return value_unseal(a, keys, &v, ret, e);
}

RESULT value_erase_kept(struct db *db, int64_t attribute_id, int64_t kept_by, struct err *e)
{
    return db_run(db,
                  SQL("DELETE FROM attribute_values WHERE attribute_id = $1 AND user_id = 0 AND kept_by = $2",
                      P_INT(attribute_id), P_INT(kept_by)),
                  e);
}
