/* api/passwordsafe/directories.c: directories: Active Directory domains and LDAP servers (passwordsafe-api 6.5). */
#include "api/passwordsafe/system_body.h"

#define IS struct directory
static const struct field directory_fields[] = {
    ID("DirectoryID", IS, id),
    ID("WorkgroupID", IS, is.workgroup_id),
    ID("PlatformID", IS, is.platform_id),
    TEXT("DomainName", IS, domain_name),
    TEXT("ForestName", IS, is.forest_name, .null_when_empty = true),
    TEXT("NetBiosName", IS, is.net_bios_name, .null_when_empty = true),
    FLAG("UseSSL", IS, is.use_ssl),
    OPT_INT("Port", IS, is.port),
    INT("Timeout", IS, is.timeout_s),
    TEXT("Description", IS, is.description, .null_when_empty = true),
    TEXT("ContactEmail", IS, is.contact_email, .null_when_empty = true),
    ID("PasswordRuleID", IS, is.password_rule_id),
    INT("ReleaseDuration", IS, is.release_duration),
    INT("MaxReleaseDuration", IS, is.max_release_duration),
    INT("ISAReleaseDuration", IS, is.isa_release_duration),
    INT("AccountNameFormat", IS, is.account_name_format),
    FLAG("AutoManagementFlag", IS, is.auto_management),
    OPT_INT("FunctionalAccountID", IS, is.functional_account_id),
    FLAG("CheckPasswordFlag", IS, is.check_password),
    FLAG("ChangePasswordAfterAnyReleaseFlag", IS, is.change_after_release),
    FLAG("ResetPasswordOnMismatchFlag", IS, is.reset_on_mismatch),
    TEXT("ChangeFrequencyType", IS, is.change_frequency_type),
    INT("ChangeFrequencyDays", IS, is.change_frequency_days),
    TEXT("ChangeTime", IS, is.change_time),
    FIELD_END,
};

struct directory_body {
    struct opt_int platform_id, port, timeout_s, password_rule_id, release, max_release, isa_release,
        account_name_format, functional_account_id, change_days;
    struct opt_bool use_ssl, auto_management, change_after_release, check_password, reset_on_mismatch;
    struct str domain_name, forest_name, net_bios_name, description, contact_email, frequency, change_time;
};
#define IN struct directory_body
static const char *const frequencies[] = {"first", "last", "xdays", NULL};
static const struct field body_fields[] = {
    OPT_INT("PlatformID", IN, platform_id, .doc = "A platform of directories; required for a new one", .example = "25"),
    TEXT("DomainName", IN, domain_name, .max = 50, .doc = "Required for a new one; unique in its workgroup",
         .example = "corp.example"),
    TEXT("ForestName", IN, forest_name, .max = 64, .doc = "Required for Active Directory", .example = "corp.example"),
    TEXT("NetBiosName", IN, net_bios_name, .max = 15, .doc = "Required for Active Directory", .example = "CORP"),
    OPT_FLAG("UseSSL", IN, use_ssl, .doc = "Stored; TLS is always spoken"),
    OPT_INT("Port", IN, port, .doc = "None: 636"),
    OPT_INT("Timeout", IN, timeout_s, .doc = "Seconds; none: 30"),
    TEXT("Description", IN, description, .max = 255),
    TEXT("ContactEmail", IN, contact_email, .max = 1000),
    OPT_INT("PasswordRuleID", IN, password_rule_id),
    OPT_INT("ReleaseDuration", IN, release, .doc = "Minutes; none: 120"),
    OPT_INT("MaxReleaseDuration", IN, max_release, .doc = "Minutes; none: 525600"),
    OPT_INT("ISAReleaseDuration", IN, isa_release, .doc = "Minutes; none: 120"),
    OPT_INT("AccountNameFormat", IN, account_name_format, .doc = "0, 1 or 2; stored"),
    OPT_FLAG("AutoManagementFlag", IN, auto_management),
    OPT_INT("FunctionalAccountID", IN, functional_account_id, .doc = "Required with AutoManagementFlag"),
    OPT_FLAG("ChangePasswordAfterAnyReleaseFlag", IN, change_after_release),
    TEXT("ChangeFrequencyType", IN, frequency, .words = frequencies),
    OPT_INT("ChangeFrequencyDays", IN, change_days, .doc = "1 to 999, with xdays"),
    TEXT("ChangeTime", IN, change_time, .max = 5, .doc = "HH:MM, UTC", .example = "23:30"),
    OPT_FLAG("CheckPasswordFlag", IN, check_password),
    OPT_FLAG("ResetPasswordOnMismatchFlag", IN, reset_on_mismatch),
    FIELD_END,
};
static const struct body directory_body =
    BODY(IN, body_fields,
         .example = "{\"PlatformID\":25,\"DomainName\":\"corp.example\",\"ForestName\":\"corp.example\","
                    "\"NetBiosName\":\"CORP\"}");

static result answer(struct call *c, int64_t id, struct err *e)
{
    struct directory shown;
    TRY(directory_get(c->db, c->arena, id, &shown, e));
    call_object(c, "directory", id, shown.domain_name);
    reply_object(c, directory_fields, &shown);
    return SUCCESS;
}

static result directory_of_param(struct call *c, struct directory *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Directory", &id, e));
    TRY(directory_get(c->db, c->arena, id, ret, e));
    call_object(c, "directory", id, ret->domain_name);
    return SUCCESS;
}

static result directories_all(struct call *c, struct err *e)
{
    struct directory *found;
    size_t n;
    TRY(directory_list(c->db, c->arena, &found, &n, e));
    reply_array(c, directory_fields, found, sizeof *found, n);
    return SUCCESS;
}

static result directory_show(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Directory", &id, e));
    return answer(c, id, e);
}

static result read_body(struct call *c, const IN **ret, struct err *e)
{
    const void *body;
    TRY(call_body(c, &body, e));
    *ret = body;
    return SUCCESS;
}

static void take_body(struct directory *d, const IN *in)
{
    struct managed_system *s = &d->is;
    take_int(&s->platform_id, in->platform_id);
    take_text(&d->domain_name, in->domain_name);
    take_text(&s->forest_name, in->forest_name);
    take_text(&s->net_bios_name, in->net_bios_name);
    take_flag(&s->use_ssl, in->use_ssl);
    take_opt_int(&s->port, in->port);
    take_int(&s->timeout_s, in->timeout_s);
    take_text(&s->description, in->description);
    take_text(&s->contact_email, in->contact_email);
    take_int(&s->password_rule_id, in->password_rule_id);
    take_int(&s->release_duration, in->release);
    take_int(&s->max_release_duration, in->max_release);
    take_int(&s->isa_release_duration, in->isa_release);
    take_int(&s->account_name_format, in->account_name_format);
    take_flag(&s->auto_management, in->auto_management);
    take_opt_int(&s->functional_account_id, in->functional_account_id);
    take_flag(&s->check_password, in->check_password);
    take_flag(&s->change_after_release, in->change_after_release);
    take_flag(&s->reset_on_mismatch, in->reset_on_mismatch);
    take_text(&s->change_frequency_type, in->frequency);
    take_int(&s->change_frequency_days, in->change_days);
    take_text(&s->change_time, in->change_time);
}

static result directory_new(struct call *c, struct err *e)
{
    struct workgroup w;
    const IN *in;
    int64_t id;
    TRY(workgroup_of_param(c, 0, &w, e));
    TRY(read_body(c, &in, e));
    if (!in->platform_id.is_set)
        return FAIL(e, INVALID, "PlatformID: is required");
    struct directory with = {.is.workgroup_id = w.id};
    take_body(&with, in);
    TRY(directory_create(c->db, c->arena, &with, c->now, &id, e));
    return answer(c, id, e);
}

static result directory_edit(struct call *c, struct err *e)
{
    struct directory d;
    const IN *in;
    TRY(directory_of_param(c, &d, e));
    TRY(read_body(c, &in, e));
    take_body(&d, in);
    TRY(directory_update(c->db, c->arena, &d, c->now, e));
    return answer(c, d.id, e);
}

static result directory_remove(struct call *c, struct err *e)
{
    struct directory d;
    TRY(directory_of_param(c, &d, e));
    TRY(directory_delete(c->db, c->arena, d.id, e));
    reply_none(c, 200);
    return SUCCESS;
}

const struct endpoint ps_directory_endpoints[] = {
    {HTTP_GET, "/Directories", MAY_READ(SYSTEM_MANAGEMENT), SEARCHES, UNRECORDED, "List directories", NO_BODY,
     directories_all, .reply_is_list = true, .reply = directory_fields},
    {HTTP_GET, "/Directories/{id}", MAY_READ(SYSTEM_MANAGEMENT), READS, UNRECORDED, "Show a directory", NO_BODY,
     directory_show, .reply = directory_fields, .object = "directory"},
    {HTTP_POST, "/Workgroups/{id}/Directories", MAY(SYSTEM_MANAGEMENT), WRITES, "directory.create",
     "Create a directory", &directory_body, directory_new, .status = 201, .reply = directory_fields,
     .object = "workgroup"},
    {HTTP_PUT, "/Directories/{id}", MAY(SYSTEM_MANAGEMENT), WRITES, "directory.update",
     "Change a directory; what is left out stays", &directory_body, directory_edit, .reply = directory_fields,
     .object = "directory"},
    {HTTP_DELETE, "/Directories/{id}", MAY(SYSTEM_MANAGEMENT), WRITES, "directory.delete",
     "Delete a directory that has no managed system", NO_BODY, directory_remove, .object = "directory"},
    {0},
};
