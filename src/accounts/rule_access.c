/* accounts/rule_access.c: what user groups may do on smart rules. */
#include "accounts/check.h"
#include "accounts/rule.h"

static const struct {
    int64_t role;
    const char *name;
} role_names[] = {
    {ROLE_REQUESTOR, "Requestor"},
    {ROLE_APPROVER, "Approver"},
    {ROLE_REQUESTOR_APPROVER, "Requestor/Approver"},
    {ROLE_ISA, "Information Systems Administrator"},
    {ROLE_AUDITOR, "Auditor"},
    {ROLE_CREDENTIALS_MANAGER, "Credentials Manager"},
    {ROLE_RECORDED_REVIEWER, "Recorded Session Reviewer"},
    {ROLE_ACTIVE_REVIEWER, "Active Session Reviewer"},
};

const char *rule_role_name(int64_t role)
{
    for (size_t i = 0; i < sizeof role_names / sizeof role_names[0]; i++)
        if (role_names[i].role == role)
            return role_names[i].name;
    return NULL;
}

/* Without access there are no roles either: the row goes, and with it the roles on it, so that they do not come back
 * with the next level. */
result rule_set_level(struct db *db, struct arena *a, int64_t group_number, int64_t rule_id, enum level level,
                      struct err *e)
{
    int64_t group;
    struct smart_rule rule;
    TRY(group_row(db, a, group_number, &group, e));
    TRY(rule_get(db, a, rule_id, &rule, e));
    if (level != LEVEL_NONE && level != LEVEL_READ && level != LEVEL_WRITE)
        return FAIL(e, INVALID, "AccessLevelID: must be 0, 1 or 3");
    if (level == LEVEL_NONE)
        return db_run(
            db, SQL("DELETE FROM rule_access WHERE role_id = $1 AND rule_id = $2", P_INT(group), P_INT(rule_id)), e);
    return db_run(db,
                  SQL("INSERT INTO rule_access (role_id, rule_id, level) VALUES ($1, $2, $3) "
                      "ON CONFLICT (role_id, rule_id) DO UPDATE SET level = excluded.level",
                      P_INT(group), P_INT(rule_id), P_INT(level)),
                  e);
}

static result check_policy(struct db *db, struct arena *a, int64_t id, bool is_needed, struct err *e)
{
    bool exists;
    if (id == 0 && is_needed)
        return FAIL(e, INVALID, "AccessPolicyID: is required with a Requestor role");
    if (id == 0)
        return SUCCESS;
    TRY(has_row(db, a, SQL("SELECT 1 FROM access_policies WHERE id = $1", P_INT(id)), &exists, e));
    if (!exists)
        return FAIL(e, INVALID, "AccessPolicyID: unknown");
    return SUCCESS;
}

static result check_roles(const struct smart_rule *rule, const int64_t *roles, size_t n, bool *ret_has_requestor,
                          struct err *e)
{
    *ret_has_requestor = false;
    if (n > 0 && str_equal(rule->rule_type, S("Asset")))
        return FAIL(e, INVALID, "Roles: a rule of assets takes none");
    for (size_t i = 0; i < n; i++) {
        if (!rule_role_name(roles[i]))
            return FAIL(e, INVALID, "Roles: there is no RoleID %" PRId64, roles[i]);
        *ret_has_requestor |= roles[i] == ROLE_REQUESTOR || roles[i] == ROLE_REQUESTOR_APPROVER;
    }
    return SUCCESS;
}

result rule_set_roles(struct db *db, struct arena *a, int64_t group_number, int64_t rule_id, const int64_t *roles,
                      size_t n, int64_t access_policy_id, struct err *e)
{
    int64_t group;
    struct smart_rule rule;
    bool has_access, has_requestor;
    TRY(group_row(db, a, group_number, &group, e));
    TRY(rule_get(db, a, rule_id, &rule, e));
    TRY(check_roles(&rule, roles, n, &has_requestor, e));
    TRY(has_row(db, a,
                SQL("SELECT 1 FROM rule_access WHERE role_id = $1 AND rule_id = $2 AND level >= 1", P_INT(group),
                    P_INT(rule_id)),
                &has_access, e));
    if (!has_access && n > 0)
        return FAIL(e, INVALID, "Set an AccessLevel before setting roles");
    TRY(check_policy(db, a, access_policy_id, has_requestor, e));
    TRY(db_run(db, SQL("DELETE FROM rule_roles WHERE role_id = $1 AND rule_id = $2", P_INT(group), P_INT(rule_id)), e));
    TRY(db_run(db,
               SQL("UPDATE rule_access SET access_policy_id = $3 WHERE role_id = $1 AND rule_id = $2", P_INT(group),
                   P_INT(rule_id), P_INT(n > 0 ? access_policy_id : 0)),
               e));
    for (size_t i = 0; i < n; i++)
        TRY(db_run(
            db,
            SQL("INSERT INTO rule_roles (role_id, rule_id, rule_role) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                P_INT(group), P_INT(rule_id), P_INT(roles[i])),
            e));
    return SUCCESS;
}

result rule_roles(struct db *db, struct arena *a, int64_t group_number, int64_t rule_id, int64_t **ret, size_t *ret_n,
                  struct err *e)
{
    int64_t group;
    struct smart_rule rule;
    struct rows r;
    TRY(group_row(db, a, group_number, &group, e));
    TRY(rule_get(db, a, rule_id, &rule, e));
    TRY(db_query(db, a,
                 SQL("SELECT rule_role FROM rule_roles WHERE role_id = $1 AND rule_id = $2 ORDER BY rule_role",
                     P_INT(group), P_INT(rule_id)),
                 &r, e));
    *ret = arena_array(a, int64_t, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = row_int(&r, i, 0);
    *ret_n = r.n;
    return SUCCESS;
}
