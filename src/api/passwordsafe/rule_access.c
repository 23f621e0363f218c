/* api/passwordsafe/rule_access.c: what groups may do on smart rules: levels and roles (passwordsafe-api 4.4, 6.17). */
#include "api/passwordsafe/groups.h"
#include "api/passwordsafe/rules.h"

struct named_role {
    int64_t id;
    struct str name;
};
static const struct field role_fields[] = {
    ID("RoleID", struct named_role, id),
    TEXT("Name", struct named_role, name),
    FIELD_END,
};

static void reply_roles(struct call *c, const int64_t *ids, size_t n)
{
    struct named_role *shown = arena_array(c->arena, struct named_role, n);
    for (size_t i = 0; i < n; i++)
        shown[i] = (struct named_role){ids[i], str_of(rule_role_name(ids[i]))};
    reply_array(c, role_fields, shown, sizeof *shown, n);
}

static result roles_all(struct call *c, struct err *e)
{
    (void)e;
    static const int64_t ids[] = {
        ROLE_REQUESTOR,           ROLE_APPROVER,          ROLE_REQUESTOR_APPROVER, ROLE_ISA, ROLE_AUDITOR,
        ROLE_CREDENTIALS_MANAGER, ROLE_RECORDED_REVIEWER, ROLE_ACTIVE_REVIEWER};
    reply_roles(c, ids, sizeof ids / sizeof ids[0]);
    return SUCCESS;
}

/* The rows of a rule, and the group's level on it. */
static const struct field rule_of_group_fields[] = {
    ID("SmartRuleID", struct shown_smart_rule, is.id),
    TEXT("OrganizationID", struct shown_smart_rule, organization),
    TEXT("Title", struct shown_smart_rule, is.title),
    TEXT("Description", struct shown_smart_rule, is.description),
    TEXT("Category", struct shown_smart_rule, is.category),
    INT("Status", struct shown_smart_rule, status),
    TIME("LastProcessedDate", struct shown_smart_rule, is.processed_at, .format = TIME_BARE),
    FLAG("IsReadOnly", struct shown_smart_rule, is_read_only),
    TEXT("RuleType", struct shown_smart_rule, is.rule_type),
    INT("AccessLevelID", struct shown_smart_rule, is.level),
    FIELD_END,
};

static result rules_of_group(struct call *c, struct err *e)
{
    struct role r;
    struct smart_rule *found;
    size_t n;
    TRY(group_of_param(c, 0, &r, e));
    TRY(rule_list_of_group(c->db, c->arena, r.number, &found, &n, e));
    return reply_smart_rules(c, rule_of_group_fields, found, n, e);
}

/* ---- changing: nobody gives a role that he does not hold (I10) ---- */

struct change {
    struct role group;
    int64_t rule_id;
    struct grant grant;
};

static result begin(struct call *c, struct change *ret, struct err *e)
{
    struct smart_rule rule;
    TRY(group_of_param(c, 0, &ret->group, e));
    TRY(call_id(c, 1, "Smart Rule", &ret->rule_id, e));
    TRY(rule_get(c->db, c->arena, ret->rule_id, &rule, e));
    call_detail(c, arena_printf(c->arena, "smart rule %" PRId64 " %.*s", rule.id, STR_ARG(rule.title)));
    return SUCCESS;
}

static result begin_grant(struct call *c, struct change *g, struct err *e)
{
    TRY(grant_begin(c->db, c->arena, &c->who, &g->grant, e));
    return grant_may_change_role(c->db, c->arena, &g->grant, g->group.id, e);
}

result may_give_level(struct call *c, int64_t rule_id, int64_t level, struct err *e)
{
    struct smart_rule rule, *held;
    enum level own;
    size_t n;
    TRY(rule_get(c->db, c->arena, rule_id, &rule, e));
    if (level != LEVEL_NONE && level != LEVEL_READ && level != LEVEL_WRITE)
        return FAIL(e, INVALID, "AccessLevelID: must be 0, 1 or 3");
    TRY(rule_level(c->db, c->arena, &c->who, rule_id, &own, e));
    if ((int64_t)own >= level)
        return SUCCESS;
    TRY(rule_list(c->db, c->arena, &c->who, rule.rule_type, &held, &n, e));
    for (size_t i = 0; i < n; i++)
        if (str_equal(held[i].kind, S("all")) && held[i].level >= level)
            return SUCCESS;
    return not_permitted(e);
}

struct level_body {
    int64_t level;
};
static const struct field level_body_fields[] = {
    INT("AccessLevelID", struct level_body, level, .required = true, .doc = "0, 1 or 3; 0 takes the roles away, too",
        .example = "1"),
    FIELD_END,
};
static const struct body level_body = BODY(struct level_body, level_body_fields, .example = "{\"AccessLevelID\":1}");

static result level_set(struct call *c, struct err *e)
{
    const void *body;
    struct change g;
    TRY(begin(c, &g, e));
    TRY(call_body(c, &body, e));
    int64_t level = ((const struct level_body *)body)->level;
    TRY(begin_grant(c, &g, e));
    TRY(may_give_level(c, g.rule_id, level, e));
    TRY(rule_set_level(c->db, c->arena, g.group.number, g.rule_id, (enum level)level, e));
    TRY(grant_check_role(c->db, c->arena, &g.grant, g.group.id, e));
    reply_none(c, 200);
    return SUCCESS;
}

static result roles_of_group(struct call *c, struct err *e)
{
    struct change g;
    int64_t *ids;
    size_t n;
    TRY(begin(c, &g, e));
    TRY(rule_roles(c->db, c->arena, g.group.number, g.rule_id, &ids, &n, e));
    reply_roles(c, ids, n);
    return SUCCESS;
}

struct role_in {
    int64_t id;
};
static const struct field role_in_fields[] = {ID("RoleID", struct role_in, id, .required = true, .example = "1"),
                                              FIELD_END};
struct roles_body {
    struct list roles;
    int64_t access_policy_id;
};
static const struct field roles_body_fields[] = {
    LIST("Roles", struct roles_body, roles, struct role_in, role_in_fields, .required = true, .max = 20),
    ID("AccessPolicyID", struct roles_body, access_policy_id, .doc = "Required with a requestor role",
       .example = "5000"),
    FIELD_END,
};
static const struct body roles_body =
    BODY(struct roles_body, roles_body_fields, .example = "{\"Roles\":[{\"RoleID\":1}],\"AccessPolicyID\":5000}");

/* The row asks for the one right, this for the other. */
static result may_manage_roles(const struct call *c, struct err *e)
{
    return rights_have(&c->who.rights, ROLE_MANAGEMENT, LEVEL_WRITE) ? SUCCESS : not_permitted(e);
}

static result replace_roles(struct call *c, struct change *g, const struct list *roles, int64_t access_policy_id,
                            struct err *e)
{
    const struct role_in *in = roles->at;
    int64_t *ids = arena_array(c->arena, int64_t, roles->n);
    for (size_t i = 0; i < roles->n; i++)
        ids[i] = in[i].id;
    TRY(begin_grant(c, g, e));
    TRY(rule_set_roles(c->db, c->arena, g->group.number, g->rule_id, ids, roles->n, access_policy_id, e));
    TRY(grant_check_role(c->db, c->arena, &g->grant, g->group.id, e));
    reply_none(c, 204);
    return SUCCESS;
}

static result roles_set(struct call *c, struct err *e)
{
    const void *body;
    struct change g;
    TRY(may_manage_roles(c, e));
    TRY(begin(c, &g, e));
    TRY(call_body(c, &body, e));
    const struct roles_body *in = body;
    return replace_roles(c, &g, &in->roles, in->access_policy_id, e);
}

static result roles_remove(struct call *c, struct err *e)
{
    struct change g;
    TRY(may_manage_roles(c, e));
    TRY(begin(c, &g, e));
    return replace_roles(c, &g, &(struct list){0}, 0, e);
}

#define ON_RULE "/UserGroups/{id}/SmartRules/{smartRuleID}"
#define GROUP   .object = "user group"
const struct endpoint ps_rule_access_endpoints[] = {
    {HTTP_GET, "/Roles", MAY_READ_EITHER(USER_ACCOUNTS_MANAGEMENT, ROLE_MANAGEMENT), READS, UNRECORDED,
     "List the roles on smart rules", NO_BODY, roles_all, .reply_is_list = true, .reply = role_fields},
    {HTTP_GET, "/UserGroups/{id}/SmartRules", MAY_READ(USER_ACCOUNTS_MANAGEMENT), SEARCHES, UNRECORDED,
     "List the rules that a group has access to", NO_BODY, rules_of_group, .reply_is_list = true,
     .reply = rule_of_group_fields, GROUP},
    {HTTP_POST, ON_RULE "/AccessLevels", MAY(USER_ACCOUNTS_MANAGEMENT), WRITES, "group.rule.level",
     "Set a group's access level on a rule", &level_body, level_set, GROUP},
    {HTTP_GET, ON_RULE "/Roles", MAY_READ(USER_ACCOUNTS_MANAGEMENT), READS, UNRECORDED,
     "List a group's roles on a rule", NO_BODY, roles_of_group, .reply_is_list = true, .reply = role_fields, GROUP},
    {HTTP_POST, ON_RULE "/Roles", MAY(USER_ACCOUNTS_MANAGEMENT), WRITES, "group.rule.roles",
     "Replace a group's roles on a rule", &roles_body, roles_set, .status = 204, GROUP},
    {HTTP_DELETE, ON_RULE "/Roles", MAY(USER_ACCOUNTS_MANAGEMENT), WRITES, "group.rule.roles",
     "Take a group's roles on a rule away", NO_BODY, roles_remove, .status = 204, GROUP},
    {0},
};
