/* rotation/own_budget.c: the failed logins of functional accounts: every job of a system signs in as that one, so a
 * password that somebody else has changed would soon have it locked (I4). */
#include "rotation/attempt.h"

#include "accounts/functional.h"
#include "base/text.h"

/* Whose systems' failures count together: those of one directory, and of an account that says of which domain it is.
 * $1 the functional account, $2 this system, $3 is it a directory's, $4 its name's key. */
#define SHARES_BUDGET                                                                                                  \
    "s.functional_account_id = $1 AND (s.id = $2 OR ($3 = 1 AND (s.name_key = $4 OR EXISTS (SELECT 1 FROM "            \
    "functional_accounts f WHERE f.id = $1 AND f.domain_name <> ''))))"

result own_budget_row(struct db *db, struct arena *a, const struct managed_system *s, int64_t *ret, struct err *e)
{
    *ret = -s->id;
    if (!s->functional_account_id.is_set || !platform_is_directory(s->platform_id))
        return SUCCESS;
    int64_t first;
    TRY(db_insert(db,
                  SQL("SELECT COALESCE(MIN(s.id), 0) FROM managed_systems s WHERE " SHARES_BUDGET,
                      P_INT(s->functional_account_id.value), P_INT(s->id), P_INT(platform_is_directory(s->platform_id)),
                      P_TEXT(text_key(a, s->name))),
                  &first, "no count", e));
    if (first)
        *ret = -first;
    return SUCCESS;
}

/* Jobs that may be signing in at this moment, each with a password that may be wrong; one that is applying has been let
 * in. */
static result count_signing_in(struct db *db, const struct attempt *t, int64_t now, int64_t *ret, struct err *e)
{
    const struct managed_system *s = &t->system;
    return db_insert(db,
                     SQL("SELECT COUNT(*) FROM jobs j JOIN managed_systems s ON s.id = j.system_id WHERE "
                         "j.is_open = 1 AND j.leased_until > $5 AND j.handed_at > 0 AND j.state <> 'applying' AND "
                         "j.id <> $6 AND " SHARES_BUDGET,
                         P_INT(s->functional_account_id.value), P_INT(s->id),
                         P_INT(platform_is_directory(s->platform_id)), P_TEXT(text_key(t->arena, s->name)), P_INT(now),
                         P_INT(t->job.id)),
                     ret, "no count", e);
}

/* Where a key lets in, only sudo asks for the password; a host counts a wrong one twice (attempt_count_denied). */
static int64_t cost_of_failing(const struct attempt *t)
{
    return t->functional.secret.private_key && str_equal(t->functional.elevation, S("sudo")) ? 2 : 1;
}

result own_let_sign_in(struct db *db, struct attempt *t, struct err *e)
{
    struct login_budget b;
    int64_t others, now = clock_now(), cost = cost_of_failing(t);
    if (!t->functional.is_set || !t->functional.secret.password)
        return SUCCESS;
    TRY(budget_get(db, t->arena, t->functional_budget, now, &b, e));
    if (b.left < cost) {
        struct civil c = time_to_civil(b.until);
        return FAIL_AS(e, BUSY, "budget", "failed-login budget of the functional account spent until %02d:%02d", c.hour,
                       c.minute);
    }
    /* One system's lanes alone can do no more than that. */
    if ((int64_t)t->config->per_system * cost <= b.left && !platform_is_directory(t->system.platform_id))
        return SUCCESS;
    TRY(count_signing_in(db, t, now, &others, e));
    if ((others + 1) * cost <= b.left)
        return SUCCESS;
    return FAIL_AS(e, BUSY, OWN_WAITS,
                   "%" PRId64 " other jobs are signing in as the functional account, which may fail to log in %" PRId64
                   " more times",
                   others, b.left);
}
