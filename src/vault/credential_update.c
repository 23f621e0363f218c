/* vault/credential_update.c: changing a credential, with the order of checks of controlroom-api 4.3. */
#include <inttypes.h>

#include "base/text.h"
#include "vault/attributes.h"
#include "vault/naming.h"

RESULT credential_may_update(struct db *db, struct arena *a, const struct caller *who, int64_t id,
                             struct credential *ret, struct err *e)
{
    struct credential c;
    struct standing s;
    TRY(credential_get(db, a, who, id, &c, &s, e));
    if (!s.is_owner)
        return FAIL(e, DENIED, NOT_PERMITTED);
    if (c.locker_id != 0)
        return FAIL(e, CONFLICT, "Credential is assigned to a locker and cannot be updated");
    *ret = c;
    return SUCCESS;
}

/* An UPDATE has no ON CONFLICT; UNIQUE still stands behind this. */
static RESULT name_is_free(struct db *db, struct arena *a, struct str key, int64_t own_id, struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a, SQL("SELECT id FROM credentials WHERE name_key = $1 AND id <> $2", P_TEXT(key), P_INT(own_id)),
                 &rows, e));
    return rows.n == 0 ? SUCCESS : FAIL(e, CONFLICT, "A credential with this name exists already");
}

/* In the order in which controlroom-api 4.3 wants them told. */
static RESULT check_change(struct db *db, struct arena *a, const struct caller *who, const struct credential *present,
                           const struct credential_change *with, struct str *name, struct wanted_list *wanted,
                           struct err *e)
{
    TRY(check_name("name", name, e));
    TRY(check_description("description", with->description, e));
    TRY(attributes_check(a, with->attributes, wanted, e));
    attributes_match(a, wanted, present->attributes.at, present->attributes.n);
    TRY(attributes_are_permitted(who, wanted, e));
    TRY(name_is_free(db, a, text_key(a, *name), present->id, e));
    TRY(attributes_are_distinct(wanted, e));
    if (with->version.is_set && with->version.value != present->version)
        return FAIL(e, CONFLICT, "The credential has been changed: its version is %" PRId64, present->version);
    TRY(attributes_are_current(wanted, e));
    return with->attributes.is_set ? attributes_may_change(db, a, present, wanted, e) : SUCCESS;
}

RESULT credential_update(struct db *db, struct arena *a, const struct caller *who, const struct credential *present,
                         const struct credential_change *with, int64_t now, struct err *e)
{
    struct str name = with->name;
    struct str description = str_is_set(with->description) ? with->description : present->description;
    struct wanted_list wanted;
    TRY(check_change(db, a, who, present, with, &name, &wanted, e));
    if (with->attributes.is_set)
        TRY(attributes_write(db, a, who, present, &wanted, now, e));
    return db_run(db,
                  SQL("UPDATE credentials SET name = $2, name_key = $3, description = $4, description_key = $5,"
                      " version = version + 1, updated_by = $6, updated_at = $7 WHERE id = $1",
                      P_INT(present->id), P_TEXT(name), P_TEXT(text_key(a, name)), P_TEXT(description),
                      P_TEXT(text_key(a, description)), P_INT(who->user_id), P_INT(now)),
                  e);
}
