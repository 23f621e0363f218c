/* accounts/policy.c: access policies, and which one applies (passwordsafe-api 7.9). */
#include "accounts/member.h"
#include "accounts/request.h"

#define POLICY_COLUMNS           "p.id, p.min_approvers, p.max_concurrent, p.name, p.description, p.require_reason"
#define POLICY_OF_ADMINISTRATORS 5000

static struct access_policy policy_of(const struct rows *r, size_t i)
{
    return (struct access_policy){.id = row_int(r, i, 0),
                                  .min_approvers = row_int(r, i, 1),
                                  .max_concurrent = row_int(r, i, 2),
                                  .name = row_text(r, i, 3),
                                  .description = row_text(r, i, 4),
                                  .require_reason = row_flag(r, i, 5)};
}

result access_policy_list(struct db *db, struct arena *a, struct access_policy **ret, size_t *ret_n, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a, SQL("SELECT " POLICY_COLUMNS " FROM access_policies p ORDER BY p.id"), &r, e));
    *ret = arena_array(a, struct access_policy, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = policy_of(&r, i);
    *ret_n = r.n;
    return SUCCESS;
}

result access_policy_get(struct db *db, struct arena *a, int64_t id, struct access_policy *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT " POLICY_COLUMNS " FROM access_policies p WHERE p.id = $1", P_INT(id)),
                     "Access Policy", &r, e));
    *ret = policy_of(&r, 0);
    return SUCCESS;
}

/* Each group with a requestor role lets its members in by its own policy: who is in several has the easiest way. */
result access_policy_for(struct db *db, struct arena *a, const struct caller *who, int64_t account_id,
                         struct access_policy *ret, struct err *e)
{
    struct rows r = {0};
    if (who->carries_passwordsafe || who->rights.is_administrator)
        TRY(db_query(
            db, a,
            SQL("SELECT " POLICY_COLUMNS " FROM role_members k JOIN roles g ON g.id = k.role_id AND g.face = 2 AND "
                "g.is_active = 1 JOIN rule_access x ON x.role_id = g.id AND x.level >= 1 JOIN access_policies p ON "
                "p.id = x.access_policy_id JOIN smart_rules r ON r.id = x.rule_id JOIN managed_accounts m ON m.id = $2 "
                "AND m.deleted_at = 0 WHERE k.user_id = $1 AND EXISTS (SELECT 1 FROM rule_roles q WHERE "
                "q.role_id = x.role_id AND q.rule_id = x.rule_id AND q.rule_role IN (1, 3)) AND" RULE_HOLDS_ACCOUNT
                "ORDER BY p.min_approvers, p.require_reason, p.id LIMIT 1",
                P_INT(who->user_id), P_INT(account_id)),
            &r, e));
    if (r.n == 0 && who->rights.is_administrator)
        return access_policy_get(db, a, POLICY_OF_ADMINISTRATORS, ret, e);
    if (r.n == 0)
        return FAIL(e, NOT_FOUND, "Access Policy not found");
    *ret = policy_of(&r, 0);
    return SUCCESS;
}

result access_policy_needs_approval(struct db *db, struct arena *a, int64_t account_id, bool *ret, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT 1 FROM rule_access x JOIN access_policies p ON p.id = x.access_policy_id AND "
                     "p.min_approvers > 0 JOIN smart_rules r ON r.id = x.rule_id JOIN managed_accounts m ON m.id = $1 "
                     "WHERE x.level >= 1 AND" RULE_HOLDS_ACCOUNT "LIMIT 1",
                     P_INT(account_id)),
                 &r, e));
    *ret = r.n > 0;
    return SUCCESS;
}
