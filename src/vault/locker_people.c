/* vault/locker_people.c: members of a locker, and the roles that consume it. */
#include "audit/audit.h"
#include "vault/kept.h"
#include "vault/relation.h"

/* ---- members ---- */

RESULT locker_members(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct locker_member **ret,
                      size_t *ret_n, struct err *e)
{
    struct locker locker;
    struct rows rows;
    TRY(locker_may_administer(db, a, who, id, &locker, e));
    TRY(db_query(db, a,
                 SQL("SELECT m.user_id, u.name, m.permission FROM locker_members m"
                     " JOIN users u ON u.id = m.user_id AND u.is_deleted = 0 WHERE m.locker_id = $1 ORDER BY m.user_id",
                     P_INT(id)),
                 &rows, e));
    struct locker_member *found = arena_array(a, struct locker_member, rows.n);
    for (size_t i = 0; i < rows.n; i++)
        found[i] = (struct locker_member){
            .user_id = row_int(&rows, i, 0), .user_name = row_text(&rows, i, 1), .permission = row_text(&rows, i, 2)};
    *ret = found;
    *ret_n = rows.n;
    return SUCCESS;
}

static RESULT another_owner_stays(struct db *db, struct arena *a, int64_t locker_id, int64_t user_id, struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a,
                 SQL("SELECT m.user_id FROM locker_members m JOIN users u ON u.id = m.user_id AND u.is_deleted = 0"
                     " WHERE m.locker_id = $1 AND m.permission = 'own' AND m.user_id <> $2 LIMIT 1",
                     P_INT(locker_id), P_INT(user_id)),
                 &rows, e));
    return rows.n > 0 ? SUCCESS : FAIL(e, CONFLICT, "A locker needs at least one owner");
}

static RESULT permission_of(struct str word, struct str *ret, struct err *e)
{
    static const char *const words[] = {"own", "manage", "participate"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (str_equal_fold(word, str_of(words[i]))) {
            *ret = str_of(words[i]);
            return SUCCESS;
        }
    return FAIL(e, INVALID, "permissions: is not one of own, manage and participate");
}

static RESULT note_new_reader(struct db *db, struct arena *a, int64_t locker_id, struct str how, struct err *e)
{
    struct list kept_by;
    TRY(locker_keepers(db, a, locker_id, &kept_by, e));
    return audience_grew_all(db, a, kept_by, how, e);
}

/* Its own lockers; and where it lets its members read what is masked, those that they consume by other roles, too. */
RESULT locker_role_grew(struct db *db, struct arena *a, int64_t role_number, struct str how, struct err *e)
{
    struct rows r;
    TRY(db_query(
        db, a,
        SQL("SELECT c.locker_id FROM locker_consumers c JOIN roles r ON r.id = c.role_id WHERE r.face = $1 AND "
            "r.number = $2 UNION SELECT c.locker_id FROM roles r JOIN role_rights h ON h.role_id = r.id AND h.right_id "
            "= "
            "$3 JOIN role_members m ON m.role_id = r.id JOIN role_members o ON o.user_id = m.user_id JOIN "
            "locker_consumers c ON c.role_id = o.role_id WHERE r.face = $1 AND r.number = $2 ORDER BY 1",
            P_INT(FACE_CONTROLROOM), P_INT(role_number), P_INT(READ_MASKED)),
        &r, e));
    for (size_t i = 0; i < r.n; i++)
        TRY(note_new_reader(db, a, row_int(&r, i, 0), how, e));
    return SUCCESS;
}

RESULT locker_set_member(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t user_id,
                         struct str permission, int64_t now, struct locker_member *ret, struct err *e)
{
    struct locker locker;
    struct relation before;
    struct rows user;
    struct str word;
    (void)now;
    TRY(locker_may_administer(db, a, who, id, &locker, e));
    TRY(db_query_one(db, a, SQL("SELECT name FROM users WHERE id = $1 AND is_deleted = 0", P_INT(user_id)), "User",
                     &user, e));
    TRY(permission_of(permission, &word, e));
    TRY(locker_relation(db, a, id, user_id, &before, e));
    if (before.is_owner && !str_equal(word, S("own")))
        TRY(another_owner_stays(db, a, id, user_id, e));
    TRY(db_run(db,
               SQL("INSERT INTO locker_members (locker_id, user_id, permission) VALUES ($1, $2, $3)"
                   " ON CONFLICT (locker_id, user_id) DO UPDATE SET permission = excluded.permission",
                   P_INT(id), P_INT(user_id), P_TEXT(word)),
               e));
    struct str name = row_text(&user, 0, 0);
    if (!is_member(&before))
        TRY(note_new_reader(
            db, a, id,
            arena_printf(a, "user %.*s joined locker %.*s: %.*s", STR_ARG(name), STR_ARG(locker.name), STR_ARG(word)),
            e));
    *ret = (struct locker_member){.user_id = user_id, .user_name = name, .permission = word};
    return SUCCESS;
}

RESULT locker_remove_member(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t user_id,
                            int64_t now, struct err *e)
{
    struct locker locker;
    struct relation before;
    (void)now;
    TRY(locker_may_administer(db, a, who, id, &locker, e));
    TRY(locker_relation(db, a, id, user_id, &before, e));
    if (!is_member(&before))
        return FAIL(e, NOT_FOUND, "Member not found");
    if (before.is_owner)
        TRY(another_owner_stays(db, a, id, user_id, e));
    return db_run(
        db, SQL("DELETE FROM locker_members WHERE locker_id = $1 AND user_id = $2", P_INT(id), P_INT(user_id)), e);
}

/* ---- consumers ---- */

RESULT locker_consumers(struct db *db, struct arena *a, const struct caller *who, int64_t id,
                        struct locker_consumer **ret, size_t *ret_n, struct err *e)
{
    struct locker locker;
    struct rows rows;
    TRY(locker_may_administer(db, a, who, id, &locker, e));
    TRY(db_query(db, a,
                 SQL("SELECT r.number, r.name FROM locker_consumers k JOIN roles r ON r.id = k.role_id"
                     " WHERE k.locker_id = $1 ORDER BY r.number, r.id",
                     P_INT(id)),
                 &rows, e));
    struct locker_consumer *found = arena_array(a, struct locker_consumer, rows.n);
    for (size_t i = 0; i < rows.n; i++)
        found[i] = (struct locker_consumer){.role_number = row_int(&rows, i, 0), .role_name = row_text(&rows, i, 1)};
    *ret = found;
    *ret_n = rows.n;
    return SUCCESS;
}

struct consuming_role {
    int64_t id;
    struct str name;
    bool is_builtin;
};

static RESULT find_role(struct db *db, struct arena *a, int64_t number, struct consuming_role *ret, struct err *e)
{
    struct rows rows;
    TRY(db_query_one(db, a, SQL("SELECT id, name, is_builtin FROM roles WHERE face = 1 AND number = $1", P_INT(number)),
                     "Role", &rows, e));
    *ret = (struct consuming_role){
        .id = row_int(&rows, 0, 0), .name = row_text(&rows, 0, 1), .is_builtin = row_flag(&rows, 0, 2)};
    return SUCCESS;
}

/* It was not a consumer until now. */
static RESULT note_consumer(struct db *db, struct arena *a, const struct locker *locker,
                            const struct consuming_role *role, struct err *e)
{
    struct list kept_by;
    TRY(locker_keepers(db, a, locker->id, &kept_by, e));
    if (role->is_builtin && kept_by.n > 0)
        return FAIL(e, CONFLICT,
                    "The locker holds a value that follows a managed account: a built-in role cannot consume it");
    if (role->is_builtin)
        audit_note(db, "locker.opened_to_builtin_role", true, (struct audit_object){"locker", locker->id, locker->name},
                   0, role->name);
    return audience_grew_all(
        db, a, kept_by, arena_printf(a, "role %.*s consumes locker %.*s", STR_ARG(role->name), STR_ARG(locker->name)),
        e);
}

RESULT locker_add_consumer(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t role_number,
                           int64_t now, struct locker_consumer *ret, struct err *e)
{
    struct locker locker;
    struct consuming_role role;
    int64_t added;
    (void)now;
    TRY(locker_may_administer(db, a, who, id, &locker, e));
    TRY(find_role(db, a, role_number, &role, e));
    TRY(db_run_counting(db,
                        SQL("INSERT INTO locker_consumers (locker_id, role_id) VALUES ($1, $2)"
                            " ON CONFLICT (locker_id, role_id) DO NOTHING",
                            P_INT(id), P_INT(role.id)),
                        &added, e));
    if (added > 0)
        TRY(note_consumer(db, a, &locker, &role, e));
    *ret = (struct locker_consumer){.role_number = role_number, .role_name = role.name};
    return SUCCESS;
}

RESULT locker_remove_consumer(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t role_number,
                              int64_t now, struct err *e)
{
    struct locker locker;
    struct consuming_role role;
    int64_t removed;
    (void)now;
    TRY(locker_may_administer(db, a, who, id, &locker, e));
    TRY(find_role(db, a, role_number, &role, e));
    TRY(db_run_counting(
        db, SQL("DELETE FROM locker_consumers WHERE locker_id = $1 AND role_id = $2", P_INT(id), P_INT(role.id)),
        &removed, e));
    return removed > 0 ? SUCCESS : FAIL(e, NOT_FOUND, "Consumer not found");
}
