/* identity/user.c: reading users. */
#include "identity/user.h"

#include "base/text.h"
#include "db/filter.h"
#include "identity/gather.h"

#define USER_COLUMNS                                                                                                   \
    "u.id, u.name, u.user_type, u.domain, u.first_name, u.last_name, u.email, u.description, u.license_features,"      \
    " CASE WHEN u.password_hash IS NULL THEN 0 ELSE 1 END, u.enable_auto_login, u.is_disabled, u.is_quarantined,"      \
    " COALESCE(u.access_policy_id, 0), u.last_login_at, u.version, u.created_by, u.created_at, u.updated_by,"          \
    " u.updated_at, u.tokens_valid_after, u.client_id"

const struct column user_columns[] = {
    {"id", COLUMN_ID, "u.id"},
    {"username", COLUMN_TEXT, "u.name_key"},
    {"domain", COLUMN_TEXT, "u.domain_key"},
    {"firstName", COLUMN_TEXT, "u.first_name_key"},
    {"lastName", COLUMN_TEXT, "u.last_name_key"},
    {"email", COLUMN_TEXT, "u.email_key"},
    {"description", COLUMN_TEXT, "u.description_key"},
    {"principalId", COLUMN_ID, "u.id"},
    {"version", COLUMN_ID, "u.version"},
    {"createdOn", COLUMN_TIME, "u.created_at"},
    {"updatedOn", COLUMN_TIME, "u.updated_at"},
    {"disabled", COLUMN_FLAG, "u.is_disabled"},
    {"enableAutoLogin", COLUMN_FLAG, "u.enable_auto_login"},
    {0},
};

static struct user user_of_row(const struct rows *r, size_t i)
{
    return (struct user){
        .id = row_int(r, i, 0),
        .name = row_text(r, i, 1),
        .user_type = row_text(r, i, 2),
        .domain = row_text(r, i, 3),
        .first_name = row_text(r, i, 4),
        .last_name = row_text(r, i, 5),
        .email = row_text(r, i, 6),
        .description = row_text(r, i, 7),
        .license_features = row_text(r, i, 8),
        .has_password = row_flag(r, i, 9),
        .enable_auto_login = row_flag(r, i, 10),
        .is_disabled = row_flag(r, i, 11),
        .is_quarantined = row_flag(r, i, 12),
        .access_policy_id = row_int(r, i, 13),
        .last_login_at = row_int(r, i, 14),
        .version = row_int(r, i, 15),
        .created_by = row_int(r, i, 16),
        .created_at = row_int(r, i, 17),
        .updated_by = row_int(r, i, 18),
        .updated_at = row_int(r, i, 19),
        .tokens_valid_after = row_int(r, i, 20),
        .client_id = row_text(r, i, 21),
    };
}

/* Of rows (user id, face, role id, number, name, version): those of one face. */
static struct list roles_on(struct arena *a, const struct rows *rows, struct span s, enum face face)
{
    struct role_ref *refs = arena_array(a, struct role_ref, s.n);
    struct list found = {.at = refs, .is_set = true};
    for (size_t i = s.from; i < s.from + s.n; i++)
        if (row_int(rows, i, 1) == (int64_t)face)
            refs[found.n++] = (struct role_ref){.id = row_int(rows, i, 2),
                                                .number = row_int(rows, i, 3),
                                                .name = row_text(rows, i, 4),
                                                .version = row_int(rows, i, 5)};
    return found;
}

static RESULT fill_roles(struct db *db, struct arena *a, struct user *users, size_t n, struct err *e)
{
    int64_t *ids = arena_array(a, int64_t, GATHER_MAX);
    for (size_t start = 0; start < n; start += GATHER_MAX) {
        size_t count = n - start < GATHER_MAX ? n - start : GATHER_MAX;
        for (size_t i = 0; i < count; i++)
            ids[i] = users[start + i].id;
        struct rows rows;
        TRY(gather(db, a,
                   "SELECT m.user_id, r.face, r.id, r.number, r.name, r.version"
                   " FROM role_members m JOIN roles r ON r.id = m.role_id",
                   "m.user_id", ids, count, " ORDER BY m.user_id, r.number, r.id", &rows, e));
        for (size_t i = start; i < start + count; i++) {
            struct span s = rows_of_owner(&rows, users[i].id);
            users[i].roles = roles_on(a, &rows, s, FACE_CONTROLROOM);
            users[i].groups = roles_on(a, &rows, s, FACE_PASSWORDSAFE);
        }
    }
    return SUCCESS;
}

static RESULT users_of_rows(struct db *db, struct arena *a, const struct rows *rows, struct user **ret, size_t *ret_n,
                            struct err *e)
{
    struct user *users = arena_array(a, struct user, rows->n);
    for (size_t i = 0; i < rows->n; i++)
        users[i] = user_of_row(rows, i);
    TRY(fill_roles(db, a, users, rows->n, e));
    *ret = users;
    *ret_n = rows->n;
    return SUCCESS;
}

RESULT user_get(struct db *db, struct arena *a, int64_t id, struct user *ret, struct err *e)
{
    struct rows rows;
    TRY(db_query_one(db, a, SQL("SELECT " USER_COLUMNS " FROM users u WHERE u.id = $1 AND u.is_deleted = 0", P_INT(id)),
                     "User", &rows, e));
    struct user *users;
    size_t n;
    TRY(users_of_rows(db, a, &rows, &users, &n, e));
    *ret = users[0];
    return SUCCESS;
}

/* A name may itself hold a backslash, so the whole of it comes first. */
RESULT user_id_by_name(struct db *db, struct arena *a, struct str name, int64_t *ret, struct err *e)
{
    struct rows rows;
    if (!str_is_set(name) || !text_is_utf8(name))
        return FAIL(e, NOT_FOUND, "User not found");
    TRY(db_query(db, a, SQL("SELECT id FROM users WHERE name_key = $1 AND is_deleted = 0", P_TEXT(text_key(a, name))),
                 &rows, e));
    struct str rest = name, domain = str_cut(&rest, '\\');
    if (rows.n == 0 && str_is_set(rest) && domain.n > 0)
        TRY(db_query(db, a,
                     SQL("SELECT id FROM users WHERE name_key = $1 AND domain_key = $2 AND is_deleted = 0",
                         P_TEXT(text_key(a, rest)), P_TEXT(text_key(a, domain))),
                     &rows, e));
    if (rows.n == 0)
        return FAIL(e, NOT_FOUND, "User not found");
    *ret = row_int(&rows, 0, 0);
    return SUCCESS;
}

RESULT user_by_name(struct db *db, struct arena *a, struct str name, struct user *ret, struct err *e)
{
    int64_t id;
    TRY(user_id_by_name(db, a, name, &id, e));
    return user_get(db, a, id, ret, e);
}

RESULT user_exists(struct db *db, struct arena *a, int64_t id, bool *ret_is_enabled, struct err *e)
{
    struct rows rows;
    TRY(db_query_one(db, a,
                     SQL("SELECT is_disabled, is_quarantined FROM users WHERE id = $1 AND is_deleted = 0", P_INT(id)),
                     "User", &rows, e));
    *ret_is_enabled = !row_flag(&rows, 0, 0) && !row_flag(&rows, 0, 1);
    return SUCCESS;
}

RESULT user_groups(struct db *db, struct arena *a, int64_t id, enum face face, struct list *ret, struct err *e)
{
    struct user u;
    TRY(user_get(db, a, id, &u, e));
    *ret = face == FACE_CONTROLROOM ? u.roles : u.groups;
    return SUCCESS;
}

RESULT user_list(struct db *db, struct arena *a, const struct listing *l, struct counts *ret_counts, struct user **ret,
                 size_t *ret_n, struct err *e)
{
    struct builder from;
    struct counts counts;
    struct rows rows;
    builder_init(&from, a);
    builder_add(&from, "FROM users u WHERE u.is_deleted = 0");
    TRY(filter_run(db, a, USER_COLUMNS, &from, l, "u.id", &counts, &rows, e));
    TRY(users_of_rows(db, a, &rows, ret, ret_n, e));
    *ret_counts = counts;
    return SUCCESS;
}

RESULT user_list_all(struct db *db, struct arena *a, bool with_inactive, int64_t group_id_or_0, struct user **ret,
                     size_t *ret_n, struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a,
                 SQL("SELECT " USER_COLUMNS " FROM users u WHERE u.is_deleted = 0 AND (u.is_disabled = 0 OR $1 = 1)"
                     " AND ($2 = 0 OR EXISTS (SELECT 1 FROM role_members m WHERE m.role_id = $2"
                     " AND m.user_id = u.id)) ORDER BY u.id",
                     P_INT(with_inactive), P_INT(group_id_or_0)),
                 &rows, e));
    return users_of_rows(db, a, &rows, ret, ret_n, e);
}
