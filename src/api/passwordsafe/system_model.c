/* api/passwordsafe/system_model.c: managed systems as every call answers with them (passwordsafe-api 6.9). */
#include "api/passwordsafe/face.h"

#define IS struct shown_system
const struct field ps_system_fields[] = {
    ID("ManagedSystemID", IS, is.id),
    INT("EntityTypeID", IS, is.entity_type),
    OPT_INT("AssetID", IS, asset_id),
    OPT_INT("DatabaseID", IS, is.database_id),
    OPT_INT("DirectoryID", IS, is.directory_id),
    OPT_INT("CloudID", IS, no_number),
    ID("WorkgroupID", IS, is.workgroup_id),
    TEXT("HostName", IS, is.host_name),
    TEXT("DnsName", IS, is.dns_name, .null_when_empty = true),
    TEXT("IPAddress", IS, is.ip_address, .null_when_empty = true),
    TEXT("InstanceName", IS, is.instance_name, .null_when_empty = true),
    OPT_FLAG("IsDefaultInstance", IS, is_default_instance),
    TEXT("Template", IS, is.template, .null_when_empty = true),
    TEXT("ForestName", IS, is.forest_name, .null_when_empty = true),
    OPT_FLAG("UseSSL", IS, use_ssl),
    TEXT("OracleInternetDirectoryID", IS, no_text),
    TEXT("OracleInternetDirectoryServiceName", IS, no_text),
    TEXT("SystemName", IS, is.name),
    ID("PlatformID", IS, is.platform_id),
    TEXT("NetBiosName", IS, is.net_bios_name, .null_when_empty = true),
    OPT_INT("Port", IS, is.port),
    INT("Timeout", IS, is.timeout_s),
    TEXT("Description", IS, is.description),
    TEXT("ContactEmail", IS, is.contact_email),
    ID("PasswordRuleID", IS, is.password_rule_id),
    ID("DSSKeyRuleID", IS, is.dss_key_rule_id),
    INT("ReleaseDuration", IS, is.release_duration),
    INT("MaxReleaseDuration", IS, is.max_release_duration),
    INT("ISAReleaseDuration", IS, is.isa_release_duration),
    FLAG("AutoManagementFlag", IS, is.auto_management),
    OPT_INT("FunctionalAccountID", IS, is.functional_account_id),
    OPT_INT("LoginAccountID", IS, no_number),
    TEXT("ElevationCommand", IS, is.elevation_command, .null_when_empty = true),
    INT("SshKeyEnforcementMode", IS, is.ssh_key_enforcement),
    FLAG("CheckPasswordFlag", IS, is.check_password),
    FLAG("ChangePasswordAfterAnyReleaseFlag", IS, is.change_after_release),
    FLAG("ResetPasswordOnMismatchFlag", IS, is.reset_on_mismatch),
    TEXT("ChangeFrequencyType", IS, is.change_frequency_type),
    INT("ChangeFrequencyDays", IS, is.change_frequency_days),
    TEXT("ChangeTime", IS, is.change_time),
    INT("AccountNameFormat", IS, is.account_name_format),
    TEXT("RemoteClientType", IS, remote_client_type),
    OPT_INT("ApplicationHostID", IS, no_number),
    FLAG("IsApplicationHost", IS, off),
    TEXT("AccessURL", IS, no_text),
    FIELD_END,
};

static struct shown_system shown_of(const struct managed_system *s)
{
    return (struct shown_system){.is = *s,
                                 .asset_id = {s->asset_id != 0, s->asset_id},
                                 .is_default_instance = {s->database_id.is_set, s->is_default_instance},
                                 .use_ssl = {s->directory_id.is_set, s->use_ssl},
                                 .remote_client_type = S("None")};
}

void reply_system(struct call *c, const struct managed_system *s)
{
    struct shown_system shown = shown_of(s);
    reply_object(c, ps_system_fields, &shown);
}

void reply_systems(struct call *c, const struct page *p, const struct managed_system *s, size_t n, int64_t total)
{
    struct shown_system *shown = arena_array(c->arena, struct shown_system, n);
    for (size_t i = 0; i < n; i++)
        shown[i] = shown_of(&s[i]);
    reply_page_of_rows(c, p, ps_system_fields, shown, sizeof *shown, n, total);
}
