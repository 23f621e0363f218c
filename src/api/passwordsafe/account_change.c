/* api/passwordsafe/account_change.c: making and changing managed accounts (passwordsafe-api 6.10.2, 6.10.3). */
#include "api/passwordsafe/face.h"
#include "rotation/change.h"
#include "rotation/link.h"
#include "rotation/owed.h"
#include "rotation/principal.h"
#include "rotation/rotation.h"
#include "rotation/turn.h"

enum { SWITCHES = 10 };

struct account_body {
    struct str domain_name, name, distinguished_name, user_principal_name, sam_account_name, description, email,
        frequency, change_time, next_change;
    struct secret *password, *private_key, *passphrase;
    struct opt_bool password_fallback, api_enabled, auto_management, dss_auto_management, change_after_release,
        use_own_credentials, check_password, reset_on_mismatch;
    struct opt_int password_rule_id, release, max_release, isa_release, max_concurrent, change_days, workgroup_id;
    bool refused[SWITCHES];
};
#define IN           struct account_body
#define OFF(name, i) FLAG(name, IN, refused[i], .doc = "Not supported")
static const char *const frequencies[] = {"first", "last", "xdays", NULL};
static const struct field body_fields[] = {
    TEXT("AccountName", IN, name, .max = 245, .doc = "Unique on its system; a new account needs one",
         .example = "root"),
    TEXT("DomainName", IN, domain_name, .max = 50, .doc = "Only where the platform has domains"),
    TEXT("DistinguishedName", IN, distinguished_name, .max = 1000),
    TEXT("UserPrincipalName", IN, user_principal_name, .max = 500),
    TEXT("SAMAccountName", IN, sam_account_name, .max = 20),
    SECRET("Password", IN, password, .max = 1024,
           .doc = "Required unless AutoManagementFlag is true; stored, not sent to the system"),
    SECRET("PrivateKey", IN, private_key, .max = 65536),
    SECRET("Passphrase", IN, passphrase, .max = 1024, .doc = "Of an encrypted PrivateKey"),
    OPT_FLAG("PasswordFallbackFlag", IN, password_fallback),
    TEXT("Description", IN, description, .max = 1024),
    OPT_INT("PasswordRuleID", IN, password_rule_id),
    OPT_FLAG("ApiEnabled", IN, api_enabled, .doc = "Only then can it be requested"),
    TEXT("ReleaseNotificationEmail", IN, email, .max = 255),
    OPT_INT("ReleaseDuration", IN, release, .doc = "Minutes; 0: the system's"),
    OPT_INT("MaxReleaseDuration", IN, max_release),
    OPT_INT("ISAReleaseDuration", IN, isa_release),
    OPT_INT("MaxConcurrentRequests", IN, max_concurrent, .doc = "0: no limit; none: 1"),
    OPT_FLAG("AutoManagementFlag", IN, auto_management, .doc = "The server may change it on the system by itself"),
    OPT_FLAG("DSSAutoManagementFlag", IN, dss_auto_management, .doc = "The server makes key pairs, too"),
    OPT_FLAG("CheckPasswordFlag", IN, check_password, .doc = "Test what is stored once a day"),
    OPT_FLAG("ResetPasswordOnMismatchFlag", IN, reset_on_mismatch,
             .doc = "A daily test that fails queues a change, if AutoManagementFlag is true"),
    OPT_FLAG("ChangePasswordAfterAnyReleaseFlag", IN, change_after_release),
    TEXT("ChangeFrequencyType", IN, frequency, .words = frequencies),
    OPT_INT("ChangeFrequencyDays", IN, change_days, .doc = "1 to 999, with xdays"),
    TEXT("ChangeTime", IN, change_time, .max = 5, .doc = "HH:MM, UTC", .example = "23:30"),
    TEXT("NextChangeDate", IN, next_change, .max = 40, .doc = "YYYY-MM-DD: once on this date, then by the rule"),
    OPT_FLAG("UseOwnCredentials", IN, use_own_credentials, .doc = "The account changes its own password"),
    OPT_INT("WorkgroupID", IN, workgroup_id),
    OFF("LoginAccountFlag", 0),
    OFF("ChangeServicesFlag", 1),
    OFF("RestartServicesFlag", 2),
    OFF("ChangeTasksFlag", 3),
    OFF("ChangeIISAppPoolFlag", 4),
    OFF("RestartIISAppPoolFlag", 5),
    OFF("ChangeWindowsAutoLogonFlag", 6),
    OFF("ChangeComPlusFlag", 7),
    OFF("ChangeDComFlag", 8),
    OFF("ChangeSComFlag", 9),
    FIELD_END,
};
static const struct body account_body = BODY(
    IN, body_fields,
    .example = "{\"AccountName\":\"root\",\"Password\":\"Initial-1\",\"ApiEnabled\":true,\"AutoManagementFlag\":true,"
               "\"ChangeFrequencyType\":\"xdays\",\"ChangeFrequencyDays\":30,\"ChangeTime\":\"02:00\"}");

/* ---- from the body ---- */

static bool has_secret(const struct account_body *in)
{
    return secret_length(in->password) > 0 || secret_length(in->private_key) > 0;
}

static struct secret *given(struct secret *s)
{
    return secret_length(s) > 0 ? s : NULL;
}

static result read_body(struct call *c, const struct account_body **ret, struct err *e)
{
    const void *body;
    TRY(call_body(c, &body, e));
    *ret = body;
    return refuse_switches(body_fields, body, (*ret)->refused, SWITCHES, e);
}

static result take_next_change(struct managed_account *m, const struct account_body *in, struct err *e)
{
    int64_t date;
    if (!in->next_change.n)
        return SUCCESS;
    if (!time_parse(in->next_change, &date))
        return FAIL(e, INVALID, "NextChangeDate: must be a date such as 2025-01-05");
    m->next_change_at = date;
    return SUCCESS;
}

static result take_body(struct managed_account *m, const struct account_body *in, struct err *e)
{
    take_text(&m->domain_name, in->domain_name);
    take_text(&m->name, in->name);
    take_text(&m->distinguished_name, in->distinguished_name);
    take_text(&m->user_principal_name, in->user_principal_name);
    take_text(&m->sam_account_name, in->sam_account_name);
    take_flag(&m->password_fallback, in->password_fallback);
    take_text(&m->description, in->description);
    take_int(&m->password_rule_id, in->password_rule_id);
    take_flag(&m->api_enabled, in->api_enabled);
    take_text(&m->release_notification_email, in->email);
    take_int(&m->release_duration, in->release);
    take_int(&m->max_release_duration, in->max_release);
    take_int(&m->isa_release_duration, in->isa_release);
    take_int(&m->max_concurrent_requests, in->max_concurrent);
    take_flag(&m->auto_management, in->auto_management);
    take_flag(&m->dss_auto_management, in->dss_auto_management);
    take_flag(&m->check_password, in->check_password);
    take_flag(&m->reset_on_mismatch, in->reset_on_mismatch);
    take_flag(&m->change_after_release, in->change_after_release);
    take_text(&m->change_frequency_type, in->frequency);
    take_int(&m->change_frequency_days, in->change_days);
    take_text(&m->change_time, in->change_time);
    take_flag(&m->use_own_credentials, in->use_own_credentials);
    take_opt_int(&m->workgroup_id, in->workgroup_id);
    const struct platform *p = platform_by_id(m->platform_id);
    if (m->domain_name.n && !(p && p->has_domain))
        return FAIL(e, INVALID, "DomainName: this platform has no domains");
    return take_next_change(m, in, e);
}

/* ---- what follows from it ---- */

static struct change_wish wish_of(const struct call *c, int64_t account_id, const struct account_body *in)
{
    const struct key_facts *key = c->prepared;
    return (struct change_wish){.account_id = account_id,
                                .password = given(in->password),
                                .private_key = given(in->private_key),
                                .passphrase = given(in->passphrase),
                                .derived_public = key ? key->public_key : STR_ABSENT,
                                .key_is_encrypted = key && key->is_encrypted,
                                .trigger = "caller",
                                .by = c->who.user_id};
}

/* Being managed by the server begins: a first change where there is nothing to keep, and a look at what can prove a
 * change. */
static result begin_management(struct call *c, const struct managed_account *before, const struct managed_account *now,
                               bool has_key, struct err *e)
{
    bool is_taken_on = now->auto_management && !(before && before->auto_management);
    bool wants_keys = now->dss_auto_management && !(before && before->dss_auto_management) && !has_key;
    bool has_nothing = is_taken_on && now->current_version == 0 && !now->parent_account_id;
    int64_t job;
    if (has_nothing || wants_keys) {
        struct change_wish wish = {
            .account_id = now->id, .update_system = true, .is_queued = true, .trigger = "caller", .by = c->who.user_id};
        TRY(change_ask(c->db, c->arena, c->service->keys, &wish, c->now, &job, e));
    }
    if (is_taken_on)
        TRY(change_ask_check(c->db, c->arena, now->id, c->who.user_id, c->now, e));
    if (has_nothing || wants_keys || is_taken_on)
        call_after_commit(c, rotation_wake, c->service->rotation);
    return SUCCESS;
}

static result answer(struct call *c, int64_t id, struct err *e)
{
    struct managed_account m;
    TRY(account_get(c->db, c->arena, id, c->now, &m, e));
    record_account(c, &m);
    reply_account(c, &m);
    return SUCCESS;
}

/* ---- POST ---- */

static result of_system(struct call *c, struct managed_system *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Managed System", &id, e));
    TRY(system_get(c->db, c->arena, id, ret, e));
    call_object(c, "system", id, ret->name);
    return SUCCESS;
}

static result account_new_prepare(struct call *c, struct err *e)
{
    struct managed_system s;
    const struct account_body *in;
    TRY(of_system(c, &s, e));
    TRY(read_body(c, &in, e));
    return inspect_key(c, in->private_key, in->passphrase, e);
}

/* The terms of the system hold where the body gives none; that the server may turn it has to be said. */
static struct managed_account like_system(const struct managed_system *s)
{
    return (struct managed_account){.system_id = s->id,
                                    .platform_id = s->platform_id,
                                    .password_rule_id = s->password_rule_id,
                                    .check_password = s->check_password,
                                    .reset_on_mismatch = s->reset_on_mismatch,
                                    .change_after_release = s->change_after_release,
                                    .max_concurrent_requests = 1};
}

static result account_new(struct call *c, struct err *e)
{
    struct managed_system s;
    const struct account_body *in;
    int64_t id;
    TRY(of_system(c, &s, e));
    TRY(read_body(c, &in, e));
    struct managed_account m = like_system(&s), made;
    TRY(take_body(&m, in, e));
    if (!m.auto_management && !has_secret(in))
        return FAIL(e, INVALID, "Password: is required unless AutoManagementFlag is true");
    TRY(account_create(c->db, c->arena, &m, c->now, &id, e));
    if (has_secret(in)) {
        struct change_wish wish = wish_of(c, id, in);
        TRY(change_store_first(c->db, c->arena, c->service->keys, &wish, c->now, e));
    }
    TRY(account_get(c->db, c->arena, id, c->now, &made, e));
    TRY(begin_management(c, NULL, &made, given(in->private_key) != NULL, e));
    return answer(c, id, e);
}

/* ---- PUT ---- */

static result account_edit_prepare(struct call *c, struct err *e)
{
    struct managed_account m;
    const struct account_body *in;
    TRY(account_of_param(c, 0, &m, e));
    TRY(read_body(c, &in, e));
    return inspect_key(c, in->private_key, in->passphrase, e);
}

/* A value that links follow is read all the time: changing it after each release would never end (keyturn-api 3.1, rule
 * 7). */
static result check_links(struct call *c, const struct managed_account *before, const struct managed_account *m,
                          struct err *e)
{
    int64_t links;
    if (!m->change_after_release || before->change_after_release)
        return SUCCESS;
    TRY(link_count(c->db, c->arena, m->id, &links, e));
    if (links)
        return FAIL(e, CONFLICT, "ChangePasswordAfterAnyReleaseFlag: not with linked values; this account has %" PRId64,
                    links);
    return SUCCESS;
}

/* A change that is under way goes on for the account, and in the way, that it began with. */
static result check_principal(struct call *c, const struct managed_account *before, const struct managed_account *m,
                              struct err *e)
{
    struct job open;
    const char *changed = principal_changed(before, m);
    if (!changed)
        return SUCCESS;
    TRY(job_open_change(c->db, c->arena, m->id, &open, e));
    if (!open.id || str_equal(open.state, S("queued")))
        return SUCCESS;
    return FAIL(e, CONFLICT, "%s: this account has an unfinished job: %" PRId64, changed, open.id);
}

/* What the server had queued by itself is not wanted any more (8.4). */
static result drop_own_change(struct call *c, const struct managed_account *before, const struct managed_account *m,
                              struct err *e)
{
    struct job open;
    bool was_dropped;
    if (m->auto_management || !before->auto_management)
        return SUCCESS;
    TRY(owed_forget_unmanaged(c->db, m->id, e));
    TRY(job_open_change(c->db, c->arena, m->id, &open, e));
    if (!open.id || open.parent_version || str_equal(open.trigger, S("caller")) || !str_equal(open.state, S("queued")))
        return SUCCESS;
    return job_drop_unsent(c->db, open.id, "AutoManagementFlag was turned off", c->now, &was_dropped, e);
}

static result tell_renamed(struct call *c, const struct managed_account *before, const struct managed_account *m,
                           struct err *e)
{
    if (!principal_renamed(before, m))
        return SUCCESS;
    return turn_renamed(c->db, c->arena, c->service->keys, m->id, c->now, e);
}

static result account_edit(struct call *c, struct err *e)
{
    struct managed_account before, m, after;
    const struct account_body *in;
    int64_t job;
    TRY(account_of_param(c, 0, &before, e));
    TRY(read_body(c, &in, e));
    m = before;
    TRY(take_body(&m, in, e));
    TRY(check_links(c, &before, &m, e));
    TRY(check_principal(c, &before, &m, e));
    TRY(account_update(c->db, c->arena, &m, c->now, e));
    TRY(tell_renamed(c, &before, &m, e));
    TRY(drop_own_change(c, &before, &m, e));
    if (has_secret(in)) {
        struct change_wish wish = wish_of(c, m.id, in);
        TRY(change_ask(c->db, c->arena, c->service->keys, &wish, c->now, &job, e));
    }
    TRY(account_get(c->db, c->arena, m.id, c->now, &after, e));
    TRY(begin_management(c, &before, &after, given(in->private_key) != NULL, e));
    return answer(c, m.id, e);
}

const struct endpoint ps_account_change_endpoints[] = {
    {HTTP_POST, "/ManagedSystems/{id}/ManagedAccounts", MAY(ACCOUNT_MANAGEMENT), WRITES, "account.create",
     "Create a managed account", &account_body, account_new, .status = 201, .prepare = account_new_prepare,
     .reply = ps_account_fields, .object = "system"},
    {HTTP_PUT, "/ManagedAccounts/{id}", MAY(ACCOUNT_MANAGEMENT), WRITES, "account.update",
     "Change a managed account; what is left out stays", &account_body, account_edit, .prepare = account_edit_prepare,
     .reply = ps_account_fields, .object = "account"},
    {0},
};
