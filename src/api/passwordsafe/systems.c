/* api/passwordsafe/systems.c: managed systems on assets (passwordsafe-api 6.9). */
#include "accounts/functional.h"
#include "api/passwordsafe/face.h"
#include "rotation/change.h"

enum { ENTITY_ASSET = 1, SWITCHES = 4 };

struct system_body {
    struct opt_int entity_type, platform_id, port, timeout_s, ssh_key_enforcement, password_rule_id, dss_key_rule_id,
        release, max_release, isa_release, functional_account_id, change_days, login_account_id, application_host_id;
    struct opt_bool auto_management, change_after_release;
    struct str host_name, ip_address, dns_name, contact_email, description, elevation_command, frequency, change_time,
        remote_client_type;
    bool refused[SWITCHES];
};
#define IN struct system_body
static const char *const frequencies[] = {"first", "last", "xdays", NULL};
static const char *const clients[] = {"None", "EPM", NULL};
static const struct field body_fields[] = {
    OPT_INT("EntityTypeID", IN, entity_type, .doc = "1, an asset; required when the asset is made in the same step",
            .example = "1"),
    TEXT("HostName", IN, host_name, .max = 128, .doc = "Required when the asset is made in the same step",
         .example = "web01"),
    TEXT("IPAddress", IN, ip_address, .max = 46, .example = "10.0.0.5"),
    TEXT("DnsName", IN, dns_name, .max = 255),
    OPT_INT("PlatformID", IN, platform_id, .doc = "Required for a new system", .example = "2"),
    TEXT("ContactEmail", IN, contact_email, .max = 1000),
    TEXT("Description", IN, description, .max = 255),
    OPT_INT("Port", IN, port, .doc = "None: the platform's", .example = "22"),
    OPT_INT("Timeout", IN, timeout_s, .doc = "Seconds; none: 30"),
    OPT_INT("SshKeyEnforcementMode", IN, ssh_key_enforcement,
            .doc = "0 and 1: pinned at first use; 2: only approved keys"),
    OPT_INT("PasswordRuleID", IN, password_rule_id),
    OPT_INT("DSSKeyRuleID", IN, dss_key_rule_id),
    OPT_INT("ReleaseDuration", IN, release, .doc = "Minutes; none: 120"),
    OPT_INT("MaxReleaseDuration", IN, max_release, .doc = "Minutes; none: 525600"),
    OPT_INT("ISAReleaseDuration", IN, isa_release, .doc = "Minutes; none: 120"),
    OPT_FLAG("AutoManagementFlag", IN, auto_management),
    OPT_INT("FunctionalAccountID", IN, functional_account_id, .doc = "Required with AutoManagementFlag"),
    TEXT("ElevationCommand", IN, elevation_command, .max = 80, .doc = "sudo, pbrun or pmrun"),
    OPT_FLAG("ChangePasswordAfterAnyReleaseFlag", IN, change_after_release),
    TEXT("ChangeFrequencyType", IN, frequency, .words = frequencies),
    OPT_INT("ChangeFrequencyDays", IN, change_days, .doc = "1 to 999, with xdays"),
    TEXT("ChangeTime", IN, change_time, .max = 5, .doc = "HH:MM, UTC", .example = "23:30"),
    OPT_INT("LoginAccountID", IN, login_account_id, .doc = "Not supported"),
    OPT_INT("ApplicationHostID", IN, application_host_id, .doc = "Not supported"),
    TEXT("RemoteClientType", IN, remote_client_type, .words = clients, .doc = "None"),
    FLAG("CheckPasswordFlag", IN, refused[0], .doc = "Not supported"),
    FLAG("ResetPasswordOnMismatchFlag", IN, refused[1], .doc = "Not supported"),
    FLAG("UseSSL", IN, refused[2], .doc = "Not supported"),
    FLAG("IsApplicationHost", IN, refused[3], .doc = "Not supported"),
    FIELD_END,
};
static const struct body system_body =
    BODY(IN, body_fields,
         .example = "{\"PlatformID\":2,\"Port\":22,\"AutoManagementFlag\":true,\"FunctionalAccountID\":2,"
                    "\"ElevationCommand\":\"sudo\",\"ChangeFrequencyType\":\"xdays\",\"ChangeFrequencyDays\":30}");

struct system_query {
    struct paging paging;
    struct opt_int type;
    struct str name;
};
static const struct field query_fields[] = {
    PAGING_ROWS(struct system_query),
    OPT_INT("type", struct system_query, type, .doc = "EntityTypeID"),
    TEXT("name", struct system_query, name, .max = 255, .doc = "Exact SystemName"),
    FIELD_END,
};

/* ---- reading ---- */

static result answer(struct call *c, int64_t id, struct err *e)
{
    struct managed_system s;
    TRY(system_get(c->db, c->arena, id, &s, e));
    call_object(c, "system", s.id, s.name);
    reply_system(c, &s);
    return SUCCESS;
}

static result system_show(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Managed System", &id, e));
    return answer(c, id, e);
}

static result list_by(struct call *c, struct system_filter f, struct err *e)
{
    const void *query;
    struct page page;
    struct managed_system *found;
    size_t n;
    int64_t total;
    TRY(call_query(c, &query, e));
    const struct system_query *q = query;
    TRY(page_of(&q->paging, &page, e));
    if (q->type.is_set && q->type.value != ENTITY_ASSET) {
        reply_systems(c, &page, NULL, 0, 0);
        return SUCCESS;
    }
    f.name = q->name.n ? q->name : STR_ABSENT;
    f.limit = page.limit;
    f.offset = page.offset;
    TRY(system_list(c->db, c->arena, &f, &found, &n, &total, e));
    reply_systems(c, &page, found, n, total);
    return SUCCESS;
}

static result systems_all(struct call *c, struct err *e)
{
    return list_by(c, (struct system_filter){0}, e);
}

static result systems_of_workgroup(struct call *c, struct err *e)
{
    struct workgroup w;
    TRY(workgroup_of_param(c, 0, &w, e));
    return list_by(c, (struct system_filter){.workgroup_id = w.id}, e);
}

static result systems_of_functional(struct call *c, struct err *e)
{
    int64_t id;
    struct functional_account f;
    TRY(call_id(c, 0, "Functional Account", &id, e));
    TRY(functional_get(c->db, c->arena, id, &f, e));
    return list_by(c, (struct system_filter){.functional_account_id = id}, e);
}

static result system_on_asset(struct call *c, struct err *e)
{
    int64_t id;
    struct asset a;
    struct managed_system s;
    TRY(call_id(c, 0, "Asset", &id, e));
    TRY(asset_get(c->db, c->arena, id, &a, e));
    TRY(system_of_asset(c->db, c->arena, id, &s, e));
    reply_system(c, &s);
    return SUCCESS;
}

/* ---- writing ---- */

static result refuse_what_is_not_enforced(const struct system_body *in, struct err *e)
{
    TRY(refuse_switches(body_fields, in, in->refused, SWITCHES, e));
    if (in->login_account_id.is_set && in->login_account_id.value != 0)
        return FAIL(e, INVALID, "LoginAccountID: not supported");
    if (in->application_host_id.is_set && in->application_host_id.value != 0)
        return FAIL(e, INVALID, "ApplicationHostID: not supported");
    if (str_equal(in->remote_client_type, S("EPM")))
        return FAIL(e, INVALID, "RemoteClientType: not supported");
    return SUCCESS;
}

static void take_body(struct managed_system *s, const struct system_body *in)
{
    take_int(&s->platform_id, in->platform_id);
    take_text(&s->host_name, in->host_name);
    take_text(&s->ip_address, in->ip_address);
    take_text(&s->dns_name, in->dns_name);
    take_text(&s->contact_email, in->contact_email);
    take_text(&s->description, in->description);
    take_opt_int(&s->port, in->port);
    take_int(&s->timeout_s, in->timeout_s);
    take_int(&s->ssh_key_enforcement, in->ssh_key_enforcement);
    take_int(&s->password_rule_id, in->password_rule_id);
    take_int(&s->dss_key_rule_id, in->dss_key_rule_id);
    take_int(&s->release_duration, in->release);
    take_int(&s->max_release_duration, in->max_release);
    take_int(&s->isa_release_duration, in->isa_release);
    take_flag(&s->auto_management, in->auto_management);
    take_opt_int(&s->functional_account_id, in->functional_account_id);
    take_text(&s->elevation_command, in->elevation_command);
    take_flag(&s->change_after_release, in->change_after_release);
    take_text(&s->change_frequency_type, in->frequency);
    take_int(&s->change_frequency_days, in->change_days);
    take_text(&s->change_time, in->change_time);
}

static result read_body(struct call *c, const struct system_body **ret, struct err *e)
{
    const void *body;
    TRY(call_body(c, &body, e));
    *ret = body;
    return refuse_what_is_not_enforced(*ret, e);
}

static result make(struct call *c, int64_t asset_id, const struct system_body *in, struct err *e)
{
    struct managed_system s = {.asset_id = asset_id};
    int64_t id;
    if (!in->platform_id.is_set)
        return FAIL(e, INVALID, "PlatformID: is required");
    take_body(&s, in);
    TRY(system_create(c->db, c->arena, &s, &id, e));
    return answer(c, id, e);
}

/* What a change under way was sent to, and what it was sent with. */
static bool is_aimed_elsewhere(const struct managed_system *a, const struct managed_system *b)
{
    bool same_port = a->port.is_set == b->port.is_set && (!a->port.is_set || a->port.value == b->port.value);
    bool same_functional = a->functional_account_id.is_set == b->functional_account_id.is_set &&
                           a->functional_account_id.value == b->functional_account_id.value;
    return !same_port || !same_functional || a->platform_id != b->platform_id ||
           !str_equal(a->ip_address, b->ip_address) || !str_equal(a->dns_name, b->dns_name) ||
           !str_equal(a->host_name, b->host_name);
}

static result change(struct call *c, const struct managed_system *stored, const struct system_body *in, struct err *e)
{
    struct managed_system s = *stored;
    take_body(&s, in);
    if (is_aimed_elsewhere(stored, &s))
        TRY(change_may_move_system(c->db, c->arena, s.id, e));
    TRY(system_update(c->db, c->arena, &s, e));
    return answer(c, s.id, e);
}

/* An asset that is managed already: the system is brought up to date, and the answer is 200. */
static result system_new_on_asset(struct call *c, struct err *e)
{
    int64_t id;
    struct asset a;
    struct managed_system present;
    const struct system_body *in;
    struct err why;
    TRY(call_id(c, 0, "Asset", &id, e));
    TRY(asset_get(c->db, c->arena, id, &a, e));
    TRY(read_body(c, &in, e));
    result found = system_of_asset(c->db, c->arena, id, &present, &why);
    if (found.code == NOT_FOUND)
        return make(c, id, in, e);
    if (!is_ok(found)) {
        *e = why;
        return found;
    }
    reply_status(c, 200);
    return change(c, &present, in, e);
}

static result system_new_in_workgroup(struct call *c, struct err *e)
{
    struct workgroup w;
    const struct system_body *in;
    int64_t asset_id;
    TRY(workgroup_of_param(c, 0, &w, e));
    TRY(read_body(c, &in, e));
    if (!in->entity_type.is_set)
        return FAIL(e, INVALID, "EntityTypeID: is required");
    if (in->entity_type.value != ENTITY_ASSET)
        return FAIL(e, INVALID, "EntityTypeID: only 1 (an asset) is supported");
    if (!in->host_name.n)
        return FAIL(e, INVALID, "HostName: is required");
    struct asset with = {
        .workgroup_id = w.id, .name = in->host_name, .ip_address = in->ip_address, .dns_name = in->dns_name};
    TRY(asset_create(c->db, c->arena, &with, c->now, &asset_id, e));
    return make(c, asset_id, in, e);
}

static result system_edit(struct call *c, struct err *e)
{
    int64_t id;
    struct managed_system s;
    const struct system_body *in;
    TRY(call_id(c, 0, "Managed System", &id, e));
    TRY(system_get(c->db, c->arena, id, &s, e));
    call_object(c, "system", id, s.name);
    TRY(read_body(c, &in, e));
    return change(c, &s, in, e);
}

static result system_remove(struct call *c, struct err *e)
{
    int64_t id, total;
    struct managed_system s;
    struct managed_account *accounts;
    size_t n;
    TRY(call_id(c, 0, "Managed System", &id, e));
    TRY(system_get(c->db, c->arena, id, &s, e));
    call_object(c, "system", id, s.name);
    struct account_filter f = {.system_id = id, .limit = -1};
    TRY(account_list(c->db, c->arena, &f, c->now, &accounts, &n, &total, e));
    for (size_t i = 0; i < n; i++)
        TRY(change_may_delete_account(c->db, c->arena, accounts[i].id, c->now, e));
    TRY(system_delete(c->db, id, c->now, e));
    reply_none(c, 200);
    return SUCCESS;
}

#define QUERY .query = query_fields, .query_size = sizeof(struct system_query)
const struct endpoint ps_system_endpoints[] = {
    {HTTP_GET, "/ManagedSystems", MAY_READ(SYSTEM_MANAGEMENT), SEARCHES, UNRECORDED, "List managed systems", NO_BODY,
     systems_all, QUERY, .reply = ps_system_fields, .reply_is_any = true},
    {HTTP_GET, "/ManagedSystems/{id}", MAY_READ(SYSTEM_MANAGEMENT), READS, UNRECORDED, "Show a managed system", NO_BODY,
     system_show, .reply = ps_system_fields, .object = "system"},
    {HTTP_GET, "/Assets/{id}/ManagedSystems", MAY_READ(SYSTEM_MANAGEMENT), READS, UNRECORDED,
     "Show the asset's managed system", NO_BODY, system_on_asset, .reply = ps_system_fields, .object = "asset"},
    {HTTP_GET, "/Workgroups/{id}/ManagedSystems", MAY_READ(SYSTEM_MANAGEMENT), SEARCHES, UNRECORDED,
     "List a workgroup's managed systems", NO_BODY, systems_of_workgroup, QUERY, .object = "workgroup",
     .reply = ps_system_fields, .reply_is_any = true},
    {HTTP_GET, "/FunctionalAccounts/{id}/ManagedSystems", MAY_READ_EITHER(SYSTEM_MANAGEMENT, ACCOUNT_MANAGEMENT),
     SEARCHES, UNRECORDED, "List the managed systems that a functional account serves", NO_BODY, systems_of_functional,
     QUERY, .object = "functional account", .reply = ps_system_fields, .reply_is_any = true},
    {HTTP_POST, "/Assets/{id}/ManagedSystems", MAY(SYSTEM_MANAGEMENT), WRITES, "system.create",
     "Manage an asset; 200 when it is managed already", &system_body, system_new_on_asset, .status = 201,
     .reply = ps_system_fields, .object = "asset"},
    {HTTP_POST, "/Workgroups/{id}/ManagedSystems", MAY(SYSTEM_MANAGEMENT), WRITES, "system.create",
     "Create an asset and manage it, in one step", &system_body, system_new_in_workgroup, .status = 201,
     .reply = ps_system_fields, .object = "workgroup"},
    {HTTP_PUT, "/ManagedSystems/{id}", MAY(SYSTEM_MANAGEMENT), WRITES, "system.update",
     "Change a managed system; what is left out stays", &system_body, system_edit, .reply = ps_system_fields,
     .object = "system"},
    {HTTP_DELETE, "/ManagedSystems/{id}", MAY(SYSTEM_MANAGEMENT), WRITES, "system.delete",
     "Delete a managed system and its accounts", NO_BODY, system_remove, .object = "system"},
    {0},
};
