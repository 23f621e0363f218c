/* api/passwordsafe/system_body.c: what a managed system is made and changed with (passwordsafe-api 6.9). */
#include "api/passwordsafe/system_body.h"

#include "rotation/change.h"
#include "rotation/link.h"
#include "rotation/turn.h"

#define IN struct system_body
static const char *const frequencies[] = {"first", "last", "xdays", NULL};
static const char *const clients[] = {"None", "EPM", NULL};
const struct field ps_system_body_fields[] = {
    OPT_INT("EntityTypeID", IN, entity_type,
            .doc = "1 asset, 2 database, 3 directory; required when it is made in the same step", .example = "1"),
    TEXT("HostName", IN, host_name, .max = 128,
         .doc = "Required when it is made in the same step; of a directory the domain", .example = "web01"),
    TEXT("IPAddress", IN, ip_address, .max = 46, .doc = "Dialled first; else DnsName, else HostName",
         .example = "10.0.0.5"),
    TEXT("DnsName", IN, dns_name, .max = 255),
    TEXT("InstanceName", IN, instance_name, .max = 100,
         .doc = "Of a database made in the same step: required unless it is the default instance"),
    OPT_FLAG("IsDefaultInstance", IN, is_default_instance),
    TEXT("Template", IN, template, .max = 255, .doc = "Stored"),
    TEXT("ForestName", IN, forest_name, .max = 64, .doc = "Of a directory made in the same step"),
    TEXT("NetBiosName", IN, net_bios_name, .max = 15, .doc = "Of a directory made in the same step"),
    OPT_FLAG("UseSSL", IN, use_ssl, .doc = "Of a directory: stored. TLS is always spoken"),
    OPT_INT("AccountNameFormat", IN, account_name_format, .doc = "Of a directory: stored"),
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
    OPT_FLAG("CheckPasswordFlag", IN, check_password, .doc = "As its accounts begin with"),
    OPT_FLAG("ResetPasswordOnMismatchFlag", IN, reset_on_mismatch, .doc = "As its accounts begin with"),
    FLAG("IsApplicationHost", IN, refused[0], .doc = "Not supported"),
    FIELD_END,
};
static result refuse_what_is_not_enforced(const struct system_body *in, struct err *e)
{
    TRY(refuse_switches(ps_system_body_fields, in, in->refused, SYSTEM_SWITCHES, e));
    if (in->login_account_id.is_set && in->login_account_id.value != 0)
        return FAIL(e, INVALID, "LoginAccountID: not supported");
    if (in->application_host_id.is_set && in->application_host_id.value != 0)
        return FAIL(e, INVALID, "ApplicationHostID: not supported");
    if (str_equal(in->remote_client_type, S("EPM")))
        return FAIL(e, INVALID, "RemoteClientType: not supported");
    return SUCCESS;
}

void take_system_body(struct managed_system *s, const struct system_body *in)
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
    take_flag(&s->check_password, in->check_password);
    take_flag(&s->reset_on_mismatch, in->reset_on_mismatch);
    take_text(&s->change_frequency_type, in->frequency);
    take_int(&s->change_frequency_days, in->change_days);
    take_text(&s->change_time, in->change_time);
}

result read_system_body(struct call *c, const struct system_body **ret, struct err *e)
{
    const void *body;
    TRY(call_body(c, &body, e));
    *ret = body;
    return refuse_what_is_not_enforced(*ret, e);
}

result answer_system(struct call *c, int64_t id, struct err *e)
{
    struct managed_system s;
    TRY(system_get(c->db, c->arena, id, &s, e));
    call_object(c, "system", s.id, s.name);
    reply_system(c, &s);
    return SUCCESS;
}

/* ---- changing ---- */

static bool differs(struct str given, struct str stored)
{
    return given.n > 0 && !str_equal(given, stored);
}

/* Clients send the whole object back. What stands with the database or the directory is changed there, for it is one
 * thing with one place. */
static result refuse_what_stands_elsewhere(const struct managed_system *s, const struct system_body *in, struct err *e)
{
    struct err found = {0};
    const char *where = s->database_id.is_set ? "Databases" : "Directories";
    if (s->entity_type == ENTITY_ASSET) {
        if (in->use_ssl.value)
            err_add_line(&found, "UseSSL: not supported");
        return found.code == OK ? SUCCESS : FAIL(e, INVALID, "%s", found.text);
    }
    bool has_other_port = in->port.is_set && in->port.value != 0 && in->port.value != s->port.value;
    if (in->platform_id.is_set && in->platform_id.value != 0 && in->platform_id.value != s->platform_id)
        err_add_line(&found, "PlatformID: is changed with PUT %s/{id}", where);
    if (s->database_id.is_set && has_other_port)
        err_add_line(&found, "Port: is changed with PUT %s/{id}", where);
    if (differs(in->instance_name, s->instance_name))
        err_add_line(&found, "InstanceName: is changed with PUT %s/{id}", where);
    if (differs(in->forest_name, s->forest_name))
        err_add_line(&found, "ForestName: is changed with PUT %s/{id}", where);
    if (differs(in->net_bios_name, s->net_bios_name))
        err_add_line(&found, "NetBiosName: is changed with PUT %s/{id}", where);
    if (s->directory_id.is_set && differs(in->host_name, s->host_name))
        err_add_line(&found, "HostName: is the directory's DomainName");
    return found.code == OK ? SUCCESS : FAIL(e, INVALID, "%s", found.text);
}

/* What a change under way was sent to. */
static bool stands_elsewhere(const struct managed_system *a, const struct managed_system *b)
{
    bool same_port = a->port.is_set == b->port.is_set && (!a->port.is_set || a->port.value == b->port.value);
    return !same_port || a->platform_id != b->platform_id || !str_equal(a->ip_address, b->ip_address) ||
           !str_equal(a->dns_name, b->dns_name) || !str_equal(a->host_name, b->host_name);
}

/* What it was sent with: none without auto-management (6.9). */
static int64_t functional_of(const struct managed_system *s)
{
    return s->auto_management ? s->functional_account_id.value : 0;
}

result change_system(struct call *c, const struct managed_system *stored, const struct system_body *in, struct err *e)
{
    struct managed_system s = *stored;
    TRY(refuse_what_stands_elsewhere(stored, in, e));
    take_system_body(&s, in);
    bool is_moved = stands_elsewhere(stored, &s), is_other = functional_of(stored) != functional_of(&s);
    if (is_moved || is_other) {
        TRY(change_may_move_system(c->db, c->arena, s.id, e));
        TRY(change_may_use_functional(c->db, c->arena, s.functional_account_id, e));
    }
    TRY(system_update(c->db, c->arena, &s, e));
    if (is_moved)
        TRY(turn_moved(c->db, s.id, e));
    if (is_moved || is_other)
        TRY(link_push_anew(c->db, c->arena, s.id, c->now, e));
    return answer_system(c, s.id, e);
}
