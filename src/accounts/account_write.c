/* accounts/account_write.c: making, changing and deleting managed accounts, by the rules of passwordsafe-api 6.10.3. */
#include "accounts/account.h"
#include "accounts/check.h"
#include "accounts/schedule.h"
#include "base/text.h"

enum { CONCURRENT_MAX = 999 };

static void complete_terms(struct managed_account *w, const struct managed_system *s, struct err *found)
{
    struct terms of_system = {s->release_duration,      s->max_release_duration, s->isa_release_duration,
                              s->change_frequency_type, s->change_time,          s->change_frequency_days};
    struct terms t = {w->release_duration,      w->max_release_duration, w->isa_release_duration,
                      w->change_frequency_type, w->change_time,          w->change_frequency_days};
    terms_complete(&t, &of_system, found);
    w->release_duration = t.release_duration;
    w->max_release_duration = t.max_release_duration;
    w->isa_release_duration = t.isa_release_duration;
    w->change_frequency_type = t.change_frequency_type;
    w->change_time = t.change_time;
    w->change_frequency_days = t.change_frequency_days;
}

static void complete_texts(struct managed_account *w, struct err *found)
{
    w->name = text_trim(text_or_empty(w->name));
    if (w->name.n == 0)
        err_add_line(found, "AccountName: is required");
    check_no_control("AccountName", w->name, found);
    w->domain_name = text_or_empty(w->domain_name);
    w->distinguished_name = text_or_empty(w->distinguished_name);
    w->user_principal_name = text_or_empty(w->user_principal_name);
    w->sam_account_name = text_or_empty(w->sam_account_name);
    w->description = text_or_empty(w->description);
    w->release_notification_email = text_or_empty(w->release_notification_email);
}

static void check_platform(const struct managed_account *w, const struct platform *p, struct err *found)
{
    if (w->dss_auto_management && !(p && p->can_manage_keys))
        err_add_line(found, "DSSAutoManagementFlag: not supported by this platform");
    if (w->password_fallback && !(p && p->can_store_keys))
        err_add_line(found, "PasswordFallbackFlag: not supported by this platform");
}

static result check_workgroup(struct db *db, struct arena *a, struct managed_account *w, struct err *found,
                              struct err *e)
{
    bool exists;
    if (w->workgroup_id.is_set && w->workgroup_id.value == 0)
        w->workgroup_id.is_set = false;
    if (!w->workgroup_id.is_set)
        return SUCCESS;
    TRY(has_row(db, a, SQL("SELECT 1 FROM workgroups WHERE id = $1", P_INT(w->workgroup_id.value)), &exists, e));
    if (!exists)
        err_add_line(found, "WorkgroupID: unknown");
    return SUCCESS;
}

static result complete(struct db *db, struct arena *a, struct managed_account *w, struct err *e)
{
    struct err found = {0};
    struct managed_system system;
    TRY(system_get(db, a, w->system_id, &system, e));
    complete_texts(w, &found);
    complete_terms(w, &system, &found);
    check_platform(w, platform_by_id(system.platform_id), &found);
    check_account_name(system.platform_id, w->name, w, &found);
    if (w->max_concurrent_requests < 0 || w->max_concurrent_requests > CONCURRENT_MAX)
        err_add_line(&found, "MaxConcurrentRequests: must be between 0 and %d", CONCURRENT_MAX);
    TRY(check_password_rule(db, a, w->password_rule_id, &found, e));
    TRY(check_workgroup(db, a, w, &found, e));
    return check_end(&found, e);
}

static bool has_same_schedule(const struct managed_account *one, const struct managed_account *other)
{
    return one->auto_management == other->auto_management && str_equal(one->change_time, other->change_time) &&
           str_equal(one->change_frequency_type, other->change_frequency_type) &&
           one->change_frequency_days == other->change_frequency_days;
}

/* Clients send back the whole object: a date that was stored, or has passed since they read it, is not a wish. */
static int64_t next_change(const struct managed_account *w, const struct managed_account *before, int64_t now)
{
    if (!w->auto_management || w->parent_account_id)
        return 0;
    if (w->next_change_at > 0 && !(before && before->next_change_at == w->next_change_at)) {
        int64_t wished = schedule_on_date(w->next_change_at, w->change_time);
        if (wished > now)
            return wished;
    }
    if (before && before->next_change_at > 0 && has_same_schedule(w, before))
        return before->next_change_at;
    return schedule_next(w->change_frequency_type, w->change_frequency_days, w->change_time, now);
}

/* $1 to $28 of both statements. */
#define ACCOUNT_VALUES(a, w)                                                                                           \
    P_INT((w).system_id), P_TEXT((w).domain_name), P_TEXT((w).name), P_TEXT(text_key((a), (w).name)),                  \
        P_TEXT((w).distinguished_name), P_TEXT((w).user_principal_name), P_TEXT((w).sam_account_name),                 \
        P_INT((w).password_fallback), P_INT((w).login_account), P_TEXT((w).description), P_INT((w).password_rule_id),  \
        P_INT((w).api_enabled), P_TEXT((w).release_notification_email), P_INT((w).release_duration),                   \
        P_INT((w).max_release_duration), P_INT((w).isa_release_duration), P_INT((w).max_concurrent_requests),          \
        P_INT((w).auto_management), P_INT((w).dss_auto_management), P_INT((w).check_password),                         \
        P_INT((w).change_after_release), P_INT((w).reset_on_mismatch), P_TEXT((w).change_frequency_type),              \
        P_INT((w).change_frequency_days), P_TEXT((w).change_time), P_INT((w).use_own_credentials),                     \
        (w).workgroup_id.is_set ? P_INT((w).workgroup_id.value) : P_NULL, P_INT((w).next_change_at)

result account_create(struct db *db, struct arena *a, const struct managed_account *with, int64_t now, int64_t *ret_id,
                      struct err *e)
{
    struct managed_account w = *with;
    struct rows r;
    TRY(complete(db, a, &w, e));
    w.next_change_at = next_change(&w, NULL, now);
    TRY(db_query(
        db, a,
        SQL("INSERT INTO managed_accounts (system_id, domain_name, name, name_key, distinguished_name, "
            "user_principal_name, sam_account_name, password_fallback, login_account, description, password_rule_id, "
            "api_enabled, release_notification_email, release_duration, max_release_duration, isa_release_duration, "
            "max_concurrent_requests, auto_management, dss_auto_management, check_password, change_after_release, "
            "reset_on_mismatch, change_frequency_type, change_frequency_days, change_time, use_own_credentials, "
            "workgroup_id, next_change_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
            "$16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, CAST($27 AS bigint), $28) "
            "ON CONFLICT DO NOTHING RETURNING id",
            ACCOUNT_VALUES(a, w)),
        &r, e));
    if (r.n == 0)
        return name_taken("A Managed Account", w.name, e);
    *ret_id = row_int(&r, 0, 0);
    return SUCCESS;
}

result account_update(struct db *db, struct arena *a, const struct managed_account *with, int64_t now, struct err *e)
{
    struct managed_account before, w = *with;
    bool is_taken;
    TRY(account_get(db, a, with->id, now, &before, e));
    w.system_id = before.system_id;
    TRY(complete(db, a, &w, e));
    w.next_change_at = next_change(&w, &before, now);
    TRY(has_row(db, a,
                SQL("SELECT 1 FROM managed_accounts WHERE system_id = $1 AND name_key = $2 AND deleted_at = 0 AND "
                    "id <> $3",
                    P_INT(w.system_id), P_TEXT(text_key(a, w.name)), P_INT(w.id)),
                &is_taken, e));
    if (is_taken)
        return name_taken("A Managed Account", w.name, e);
    return db_run(
        db,
        SQL("UPDATE managed_accounts SET system_id = $1, domain_name = $2, name = $3, name_key = $4, "
            "distinguished_name = $5, user_principal_name = $6, sam_account_name = $7, password_fallback = $8, "
            "login_account = $9, description = $10, password_rule_id = $11, api_enabled = $12, "
            "release_notification_email = $13, release_duration = $14, max_release_duration = $15, "
            "isa_release_duration = $16, max_concurrent_requests = $17, auto_management = $18, "
            "dss_auto_management = $19, check_password = $20, change_after_release = $21, reset_on_mismatch = $22, "
            "change_frequency_type = $23, change_frequency_days = $24, change_time = $25, use_own_credentials = $26, "
            "workgroup_id = CAST($27 AS bigint), next_change_at = $28 WHERE id = $29",
            ACCOUNT_VALUES(a, w), P_INT(w.id)),
        e);
}

result account_delete(struct db *db, int64_t id, int64_t now, struct err *e)
{
    int64_t marked;
    TRY(db_run_counting(
        db,
        SQL("UPDATE managed_accounts SET deleted_at = $2, next_change_at = 0 WHERE id = $1 AND deleted_at = 0",
            P_INT(id), P_INT(now)),
        &marked, e));
    if (marked == 0)
        return FAIL(e, NOT_FOUND, "Managed Account not found");
    TRY(db_run(db,
               SQL("UPDATE requests SET status = 'Cancelled', ended_at = $2, ends_at = $2 WHERE account_id = $1 AND "
                   "status IN ('Pending', 'Active') AND ends_at > $2",
                   P_INT(id), P_INT(now)),
               e));
    return db_run(
        db,
        SQL("DELETE FROM smart_rule_members WHERE member_id = $1 AND rule_id IN (SELECT r.id FROM smart_rules "
            "r WHERE r.rule_type = 'ManagedAccount')",
            P_INT(id)),
        e);
}
