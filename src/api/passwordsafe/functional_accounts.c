/* api/passwordsafe/functional_accounts.c: the accounts with which the server changes others' passwords
 * (passwordsafe-api 6.8). */
#include "accounts/functional.h"

#include "api/passwordsafe/face.h"

struct shown_functional {
    struct functional_account is;
    struct str no_text;
};
static const struct field functional_fields[] = {
    ID("FunctionalAccountID", struct shown_functional, is.id),
    ID("PlatformID", struct shown_functional, is.platform_id),
    TEXT("DomainName", struct shown_functional, is.domain_name, .null_when_empty = true),
    TEXT("AccountName", struct shown_functional, is.account_name),
    TEXT("DisplayName", struct shown_functional, is.display_name),
    TEXT("Description", struct shown_functional, is.description),
    TEXT("ElevationCommand", struct shown_functional, is.elevation_command, .null_when_empty = true),
    INT("SystemReferenceCount", struct shown_functional, is.system_count),
    TEXT("TenantID", struct shown_functional, no_text),
    TEXT("ObjectID", struct shown_functional, no_text),
    TEXT("AzureInstance", struct shown_functional, no_text),
    FIELD_END,
};

struct functional_body {
    int64_t platform_id;
    struct str domain_name, account_name, display_name, description, elevation_command;
    struct secret *password, *private_key, *passphrase;
};
static const struct field body_fields[] = {
    ID("PlatformID", struct functional_body, platform_id, .required = true, .example = "2"),
    TEXT("DomainName", struct functional_body, domain_name, .max = 500, .doc = "Only where the platform has domains"),
    TEXT("AccountName", struct functional_body, account_name, .required = true, .max = 245, .example = "svc-vault"),
    TEXT("DisplayName", struct functional_body, display_name, .max = 100,
         .doc = "Unique per platform; none: AccountName"),
    SECRET("Password", struct functional_body, password, .max = 1024, .doc = "Required without PrivateKey"),
    SECRET("PrivateKey", struct functional_body, private_key, .max = 65536, .doc = "Where the platform takes keys"),
    SECRET("Passphrase", struct functional_body, passphrase, .max = 1024, .doc = "Of an encrypted PrivateKey"),
    TEXT("Description", struct functional_body, description, .max = 1000, .or_text = ""),
    TEXT("ElevationCommand", struct functional_body, elevation_command, .max = 80, .doc = "sudo, pbrun or pmrun",
         .example = "sudo"),
    FIELD_END,
};
static const struct body functional_body =
    BODY(struct functional_body, body_fields,
         .example = "{\"PlatformID\":2,\"AccountName\":\"svc-vault\",\"DisplayName\":\"svc-vault "
                    "linux\",\"Password\":\"x\",\"ElevationCommand\":\"sudo\"}");

static result answer(struct call *c, int64_t id, struct err *e)
{
    struct shown_functional shown = {0};
    TRY(functional_get(c->db, c->arena, id, &shown.is, e));
    call_object(c, "functional account", id, shown.is.display_name);
    reply_object(c, functional_fields, &shown);
    return SUCCESS;
}

static result functional_all(struct call *c, struct err *e)
{
    struct functional_account *found;
    size_t n;
    TRY(functional_list(c->db, c->arena, &found, &n, e));
    struct shown_functional *shown = arena_array(c->arena, struct shown_functional, n);
    for (size_t i = 0; i < n; i++)
        shown[i].is = found[i];
    reply_array(c, functional_fields, shown, sizeof *shown, n);
    return SUCCESS;
}

static result functional_show(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Functional Account", &id, e));
    return answer(c, id, e);
}

static result functional_prepare(struct call *c, struct err *e)
{
    const void *body;
    TRY(call_body(c, &body, e));
    const struct functional_body *in = body;
    return inspect_key(c, in->private_key, in->passphrase, e);
}

static struct secret *given(struct secret *s)
{
    return secret_length(s) > 0 ? s : NULL;
}

static result functional_new(struct call *c, struct err *e)
{
    const void *body;
    int64_t id;
    TRY(call_body(c, &body, e));
    const struct functional_body *in = body;
    const struct key_facts *key = c->prepared;
    struct functional_account with = {.platform_id = in->platform_id,
                                      .domain_name = in->domain_name,
                                      .account_name = in->account_name,
                                      .display_name = in->display_name,
                                      .description = in->description,
                                      .elevation_command = in->elevation_command};
    struct functional_secret secret = {.password = given(in->password),
                                       .private_key = given(in->private_key),
                                       .passphrase = key && key->is_encrypted ? in->passphrase : NULL};
    TRY(functional_create(c->db, c->arena, c->service->keys, &with, &secret, &id, e));
    return answer(c, id, e);
}

static result functional_remove(struct call *c, struct err *e)
{
    int64_t id;
    struct functional_account f;
    TRY(call_id(c, 0, "Functional Account", &id, e));
    TRY(functional_get(c->db, c->arena, id, &f, e));
    call_object(c, "functional account", id, f.display_name);
    TRY(functional_delete(c->db, c->arena, id, e));
    reply_none(c, 200);
    return SUCCESS;
}

const struct endpoint ps_functional_endpoints[] = {
    {HTTP_GET, "/FunctionalAccounts", MAY_READ_EITHER(ACCOUNT_MANAGEMENT, CONFIGURATION_MANAGEMENT), SEARCHES,
     UNRECORDED, "List functional accounts", NO_BODY, functional_all, .reply_is_list = true,
     .reply = functional_fields},
    {HTTP_GET, "/FunctionalAccounts/{id}", MAY_READ_EITHER(ACCOUNT_MANAGEMENT, CONFIGURATION_MANAGEMENT), READS,
     UNRECORDED, "Show a functional account", NO_BODY, functional_show, .reply = functional_fields,
     .object = "functional account"},
    {HTTP_POST, "/FunctionalAccounts", MAY_EITHER(ACCOUNT_MANAGEMENT, CONFIGURATION_MANAGEMENT), WRITES,
     "functional.create", "Create a functional account", &functional_body, functional_new, .status = 201,
     .prepare = functional_prepare, .reply = functional_fields, .opens_secrets = true},
    {HTTP_DELETE, "/FunctionalAccounts/{id}", MAY_EITHER(ACCOUNT_MANAGEMENT, CONFIGURATION_MANAGEMENT), WRITES,
     "functional.delete", "Delete a functional account that no system uses", NO_BODY, functional_remove,
     .object = "functional account"},
    {0},
};
