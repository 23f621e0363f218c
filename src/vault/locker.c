/* vault/locker.c: lockers: who sees and changes one, and the list. */
#include "vault/locker.h"

#include <inttypes.h>

#include "base/text.h"
#include "vault/kept.h"
#include "vault/naming.h"
#include "vault/relation.h"

#define LOCKER_COLUMNS "l.id, l.name, l.description, l.version, l.created_by, l.created_at, l.updated_by, l.updated_at"

const struct column locker_columns[] = {
    {"name", COLUMN_TEXT, "l.name_key"},
    {"description", COLUMN_TEXT, "l.description_key"},
    {"id", COLUMN_ID, "l.id"},
    {"createdBy", COLUMN_ID, "l.created_by"},
    {"updatedBy", COLUMN_ID, "l.updated_by"},
    {"version", COLUMN_ID, "l.version"},
    {"createdOn", COLUMN_TIME, "l.created_at"},
    {"updatedOn", COLUMN_TIME, "l.updated_at"},
    {0},
};

static struct locker locker_of_row(const struct rows *rows, size_t row)
{
    return (struct locker){
        .id = row_int(rows, row, 0),
        .name = row_text(rows, row, 1),
        .description = row_text(rows, row, 2),
        .version = row_int(rows, row, 3),
        .created_by = row_int(rows, row, 4),
        .created_at = row_int(rows, row, 5),
        .updated_by = row_int(rows, row, 6),
        .updated_at = row_int(rows, row, 7),
    };
}

/* ---- who stands how ---- */

RESULT locker_relation(struct db *db, struct arena *a, int64_t locker_id, int64_t user_id, struct relation *ret,
                       struct err *e)
{
    struct rows rows;
    if (locker_id == 0) {
        *ret = (struct relation){0};
        return SUCCESS;
    }
    TRY(db_query(db, a,
                 SQL("SELECT COALESCE((SELECT permission FROM locker_members WHERE locker_id = $1 AND user_id = $2),"
                     " ''), CASE WHEN EXISTS (" CONSUMED_LOCKERS "$2 AND k.locker_id = $1) THEN 1 ELSE 0 END",
                     P_INT(locker_id), P_INT(user_id)),
                 &rows, e));
    struct str permission = row_text(&rows, 0, 0);
    *ret = (struct relation){
        .is_owner = str_equal(permission, S("own")),
        .is_manager = str_equal(permission, S("manage")),
        .is_participant = str_equal(permission, S("participate")),
        .is_consumer = row_flag(&rows, 0, 1),
    };
    return SUCCESS;
}

RESULT locker_look(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct locker_view *ret,
                   struct err *e)
{
    struct rows rows;
    struct locker_view view;
    TRY(db_query_one(db, a, SQL("SELECT " LOCKER_COLUMNS " FROM lockers l WHERE l.id = $1", P_INT(id)), "Locker", &rows,
                     e));
    view.locker = locker_of_row(&rows, 0);
    view.is_admin = rights_have(&who->rights, LOCKER_ADMINISTER, LEVEL_WRITE);
    TRY(locker_relation(db, a, id, who->user_id, &view.relation, e));
    if (!is_member(&view.relation) && !view.relation.is_consumer && !view.is_admin)
        return FAIL(e, NOT_FOUND, "Locker not found");
    *ret = view;
    return SUCCESS;
}

RESULT locker_get(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct locker *ret,
                  struct err *e)
{
    struct locker_view view;
    TRY(locker_look(db, a, who, id, &view, e));
    *ret = view.locker;
    return SUCCESS;
}

RESULT locker_may_edit(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct locker *ret,
                       struct err *e)
{
    struct locker_view view;
    TRY(locker_look(db, a, who, id, &view, e));
    if (!view.relation.is_owner && !view.relation.is_manager)
        return FAIL(e, DENIED, NOT_PERMITTED);
    *ret = view.locker;
    return SUCCESS;
}

RESULT locker_may_administer(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct locker *ret,
                             struct err *e)
{
    struct locker_view view;
    TRY(locker_look(db, a, who, id, &view, e));
    if (!view.relation.is_owner && !view.is_admin)
        return FAIL(e, DENIED, NOT_PERMITTED);
    *ret = view.locker;
    return SUCCESS;
}

/* ---- making, changing, deleting ---- */

RESULT locker_create(struct db *db, struct arena *a, const struct caller *who, struct str name, struct str description,
                     int64_t now, int64_t *ret_id, struct err *e)
{
    int64_t id;
    if (!rights_have(&who->rights, LOCKER_CREATE, LEVEL_WRITE))
        return FAIL(e, DENIED, NOT_PERMITTED);
    if (!str_is_set(description))
        description = S("");
    TRY(check_name("name", &name, e));
    TRY(check_description("description", description, e));
    TRY(db_insert(db,
                  SQL("INSERT INTO lockers (name, name_key, description, description_key, created_by, created_at,"
                      " updated_by, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $5, $6)"
                      " ON CONFLICT (name_key) DO NOTHING RETURNING id",
                      P_TEXT(name), P_TEXT(text_key(a, name)), P_TEXT(description), P_TEXT(text_key(a, description)),
                      P_INT(who->user_id), P_INT(now)),
                  &id, "A locker with this name exists already", e));
    TRY(db_run(db,
               SQL("INSERT INTO locker_members (locker_id, user_id, permission) VALUES ($1, $2, 'own')", P_INT(id),
                   P_INT(who->user_id)),
               e));
    *ret_id = id;
    return SUCCESS;
}

/* An UPDATE has no ON CONFLICT; UNIQUE still stands behind this. */
static RESULT name_is_free(struct db *db, struct arena *a, struct str key, int64_t own_id, struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a, SQL("SELECT id FROM lockers WHERE name_key = $1 AND id <> $2", P_TEXT(key), P_INT(own_id)),
                 &rows, e));
    return rows.n == 0 ? SUCCESS : FAIL(e, CONFLICT, "A locker with this name exists already");
}

RESULT locker_update(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct str name,
                     struct str description, struct opt_int version, int64_t now, struct err *e)
{
    struct locker present;
    TRY(locker_may_edit(db, a, who, id, &present, e));
    if (!str_is_set(description))
        description = present.description;
    TRY(check_name("name", &name, e));
    TRY(check_description("description", description, e));
    TRY(name_is_free(db, a, text_key(a, name), id, e));
    if (version.is_set && version.value != present.version)
        return FAIL(e, CONFLICT, "The locker has been changed: its version is %" PRId64, present.version);
    return db_run(db,
                  SQL("UPDATE lockers SET name = $2, name_key = $3, description = $4, description_key = $5,"
                      " version = version + 1, updated_by = $6, updated_at = $7 WHERE id = $1",
                      P_INT(id), P_TEXT(name), P_TEXT(text_key(a, name)), P_TEXT(description),
                      P_TEXT(text_key(a, description)), P_INT(who->user_id), P_INT(now)),
                  e);
}

/* Its credentials stay, in no locker. */
RESULT locker_delete(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now, struct err *e)
{
    struct locker_view view;
    struct list kept_by;
    (void)now;
    TRY(locker_look(db, a, who, id, &view, e));
    if (!view.relation.is_owner && !view.relation.is_manager && !view.is_admin)
        return FAIL(e, DENIED, NOT_PERMITTED);
    TRY(locker_keepers(db, a, id, &kept_by, e));
    TRY(may_move_all(db, a, who, kept_by, e));
    return db_run(db, SQL("DELETE FROM lockers WHERE id = $1", P_INT(id)), e);
}

/* ---- the list ---- */

static void build_visible(struct builder *b, struct arena *a, const struct caller *who)
{
    builder_init(b, a);
    builder_add(b, "FROM lockers l WHERE 1 = 1");
    if (rights_have(&who->rights, LOCKER_ADMINISTER, LEVEL_WRITE))
        return;
    builder_add(b, " AND l.id IN (SELECT b.locker_id FROM locker_members b WHERE b.user_id = ");
    builder_param(b, P_INT(who->user_id));
    builder_add(b, " UNION " CONSUMED_LOCKERS);
    builder_param(b, P_INT(who->user_id));
    builder_add(b, ")");
}

RESULT locker_list(struct db *db, struct arena *a, const struct caller *who, const struct listing *l,
                   struct counts *ret_counts, struct locker **ret, size_t *ret_n, struct err *e)
{
    struct builder from;
    struct counts counts;
    struct rows rows;
    build_visible(&from, a, who);
    TRY(filter_run(db, a, LOCKER_COLUMNS, &from, l, "l.id", &counts, &rows, e));
    struct locker *found = arena_array(a, struct locker, rows.n);
    for (size_t i = 0; i < rows.n; i++)
        found[i] = locker_of_row(&rows, i);
    *ret_counts = counts;
    *ret = found;
    *ret_n = rows.n;
    return SUCCESS;
}
