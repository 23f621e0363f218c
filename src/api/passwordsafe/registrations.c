/* api/passwordsafe/registrations.c: what makes this API reachable: keys, and policies for application users
 * (passwordsafe-api 2.1). */
#include "api/passwordsafe/face.h"
#include "identity/grant.h"
#include "identity/registration.h"

enum { SWITCHES = 4 };

static const char *const rule_types[] = {"SingleIP", "IPRange", "CIDR", "IPList", NULL};
static const struct field rule_fields[] = {
    ID("Id", struct registration_rule, id),
    TEXT("Type", struct registration_rule, type, .words = rule_types),
    TEXT("Value", struct registration_rule, value),
    TEXT("Description", struct registration_rule, description),
    TIME("CreatedDate", struct registration_rule, created_at, .format = TIME_BARE),
    FIELD_END,
};
static const struct field rule_in_fields[] = {
    TEXT("Type", struct registration_rule, type, .required = true, .words = rule_types, .example = "CIDR"),
    TEXT("Value", struct registration_rule, value, .required = true, .max = 1000, .example = "127.0.0.0/8"),
    TEXT("Description", struct registration_rule, description, .max = 255, .or_text = ""),
    FIELD_END,
};

struct shown_registration {
    struct registration is;
    struct opt_int token_minutes;
    struct list none;
    bool off;
};
#define IS struct shown_registration
static const struct field registration_fields[] = {
    ID("ID", IS, is.id),
    TEXT("Name", IS, is.name),
    TEXT("RegistrationType", IS, is.type),
    FLAG("Active", IS, is.is_active),
    FLAG("Visible", IS, is.is_visible),
    OPT_INT("AccessTokenDuration", IS, token_minutes, .doc = "Minutes; null: an API key has none"),
    FLAG("MultiFactorAuthenticationEnforced", IS, off),
    FLAG("ClientCertificateRequired", IS, off),
    FLAG("UserPasswordRequired", IS, is.user_password_required),
    FLAG("VerifyPSRUNSignature", IS, off),
    LIST("IPAuthenticationRules", IS, is.rules, struct registration_rule, rule_fields),
    INTS("PSRUNRules", IS, none),
    INTS("XForwardedForAuthenticationRules", IS, none),
    FIELD_END,
};

/* Rules that nothing here enforces are only counted. */
struct any_rule {
    struct str type;
};
static const struct field any_rule_fields[] = {TEXT("Type", struct any_rule, type, .doc = "Not supported"), FIELD_END};

struct registration_body {
    struct str name, type;
    struct opt_bool is_active, is_visible, user_password_required;
    struct opt_int token_minutes;
    struct list rules, psrun_rules, forwarded_rules;
    bool refused[SWITCHES];
};
#define IN struct registration_body
static const char *const types[] = {"apikeypolicy", "apiaccesspolicy", NULL};
#define REGISTRATION_ROWS(is_new)                                                                                      \
    TEXT("Name", IN, name, .required = (is_new), .max = 255, .doc = "Unique", .example = "ci"),                        \
        TEXT("RegistrationType", IN, type, .words = types, .doc = "None: apikeypolicy"),                               \
        OPT_FLAG("Active", IN, is_active), OPT_FLAG("Visible", IN, is_visible),                                        \
        OPT_INT("AccessTokenDuration", IN, token_minutes, .doc = "Minutes, of an apiaccesspolicy; none: 60"),          \
        OPT_FLAG("UserPasswordRequired", IN, user_password_required),                                                  \
        LIST("IPAuthenticationRules", IN, rules, struct registration_rule, rule_in_fields,                             \
             .doc = "Addresses that may use it; none at all: loopback only"),                                          \
        LIST("PSRUNRules", IN, psrun_rules, struct any_rule, any_rule_fields, .doc = "Not supported"),                 \
        LIST("XForwardedForAuthenticationRules", IN, forwarded_rules, struct any_rule, any_rule_fields,                \
             .doc = "Not supported"),                                                                                  \
        FLAG("MultiFactorAuthenticationEnforced", IN, refused[0], .doc = "Not supported"),                             \
        FLAG("ClientCertificateRequired", IN, refused[1], .doc = "Not supported"),                                     \
        FLAG("VerifyPSRUNSignature", IN, refused[2], .doc = "Not supported"),                                          \
        FLAG("PersonalAccessTokenRequired", IN, refused[3], .doc = "Not supported")
static const struct field new_fields[] = {REGISTRATION_ROWS(true), FIELD_END};
static const struct field change_fields[] = {REGISTRATION_ROWS(false), FIELD_END};
#define EXAMPLE                                                                                                        \
    "{\"Name\":\"ci\",\"RegistrationType\":\"apikeypolicy\",\"Active\":true,\"UserPasswordRequired\":false,"           \
    "\"IPAuthenticationRules\":[{\"Type\":\"CIDR\",\"Value\":\"127.0.0.0/8\",\"Description\":\"loopback\"}]}"
static const struct body new_body = BODY(IN, new_fields, .example = EXAMPLE);
static const struct body change_body = BODY(IN, change_fields, .example = EXAMPLE);

/* ---- reading ---- */

static struct shown_registration shown_of(const struct registration *r)
{
    bool has_tokens = str_equal(r->type, S("apiaccesspolicy"));
    return (struct shown_registration){.is = *r, .token_minutes = {has_tokens, r->token_minutes}};
}

static result answer(struct call *c, int64_t id, struct err *e)
{
    struct registration r;
    TRY(registration_get(c->db, c->arena, id, &r, e));
    call_object(c, "registration", id, r.name);
    struct shown_registration shown = shown_of(&r);
    reply_object(c, registration_fields, &shown);
    return SUCCESS;
}

static result registrations_all(struct call *c, struct err *e)
{
    struct registration *found;
    size_t n;
    TRY(registration_list(c->db, c->arena, &found, &n, e));
    struct shown_registration *shown = arena_array(c->arena, struct shown_registration, n);
    for (size_t i = 0; i < n; i++)
        shown[i] = shown_of(&found[i]);
    reply_array(c, registration_fields, shown, sizeof *shown, n);
    return SUCCESS;
}

static result registration_of_param(struct call *c, struct registration *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "API Registration", &id, e));
    TRY(registration_get(c->db, c->arena, id, ret, e));
    call_object(c, "registration", id, ret->name);
    return SUCCESS;
}

static result registration_show(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "API Registration", &id, e));
    return answer(c, id, e);
}

/* ---- changing ---- */

static result change_of(const struct field *rows, const IN *in, struct registration_change *ret, struct err *e)
{
    TRY(refuse_switches(rows, in, in->refused, SWITCHES, e));
    if (in->psrun_rules.n)
        return FAIL(e, INVALID, "PSRUNRules: not supported");
    if (in->forwarded_rules.n)
        return FAIL(e, INVALID, "XForwardedForAuthenticationRules: not supported");
    *ret = (struct registration_change){.name = in->name,
                                        .type = in->type.n ? in->type : STR_ABSENT,
                                        .is_active = in->is_active,
                                        .is_visible = in->is_visible,
                                        .user_password_required = in->user_password_required,
                                        .token_minutes = in->token_minutes,
                                        .rules = in->rules};
    return SUCCESS;
}

static result registration_new(struct call *c, struct err *e)
{
    const void *body;
    struct registration_change with;
    struct secret *key;
    int64_t id;
    TRY(call_body(c, &body, e));
    TRY(change_of(new_fields, body, &with, e));
    TRY(registration_create(c->db, c->arena, c->service->keys, &with, NULL, c->now, &id, &key, e));
    return answer(c, id, e);
}

/* Its key is as good as the password of everybody whom it admits (I10). */
static result may_hold(struct call *c, int64_t id, struct err *e)
{
    struct grant grant;
    TRY(grant_begin(c->db, c->arena, &c->who, &grant, e));
    return grant_may_change_registration(c->db, c->arena, &grant, id, e);
}

static result registration_edit(struct call *c, struct err *e)
{
    const void *body;
    struct registration r;
    struct registration_change with;
    TRY(registration_of_param(c, &r, e));
    TRY(may_hold(c, r.id, e));
    TRY(call_body(c, &body, e));
    TRY(change_of(change_fields, body, &with, e));
    TRY(registration_update(c->db, c->arena, r.id, &with, c->now, e));
    return answer(c, r.id, e);
}

static result registration_remove(struct call *c, struct err *e)
{
    struct registration r;
    TRY(registration_of_param(c, &r, e));
    TRY(may_hold(c, r.id, e));
    TRY(registration_delete(c->db, c->arena, r.id, e));
    reply_none(c, 200);
    return SUCCESS;
}

static result key_show(struct call *c, struct err *e)
{
    struct registration r;
    struct secret *key;
    TRY(registration_of_param(c, &r, e));
    TRY(may_hold(c, r.id, e));
    TRY(registration_key(c->db, c->arena, c->service->keys, r.id, &key, e));
    reply_secret(c, key);
    return SUCCESS;
}

static result key_rotate(struct call *c, struct err *e)
{
    struct registration r;
    struct secret *key;
    TRY(registration_of_param(c, &r, e));
    TRY(may_hold(c, r.id, e));
    TRY(registration_rotate(c->db, c->arena, c->service->keys, r.id, &key, e));
    reply_secret(c, key);
    return SUCCESS;
}

const struct endpoint ps_registration_endpoints[] = {
    {HTTP_GET, "/ApiRegistrations", MAY_READ(API_REGISTRATION), READS, UNRECORDED, "List API registrations", NO_BODY,
     registrations_all, .reply_is_list = true, .reply = registration_fields},
    {HTTP_GET, "/ApiRegistrations/{id}", MAY_READ(API_REGISTRATION), READS, UNRECORDED, "Show an API registration",
     NO_BODY, registration_show, .reply = registration_fields, .object = "registration"},
    {HTTP_POST, "/ApiRegistrations", MAY(API_REGISTRATION), WRITES, "registration.create", "Create an API registration",
     &new_body, registration_new, .status = 201, .reply = registration_fields, .opens_secrets = true},
    {HTTP_PUT, "/ApiRegistrations/{id}", MAY(API_REGISTRATION), WRITES, "registration.update",
     "Change an API registration; what is left out stays", &change_body, registration_edit,
     .reply = registration_fields, .object = "registration"},
    {HTTP_DELETE, "/ApiRegistrations/{id}", MAY(API_REGISTRATION), WRITES, "registration.delete",
     "Delete an API registration", NO_BODY, registration_remove, .object = "registration"},
    {HTTP_GET, "/ApiRegistrations/{id}/Key", MAY(API_REGISTRATION), REVEALS, "registration.key.release", "The API key",
     NO_BODY, key_show, .reply_is_text = true, .opens_secrets = true, .object = "registration"},
    {HTTP_POST, "/ApiRegistrations/{id}/Rotate", MAY(API_REGISTRATION), REVEALS, "registration.key.rotate",
     "A new API key; the old one ends at once", NO_BODY, key_rotate, .reply_is_text = true, .opens_secrets = true,
     .object = "registration"},
    {0},
};
