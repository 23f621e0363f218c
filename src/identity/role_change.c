/* identity/role_change.c: making, changing and deleting roles and groups. */
#include <inttypes.h>

#include "base/text.h"
#include "identity/grant.h"
#include "identity/membership.h"
#include "identity/role_name.h"

enum { NAME_MAX_CHARACTERS = 255, GROUP_NUMBER_CUSTOM = 2 };

static int64_t id_of(const struct caller *who)
{
    return who ? who->user_id : 0;
}

static RESULT check_name(struct db *db, struct arena *a, enum face face, struct str name, int64_t own_id, struct err *e)
{
    if (!str_is_set(name) || !text_is_utf8(name) || text_key(a, name).n == 0)
        return FAIL(e, INVALID, "name: is required");
    if (text_length(name) > NAME_MAX_CHARACTERS || text_has_control(name))
        return FAIL(e, INVALID, "name: is longer than %d characters or has control characters", NAME_MAX_CHARACTERS);
    if (face == FACE_CONTROLROOM && role_name_looks_built_in(a, name))
        return FAIL(e, CONFLICT, "Names that begin with AAE are kept for built-in roles");
    struct rows rows;
    TRY(db_query(db, a,
                 SQL("SELECT id FROM roles WHERE face = $1 AND name_key = $2 AND id <> $3", P_INT(face),
                     P_TEXT(text_key(a, name)), P_INT(own_id)),
                 &rows, e));
    if (rows.n > 0)
        return FAIL(e, CONFLICT, "A role or group with this name already exists");
    return SUCCESS;
}

static RESULT read_rights(enum face face, const struct list *rights, struct rights *ret, struct err *e)
{
    struct rights wanted = {0};
    const struct role_right *right = rights->at;
    for (size_t i = 0; i < rights->n; i++) {
        const struct right_fact *fact = right_fact(right[i].right);
        if (!fact || fact->face != face)
            return FAIL(e, INVALID, "permissions: unknown permission");
        if (right[i].level != LEVEL_NONE && right[i].level != LEVEL_READ && right[i].level != LEVEL_WRITE)
            return FAIL(e, INVALID, "permissions: unknown access level %d", (int)right[i].level);
        rights_raise(&wanted, fact->right, right[i].level);
    }
    *ret = wanted;
    return SUCCESS;
}

static RESULT write_rights(struct db *db, int64_t role_id, const struct rights *rights, struct err *e)
{
    TRY(db_run(db, SQL("DELETE FROM role_rights WHERE role_id = $1", P_INT(role_id)), e));
    for (size_t i = 0; i < RIGHT_COUNT; i++)
        if (rights->level[i] > 0)
            TRY(db_run(db,
                       SQL("INSERT INTO role_rights (role_id, right_id, level) VALUES ($1, $2, $3)", P_INT(role_id),
                           P_INT((int64_t)i), P_INT(rights->level[i])),
                       e));
    return SUCCESS;
}

static RESULT write_registrations(struct db *db, struct arena *a, int64_t role_id, const struct list *registrations,
                                  struct err *e)
{
    const int64_t *id = registrations->at;
    TRY(db_run(db, SQL("DELETE FROM role_registrations WHERE role_id = $1", P_INT(role_id)), e));
    for (size_t i = 0; i < registrations->n; i++) {
        struct rows rows;
        TRY(db_query(db, a, SQL("SELECT id FROM registrations WHERE id = $1", P_INT(id[i])), &rows, e));
        if (rows.n == 0)
            return FAIL(e, INVALID, "registrations: unknown registration %" PRId64, id[i]);
        TRY(db_run(db,
                   SQL("INSERT INTO role_registrations (role_id, registration_id) VALUES ($1, $2)"
                       " ON CONFLICT DO NOTHING",
                       P_INT(role_id), P_INT(id[i])),
                   e));
    }
    return SUCCESS;
}

/* Each member is checked before he goes, since what the caller lacks may be what goes with him, and after he came. */
static RESULT write_members(struct db *db, struct arena *a, const struct grant *g, enum face face, int64_t role_id,
                            const struct difference *d, int64_t now, struct err *e)
{
    int64_t role[] = {role_id};
    for (size_t i = 0; i < d->removed_count; i++) {
        TRY(grant_may_change_user(db, a, g, d->removed[i], e));
        TRY(roles_apply(db, d->removed[i], face, &(struct difference){.removed = role, .removed_count = 1}, now, e));
    }
    for (size_t i = 0; i < d->added_count; i++)
        TRY(roles_apply(db, d->added[i], face, &(struct difference){.added = role, .added_count = 1}, now, e));
    for (size_t i = 0; i < d->added_count; i++)
        TRY(grant_check_user(db, a, g, d->added[i], e));
    return SUCCESS;
}

static RESULT replace_members(struct db *db, struct arena *a, const struct grant *g, enum face face, int64_t role_id,
                              const struct list *members, int64_t now, struct err *e)
{
    const int64_t *user_id = members->at;
    struct rows rows;
    for (size_t i = 0; i < members->n; i++) {
        TRY(db_query(db, a, SQL("SELECT id FROM users WHERE id = $1 AND is_deleted = 0", P_INT(user_id[i])), &rows, e));
        if (rows.n == 0)
            return FAIL(e, INVALID, "members: unknown user %" PRId64, user_id[i]);
    }
    TRY(db_query(db, a, SQL("SELECT user_id FROM role_members WHERE role_id = $1", P_INT(role_id)), &rows, e));
    struct difference d = difference_of(a, &rows, user_id, members->n);
    return write_members(db, a, g, face, role_id, &d, now, e);
}

static RESULT insert_role(struct db *db, struct arena *a, const struct caller *who, enum face face,
                          const struct role_change *with, int64_t now, int64_t *ret_id, int64_t *ret_number,
                          struct err *e)
{
    struct str name = text_trim(with->name);
    struct str description = str_is_set(with->description) ? with->description : S("");
    bool is_controlroom = face == FACE_CONTROLROOM;
    int64_t number;
    TRY(db_next_number(db, is_controlroom ? "role.controlroom" : "role.passwordsafe",
                       is_controlroom ? ROLE_NUMBER_CUSTOM : GROUP_NUMBER_CUSTOM, &number, e));
    TRY(db_insert(db,
                  SQL("INSERT INTO roles (face, number, name, name_key, description, description_key, is_active,"
                      " created_by, created_at, updated_by, updated_at)"
                      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8, $9) ON CONFLICT DO NOTHING RETURNING id",
                      P_INT(face), P_INT(number), P_TEXT(name), P_TEXT(text_key(a, name)), P_TEXT(description),
                      P_TEXT(text_key(a, description)), P_INT(!with->is_active.is_set || with->is_active.value),
                      P_INT(id_of(who)), P_INT(now)),
                  ret_id, "A role or group with this name already exists", e));
    *ret_number = number;
    return SUCCESS;
}

/* What is absent stays as it is. */
static RESULT write_parts(struct db *db, struct arena *a, const struct grant *g, enum face face, int64_t role_id,
                          const struct role_change *with, int64_t now, struct err *e)
{
    if (with->registrations.is_set)
        TRY(write_registrations(db, a, role_id, &with->registrations, e));
    if (with->members.is_set)
        TRY(replace_members(db, a, g, face, role_id, &with->members, now, e));
    return grant_check_role(db, a, g, role_id, e);
}

RESULT role_create(struct db *db, struct arena *a, const struct caller *who, enum face face,
                   const struct role_change *with, int64_t now, int64_t *ret_number, struct err *e)
{
    struct grant g;
    struct rights rights;
    int64_t number, id = 0;
    TRY(grant_begin(db, a, who, &g, e));
    TRY(check_name(db, a, face, text_trim(with->name), 0, e));
    TRY(read_rights(face, &with->rights, &rights, e));
    if (face == FACE_CONTROLROOM && with->rights.n == 0) {
        rights_raise(&rights, MANAGE_CREDENTIALS, LEVEL_WRITE);
        rights_raise(&rights, CREATE_STANDARD, LEVEL_WRITE);
    }
    TRY(insert_role(db, a, who, face, with, now, &id, &number, e));
    TRY(write_rights(db, id, &rights, e));
    TRY(write_parts(db, a, &g, face, id, with, now, e));
    *ret_number = number;
    return SUCCESS;
}

static bool same_rights(const struct role *was, const struct rights *wanted)
{
    struct rights present = {0};
    const struct role_right *right = was->rights.at;
    for (size_t i = 0; i < was->rights.n; i++)
        rights_raise(&present, right[i].right, right[i].level);
    return rights_include(&present, wanted) && rights_include(wanted, &present);
}

/* A built-in role is what its number says; only who is in it, and what is said of it, may change. */
static RESULT check_builtin(const struct role *was, struct str name, const struct role_change *with,
                            const struct rights *rights, struct err *e)
{
    bool is_same = str_equal(was->name, name) && (!with->rights.is_set || same_rights(was, rights)) &&
                   (!with->is_active.is_set || with->is_active.value == was->is_active);
    return !was->is_builtin || is_same ? SUCCESS : FAIL(e, CONFLICT, "A built-in role cannot be changed");
}

static RESULT write_role(struct db *db, struct arena *a, const struct caller *who, const struct role *was,
                         struct str name, const struct role_change *with, int64_t now, struct err *e)
{
    struct str description = str_is_set(with->description) ? with->description : was->description;
    bool is_active = with->is_active.is_set ? with->is_active.value : was->is_active;
    return db_run(db,
                  SQL("UPDATE roles SET name = $2, name_key = $3, description = $4, description_key = $5,"
                      " is_active = $6, version = version + 1, updated_by = $7, updated_at = $8 WHERE id = $1",
                      P_INT(was->id), P_TEXT(name), P_TEXT(text_key(a, name)), P_TEXT(description),
                      P_TEXT(text_key(a, description)), P_INT(is_active), P_INT(id_of(who)), P_INT(now)),
                  e);
}

RESULT role_update(struct db *db, struct arena *a, const struct caller *who, enum face face, int64_t number,
                   const struct role_change *with, int64_t now, struct err *e)
{
    struct grant g;
    struct role was;
    struct rights rights;
    TRY(role_get(db, a, face, number, &was, e));
    TRY(grant_begin(db, a, who, &g, e));
    TRY(grant_may_change_role(db, a, &g, was.id, e));
    struct str name = str_is_set(with->name) ? text_trim(with->name) : was.name;
    TRY(read_rights(face, &with->rights, &rights, e));
    TRY(check_builtin(&was, name, with, &rights, e));
    if (!str_equal(name, was.name))
        TRY(check_name(db, a, face, name, was.id, e));
    TRY(write_role(db, a, who, &was, name, with, now, e));
    if (with->rights.is_set)
        TRY(write_rights(db, was.id, &rights, e));
    return write_parts(db, a, &g, face, was.id, with, now, e);
}

RESULT role_delete(struct db *db, struct arena *a, const struct caller *who, enum face face, int64_t number,
                   int64_t now, struct err *e)
{
    struct grant g;
    struct role was;
    TRY(role_get(db, a, face, number, &was, e));
    TRY(grant_begin(db, a, who, &g, e));
    TRY(grant_may_change_role(db, a, &g, was.id, e));
    if (was.is_builtin)
        return FAIL(e, CONFLICT, "A built-in role cannot be deleted");
    const int64_t *member = was.members.at;
    for (size_t i = 0; i < was.members.n && face == FACE_CONTROLROOM; i++)
        TRY(user_end_tokens(db, member[i], now, e));
    return db_run(db, SQL("DELETE FROM roles WHERE id = $1", P_INT(was.id)), e);
}

/* A member holds what the role holds, so the check of the user is one of the role too. */
static RESULT change_member(struct db *db, struct arena *a, const struct caller *who, enum face face, int64_t number,
                            int64_t user_id, bool joins, int64_t now, struct err *e)
{
    struct grant g;
    struct role role;
    struct rows rows;
    bool is_enabled;
    TRY(role_get(db, a, face, number, &role, e));
    TRY(user_exists(db, a, user_id, &is_enabled, e));
    TRY(grant_begin(db, a, who, &g, e));
    TRY(grant_may_change_user(db, a, &g, user_id, e));
    TRY(db_query(db, a,
                 SQL("SELECT 1 FROM role_members WHERE role_id = $1 AND user_id = $2", P_INT(role.id), P_INT(user_id)),
                 &rows, e));
    if (joins && rows.n > 0)
        return FAIL(e, CONFLICT, "The user is a member already");
    if (!joins && rows.n == 0)
        return FAIL(e, NOT_FOUND, "The user is not a member");
    struct difference d = {.added = &user_id, .added_count = joins, .removed = &user_id, .removed_count = !joins};
    return write_members(db, a, &g, face, role.id, &d, now, e);
}

RESULT role_add_member(struct db *db, struct arena *a, const struct caller *who, enum face face, int64_t number,
                       int64_t user_id, int64_t now, struct err *e)
{
    return change_member(db, a, who, face, number, user_id, true, now, e);
}

RESULT role_remove_member(struct db *db, struct arena *a, const struct caller *who, enum face face, int64_t number,
                          int64_t user_id, int64_t now, struct err *e)
{
    return change_member(db, a, who, face, number, user_id, false, now, e);
}
