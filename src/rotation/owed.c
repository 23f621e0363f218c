/* rotation/owed.c: a change that an account owes: marked, paid, started. */
#include "rotation/owed.h"

#include "audit/audit.h"
#include "rotation/alone.h"
#include "rotation/change.h"
#include "rotation/glass.h"

enum { SLICE = 100 };
/* Whoever turns when this account is to be turned. */
#define WHO_TURNS                                                                                                      \
    "(SELECT CASE WHEN w.parent_account_id > 0 THEN w.parent_account_id ELSE w.id END FROM managed_accounts w WHERE "  \
    "w.id = $1)"

result owed_add(struct db *db, int64_t account_id, const char *trigger, int64_t now, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE managed_accounts SET owed_at = $3, owed_for = $2, owed_after = CASE WHEN owed_at = 0 OR "
                      "owed_after < current_version THEN current_version ELSE owed_after END WHERE id = " WHO_TURNS,
                      P_INT(account_id), P_TEXT(str_of(trigger)), P_INT(now)),
                  e);
}

result owed_add_for_glass(struct db *db, int64_t account_id, int64_t now, struct err *e)
{
    TRY(owed_add(db, account_id, GLASS, now, e));
    return db_run(db,
                  SQL("UPDATE managed_accounts SET owed_after = (SELECT COALESCE(MAX(v.number), 0) FROM versions v "
                      "WHERE v.account_id = managed_accounts.id) WHERE id = " WHO_TURNS,
                      P_INT(account_id)),
                  e);
}

result owed_paid(struct db *db, int64_t account_id, int64_t version, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE managed_accounts SET owed_at = 0 WHERE id = $1 AND owed_at > 0 AND owed_after < $2",
                      P_INT(account_id), P_INT(version)),
                  e);
}

result owed_given_up(struct db *db, const struct job *job, struct err *e)
{
    if (!job->is_queued)
        return SUCCESS;
    return db_run(db,
                  SQL("UPDATE managed_accounts SET owed_at = 0 WHERE id = $1 AND owed_at > 0 AND owed_at <= $2",
                      P_INT(job->account_id), P_INT(job->created_at)),
                  e);
}

result owed_forget(struct db *db, int64_t account_id, struct err *e)
{
    return db_run(db, SQL("UPDATE managed_accounts SET owed_at = 0 WHERE id = " WHO_TURNS, P_INT(account_id)), e);
}

result owed_forget_unmanaged(struct db *db, int64_t account_id, struct err *e)
{
    return db_run(
        db, SQL("UPDATE managed_accounts SET owed_at = 0 WHERE id = $1 AND owed_for <> '" GLASS "'", P_INT(account_id)),
        e);
}

result owed_hand_over(struct db *db, struct arena *a, int64_t account_id, int64_t now, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("UPDATE managed_accounts SET owed_at = 0 WHERE id = $1 AND owed_at > 0 RETURNING owed_for",
                     P_INT(account_id)),
                 &r, e));
    return r.n ? owed_add(db, account_id, arena_cstr(a, row_text(&r, 0, 0)), now, e) : SUCCESS;
}

/* ---- on the clockwork ---- */

struct debt {
    struct arena *a;
    const struct keyring *keys;
    int64_t account_id, at, now;
    struct str trigger, account_name;
    bool is_managed, is_made;
};

static result start_one(struct db *db, void *argument, struct err *e)
{
    struct debt *d = argument;
    bool is_glass = str_equal(d->trigger, S(GLASS));
    d->is_made = false;
    if (is_glass && !d->is_managed) {
        audit_note(db, "account.change.skipped", false,
                   (struct audit_object){"account", d->account_id, d->account_name}, d->account_id,
                   S("break-glass: AutoManagementFlag is false; change it by hand"));
        return owed_forget(db, d->account_id, e);
    }
    TRY(change_start(db, d->a, d->keys, d->account_id, arena_cstr(d->a, d->trigger), d->now, &d->is_made, e));
    if (!d->is_made)
        return owed_forget(db, d->account_id, e); /* it cannot be changed at all; that was noted */
    return is_glass ? glass_put_off(db, d->account_id, d->at, e) : SUCCESS;
}

result owed_start(struct db *db, struct arena *a, const struct keyring *keys, int64_t now, bool *ret_made,
                  struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT m.id, m.owed_for, m.owed_at, m.auto_management, m.name FROM managed_accounts m WHERE "
                     "m.owed_at > 0 AND m.deleted_at = 0 AND (m.owed_for <> '" GLASS "' OR m.state IN ('proved', "
                     "'unverified')) AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.account_id = m.id AND j.kind = "
                     "'change' AND j.is_open = 1) ORDER BY m.owed_at, m.id LIMIT $1",
                     P_INT(SLICE)),
                 &r, e));
    for (size_t i = 0; i < r.n; i++) {
        const char *why;
        struct debt d = {.a = a,
                         .keys = keys,
                         .account_id = row_int(&r, i, 0),
                         .at = row_int(&r, i, 2),
                         .now = now,
                         .trigger = row_text(&r, i, 1),
                         .account_name = row_text(&r, i, 4),
                         .is_managed = row_flag(&r, i, 3)};
        TRY(alone_run(db, a, &(struct alone){start_one, &d, "what is owed", d.account_id}, &why, e));
        if (why)
            TRY(owed_forget(db, d.account_id, e));
        *ret_made = *ret_made || (d.is_made && !why);
    }
    return SUCCESS;
}
