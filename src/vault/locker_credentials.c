/* vault/locker_credentials.c: putting credentials into a locker and taking them out. */
#include "vault/attributes.h"
#include "vault/kept.h"
#include "vault/naming.h"
#include "vault/relation.h"

/* A participant sees his own alone. */
RESULT locker_credentials(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct credential **ret,
                          size_t *ret_n, struct err *e)
{
    struct locker_view view;
    struct builder b;
    struct rows rows;
    TRY(locker_look(db, a, who, id, &view, e));
    const struct relation *r = &view.relation;
    bool sees_all = r->is_consumer || r->is_manager || r->is_owner || view.is_admin;
    builder_init(&b, a);
    builder_add(&b, "SELECT " CREDENTIAL_COLUMNS " FROM credentials c WHERE c.locker_id =");
    builder_param(&b, P_INT(id));
    if (!sees_all) {
        builder_add(&b, "AND c.owner_id =");
        builder_param(&b, P_INT(who->user_id));
    }
    builder_add(&b, "ORDER BY c.id");
    TRY(db_query(db, a, builder_sql(&b), &rows, e));
    struct credential *found = arena_array(a, struct credential, rows.n);
    for (size_t i = 0; i < rows.n; i++)
        found[i] = credential_of_row(&rows, i);
    TRY(credential_load_attributes(db, a, found, rows.n, e));
    *ret = found;
    *ret_n = rows.n;
    return SUCCESS;
}

static RESULT refuse_builtin_consumers(struct db *db, struct arena *a, int64_t locker_id, struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a,
                 SQL("SELECT r.id FROM locker_consumers k JOIN roles r ON r.id = k.role_id"
                     " WHERE k.locker_id = $1 AND r.is_builtin = 1 LIMIT 1",
                     P_INT(locker_id)),
                 &rows, e));
    if (rows.n == 0)
        return SUCCESS;
    return FAIL(e, CONFLICT,
                "A built-in role consumes the locker: it cannot hold a value that follows a managed account");
}

static RESULT check_linked(struct db *db, struct arena *a, const struct caller *who, const struct locker *locker,
                           const struct credential *c, struct err *e)
{
    struct list kept_by;
    TRY(credential_keepers(db, a, c->id, &kept_by, e));
    if (kept_by.n == 0)
        return SUCCESS;
    TRY(may_move_all(db, a, who, kept_by, e));
    TRY(refuse_builtin_consumers(db, a, locker->id, e));
    return audience_grew_all(
        db, a, kept_by,
        arena_printf(a, "credential %.*s was put into locker %.*s", STR_ARG(c->name), STR_ARG(locker->name)), e);
}

/* Being in a locker is the locker's affair: the credential's version and times stay. */
RESULT locker_assign(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t credential_id,
                     int64_t now, struct err *e)
{
    struct locker_view view;
    struct credential c;
    struct standing s;
    (void)now;
    TRY(locker_look(db, a, who, id, &view, e));
    if (!is_member(&view.relation) && !view.is_admin)
        return FAIL(e, DENIED, NOT_PERMITTED);
    TRY(credential_get(db, a, who, credential_id, &c, &s, e));
    if (!s.is_owner)
        return FAIL(e, DENIED, NOT_PERMITTED);
    if (c.locker_id == id)
        return SUCCESS;
    if (c.locker_id != 0)
        return FAIL(e, CONFLICT, "The credential is in another locker");
    TRY(check_linked(db, a, who, &view.locker, &c, e));
    return db_run(db, SQL("UPDATE credentials SET locker_id = $2 WHERE id = $1", P_INT(credential_id), P_INT(id)), e);
}

RESULT locker_take_out(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t credential_id,
                       int64_t now, struct err *e)
{
    struct locker_view view;
    struct credential c;
    struct standing s;
    struct list kept_by;
    (void)now;
    TRY(locker_look(db, a, who, id, &view, e));
    TRY(credential_get(db, a, who, credential_id, &c, &s, e));
    if (c.locker_id != id)
        return FAIL(e, NOT_FOUND, "Credential not found");
    bool is_own = view.relation.is_participant && s.is_owner;
    if (!view.relation.is_owner && !view.relation.is_manager && !view.is_admin && !is_own)
        return FAIL(e, DENIED, NOT_PERMITTED);
    TRY(credential_keepers(db, a, credential_id, &kept_by, e));
    TRY(may_move_all(db, a, who, kept_by, e));
    return db_run(db, SQL("UPDATE credentials SET locker_id = NULL WHERE id = $1", P_INT(credential_id)), e);
}
