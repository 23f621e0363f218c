/* identity/role.c: reading roles and groups. */
#include "identity/role.h"

#include "base/text.h"
#include "db/filter.h"
#include "identity/gather.h"
#include "identity/role_name.h"

#define ROLE_COLUMNS                                                                                                   \
    "r.id, r.number, r.face, r.name, r.description, r.is_builtin, r.is_active, r.version, r.created_by, r.created_at," \
    " r.updated_by, r.updated_at"

const struct column role_columns[] = {
    {"id", COLUMN_ID, "r.number"},
    {"name", COLUMN_TEXT, "r.name_key"},
    {"description", COLUMN_TEXT, "r.description_key"},
    {"countPrincipals", COLUMN_ID, "(SELECT count(*) FROM role_members m WHERE m.role_id = r.id)"},
    {"version", COLUMN_ID, "r.version"},
    {"createdOn", COLUMN_TIME, "r.created_at"},
    {"updatedOn", COLUMN_TIME, "r.updated_at"},
    {0},
};

static struct role role_of_row(const struct rows *r, size_t i)
{
    return (struct role){
        .id = row_int(r, i, 0),
        .number = row_int(r, i, 1),
        .face = (enum face)row_int(r, i, 2),
        .name = row_text(r, i, 3),
        .description = row_text(r, i, 4),
        .is_builtin = row_flag(r, i, 5),
        .is_active = row_flag(r, i, 6),
        .version = row_int(r, i, 7),
        .created_by = row_int(r, i, 8),
        .created_at = row_int(r, i, 9),
        .updated_by = row_int(r, i, 10),
        .updated_at = row_int(r, i, 11),
    };
}

static struct list ids_of(struct arena *a, const struct rows *rows, int64_t role_id)
{
    struct span s = rows_of_owner(rows, role_id);
    int64_t *ids = arena_array(a, int64_t, s.n);
    for (size_t i = 0; i < s.n; i++)
        ids[i] = row_int(rows, s.from + i, 1);
    return (struct list){.at = ids, .n = s.n, .is_set = true};
}

static struct list rights_of(struct arena *a, const struct rows *rows, int64_t role_id)
{
    struct span s = rows_of_owner(rows, role_id);
    struct role_right *rights = arena_array(a, struct role_right, s.n);
    for (size_t i = 0; i < s.n; i++)
        rights[i] =
            (struct role_right){(enum right)row_int(rows, s.from + i, 1), (enum level)row_int(rows, s.from + i, 2)};
    return (struct list){.at = rights, .n = s.n, .is_set = true};
}

static RESULT fill_chunk(struct db *db, struct arena *a, struct role *roles, const int64_t *ids, size_t n,
                         struct err *e)
{
    struct rows rights, members, registrations;
    TRY(gather(db, a, "SELECT x.role_id, x.right_id, x.level FROM role_rights x", "x.role_id", ids, n,
               " ORDER BY x.role_id, x.right_id", &rights, e));
    TRY(gather(db, a, "SELECT m.role_id, m.user_id FROM role_members m", "m.role_id", ids, n,
               " ORDER BY m.role_id, m.user_id", &members, e));
    TRY(gather(db, a, "SELECT g.role_id, g.registration_id FROM role_registrations g", "g.role_id", ids, n,
               " ORDER BY g.role_id, g.registration_id", &registrations, e));
    for (size_t i = 0; i < n; i++) {
        roles[i].rights = rights_of(a, &rights, ids[i]);
        roles[i].members = ids_of(a, &members, ids[i]);
        roles[i].member_count = (int64_t)roles[i].members.n;
        roles[i].registrations = ids_of(a, &registrations, ids[i]);
    }
    return SUCCESS;
}

static RESULT roles_of_rows(struct db *db, struct arena *a, const struct rows *rows, struct role **ret, size_t *ret_n,
                            struct err *e)
{
    struct role *roles = arena_array(a, struct role, rows->n);
    int64_t *ids = arena_array(a, int64_t, rows->n);
    for (size_t i = 0; i < rows->n; i++) {
        roles[i] = role_of_row(rows, i);
        ids[i] = roles[i].id;
    }
    for (size_t start = 0; start < rows->n; start += GATHER_MAX) {
        size_t n = rows->n - start < GATHER_MAX ? rows->n - start : GATHER_MAX;
        TRY(fill_chunk(db, a, roles + start, ids + start, n, e));
    }
    *ret = roles;
    *ret_n = rows->n;
    return SUCCESS;
}

static RESULT one_role(struct db *db, struct arena *a, const struct rows *rows, enum face face, struct role *ret,
                       struct err *e)
{
    struct role *roles;
    size_t n;
    if (rows->n == 0)
        return FAIL(e, NOT_FOUND, "%s not found", face == FACE_CONTROLROOM ? "Role" : "User Group");
    TRY(roles_of_rows(db, a, rows, &roles, &n, e));
    *ret = roles[0];
    return SUCCESS;
}

RESULT role_get(struct db *db, struct arena *a, enum face face, int64_t number, struct role *ret, struct err *e)
{
    struct rows rows;
    TRY(db_query(
        db, a,
        SQL("SELECT " ROLE_COLUMNS " FROM roles r WHERE r.face = $1 AND r.number = $2", P_INT(face), P_INT(number)),
        &rows, e));
    return one_role(db, a, &rows, face, ret, e);
}

RESULT role_by_name(struct db *db, struct arena *a, enum face face, struct str name, struct role *ret, struct err *e)
{
    struct rows rows = {0};
    if (str_is_set(name) && text_is_utf8(name))
        TRY(db_query(db, a,
                     SQL("SELECT " ROLE_COLUMNS " FROM roles r WHERE r.face = $1 AND r.name_key = $2", P_INT(face),
                         P_TEXT(role_name_lookup_key(a, face, name))),
                     &rows, e));
    return one_role(db, a, &rows, face, ret, e);
}

/* One built-in role answers to several names (controlroom-api 3.4). As deep as filters may be. */
static struct filter with_lookup_keys(struct arena *a, enum face face, struct filter f)
{
    struct filter *operands = arena_array(a, struct filter, f.n);
    for (size_t i = 0; i < f.n; i++)
        operands[i] = with_lookup_keys(a, face, f.operands[i]);
    f.operands = operands;
    bool is_whole_name =
        f.column && str_equal(str_of(f.column->name), S("name")) && (f.op == FILTER_EQ || f.op == FILTER_NE);
    if (is_whole_name && f.text.n)
        f.text = role_name_lookup_key(a, face, f.text);
    return f;
}

RESULT role_list(struct db *db, struct arena *a, enum face face, const struct listing *l, struct counts *ret_counts,
                 struct role **ret, size_t *ret_n, struct err *e)
{
    struct builder from;
    struct counts counts;
    struct rows rows;
    struct listing by_key = *l;
    by_key.where = with_lookup_keys(a, face, l->where);
    builder_init(&from, a);
    builder_add(&from, "FROM roles r WHERE r.face =");
    builder_param(&from, P_INT(face));
    TRY(filter_run(db, a, ROLE_COLUMNS, &from, &by_key, "r.id", &counts, &rows, e));
    TRY(roles_of_rows(db, a, &rows, ret, ret_n, e));
    *ret_counts = counts;
    return SUCCESS;
}

RESULT role_list_all(struct db *db, struct arena *a, enum face face, struct role **ret, size_t *ret_n, struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a,
                 SQL("SELECT " ROLE_COLUMNS " FROM roles r WHERE r.face = $1 ORDER BY r.number, r.id", P_INT(face)),
                 &rows, e));
    return roles_of_rows(db, a, &rows, ret, ret_n, e);
}
