/* accounts/request_settle.c: what the end of a request starts: the account turns, if it was released
 * (passwordsafe-api 8.2). */
#include "accounts/request.h"

enum { SLICE = 100 };

struct ended {
    int64_t id, account_id;
    bool turns;     /* released, and the account is one that turns after a release */
    bool is_shared; /* several may have it at once: it turns after the last of them */
};

static result load_ended(struct db *db, struct arena *a, int64_t now, struct ended **ret, size_t *ret_n, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT q.id, q.account_id, CASE WHEN q.was_released = 1 AND q.rotate_on_checkin = 1 AND "
                     "m.change_after_release = 1 AND m.deleted_at = 0 THEN 1 ELSE 0 END, "
                     "CASE WHEN m.max_concurrent_requests <> 1 THEN 1 ELSE 0 END FROM requests q JOIN managed_accounts "
                     "m ON m.id = q.account_id WHERE q.is_settled = 0 AND q.ends_at <= $1 ORDER BY q.ends_at, q.id "
                     "LIMIT $2",
                     P_INT(now), P_INT(SLICE)),
                 &r, e));
    *ret = arena_array(a, struct ended, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = (struct ended){row_int(&r, i, 0), row_int(&r, i, 1), row_flag(&r, i, 2), row_flag(&r, i, 3)};
    *ret_n = r.n;
    return SUCCESS;
}

static result mark_settled(struct db *db, int64_t id, struct err *e)
{
    return db_run(
        db,
        SQL("UPDATE requests SET is_settled = 1, ended_at = CASE WHEN ended_at = 0 THEN ends_at ELSE ended_at "
            "END, status = CASE WHEN status IN ('Pending', 'Active') THEN 'Expired' ELSE status END WHERE "
            "id = $1",
            P_INT(id)),
        e);
}

/* Where others still have the account, one of them takes over what this end owes: so what waits is never more than the
 * open requests, however many have ended. */
static result hand_over(struct db *db, struct arena *a, int64_t account_id, int64_t now, bool *ret_waits, struct err *e)
{
    struct rows r;
    TRY(db_query(
        db, a,
        SQL("UPDATE requests SET was_released = 1, rotate_on_checkin = 1 WHERE id IN (SELECT q.id FROM "
            "requests q WHERE q.account_id = $1 AND q.status = 'Active' AND q.ends_at + 0 > $2 ORDER BY q.ends_at "
            "DESC, q.id DESC LIMIT 1) RETURNING id",
            P_INT(account_id), P_INT(now)),
        &r, e));
    *ret_waits = r.n > 0;
    return SUCCESS;
}

static bool is_among(const int64_t *ids, size_t n, int64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

result request_settle(struct db *db, struct arena *a, int64_t now, int64_t **ret_account_ids, size_t *ret_n,
                      struct err *e)
{
    struct ended *ended;
    size_t n, found = 0;
    TRY(load_ended(db, a, now, &ended, &n, e));
    int64_t *ids = arena_array(a, int64_t, n);
    for (size_t i = 0; i < n; i++) {
        bool waits = false;
        TRY(mark_settled(db, ended[i].id, e));
        if (!ended[i].turns || is_among(ids, found, ended[i].account_id))
            continue;
        if (ended[i].is_shared)
            TRY(hand_over(db, a, ended[i].account_id, now, &waits, e));
        if (!waits)
            ids[found++] = ended[i].account_id;
    }
    *ret_account_ids = ids;
    *ret_n = found;
    return SUCCESS;
}
