/* api/passwordsafe/password_rules.c: rules for passwords and key pairs, to read (passwordsafe-api 6.12, 6.13). */
#include "accounts/password_rule.h"

#include "api/passwordsafe/face.h"

/* ---- passwords ---- */

struct shown_rule {
    struct password_rule is;
    struct str lowercase, uppercase, symbols; /* JSON: arrays of characters, or absent */
};
#define IS struct shown_rule
static const struct field rule_fields[] = {
    ID("PasswordRuleID", IS, is.id),
    TEXT("Name", IS, is.name),
    TEXT("Description", IS, is.description),
    INT("MinimumLength", IS, is.min_length),
    INT("MaximumLength", IS, is.max_length),
    TEXT("FirstCharacterRequirement", IS, is.first, .doc = "C letters, N letters and digits, A any"),
    TEXT("LowercaseRequirement", IS, is.lowercase, .doc = "N not permitted, P permitted, R required"),
    TEXT("UppercaseRequirement", IS, is.uppercase),
    TEXT("NumericRequirement", IS, is.numeric),
    TEXT("SymbolRequirement", IS, is.symbol),
    RAW("ValidLowercaseCharacters", IS, lowercase, .doc = "null: all of them"),
    RAW("ValidUppercaseCharacters", IS, uppercase, .doc = "null: all of them"),
    RAW("ValidSymbols", IS, symbols, .doc = "null: the usual ones"),
    INT("EnabledProducts", IS, is.enabled_products, .doc = "1 Password Safe, 2 Secrets Safe"),
    FIELD_END,
};

static struct str characters(struct arena *a, struct str set)
{
    if (!set.n)
        return STR_ABSENT;
    AUTOBUF out;
    buf_init(&out, 4096);
    struct json_writer w = {.out = &out};
    json_array_begin(&w);
    for (size_t i = 0; i < set.n; i++)
        json_write_str(&w, str_sub(set, i, 1));
    json_array_end(&w);
    return arena_str(a, buf_str(&out));
}

static struct shown_rule shown_of(struct arena *a, const struct password_rule *r)
{
    return (struct shown_rule){.is = *r,
                               .lowercase = characters(a, r->lowercase_set),
                               .uppercase = characters(a, r->uppercase_set),
                               .symbols = characters(a, r->symbol_set)};
}

struct products_query {
    struct opt_int enabled_products;
};
static const struct field query_fields[] = {
    OPT_INT("enabledproducts", struct products_query, enabled_products, .doc = "Only rules for these: 1, 2 or 3"),
    FIELD_END,
};

static result rules_all(struct call *c, struct err *e)
{
    const void *query;
    struct password_rule *found;
    size_t n, kept = 0;
    TRY(call_query(c, &query, e));
    struct opt_int wanted = ((const struct products_query *)query)->enabled_products;
    if (wanted.is_set && (wanted.value < 1 || wanted.value > 3))
        return FAIL(e, INVALID, "enabledproducts: must be 1, 2 or 3");
    TRY(password_rule_list(c->db, c->arena, &found, &n, e));
    struct shown_rule *shown = arena_array(c->arena, struct shown_rule, n);
    for (size_t i = 0; i < n; i++)
        if (!wanted.is_set || (found[i].enabled_products & wanted.value))
            shown[kept++] = shown_of(c->arena, &found[i]);
    reply_array(c, rule_fields, shown, sizeof *shown, kept);
    return SUCCESS;
}

static result rule_show(struct call *c, struct err *e)
{
    int64_t id;
    struct password_rule r;
    TRY(call_id(c, 0, "Password Rule", &id, e));
    TRY(password_rule_get(c->db, c->arena, id, &r, e));
    struct shown_rule shown = shown_of(c->arena, &r);
    reply_object(c, rule_fields, &shown);
    return SUCCESS;
}

/* ---- key pairs ---- */

struct key_rule {
    int64_t id, key_size;
    struct str name, description, key_type, encryption;
    struct opt_int password_rule_id;
};
static const struct field key_rule_fields[] = {
    ID("DSSKeyRuleID", struct key_rule, id),
    TEXT("Name", struct key_rule, name),
    TEXT("Description", struct key_rule, description),
    TEXT("KeyType", struct key_rule, key_type),
    INT("KeySize", struct key_rule, key_size),
    TEXT("EncryptionType", struct key_rule, encryption, .doc = "N: no passphrase"),
    OPT_INT("PasswordRuleID", struct key_rule, password_rule_id),
    FIELD_END,
};

/* The one there is: what a change really makes. */
static struct key_rule the_key_rule(void)
{
    return (struct key_rule){.key_size = 256,
                             .name = S("Default DSS Key Policy"),
                             .description = S(""),
                             .key_type = S("ED25519"),
                             .encryption = S("N")};
}

static result key_rules_all(struct call *c, struct err *e)
{
    (void)e;
    struct key_rule r = the_key_rule();
    reply_array(c, key_rule_fields, &r, sizeof r, 1);
    return SUCCESS;
}

static result key_rule_show(struct call *c, struct err *e)
{
    int64_t id;
    struct key_rule r = the_key_rule();
    TRY(call_id(c, 0, "DSS Key Rule", &id, e));
    if (id != r.id)
        return FAIL(e, NOT_FOUND, "DSS Key Rule not found");
    reply_object(c, key_rule_fields, &r);
    return SUCCESS;
}

const struct endpoint ps_password_rule_endpoints[] = {
    {HTTP_GET, "/PasswordRules", MAY_READ(SYSTEM_MANAGEMENT), READS, UNRECORDED, "List password rules", NO_BODY,
     rules_all, .query = query_fields, .query_size = sizeof(struct products_query), .reply_is_list = true,
     .reply = rule_fields},
    {HTTP_GET, "/PasswordRules/{id}", MAY_READ(SYSTEM_MANAGEMENT), READS, UNRECORDED, "Show a password rule", NO_BODY,
     rule_show, .reply = rule_fields, .object = "password rule"},
    {HTTP_GET, "/DSSKeyRules", MAY_READ_EITHER(SYSTEM_MANAGEMENT, POLICY_MANAGEMENT), READS, UNRECORDED,
     "List rules for key pairs", NO_BODY, key_rules_all, .reply_is_list = true, .reply = key_rule_fields},
    {HTTP_GET, "/DSSKeyRules/{id}", MAY_READ_EITHER(SYSTEM_MANAGEMENT, POLICY_MANAGEMENT), READS, UNRECORDED,
     "Show a rule for key pairs", NO_BODY, key_rule_show, .reply = key_rule_fields, .object = "key rule"},
    {0},
};
