/* api/passwordsafe/propagation.c: propagation actions, and the accounts that have them (passwordsafe-api 7.11). */
#include "accounts/propagation.h"
#include "api/passwordsafe/rules.h"

struct action_type {
    int64_t id;
    struct str name;
};
static const struct field type_fields[] = {
    ID("PropagationActionTypeID", struct action_type, id),
    TEXT("Name", struct action_type, name),
    FIELD_END,
};

static result types(struct call *c, struct err *e)
{
    (void)e;
    const struct action_type services = {PROPAGATION_SERVICES, S("Services")};
    reply_array(c, type_fields, &services, sizeof services, 1);
    return SUCCESS;
}

#define ACTION_ROWS                                                                                                    \
    ID("PropagationActionID", struct assigned_action, is.id),                                                          \
        ID("PropagationActionTypeID", struct assigned_action, is.type_id),                                             \
        TEXT("Name", struct assigned_action, is.name), TEXT("Description", struct assigned_action, is.description)
static const struct field action_fields[] = {ACTION_ROWS, FIELD_END};
static const struct field assigned_fields[] = {
    ACTION_ROWS,
    TEXT("SmartRuleIDs", struct assigned_action, rules, .doc = "On whose systems it runs; null: on the account's own"),
    FIELD_END,
};

static result actions(struct call *c, struct err *e)
{
    struct propagation_action *found;
    size_t n;
    TRY(propagation_list(c->db, c->arena, &found, &n, e));
    struct assigned_action *shown = arena_array(c->arena, struct assigned_action, n);
    for (size_t i = 0; i < n; i++)
        shown[i].is = found[i];
    reply_array(c, action_fields, shown, sizeof *shown, n);
    return SUCCESS;
}

static result action_of_param(struct call *c, size_t i, struct propagation_action *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, i, "Propagation Action", &id, e));
    return propagation_get(c->db, c->arena, id, ret, e);
}

static result action_show(struct call *c, struct err *e)
{
    struct assigned_action shown = {0};
    TRY(action_of_param(c, 0, &shown.is, e));
    reply_object(c, action_fields, &shown);
    return SUCCESS;
}

/* ---- of an account ---- */

static result assigned(struct call *c, struct err *e)
{
    struct managed_account m;
    struct assigned_action *found;
    size_t n;
    TRY(account_of_param(c, 0, &m, e));
    TRY(propagation_assigned(c->db, c->arena, m.id, &found, &n, e));
    reply_array(c, assigned_fields, found, sizeof *found, n);
    return SUCCESS;
}

enum { RULES_MAX = 100 };
struct assign_body {
    struct str rules; /* JSON: "10002,10003", 10002, [10002,"10003"] */
};
static const struct field assign_fields[] = {
    RAW("SmartRuleIDs", struct assign_body, rules, .max = 4096, .alias = "SmartRuleID",
        .doc = "Rules of managed systems or assets, as text with commas or as an array; none: the account's own system",
        .example = "\"10002\""),
    FIELD_END,
};
static const struct body assign_body =
    BODY(struct assign_body, assign_fields, .example = "{\"SmartRuleIDs\":\"10002\"}");

static result not_rules(struct err *e)
{
    return FAIL(e, INVALID, "SmartRuleIDs: ids of Smart Rules, as text with commas or as an array, at most %d",
                RULES_MAX);
}

static result add_ids(struct str text, int64_t *ids, struct list *ret, struct err *e)
{
    while (str_is_set(text)) {
        struct str word = str_trim(str_cut(&text, ','));
        if (word.n == 0)
            continue;
        if (ret->n == RULES_MAX || !str_to_int(word, 1, INT64_MAX, &ids[ret->n]))
            return not_rules(e);
        ret->n++;
    }
    return SUCCESS;
}

static result add_value(struct json *j, int64_t *ids, struct list *ret, struct err *e)
{
    enum json_type type;
    struct str text;
    TRY(json_peek(j, &type, e));
    if (type == JSON_STRING)
        TRY(json_string(j, &text, e));
    else if (type == JSON_NUMBER)
        TRY(json_number_text(j, &text, e));
    else
        return not_rules(e);
    return add_ids(text, ids, ret, e);
}

static result add_values(struct json *j, int64_t *ids, struct list *ret, struct err *e)
{
    enum json_type type;
    bool more;
    TRY(json_peek(j, &type, e));
    if (type != JSON_ARRAY)
        return add_value(j, ids, ret, e);
    TRY(json_enter(j, '[', e));
    for (;;) {
        TRY(json_next_item(j, &more, e));
        if (!more)
            return SUCCESS;
        TRY(add_value(j, ids, ret, e));
    }
}

/* Whoever cannot read a rule is told what everybody is told who names none. */
static result check_rule(struct call *c, int64_t id, struct err *e)
{
    struct smart_rule rule;
    enum level level = LEVEL_NONE;
    result found = rule_get(c->db, c->arena, id, &rule, e);
    if (is_ok(found))
        TRY(rule_level(c->db, c->arena, &c->who, id, &level, e));
    else if (found.code != NOT_FOUND)
        return found;
    if (level < LEVEL_READ)
        return FAIL(e, INVALID, "SmartRuleIDs: there is no Smart Rule %" PRId64, id);
    if (!str_equal(rule.rule_type, S("ManagedSystem")) && !str_equal(rule.rule_type, S("Asset")))
        return FAIL(e, INVALID,
                    "SmartRuleIDs: the Smart Rule %" PRId64 " is one of accounts; give rules of systems or "
                    "assets",
                    id);
    return SUCCESS;
}

static result rules_of_body(struct call *c, struct list *ret, struct err *e)
{
    const void *body;
    struct json j;
    TRY(call_body(c, &body, e));
    struct str text = ((const struct assign_body *)body)->rules;
    int64_t *ids = arena_array(c->arena, int64_t, RULES_MAX);
    *ret = (struct list){.at = ids};
    if (!str_is_set(text))
        return SUCCESS;
    json_init(&j, text, JSON_LENIENT, c->arena);
    TRY(add_values(&j, ids, ret, e));
    for (size_t i = 0; i < ret->n; i++)
        TRY(check_rule(c, ids[i], e));
    return SUCCESS;
}

static result find_assigned(struct call *c, int64_t account_id, int64_t action_id, struct assigned_action *ret,
                            struct err *e)
{
    struct assigned_action *found;
    size_t n;
    TRY(propagation_assigned(c->db, c->arena, account_id, &found, &n, e));
    for (size_t i = 0; i < n; i++)
        if (found[i].is.id == action_id)
            *ret = found[i];
    return SUCCESS;
}

static result both_of_params(struct call *c, struct managed_account *account, struct propagation_action *action,
                             struct err *e)
{
    TRY(account_of_param(c, 0, account, e));
    TRY(action_of_param(c, 1, action, e));
    call_detail(c, arena_printf(c->arena, "propagation action %" PRId64 " %.*s", action->id, STR_ARG(action->name)));
    return SUCCESS;
}

static result assign(struct call *c, struct err *e)
{
    struct managed_account m;
    struct propagation_action action;
    struct assigned_action shown = {0};
    struct list rules;
    bool is_new;
    TRY(both_of_params(c, &m, &action, e));
    TRY(rules_of_body(c, &rules, e));
    TRY(propagation_assign(c->db, c->arena, m.id, action.id, &rules, &is_new, e));
    TRY(find_assigned(c, m.id, action.id, &shown, e));
    call_detail(c, arena_printf(c->arena, "propagation action %" PRId64 " %.*s, on %s%.*s", action.id,
                                STR_ARG(action.name), shown.rules.n ? "the systems of smart rules " : "its own system",
                                STR_ARG(shown.rules)));
    reply_status(c, is_new ? 201 : 200);
    reply_object(c, assigned_fields, &shown);
    return SUCCESS;
}

static result unassign(struct call *c, struct err *e)
{
    struct managed_account m;
    struct propagation_action action;
    TRY(both_of_params(c, &m, &action, e));
    TRY(propagation_unassign(c->db, m.id, action.id, e));
    reply_none(c, 200);
    return SUCCESS;
}

static result unassign_all(struct call *c, struct err *e)
{
    struct managed_account m;
    TRY(account_of_param(c, 0, &m, e));
    TRY(propagation_unassign_all(c->db, m.id, e));
    reply_none(c, 200);
    return SUCCESS;
}

#define OF_ACCOUNT "/ManagedAccounts/{id}/PropagationActions"
const struct endpoint ps_propagation_endpoints[] = {
    {HTTP_GET, "/PropagationActionTypes", MAY_READ(ACCOUNT_MANAGEMENT), READS, UNRECORDED,
     "List what propagation actions can do", NO_BODY, types, .reply = type_fields, .reply_is_list = true},
    {HTTP_GET, "/PropagationActions", MAY_READ(ACCOUNT_MANAGEMENT), READS, UNRECORDED,
     "List what can be done on systems after a change", NO_BODY, actions, .reply = action_fields,
     .reply_is_list = true},
    {HTTP_GET, "/PropagationActions/{id}", MAY_READ(ACCOUNT_MANAGEMENT), READS, UNRECORDED, "Show a propagation action",
     NO_BODY, action_show, .reply = action_fields, .object = "propagation action"},
    {HTTP_GET, OF_ACCOUNT, MAY_READ(ACCOUNT_MANAGEMENT), READS, UNRECORDED,
     "List what is done after this account's changes", NO_BODY, assigned, .reply = assigned_fields,
     .reply_is_list = true, .object = "account"},
    {HTTP_POST, OF_ACCOUNT "/{actionID}", MAY(ACCOUNT_MANAGEMENT), WRITES, "propagation.assign",
     "Run the action after each proved change of the account's password or key", &assign_body, assign, .status = 201,
     .reply = assigned_fields, .object = "account"},
    {HTTP_DELETE, OF_ACCOUNT "/{actionID}", MAY(ACCOUNT_MANAGEMENT), WRITES, "propagation.unassign",
     "The action is not run any more", NO_BODY, unassign, .object = "account"},
    {HTTP_DELETE, OF_ACCOUNT, MAY(ACCOUNT_MANAGEMENT), WRITES, "propagation.unassign",
     "None of the account's actions is", NO_BODY, unassign_all, .object = "account"},
    {0},
};
