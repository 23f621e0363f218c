/* api/passwordsafe/quick_rules.c: hand-picked smart rules (passwordsafe-api 6.16). */
#include "api/passwordsafe/rules.h"

/* Three rights together; the row asks for the one that is cheapest to know. */
static bool manages(const struct call *c, bool systems)
{
    return rights_have(&c->who.rights, systems ? SYSTEM_MANAGEMENT : ACCOUNT_MANAGEMENT, LEVEL_READ) &&
           rights_have(&c->who.rights, systems ? SMART_RULE_SYSTEM : SMART_RULE_ACCOUNT, LEVEL_WRITE) &&
           rights_have(&c->who.rights, QUICK_RULE_ACCESS, LEVEL_READ);
}

static result may_manage(const struct call *c, struct str rule_type, struct err *e)
{
    return manages(c, str_equal(rule_type, S("ManagedSystem"))) ? SUCCESS : not_permitted(e);
}

static result quick_rules(struct call *c, struct err *e)
{
    const void *query;
    struct smart_rule one, *found;
    size_t n;
    TRY(call_query(c, &query, e));
    struct str title = ((const struct title_query *)query)->title;
    if (title.n) {
        TRY(smart_rule_by_title(c, title, LEVEL_NONE, &one, e));
        TRY(may_manage(c, one.rule_type, e));
        return reply_smart_rule(c, &one, e);
    }
    bool of_accounts = manages(c, false), of_systems = manages(c, true);
    if (!of_accounts && !of_systems)
        return not_permitted(e);
    TRY(quick_rule_list(c->db, c->arena, of_accounts, of_systems, &found, &n, e));
    return reply_smart_rules(c, ps_smart_rule_fields, found, n, e);
}

static result quick_rule_show(struct call *c, struct err *e)
{
    struct smart_rule r;
    TRY(smart_rule_of_param(c, LEVEL_NONE, &r, e));
    TRY(may_manage(c, r.rule_type, e));
    return reply_smart_rule(c, &r, e);
}

/* ---- making one ---- */

struct rule_body {
    struct str title, description, category, rule_type;
    struct list ids, account_ids;
};
static const char *const rule_types[] = {"ManagedAccount", "ManagedSystem", NULL};
#define ID_ROWS(s)                                                                                                     \
    INTS("IDs", s, ids, .max = 10000, .doc = "The members", .example = "[14]"),                                        \
        INTS("AccountIDs", s, account_ids, .max = 10000, .doc = "The same, by its older name")
static const struct field rule_body_fields[] = {
    ID_ROWS(struct rule_body),
    TEXT("Title", struct rule_body, title, .required = true, .max = 75, .doc = "Unique", .example = "web team"),
    TEXT("Category", struct rule_body, category, .max = 100, .doc = "None: Quick Rules"),
    TEXT("Description", struct rule_body, description, .max = 255, .or_text = ""),
    TEXT("RuleType", struct rule_body, rule_type, .words = rule_types, .or_text = "ManagedAccount"),
    FIELD_END,
};
static const struct body rule_body =
    BODY(struct rule_body, rule_body_fields,
         .example = "{\"IDs\":[14],\"Title\":\"web team\",\"RuleType\":\"ManagedAccount\"}");

static result quick_rule_new(struct call *c, struct err *e)
{
    const void *body;
    struct smart_rule r;
    int64_t id;
    TRY(call_body(c, &body, e));
    const struct rule_body *in = body;
    TRY(may_manage(c, in->rule_type, e));
    struct quick_rule_new with = {.title = in->title,
                                  .description = in->description,
                                  .category = in->category,
                                  .rule_type = in->rule_type,
                                  .members = in->ids.is_set ? in->ids : in->account_ids};
    TRY(quick_rule_create(c->db, c->arena, &with, c->now, &id, e));
    TRY(rule_get(c->db, c->arena, id, &r, e));
    call_object(c, "smart rule", id, r.title);
    return reply_smart_rule(c, &r, e);
}

static result quick_rule_remove(struct call *c, struct err *e)
{
    struct smart_rule r;
    TRY(smart_rule_of_param(c, LEVEL_NONE, &r, e));
    TRY(may_manage(c, r.rule_type, e));
    TRY(rule_delete(c->db, r.id, e));
    reply_none(c, 200);
    return SUCCESS;
}

static result quick_rule_remove_by_title(struct call *c, struct err *e)
{
    const void *query;
    struct smart_rule r;
    TRY(call_query(c, &query, e));
    struct str title = ((const struct title_query *)query)->title;
    if (!title.n)
        return FAIL(e, INVALID, "title: is required");
    TRY(smart_rule_by_title(c, title, LEVEL_NONE, &r, e));
    TRY(may_manage(c, r.rule_type, e));
    TRY(rule_delete(c->db, r.id, e));
    reply_none(c, 200);
    return SUCCESS;
}

/* ---- members ---- */

struct members_body {
    struct list ids, account_ids;
};
static const struct field members_fields[] = {ID_ROWS(struct members_body), FIELD_END};
static const struct body members_body =
    BODY(struct members_body, members_fields, .example = "{\"AccountIDs\":[14,15]}");

static result rule_of_type(struct call *c, const char *rule_type, struct smart_rule *ret, struct err *e)
{
    TRY(smart_rule_of_param(c, LEVEL_NONE, ret, e));
    TRY(may_manage(c, ret->rule_type, e));
    if (!str_equal(ret->rule_type, str_of(rule_type)))
        return FAIL(e, INVALID, "This rule's RuleType is %.*s", STR_ARG(ret->rule_type));
    return SUCCESS;
}

static result reply_members(struct call *c, const struct smart_rule *r, struct err *e)
{
    return str_equal(r->rule_type, S("ManagedSystem")) ? reply_rule_systems(c, r->id, e)
                                                       : reply_rule_accounts(c, r->id, e);
}

static result members_list(struct call *c, const char *rule_type, struct err *e)
{
    struct smart_rule r;
    TRY(rule_of_type(c, rule_type, &r, e));
    return reply_members(c, &r, e);
}

static result members_set(struct call *c, const char *rule_type, struct err *e)
{
    const void *body, *query;
    struct smart_rule r;
    TRY(rule_of_type(c, rule_type, &r, e));
    TRY(call_body(c, &body, e));
    TRY(call_query(c, &query, e));
    const struct members_body *in = body;
    const struct list *ids = in->ids.is_set ? &in->ids : &in->account_ids;
    TRY(quick_rule_may_hold(c->db, c->arena, &c->who, r.id, ids, e));
    TRY(quick_rule_set_members(c->db, c->arena, r.id, ids, c->now, e));
    struct opt_bool feedback = ((const struct title_query *)query)->feedback;
    if (!feedback.is_set || feedback.value)
        return reply_members(c, &r, e);
    reply_none(c, 204);
    return SUCCESS;
}

static result member_add(struct call *c, const char *rule_type, const char *what, struct err *e)
{
    struct smart_rule r;
    int64_t id;
    TRY(rule_of_type(c, rule_type, &r, e));
    TRY(call_id(c, 1, what, &id, e));
    TRY(quick_rule_may_hold(c->db, c->arena, &c->who, r.id, &(struct list){.at = &id, .n = 1}, e));
    TRY(quick_rule_add_member(c->db, c->arena, r.id, id, c->now, e));
    return reply_members(c, &r, e);
}

static result member_remove(struct call *c, const char *rule_type, const char *what, struct err *e)
{
    struct smart_rule r;
    int64_t id;
    TRY(rule_of_type(c, rule_type, &r, e));
    TRY(call_id(c, 1, what, &id, e));
    TRY(quick_rule_remove_member(c->db, c->arena, r.id, id, c->now, e));
    return reply_members(c, &r, e);
}

static result accounts_list(struct call *c, struct err *e)
{
    return members_list(c, "ManagedAccount", e);
}
static result accounts_set(struct call *c, struct err *e)
{
    return members_set(c, "ManagedAccount", e);
}
static result account_add(struct call *c, struct err *e)
{
    return member_add(c, "ManagedAccount", "Managed Account", e);
}
static result account_remove(struct call *c, struct err *e)
{
    return member_remove(c, "ManagedAccount", "Managed Account", e);
}
static result systems_list(struct call *c, struct err *e)
{
    return members_list(c, "ManagedSystem", e);
}
static result systems_set(struct call *c, struct err *e)
{
    return members_set(c, "ManagedSystem", e);
}
static result system_add(struct call *c, struct err *e)
{
    return member_add(c, "ManagedSystem", "Managed System", e);
}
static result system_remove(struct call *c, struct err *e)
{
    return member_remove(c, "ManagedSystem", "Managed System", e);
}

#define RULES       "/QuickRules"
#define MAY_ANY     MAY_EITHER(SMART_RULE_ACCOUNT, SMART_RULE_SYSTEM)
#define OBJECT_RULE .object = "smart rule"
const struct endpoint ps_quick_rule_endpoints[] = {
    {HTTP_GET, RULES, MAY_ANY, SEARCHES, UNRECORDED, "List quick rules, or show one by title", NO_BODY, quick_rules,
     TITLE_QUERY, .reply = ps_smart_rule_fields, .reply_is_any = true},
    {HTTP_GET, RULES "/{id}", MAY_ANY, READS, UNRECORDED, "Show a quick rule", NO_BODY, quick_rule_show,
     .reply = ps_smart_rule_fields, OBJECT_RULE},
    {HTTP_POST, RULES, MAY_ANY, WRITES, "rule.create", "Create a quick rule", &rule_body, quick_rule_new, .status = 201,
     .reply = ps_smart_rule_fields},
    {HTTP_DELETE, RULES "/{id}", MAY_ANY, WRITES, "rule.delete", "Delete a quick rule", NO_BODY, quick_rule_remove,
     OBJECT_RULE},
    {HTTP_DELETE, RULES, MAY_ANY, WRITES, "rule.delete", "Delete the quick rule of this title", NO_BODY,
     quick_rule_remove_by_title, TITLE_QUERY},
    {HTTP_GET, RULES "/{id}/ManagedAccounts", MAY_ANY, SEARCHES, UNRECORDED, "List the accounts of a quick rule",
     NO_BODY, accounts_list, TITLE_QUERY, OBJECT_RULE, .reply = ps_account_fields, .reply_is_any = true},
    {HTTP_PUT, RULES "/{id}/ManagedAccounts", MAY_ANY, WRITES, "rule.members", "Replace the accounts of a quick rule",
     &members_body, accounts_set, TITLE_QUERY, OBJECT_RULE, .reply = ps_account_fields, .reply_is_any = true},
    {HTTP_POST, RULES "/{id}/ManagedAccounts/{accountID}", MAY_ANY, WRITES, "rule.members",
     "Add an account to a quick rule", NO_BODY, account_add, .status = 201, TITLE_QUERY, OBJECT_RULE,
     .reply = ps_account_fields, .reply_is_any = true},
    {HTTP_DELETE, RULES "/{id}/ManagedAccounts/{accountID}", MAY_ANY, WRITES, "rule.members",
     "Take an account out of a quick rule", NO_BODY, account_remove, TITLE_QUERY, OBJECT_RULE,
     .reply = ps_account_fields, .reply_is_any = true},
    {HTTP_GET, RULES "/{id}/ManagedSystems", MAY_ANY, SEARCHES, UNRECORDED, "List the systems of a quick rule", NO_BODY,
     systems_list, TITLE_QUERY, OBJECT_RULE, .reply = ps_system_fields, .reply_is_any = true},
    {HTTP_PUT, RULES "/{id}/ManagedSystems", MAY_ANY, WRITES, "rule.members", "Replace the systems of a quick rule",
     &members_body, systems_set, TITLE_QUERY, OBJECT_RULE, .reply = ps_system_fields, .reply_is_any = true},
    {HTTP_POST, RULES "/{id}/ManagedSystems/{systemID}", MAY_ANY, WRITES, "rule.members",
     "Add a system to a quick rule", NO_BODY, system_add, .status = 201, TITLE_QUERY, OBJECT_RULE,
     .reply = ps_system_fields, .reply_is_any = true},
    {HTTP_DELETE, RULES "/{id}/ManagedSystems/{systemID}", MAY_ANY, WRITES, "rule.members",
     "Take a system out of a quick rule", NO_BODY, system_remove, TITLE_QUERY, OBJECT_RULE, .reply = ps_system_fields,
     .reply_is_any = true},
    {0},
};
