/* vault/credential.c: credentials: who sees one, making, deleting, handing over. */
#include "vault/credential.h"

#include "base/text.h"
#include "identity/user.h"
#include "vault/attributes.h"
#include "vault/kept.h"
#include "vault/naming.h"
#include "vault/relation.h"

struct credential credential_of_row(const struct rows *rows, size_t row)
{
    return (struct credential){
        .id = row_int(rows, row, 0),
        .name = row_text(rows, row, 1),
        .description = row_text(rows, row, 2),
        .external_name = S(""),
        .owner_id = row_int(rows, row, 3),
        .locker_id = row_int(rows, row, 4),
        .version = row_int(rows, row, 5),
        .created_by = row_int(rows, row, 6),
        .created_at = row_int(rows, row, 7),
        .updated_by = row_int(rows, row, 8),
        .updated_at = row_int(rows, row, 9),
    };
}

RESULT credential_load(struct db *db, struct arena *a, int64_t id, struct credential *ret, struct err *e)
{
    struct rows rows;
    TRY(db_query_one(db, a, SQL("SELECT " CREDENTIAL_COLUMNS " FROM credentials c WHERE c.id = $1", P_INT(id)),
                     "Credential", &rows, e));
    *ret = credential_of_row(&rows, 0);
    return SUCCESS;
}

RESULT credential_standing(struct db *db, struct arena *a, const struct caller *who, const struct credential *c,
                           struct standing *ret, struct err *e)
{
    struct relation relation;
    TRY(locker_relation(db, a, c->locker_id, who->user_id, &relation, e));
    struct standing s = {
        .is_owner = c->owner_id == who->user_id,
        .is_consumer = relation.is_consumer,
        .is_manager = relation.is_manager,
        .is_locker_owner = relation.is_owner,
        .is_participant = relation.is_participant,
        .is_locker_admin = rights_have(&who->rights, LOCKER_ADMINISTER, LEVEL_WRITE),
    };
    s.can_see = s.is_owner || s.is_consumer || s.is_manager || s.is_locker_owner || s.is_locker_admin;
    *ret = s;
    return SUCCESS;
}

static RESULT look(struct db *db, struct arena *a, const struct caller *who, int64_t id, bool may_be_unseen,
                   struct credential *ret, struct standing *ret_standing, struct err *e)
{
    struct credential c;
    struct standing s;
    TRY(credential_load(db, a, id, &c, e));
    TRY(credential_standing(db, a, who, &c, &s, e));
    if (!s.can_see && !may_be_unseen)
        return FAIL(e, NOT_FOUND, "Credential not found");
    *ret = c;
    *ret_standing = s;
    return SUCCESS;
}

RESULT credential_get(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct credential *ret,
                      struct standing *ret_standing, struct err *e)
{
    struct credential c;
    TRY(look(db, a, who, id, false, &c, ret_standing, e));
    TRY(credential_load_attributes(db, a, &c, 1, e));
    *ret = c;
    return SUCCESS;
}

RESULT credential_reach_bare(struct db *db, struct arena *a, const struct caller *who, int64_t id,
                             struct credential *ret, struct standing *ret_standing, struct err *e)
{
    return look(db, a, who, id, rights_have(&who->rights, UPDATE_ANY, LEVEL_WRITE), ret, ret_standing, e);
}

RESULT credential_reach(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct credential *ret,
                        struct standing *ret_standing, struct err *e)
{
    struct credential c;
    TRY(credential_reach_bare(db, a, who, id, &c, ret_standing, e));
    TRY(credential_load_attributes(db, a, &c, 1, e));
    *ret = c;
    return SUCCESS;
}

/* ---- making ---- */

RESULT credential_create(struct db *db, struct arena *a, const struct caller *who, const struct credential_change *with,
                         int64_t now, struct credential *ret, struct err *e)
{
    struct rows rows;
    struct str name = with->name, description = str_is_set(with->description) ? with->description : S("");
    struct wanted_list wanted;
    TRY(check_name("name", &name, e));
    TRY(check_description("description", description, e));
    TRY(attributes_check(a, with->attributes, &wanted, e));
    TRY(attributes_are_permitted(who, &wanted, e));
    TRY(attributes_are_distinct(&wanted, e));
    TRY(db_query(db, a,
                 SQL("INSERT INTO credentials (name, name_key, description, description_key, owner_id, created_by,"
                     " created_at, updated_by, updated_at) VALUES ($1, $2, $3, $4, $5, $5, $6, $5, $6)"
                     " ON CONFLICT (name_key) DO NOTHING RETURNING " CREDENTIAL_RETURNED,
                     P_TEXT(name), P_TEXT(text_key(a, name)), P_TEXT(description), P_TEXT(text_key(a, description)),
                     P_INT(who->user_id), P_INT(now)),
                 &rows, e));
    if (rows.n == 0)
        return FAIL(e, CONFLICT, "A credential with this name exists already");
    struct credential c = credential_of_row(&rows, 0);
    TRY(attributes_insert(db, a, who, c.id, &wanted, now, &c.attributes, e));
    *ret = c;
    return SUCCESS;
}

/* ---- deleting ---- */

RESULT credential_delete(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now,
                         struct str *ret_name, struct err *e)
{
    struct credential c;
    struct standing s;
    struct list kept_by;
    TRY(credential_get(db, a, who, id, &c, &s, e));
    if (!s.is_owner)
        return FAIL(e, DENIED, NOT_PERMITTED);
    TRY(credential_keepers(db, a, id, &kept_by, e));
    TRY(end_all(db, a, kept_by, now, e));
    const struct attribute *attributes = c.attributes.at;
    for (size_t i = 0; i < c.attributes.n; i++)
        TRY(attribute_gone(db, a, attributes[i].id, now, e));
    TRY(db_run(db, SQL("DELETE FROM credentials WHERE id = $1", P_INT(id)), e));
    *ret_name = c.name;
    return SUCCESS;
}

/* ---- handing over ---- */

static RESULT check_new_owner(struct db *db, struct arena *a, const struct credential *c, int64_t user_id,
                              bool is_enabled, struct err *e)
{
    struct relation relation;
    if (!is_enabled)
        return FAIL(e, INVALID, "The new owner is disabled");
    if (c->locker_id == 0)
        return SUCCESS;
    TRY(locker_relation(db, a, c->locker_id, user_id, &relation, e));
    if (!is_member(&relation))
        return FAIL(e, INVALID, "The new owner is not a member of the credential's locker");
    return SUCCESS;
}

RESULT credential_transfer(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t new_owner_id,
                           int64_t now, struct err *e)
{
    struct credential c;
    struct standing s;
    bool is_enabled;
    TRY(credential_get(db, a, who, id, &c, &s, e));
    if (!s.is_owner && !s.is_locker_admin)
        return FAIL(e, DENIED, NOT_PERMITTED);
    TRY(user_exists(db, a, new_owner_id, &is_enabled, e));
    if (new_owner_id == c.owner_id)
        return SUCCESS;
    TRY(check_new_owner(db, a, &c, new_owner_id, is_enabled, e));
    return db_run(db,
                  SQL("UPDATE credentials SET owner_id = $2, version = version + 1, updated_by = $3, updated_at = $4"
                      " WHERE id = $1",
                      P_INT(id), P_INT(new_owner_id), P_INT(who->user_id), P_INT(now)),
                  e);
}

RESULT credential_after(struct db *db, struct arena *a, int64_t id, struct credential *ret, struct err *e)
{
    struct credential c;
    TRY(credential_load(db, a, id, &c, e));
    TRY(credential_load_attributes(db, a, &c, 1, e));
    *ret = c;
    return SUCCESS;
}

/* ---- who keeps its values ---- */

static struct list numbers_of(struct arena *a, const struct rows *rows)
{
    int64_t *numbers = arena_array(a, int64_t, rows->n);
    for (size_t i = 0; i < rows->n; i++)
        numbers[i] = row_int(rows, i, 0);
    return (struct list){.at = numbers, .n = rows->n, .is_set = true};
}

RESULT credential_keepers(struct db *db, struct arena *a, int64_t credential_id, struct list *ret_numbers,
                          struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a,
                 SQL("SELECT DISTINCT v.kept_by FROM attributes t"
                     " JOIN attribute_values v ON v.attribute_id = t.id AND v.user_id = 0"
                     " WHERE t.credential_id = $1 AND v.kept_by <> 0 ORDER BY v.kept_by",
                     P_INT(credential_id)),
                 &rows, e));
    *ret_numbers = numbers_of(a, &rows);
    return SUCCESS;
}

RESULT locker_keepers(struct db *db, struct arena *a, int64_t locker_id, struct list *ret_numbers, struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a,
                 SQL("SELECT DISTINCT v.kept_by FROM credentials c JOIN attributes t ON t.credential_id = c.id"
                     " JOIN attribute_values v ON v.attribute_id = t.id AND v.user_id = 0"
                     " WHERE c.locker_id = $1 AND v.kept_by <> 0 ORDER BY v.kept_by",
                     P_INT(locker_id)),
                 &rows, e));
    *ret_numbers = numbers_of(a, &rows);
    return SUCCESS;
}
