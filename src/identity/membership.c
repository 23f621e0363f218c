/* identity/membership.c: replacing the roles of a user, or the members of a role. */
#include "identity/membership.h"

#include <inttypes.h>

bool difference_is_empty(const struct difference *d)
{
    return d->added_count == 0 && d->removed_count == 0;
}

static bool is_among(const int64_t *ids, size_t n, int64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

struct difference difference_of(struct arena *a, const struct rows *present, const int64_t *wanted, size_t n)
{
    int64_t *before = arena_array(a, int64_t, present->n);
    struct difference d = {.added = arena_array(a, int64_t, n), .removed = arena_array(a, int64_t, present->n)};
    for (size_t i = 0; i < present->n; i++) {
        before[i] = row_int(present, i, 0);
        if (!is_among(wanted, n, before[i]))
            d.removed[d.removed_count++] = before[i];
    }
    for (size_t i = 0; i < n; i++)
        if (!is_among(before, present->n, wanted[i]) && !is_among(d.added, d.added_count, wanted[i]))
            d.added[d.added_count++] = wanted[i];
    return d;
}

RESULT roles_plan(struct db *db, struct arena *a, int64_t user_id, enum face face, const struct list *numbers,
                  const char *field, struct difference *ret, struct err *e)
{
    const int64_t *number = numbers->at;
    int64_t *ids = arena_array(a, int64_t, numbers->n);
    struct rows rows;
    for (size_t i = 0; i < numbers->n; i++) {
        TRY(db_query(db, a, SQL("SELECT id FROM roles WHERE face = $1 AND number = $2", P_INT(face), P_INT(number[i])),
                     &rows, e));
        if (rows.n == 0)
            return FAIL(e, INVALID, "%s: unknown role %" PRId64, field, number[i]);
        ids[i] = row_int(&rows, 0, 0);
    }
    TRY(db_query(db, a,
                 SQL("SELECT m.role_id FROM role_members m JOIN roles r ON r.id = m.role_id"
                     " WHERE m.user_id = $1 AND r.face = $2",
                     P_INT(user_id), P_INT(face)),
                 &rows, e));
    *ret = difference_of(a, &rows, ids, numbers->n);
    return SUCCESS;
}

RESULT roles_apply(struct db *db, int64_t user_id, enum face face, const struct difference *d, int64_t now,
                   struct err *e)
{
    for (size_t i = 0; i < d->added_count; i++)
        TRY(db_run(db,
                   SQL("INSERT INTO role_members (role_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                       P_INT(d->added[i]), P_INT(user_id)),
                   e));
    for (size_t i = 0; i < d->removed_count; i++)
        TRY(db_run(
            db,
            SQL("DELETE FROM role_members WHERE role_id = $1 AND user_id = $2", P_INT(d->removed[i]), P_INT(user_id)),
            e));
    if (d->removed_count > 0 && face == FACE_CONTROLROOM)
        return user_end_tokens(db, user_id, now, e);
    return SUCCESS;
}
