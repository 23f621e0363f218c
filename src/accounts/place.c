/* accounts/place.c: the organization and its workgroups. */
#include "accounts/place.h"

#include "accounts/check.h"
#include "base/text.h"

#define WORKGROUP_COLUMNS "w.id, w.name, COALESCE((SELECT o.value FROM settings o WHERE o.name = 'organization'), '')"

static struct workgroup workgroup_of(const struct rows *r, size_t i)
{
    return (struct workgroup){.id = row_int(r, i, 0), .name = row_text(r, i, 1), .organization = row_text(r, i, 2)};
}

result workgroup_get(struct db *db, struct arena *a, int64_t id, struct workgroup *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT " WORKGROUP_COLUMNS " FROM workgroups w WHERE w.id = $1", P_INT(id)),
                     "Workgroup", &r, e));
    *ret = workgroup_of(&r, 0);
    return SUCCESS;
}

result workgroup_by_name(struct db *db, struct arena *a, struct str name, struct workgroup *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a,
                     SQL("SELECT " WORKGROUP_COLUMNS " FROM workgroups w WHERE w.name_key = $1",
                         P_TEXT(text_key(a, text_or_empty(name)))),
                     "Workgroup", &r, e));
    *ret = workgroup_of(&r, 0);
    return SUCCESS;
}

result workgroup_list(struct db *db, struct arena *a, struct workgroup **ret, size_t *ret_n, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a, SQL("SELECT " WORKGROUP_COLUMNS " FROM workgroups w ORDER BY w.id"), &r, e));
    *ret = arena_array(a, struct workgroup, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = workgroup_of(&r, i);
    *ret_n = r.n;
    return SUCCESS;
}

result workgroup_create(struct db *db, struct arena *a, struct str name, int64_t *ret_id, struct err *e)
{
    struct rows r;
    struct str trimmed = text_trim(text_or_empty(name));
    if (trimmed.n == 0)
        return FAIL(e, INVALID, "Name: is required");
    struct err found = {0};
    check_no_control("Name", trimmed, &found);
    TRY(check_end(&found, e));
    TRY(db_query(db, a,
                 SQL("INSERT INTO workgroups (name, name_key) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id",
                     P_TEXT(trimmed), P_TEXT(text_key(a, trimmed))),
                 &r, e));
    if (r.n == 0)
        return name_taken("A Workgroup", trimmed, e);
    *ret_id = row_int(&r, 0, 0);
    return SUCCESS;
}

result organization_id(struct db *db, struct arena *a, struct str *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT value FROM settings WHERE name = 'organization'"), "Organization", &r, e));
    *ret = row_text(&r, 0, 0);
    return SUCCESS;
}
