/* accounts/request_write.c: what becomes of requests: approved, denied, checked in, ended. */
#include <stdlib.h>

#include "accounts/request_row.h"

/* The end moves to now: so the index by which the tick finds what is over finds this one too. */
result request_end(struct db *db, int64_t id, const char *status, int64_t now, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE requests SET status = $2, ended_at = $3, ends_at = $3 WHERE id = $1", P_INT(id),
                      P_TEXT(str_of(status)), P_INT(now)),
                  e);
}

result request_mark_released(struct db *db, int64_t id, struct err *e)
{
    return db_run(db, SQL("UPDATE requests SET was_released = 1 WHERE id = $1", P_INT(id)), e);
}

static result get_own(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct request *ret,
                      struct err *e)
{
    struct request r;
    TRY(request_get(db, a, id, &r, e));
    if (r.user_id != who->user_id)
        return FAIL_AS(e, DENIED, "4031", "The request is another user's");
    *ret = r;
    return SUCCESS;
}

result request_checkin(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now, struct err *e)
{
    struct request r;
    TRY(get_own(db, a, who, id, &r, e));
    if (request_is_over(&r, now))
        return SUCCESS;
    return request_end(db, id, str_equal(r.status, S("Active")) ? "CheckedIn" : "Cancelled", now, e);
}

result request_rotate_on_checkin(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now,
                                 struct err *e)
{
    struct request r;
    result found = get_own(db, a, who, id, &r, e);
    if (found.code == NOT_FOUND)
        return FAIL(e, INVALID, "id: there is no such request"); /* 400, as documented (passwordsafe-api 7.5) */
    TRY(found);
    if (request_is_over(&r, now))
        return FAIL(e, INVALID, "The request has ended");
    return db_run(db, SQL("UPDATE requests SET rotate_on_checkin = 1 WHERE id = $1", P_INT(id)), e);
}

/* ---- approving ---- */

static result get_to_decide(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now,
                            struct request *ret, struct err *e)
{
    TRY(must_have_role(db, a, who, approver_roles, requestor_roles, "4033", e));
    TRY(request_get(db, a, id, ret, e));
    if (ret->user_id == who->user_id)
        return FAIL_AS(e, DENIED, "4031", "Nobody decides his own request");
    TRY(must_have_role_on(db, a, who, approver_roles, NULL, NULL, ret->account_id, e));
    if (request_is_over(ret, now) || !str_equal(ret->status, S("Pending")))
        return FAIL(e, INVALID, "The request is not pending");
    return SUCCESS;
}

result request_approve(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now, struct err *e)
{
    struct request r;
    int64_t approvals;
    TRY(get_to_decide(db, a, who, id, now, &r, e));
    TRY(db_run(db,
               SQL("INSERT INTO request_approvals (request_id, user_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                   P_INT(id), P_INT(who->user_id), P_INT(now)),
               e));
    TRY(db_insert(db, SQL("SELECT COUNT(*) FROM request_approvals WHERE request_id = $1", P_INT(id)), &approvals, "",
                  e));
    if (approvals < r.min_approvers)
        return SUCCESS;
    return db_run(
        db, SQL("UPDATE requests SET status = 'Active', approved_at = $2 WHERE id = $1", P_INT(id), P_INT(now)), e);
}

result request_deny(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now, struct err *e)
{
    struct request r;
    TRY(get_to_decide(db, a, who, id, now, &r, e));
    return request_end(db, id, "Denied", now, e);
}

/* ---- ending many ---- */

static int by_number(const void *one, const void *other)
{
    int64_t x = *(const int64_t *)one, y = *(const int64_t *)other;
    return (x > y) - (x < y);
}

result request_terminate(struct db *db, struct arena *a, int64_t account_id, int64_t system_id, int64_t user_id,
                         int64_t now, int64_t **ret_ids, size_t *ret_n, struct err *e)
{
    struct builder b;
    struct rows r;
    if (!account_id && !system_id && !user_id)
        return FAIL(e, INTERNAL, "the requests of no account, system or user were to be ended");
    builder_init(&b, a);
    builder_add(&b, "UPDATE requests SET status = 'Cancelled', ended_at =");
    builder_param(&b, P_INT(now));
    builder_add(&b, ", ends_at =");
    builder_param(&b, P_INT(now));
    builder_add(&b, " WHERE status IN ('Active', 'Pending') AND ends_at >");
    builder_param(&b, P_INT(now));
    if (account_id) {
        builder_add(&b, " AND account_id =");
        builder_param(&b, P_INT(account_id));
    }
    if (system_id) {
        builder_add(&b, " AND account_id IN (SELECT m.id FROM managed_accounts m WHERE m.system_id =");
        builder_param(&b, P_INT(system_id));
        builder_add(&b, ")");
    }
    if (user_id) {
        builder_add(&b, " AND user_id =");
        builder_param(&b, P_INT(user_id));
    }
    builder_add(&b, " RETURNING id");
    TRY(db_query(db, a, builder_sql(&b), &r, e));
    int64_t *ids = arena_array(a, int64_t, r.n);
    for (size_t i = 0; i < r.n; i++)
        ids[i] = row_int(&r, i, 0);
    qsort(ids, r.n, sizeof *ids, by_number);
    *ret_ids = ids;
    *ret_n = r.n;
    return SUCCESS;
}
