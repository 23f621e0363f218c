/* api/passwordsafe/account_model.c: managed accounts as the administrative calls answer with them
 * (passwordsafe-api 6.10.3). */
#include "api/passwordsafe/face.h"

#define IS struct shown_account
const struct field ps_account_fields[] = {
    ID("ManagedAccountID", IS, is.id),
    ID("ManagedSystemID", IS, is.system_id),
    TEXT("DomainName", IS, is.domain_name, .null_when_empty = true),
    TEXT("AccountName", IS, is.name),
    TEXT("DistinguishedName", IS, is.distinguished_name, .null_when_empty = true),
    FLAG("PasswordFallbackFlag", IS, is.password_fallback),
    TEXT("UserPrincipalName", IS, is.user_principal_name, .null_when_empty = true),
    TEXT("SAMAccountName", IS, is.sam_account_name, .null_when_empty = true),
    FLAG("LoginAccountFlag", IS, is.login_account),
    TEXT("Description", IS, is.description, .null_when_empty = true),
    ID("PasswordRuleID", IS, is.password_rule_id),
    FLAG("ApiEnabled", IS, is.api_enabled),
    TEXT("ReleaseNotificationEmail", IS, is.release_notification_email, .null_when_empty = true),
    FLAG("ChangeServicesFlag", IS, off),
    FLAG("RestartServicesFlag", IS, off),
    FLAG("ChangeTasksFlag", IS, off),
    INT("ReleaseDuration", IS, is.release_duration),
    INT("MaxReleaseDuration", IS, is.max_release_duration),
    INT("ISAReleaseDuration", IS, is.isa_release_duration),
    INT("MaxConcurrentRequests", IS, is.max_concurrent_requests),
    FLAG("AutoManagementFlag", IS, is.auto_management),
    FLAG("DSSAutoManagementFlag", IS, is.dss_auto_management),
    FLAG("CheckPasswordFlag", IS, is.check_password),
    FLAG("ResetPasswordOnMismatchFlag", IS, is.reset_on_mismatch),
    FLAG("ChangePasswordAfterAnyReleaseFlag", IS, is.change_after_release),
    TEXT("ChangeFrequencyType", IS, is.change_frequency_type),
    INT("ChangeFrequencyDays", IS, is.change_frequency_days),
    TEXT("ChangeTime", IS, is.change_time),
    OPT_INT("ParentAccountID", IS, parent_account_id),
    FLAG("IsSubscribedAccount", IS, is_subscribed),
    TIME("LastChangeDate", IS, is.last_change_at, .format = TIME_BARE),
    TIME("NextChangeDate", IS, is.next_change_at, .format = TIME_BARE),
    FLAG("IsChanging", IS, is.is_changing),
    INT("ChangeState", IS, is.change_state, .doc = "0 idle, 1 changing, 2 queued or due within five minutes"),
    FLAG("UseOwnCredentials", IS, is.use_own_credentials),
    OPT_INT("WorkgroupID", IS, is.workgroup_id),
    FLAG("ChangeIISAppPoolFlag", IS, off),
    FLAG("RestartIISAppPoolFlag", IS, off),
    FLAG("ChangeWindowsAutoLogonFlag", IS, off),
    FLAG("ChangeComPlusFlag", IS, off),
    FLAG("ChangeDComFlag", IS, off),
    FLAG("ChangeSComFlag", IS, off),
    TEXT("ObjectID", IS, no_text),
    FIELD_END,
};

static struct shown_account shown_of(const struct managed_account *m)
{
    bool is_subscribed = m->parent_account_id > 0;
    return (struct shown_account){
        .is = *m, .parent_account_id = {is_subscribed, m->parent_account_id}, .is_subscribed = is_subscribed};
}

void reply_account(struct call *c, const struct managed_account *m)
{
    struct shown_account shown = shown_of(m);
    reply_object(c, ps_account_fields, &shown);
}

void reply_accounts(struct call *c, const struct page *p, const struct managed_account *m, size_t n, int64_t total)
{
    struct shown_account *shown = arena_array(c->arena, struct shown_account, n);
    for (size_t i = 0; i < n; i++)
        shown[i] = shown_of(&m[i]);
    reply_page_of_rows(c, p, ps_account_fields, shown, sizeof *shown, n, total);
}

void record_account(struct call *c, const struct managed_account *m)
{
    call_object(c, "account", m->id, arena_printf(c->arena, "%.*s/%.*s", STR_ARG(m->system_name), STR_ARG(m->name)));
    call_account(c, m->id);
}

result account_of_param(struct call *c, size_t i, struct managed_account *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, i, "Managed Account", &id, e));
    TRY(account_get(c->db, c->arena, id, c->now, ret, e));
    record_account(c, ret);
    return SUCCESS;
}
