/* vault/value_write.c: setting, changing and deleting values by hand. */
#include <inttypes.h>

#include "vault/attributes.h"
#include "vault/kept.h"
#include "vault/naming.h"
#include "vault/relation.h"
#include "vault/sealing.h"

struct writer_of_values {
    struct db *db;
    struct arena *arena;
    const struct keyring *keys;
    const struct caller *who;
    struct credential credential;
    struct standing standing;
    int64_t now;
};

static bool has(const struct caller *who, enum right right)
{
    return rights_have(&who->rights, right, LEVEL_WRITE);
}

/* Of the owners only those who may make standard attributes at all (controlroom-api 3). */
static bool may_set_standard(const struct writer_of_values *w)
{
    return (w->standing.is_owner && has(w->who, CREATE_STANDARD)) || has(w->who, UPDATE_ANY);
}

static const struct attribute *find_attribute(const struct credential *c, int64_t id)
{
    const struct attribute *attributes = c->attributes.at;
    for (size_t i = 0; i < c->attributes.n; i++)
        if (attributes[i].id == id)
            return &attributes[i];
    return NULL;
}

/* ---- create ---- */

/* Whose value it will be. */
static RESULT target_of(const struct writer_of_values *w, const struct attribute *t, const struct value_entry *entry,
                        int64_t *ret_user_id, struct err *e)
{
    if (!t->user_provided) {
        if (!may_set_standard(w))
            return FAIL(e, DENIED, NOT_PERMITTED);
        if (entry->user_id != 0)
            return FAIL(e, INVALID, "userId: attribute '%.*s' is not user-provided", STR_ARG(t->name));
        *ret_user_id = 0;
        return SUCCESS;
    }
    int64_t target = entry->user_id != 0 ? entry->user_id : w->who->user_id;
    bool may_for_others = has(w->who, UPDATE_ANY);
    if (!may_for_others && !w->standing.is_consumer)
        return FAIL(e, DENIED, NOT_PERMITTED);
    if (!may_for_others && target != w->who->user_id)
        return FAIL(e, INVALID, "userId: only a holder of updateany may name somebody else");
    struct relation relation;
    TRY(locker_relation(w->db, w->arena, w->credential.locker_id, target, &relation, e));
    if (!relation.is_consumer)
        return FAIL(e, INVALID, "userId: is not a consumer of the credential's locker");
    *ret_user_id = target;
    return SUCCESS;
}

static RESULT refuse_second(const struct writer_of_values *w, const struct attribute *t, int64_t user_id, struct err *e)
{
    struct rows rows;
    TRY(db_query(w->db, w->arena,
                 SQL("SELECT kept_by FROM attribute_values WHERE attribute_id = $1 AND user_id = $2", P_INT(t->id),
                     P_INT(user_id)),
                 &rows, e));
    for (size_t i = 0; i < rows.n; i++)
        TRY(refuse_kept(w->db, w->arena, row_int(&rows, i, 0), e));
    if (rows.n > 0)
        return FAIL(e, CONFLICT, "Attribute '%.*s' has a value already", STR_ARG(t->name));
    return SUCCESS;
}

static RESULT insert(const struct writer_of_values *w, const struct attribute *t, int64_t user_id,
                     const struct secret *value, struct value *ret, struct err *e)
{
    struct sealed sealed;
    int64_t id;
    TRY(refuse_second(w, t, user_id, e));
    TRY(value_seal(w->db, w->arena, w->keys, t->id, user_id, value, &sealed, e));
    TRY(db_insert(w->db,
                  SQL("INSERT INTO attribute_values (attribute_id, user_id, sealed, seal_version, created_by,"
                      " created_at, updated_by, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $5, $6)"
                      " ON CONFLICT (attribute_id, user_id) DO NOTHING RETURNING id",
                      P_INT(t->id), P_INT(user_id), P_BLOB(sealed.blob), P_INT(sealed.version), P_INT(w->who->user_id),
                      P_INT(w->now)),
                  &id, "The attribute has a value already", e));
    return value_read_back(w->db, w->arena, w->keys, id, value, ret, e);
}

/* Everything is checked before anything is written. */
RESULT value_create(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who,
                    int64_t credential_id, const struct value_entry *entries, size_t n, int64_t now, struct value *ret,
                    struct err *e)
{
    struct writer_of_values w = {.db = db, .arena = a, .keys = keys, .who = who, .now = now};
    TRY(credential_reach(db, a, who, credential_id, &w.credential, &w.standing, e));
    const struct attribute **attributes = arena_array(a, const struct attribute *, n);
    int64_t *user_ids = arena_array(a, int64_t, n);
    for (size_t i = 0; i < n; i++) {
        attributes[i] = find_attribute(&w.credential, entries[i].attribute_id);
        if (!attributes[i])
            return FAIL(e, INVALID, "credentialAttributeId: the credential has no attribute %" PRId64,
                        entries[i].attribute_id);
        TRY(target_of(&w, attributes[i], &entries[i], &user_ids[i], e));
        TRY(value_check(entries[i].value, VALUE_BYTES_MAX, e));
    }
    struct value *made = arena_array(a, struct value, n);
    for (size_t i = 0; i < n; i++)
        TRY(insert(&w, attributes[i], user_ids[i], entries[i].value, &made[i], e));
    for (size_t i = 0; i < n; i++)
        ret[i] = made[i];
    return SUCCESS;
}

/* ---- update and delete ---- */

struct target {
    struct stored_value stored;
    bool may_set, may_delete;
};

/* Somebody else's own value is there only for holders of updateany, and for the credential's owner, who may delete it.
 */
static RESULT find_value(struct writer_of_values *w, int64_t credential_id, int64_t value_id, struct target *ret,
                         struct err *e)
{
    struct rows rows;
    TRY(credential_reach(w->db, w->arena, w->who, credential_id, &w->credential, &w->standing, e));
    TRY(db_query_one(w->db, w->arena,
                     SQL("SELECT " VALUE_COLUMNS " FROM attribute_values v JOIN attributes t ON t.id = v.attribute_id"
                         " WHERE v.id = $1 AND t.credential_id = $2",
                         P_INT(value_id), P_INT(credential_id)),
                     "Attribute value", &rows, e));
    struct target t = {.stored = stored_value_of_row(&rows, 0)};
    int64_t user_id = t.stored.value.user_id;
    bool is_own = user_id == w->who->user_id;
    if (user_id != 0 && !is_own && !w->standing.is_owner && !has(w->who, UPDATE_ANY))
        return FAIL(e, NOT_FOUND, "Attribute value not found");
    t.may_set = user_id == 0 ? may_set_standard(w) : (is_own && w->standing.is_consumer) || has(w->who, UPDATE_ANY);
    t.may_delete = t.may_set || w->standing.is_owner;
    *ret = t;
    return SUCCESS;
}

RESULT value_update(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who,
                    int64_t credential_id, int64_t value_id, const struct secret *value, struct opt_int version,
                    int64_t now, struct value *ret, struct err *e)
{
    struct writer_of_values w = {.db = db, .arena = a, .keys = keys, .who = who, .now = now};
    struct target t;
    struct sealed sealed;
    TRY(find_value(&w, credential_id, value_id, &t, e));
    if (!t.may_set)
        return FAIL(e, DENIED, NOT_PERMITTED);
    TRY(value_check(value, VALUE_BYTES_MAX, e));
    TRY(refuse_kept(db, a, t.stored.kept_by, e));
    if (version.is_set && version.value != t.stored.value.version)
        return FAIL(e, CONFLICT, "The value has been changed: its version is %" PRId64, t.stored.value.version);
    TRY(value_seal(db, a, keys, t.stored.value.attribute_id, t.stored.value.user_id, value, &sealed, e));
    TRY(db_run(db,
               SQL("UPDATE attribute_values SET sealed = $2, seal_version = $3, version = version + 1,"
                   " updated_by = $4, updated_at = $5 WHERE id = $1",
                   P_INT(value_id), P_BLOB(sealed.blob), P_INT(sealed.version), P_INT(who->user_id), P_INT(now)),
               e));
    return value_read_back(db, a, keys, value_id, value, ret, e);
}

RESULT value_delete(struct db *db, struct arena *a, const struct caller *who, int64_t credential_id, int64_t value_id,
                    int64_t now, struct err *e)
{
    struct writer_of_values w = {.db = db, .arena = a, .who = who, .now = now};
    struct target t;
    TRY(find_value(&w, credential_id, value_id, &t, e));
    if (!t.may_delete)
        return FAIL(e, DENIED, NOT_PERMITTED);
    TRY(refuse_kept(db, a, t.stored.kept_by, e));
    return db_run(db, SQL("DELETE FROM attribute_values WHERE id = $1", P_INT(value_id)), e);
}
