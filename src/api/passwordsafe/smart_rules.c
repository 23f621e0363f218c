/* api/passwordsafe/smart_rules.c: smart rules, to read and to process (passwordsafe-api 6.15). */
#include "api/passwordsafe/rules.h"

#define IS struct shown_smart_rule
const struct field ps_smart_rule_fields[] = {
    ID("SmartRuleID", IS, is.id),
    TEXT("OrganizationID", IS, organization),
    TEXT("Title", IS, is.title),
    TEXT("Description", IS, is.description),
    TEXT("Category", IS, is.category),
    INT("Status", IS, status),
    TIME("LastProcessedDate", IS, is.processed_at, .format = TIME_BARE),
    FLAG("IsReadOnly", IS, is_read_only),
    TEXT("RuleType", IS, is.rule_type),
    FIELD_END,
};

static const char *const types[] = {"all", "Asset", "ManagedSystem", "ManagedAccount", "Vulnerabilities", NULL};
const struct field ps_title_query_fields[] = {
    PAGING_ROWS(struct title_query),
    TEXT("title", struct title_query, title, .max = 255, .doc = "The one of this title"),
    TEXT("type", struct title_query, type, .words = types, .doc = "None: all"),
    OPT_FLAG("feedback", struct title_query, feedback, .doc = "false: 204 without the list"),
    FIELD_END,
};

static struct shown_smart_rule shown_of(const struct smart_rule *r, struct str organization)
{
    return (struct shown_smart_rule){
        .is = *r, .organization = organization, .status = 1, .is_read_only = !str_equal(r->kind, S("quick"))};
}

result reply_smart_rule(struct call *c, const struct smart_rule *r, struct err *e)
{
    struct str organization;
    TRY(organization_id(c->db, c->arena, &organization, e));
    struct shown_smart_rule shown = shown_of(r, organization);
    reply_object(c, ps_smart_rule_fields, &shown);
    return SUCCESS;
}

result reply_smart_rules(struct call *c, const struct field *rows, const struct smart_rule *found, size_t n,
                         struct err *e)
{
    struct str organization;
    TRY(organization_id(c->db, c->arena, &organization, e));
    struct shown_smart_rule *shown = arena_array(c->arena, struct shown_smart_rule, n);
    for (size_t i = 0; i < n; i++)
        shown[i] = shown_of(&found[i], organization);
    reply_array(c, rows, shown, sizeof *shown, n);
    return SUCCESS;
}

static result check_level(struct call *c, const struct smart_rule *r, enum level wanted, struct err *e)
{
    enum level level;
    call_object(c, "smart rule", r->id, r->title);
    TRY(rule_level(c->db, c->arena, &c->who, r->id, &level, e));
    return level >= wanted ? SUCCESS : not_permitted(e);
}

/* Who has access to no rule at all does not learn which there are (4.5). */
static result or_not_permitted(struct call *c, result found, enum level wanted, struct err *e)
{
    struct smart_rule *held;
    struct err why = *e;
    size_t n;
    if (found.code != NOT_FOUND || wanted == LEVEL_NONE)
        return found;
    TRY(rule_list(c->db, c->arena, &c->who, STR_ABSENT, &held, &n, e));
    if (n == 0)
        return not_permitted(e);
    *e = why;
    return found;
}

result smart_rule_of_param(struct call *c, enum level level, struct smart_rule *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Smart Rule", &id, e));
    TRY(or_not_permitted(c, rule_get(c->db, c->arena, id, ret, e), level, e));
    return check_level(c, ret, level, e);
}

result smart_rule_by_title(struct call *c, struct str title, enum level level, struct smart_rule *ret, struct err *e)
{
    TRY(or_not_permitted(c, rule_by_title(c->db, c->arena, title, ret, e), level, e));
    return check_level(c, ret, level, e);
}

static result smart_rules(struct call *c, struct err *e)
{
    const void *query;
    struct smart_rule one, *found;
    size_t n;
    TRY(call_query(c, &query, e));
    const struct title_query *q = query;
    if (q->title.n) {
        TRY(smart_rule_by_title(c, q->title, LEVEL_READ, &one, e));
        return reply_smart_rule(c, &one, e);
    }
    bool has_type = q->type.n && !str_equal(q->type, S("all"));
    TRY(rule_list(c->db, c->arena, &c->who, has_type ? q->type : STR_ABSENT, &found, &n, e));
    return reply_smart_rules(c, ps_smart_rule_fields, found, n, e);
}

static result smart_rule_show(struct call *c, struct err *e)
{
    struct smart_rule r;
    TRY(smart_rule_of_param(c, LEVEL_READ, &r, e));
    return reply_smart_rule(c, &r, e);
}

/* ---- members ---- */

static result page_of_call(struct call *c, struct page *ret, struct err *e)
{
    const void *query;
    TRY(call_query(c, &query, e));
    return page_of(&((const struct title_query *)query)->paging, ret, e);
}

result reply_rule_accounts(struct call *c, int64_t rule_id, struct err *e)
{
    struct page page;
    struct managed_account *found;
    size_t n;
    int64_t total;
    TRY(page_of_call(c, &page, e));
    struct account_filter f = {.rule_id = rule_id, .limit = page.limit, .offset = page.offset};
    TRY(account_list(c->db, c->arena, &f, c->now, &found, &n, &total, e));
    reply_accounts(c, &page, found, n, total);
    return SUCCESS;
}

result reply_rule_systems(struct call *c, int64_t rule_id, struct err *e)
{
    struct page page;
    struct managed_system *found;
    size_t n;
    int64_t total;
    TRY(page_of_call(c, &page, e));
    struct system_filter f = {.rule_id = rule_id, .limit = page.limit, .offset = page.offset};
    TRY(system_list(c->db, c->arena, &f, &found, &n, &total, e));
    reply_systems(c, &page, found, n, total);
    return SUCCESS;
}

/* What the rule's members may be read by, one by one, or access to the rule (6.9.1, 6.10.2). */
static enum level level_beside(const struct call *c, enum right feature)
{
    return rights_have(&c->who.rights, feature, LEVEL_READ) ? LEVEL_NONE : LEVEL_READ;
}

static result accounts_of_rule(struct call *c, struct err *e)
{
    struct smart_rule r;
    TRY(smart_rule_of_param(c, level_beside(c, ACCOUNT_MANAGEMENT), &r, e));
    return reply_rule_accounts(c, r.id, e);
}

static result systems_of_rule(struct call *c, struct err *e)
{
    struct smart_rule r;
    TRY(smart_rule_of_param(c, level_beside(c, SYSTEM_MANAGEMENT), &r, e));
    return reply_rule_systems(c, r.id, e);
}

/* The only rule of assets is the one that holds them all. */
static result assets_of_rule(struct call *c, struct err *e)
{
    struct smart_rule r;
    struct page page;
    struct asset *found = NULL;
    size_t n = 0;
    int64_t total = 0;
    TRY(smart_rule_of_param(c, LEVEL_READ, &r, e));
    TRY(page_of_call(c, &page, e));
    if (str_equal(r.rule_type, S("Asset")))
        TRY(asset_list(c->db, c->arena, 0, page.limit, page.offset, &found, &n, &total, e));
    reply_page_of_rows(c, &page, ps_asset_fields, found, sizeof *found, n, total);
    return SUCCESS;
}

/* ---- processing and deleting ---- */

static result process(struct call *c, struct err *e)
{
    struct smart_rule r;
    TRY(smart_rule_of_param(c, LEVEL_WRITE, &r, e));
    TRY(rule_process(c->db, r.id, c->now, e));
    TRY(rule_get(c->db, c->arena, r.id, &r, e));
    return reply_smart_rule(c, &r, e);
}

static result remove_rule(struct call *c, const struct smart_rule *r, struct err *e)
{
    TRY(rule_delete(c->db, r->id, e));
    reply_none(c, 200);
    return SUCCESS;
}

static result smart_rule_remove(struct call *c, struct err *e)
{
    struct smart_rule r;
    TRY(smart_rule_of_param(c, LEVEL_WRITE, &r, e));
    return remove_rule(c, &r, e);
}

static result smart_rule_remove_by_title(struct call *c, struct err *e)
{
    const void *query;
    struct smart_rule r;
    TRY(call_query(c, &query, e));
    struct str title = ((const struct title_query *)query)->title;
    if (!title.n)
        return FAIL(e, INVALID, "title: is required");
    TRY(smart_rule_by_title(c, title, LEVEL_WRITE, &r, e));
    return remove_rule(c, &r, e);
}

#define OBJECT_RULE .object = "smart rule"
const struct endpoint ps_smart_rule_endpoints[] = {
    {HTTP_GET, "/SmartRules", SIGNED_IN, SEARCHES, UNRECORDED,
     "List the rules that the caller has access to, or show one by title", NO_BODY, smart_rules, TITLE_QUERY,
     .reply = ps_smart_rule_fields, .reply_is_any = true},
    {HTTP_GET, "/SmartRules/{id}", SIGNED_IN, READS, UNRECORDED, "Show a rule", NO_BODY, smart_rule_show,
     .reply = ps_smart_rule_fields, OBJECT_RULE},
    {HTTP_GET, "/SmartRules/{id}/Assets", SIGNED_IN, SEARCHES, UNRECORDED, "List the assets of a rule", NO_BODY,
     assets_of_rule, TITLE_QUERY, OBJECT_RULE, .reply = ps_asset_fields, .reply_is_any = true},
    {HTTP_GET, "/SmartRules/{id}/ManagedSystems", SIGNED_IN, SEARCHES, UNRECORDED, "List the managed systems of a rule",
     NO_BODY, systems_of_rule, TITLE_QUERY, OBJECT_RULE, .reply = ps_system_fields, .reply_is_any = true},
    {HTTP_GET, "/SmartRules/{id}/ManagedAccounts", SIGNED_IN, SEARCHES, UNRECORDED,
     "List the managed accounts of a rule", NO_BODY, accounts_of_rule, TITLE_QUERY, OBJECT_RULE,
     .reply = ps_account_fields, .reply_is_any = true},
    {HTTP_POST, "/SmartRules/{id}/Process", SIGNED_IN, WRITES, "rule.process", "Bring a rule up to date", NO_BODY,
     process, .reply = ps_smart_rule_fields, OBJECT_RULE},
    {HTTP_DELETE, "/SmartRules/{id}", SIGNED_IN, WRITES, "rule.delete", "Delete a rule that is not built in", NO_BODY,
     smart_rule_remove, OBJECT_RULE},
    {HTTP_DELETE, "/SmartRules", SIGNED_IN, WRITES, "rule.delete", "Delete the rule of this title", NO_BODY,
     smart_rule_remove_by_title, TITLE_QUERY},
    {0},
};
