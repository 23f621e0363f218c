/* accounts/rule_member.c: quick rules: hand-picked lists of accounts or systems (passwordsafe-api 6.16). */
#include "accounts/check.h"
#include "accounts/rule.h"
#include "base/text.h"

enum { TITLE_MAX = 75 };

static bool is_of_systems(struct str rule_type)
{
    return str_equal(rule_type, S("ManagedSystem"));
}

static result member_exists(struct db *db, struct arena *a, struct str rule_type, int64_t id, bool *ret, struct err *e)
{
    if (is_of_systems(rule_type))
        return has_row(db, a, SQL("SELECT 1 FROM managed_systems WHERE id = $1", P_INT(id)), ret, e);
    return has_row(db, a, SQL("SELECT 1 FROM managed_accounts WHERE id = $1 AND deleted_at = 0", P_INT(id)), ret, e);
}

static result insert_members(struct db *db, struct arena *a, int64_t rule_id, struct str rule_type,
                             const struct list *ids, struct err *e)
{
    if (ids->n == 0)
        return FAIL(e, INVALID, "IDs: at least one is required");
    for (size_t i = 0; i < ids->n; i++) {
        int64_t id = ((const int64_t *)ids->at)[i];
        bool exists;
        TRY(member_exists(db, a, rule_type, id, &exists, e));
        if (!exists)
            return FAIL(e, INVALID, "IDs: there is no %s %" PRId64,
                        is_of_systems(rule_type) ? "Managed System" : "Managed Account", id);
        TRY(db_run(db,
                   SQL("INSERT INTO smart_rule_members (rule_id, member_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                       P_INT(rule_id), P_INT(id)),
                   e));
    }
    return SUCCESS;
}

static result check_new(struct quick_rule_new *w, struct err *e)
{
    struct err found = {0};
    w->title = text_trim(text_or_empty(w->title));
    if (w->title.n == 0)
        err_add_line(&found, "Title: is required");
    if (text_length(w->title) > TITLE_MAX)
        err_add_line(&found, "Title: must have at most %d characters", TITLE_MAX);
    w->category = text_or_empty(w->category);
    if (w->category.n == 0)
        w->category = S("Quick Rules");
    if (text_or_empty(w->rule_type).n == 0)
        w->rule_type = S("ManagedAccount");
    if (!is_of_systems(w->rule_type) && !str_equal(w->rule_type, S("ManagedAccount")))
        err_add_line(&found, "RuleType: must be ManagedAccount or ManagedSystem");
    return check_end(&found, e);
}

result quick_rule_create(struct db *db, struct arena *a, const struct quick_rule_new *with, int64_t now,
                         int64_t *ret_id, struct err *e)
{
    struct quick_rule_new w = *with;
    struct rows r;
    TRY(check_new(&w, e));
    TRY(db_query(db, a,
                 SQL("INSERT INTO smart_rules (title, title_key, description, category, rule_type, kind, processed_at) "
                     "VALUES ($1, $2, $3, $4, $5, 'quick', $6) ON CONFLICT DO NOTHING RETURNING id",
                     P_TEXT(w.title), P_TEXT(text_key(a, w.title)), P_TEXT(text_or_empty(w.description)),
                     P_TEXT(w.category), P_TEXT(w.rule_type), P_INT(now)),
                 &r, e));
    if (r.n == 0)
        return name_taken("A Smart Rule", w.title, e);
    int64_t id = row_int(&r, 0, 0);
    TRY(insert_members(db, a, id, w.rule_type, &w.members, e));
    *ret_id = id;
    return SUCCESS;
}

static result get_quick(struct db *db, struct arena *a, int64_t id, struct smart_rule *ret, struct err *e)
{
    struct smart_rule rule;
    TRY(rule_get(db, a, id, &rule, e));
    if (!str_equal(rule.kind, S("quick")))
        return FAIL(e, CONFLICT, "The Smart Rule '%.*s' is built in: its members are computed", STR_ARG(rule.title));
    *ret = rule;
    return SUCCESS;
}

static result mark_processed(struct db *db, int64_t id, int64_t now, struct err *e)
{
    return db_run(db, SQL("UPDATE smart_rules SET processed_at = $2 WHERE id = $1", P_INT(id), P_INT(now)), e);
}

result quick_rule_set_members(struct db *db, struct arena *a, int64_t id, const struct list *ids, int64_t now,
                              struct err *e)
{
    struct smart_rule rule;
    TRY(get_quick(db, a, id, &rule, e));
    TRY(db_run(db, SQL("DELETE FROM smart_rule_members WHERE rule_id = $1", P_INT(id)), e));
    TRY(insert_members(db, a, id, rule.rule_type, ids, e));
    return mark_processed(db, id, now, e);
}

result quick_rule_add_member(struct db *db, struct arena *a, int64_t id, int64_t member_id, int64_t now, struct err *e)
{
    struct smart_rule rule;
    bool exists;
    TRY(get_quick(db, a, id, &rule, e));
    TRY(member_exists(db, a, rule.rule_type, member_id, &exists, e));
    if (!exists)
        return FAIL(e, NOT_FOUND, "%s not found", is_of_systems(rule.rule_type) ? "Managed System" : "Managed Account");
    struct list one = {.at = &member_id, .n = 1};
    TRY(insert_members(db, a, id, rule.rule_type, &one, e));
    return mark_processed(db, id, now, e);
}

result quick_rule_remove_member(struct db *db, struct arena *a, int64_t id, int64_t member_id, int64_t now,
                                struct err *e)
{
    struct smart_rule rule;
    bool is_member, has_others;
    TRY(get_quick(db, a, id, &rule, e));
    TRY(has_row(
        db, a,
        SQL("SELECT 1 FROM smart_rule_members WHERE rule_id = $1 AND member_id = $2", P_INT(id), P_INT(member_id)),
        &is_member, e));
    if (!is_member)
        return FAIL(e, NOT_FOUND, "%s not found", is_of_systems(rule.rule_type) ? "Managed System" : "Managed Account");
    TRY(has_row(db, a,
                SQL("SELECT 1 FROM smart_rule_members WHERE rule_id = $1 AND member_id <> $2 LIMIT 1", P_INT(id),
                    P_INT(member_id)),
                &has_others, e));
    if (!has_others)
        return FAIL(e, INVALID, "The last member of a Quick Rule cannot be removed");
    TRY(db_run(db,
               SQL("DELETE FROM smart_rule_members WHERE rule_id = $1 AND member_id = $2", P_INT(id), P_INT(member_id)),
               e));
    return mark_processed(db, id, now, e);
}

result rule_process(struct db *db, int64_t id, int64_t now, struct err *e)
{
    return mark_processed(db, id, now, e);
}

static result check_member(struct db *db, struct arena *a, const struct caller *who, int64_t rule_id,
                           const struct rows *roles, int64_t member_id, struct err *e)
{
    bool is_member, has_role;
    TRY(has_row(
        db, a,
        SQL("SELECT 1 FROM smart_rule_members WHERE rule_id = $1 AND member_id = $2", P_INT(rule_id), P_INT(member_id)),
        &is_member, e));
    for (size_t i = 0; i < roles->n && !is_member; i++) {
        enum rule_role wanted[] = {(enum rule_role)row_int(roles, i, 0), ROLE_NONE};
        TRY(rule_role_on_account(db, a, who, wanted, member_id, &has_role, e));
        if (!has_role)
            return FAIL(e, DENIED, "This rule gives the role %s, which you do not hold on account %" PRId64,
                        rule_role_name(wanted[0]), member_id);
    }
    return SUCCESS;
}

result quick_rule_may_hold(struct db *db, struct arena *a, const struct caller *who, int64_t id,
                           const struct list *member_ids, struct err *e)
{
    struct smart_rule rule;
    struct rows roles;
    TRY(rule_get(db, a, id, &rule, e));
    TRY(db_query(db, a,
                 SQL("SELECT DISTINCT rule_role FROM rule_roles WHERE rule_id = $1 ORDER BY rule_role", P_INT(id)),
                 &roles, e));
    if (roles.n == 0 || who->rights.is_administrator)
        return SUCCESS;
    if (is_of_systems(rule.rule_type))
        return FAIL(e, DENIED, "Groups have roles on this rule: only Administrators may add systems to it");
    for (size_t i = 0; i < member_ids->n; i++)
        TRY(check_member(db, a, who, id, &roles, ((const int64_t *)member_ids->at)[i], e));
    return SUCCESS;
}

result rule_delete(struct db *db, int64_t id, struct err *e)
{
    int64_t rules, deleted;
    TRY(db_run_counting(db, SQL("DELETE FROM smart_rules WHERE id = $1 AND kind = 'quick'", P_INT(id)), &deleted, e));
    if (deleted > 0)
        return SUCCESS;
    TRY(db_insert(db, SQL("SELECT COUNT(*) FROM smart_rules WHERE id = $1", P_INT(id)), &rules, "", e));
    if (rules == 0)
        return FAIL(e, NOT_FOUND, "Smart Rule not found");
    return FAIL(e, CONFLICT, "A built-in Smart Rule cannot be deleted");
}
