/* accounts/request_create.c: asking for an account: rules and conflicts of passwordsafe-api 7.2, and ISA requests
 * (7.7). */
#include "accounts/check.h"
#include "accounts/member.h"
#include "accounts/request_row.h"
#include "base/text.h"

enum { REASON_MAX = 1000 };

struct asking {
    const struct caller *who;
    const struct request_new *with;
    int64_t now;
    struct managed_account account;
    struct access_policy policy;
    struct str access_type; /* as spelled here */
    bool is_reuse, is_renew;
};

/* In the order of passwordsafe-api 4.5: who has no role at all does not learn which accounts exist. */
static result check_right(struct db *db, struct arena *a, struct asking *k, struct err *e)
{
    int64_t id = k->with->account_id;
    TRY(must_have_role(db, a, k->who, requestor_roles, approver_roles, "4033", e));
    TRY(account_get(db, a, id, k->now, &k->account, e));
    TRY(must_have_role_on(db, a, k->who, requestor_roles, approver_roles, "4033", id, e));
    if (!k->account.api_enabled)
        return FAIL_AS(e, DENIED, "4031", "The account is not enabled for the API");
    if (k->account.system_id != k->with->system_id)
        return FAIL_AS(e, DENIED, "4031", "The account is not on that system");
    return access_policy_for(db, a, k->who, id, &k->policy, e);
}

static void check_duration_within(int64_t minutes, int64_t most, struct err *found)
{
    if (minutes < 1 || minutes > DURATION_MAX)
        check_duration("DurationMinutes", minutes, found);
    else if (minutes > most)
        err_add_line(found, "DurationMinutes: must not exceed the account's maximum of %" PRId64, most);
}

static void check_reason(struct str reason, struct err *found)
{
    if (text_length(reason) > REASON_MAX)
        err_add_line(found, "Reason: must have at most %d characters", REASON_MAX);
}

static bool read_access_type(struct str given, struct str *ret)
{
    static const struct str types[] = {{"View", 4}, {"RDP", 3}, {"SSH", 3}};
    *ret = types[0];
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (str_equal_fold(given, types[i])) {
            *ret = types[i];
            return true;
        }
    return given.n == 0;
}

static result check_body(struct asking *k, struct err *e)
{
    struct err found = {0};
    const struct request_new *w = k->with;
    check_duration_within(w->duration_minutes, k->account.max_release_duration, &found);
    check_reason(text_or_empty(w->reason), &found);
    if (k->policy.require_reason && text_trim(text_or_empty(w->reason)).n == 0)
        err_add_line(&found, "Reason: is required by the access policy");
    if (str_equal_fold(text_or_empty(w->access_type), S("App")))
        err_add_line(&found, "ApplicationID: is required, and this account has no application");
    else if (!read_access_type(text_or_empty(w->access_type), &k->access_type))
        err_add_line(&found, "AccessType: must be View, RDP, SSH or App");
    k->is_reuse = str_equal_fold(text_or_empty(w->conflict_option), S("reuse"));
    k->is_renew = str_equal_fold(text_or_empty(w->conflict_option), S("renew"));
    if (!k->is_reuse && !k->is_renew && w->conflict_option.n)
        err_add_line(&found, "ConflictOption: must be reuse or renew");
    return check_end(&found, e);
}

/* Nobody approves his own request, Administrators included. */
static result check_approvers(struct db *db, const struct asking *k, struct err *e)
{
    int64_t n;
    if (k->policy.min_approvers == 0)
        return SUCCESS;
    TRY(db_insert(
        db,
        SQL("SELECT COUNT(DISTINCT k.user_id) FROM role_members k JOIN users u ON u.id = k.user_id AND u.is_disabled = "
            "0 AND u.is_quarantined = 0 AND u.is_deleted = 0 WHERE k.user_id <> $1 AND k.role_id IN (SELECT g.id FROM "
            "roles g WHERE g.face = 2 AND g.is_active = 1 AND (g.number = 1 OR EXISTS (SELECT 1 FROM rule_access x "
            "JOIN rule_roles q ON q.role_id = x.role_id AND q.rule_id = x.rule_id AND q.rule_role IN (2, 3) "
            "JOIN smart_rules r ON r.id = x.rule_id JOIN managed_accounts m ON m.id = $2 WHERE x.role_id = g.id AND "
            "x.level >= 1 AND" RULE_HOLDS_ACCOUNT ")))",
            P_INT(k->who->user_id), P_INT(k->account.id)),
        &n, "", e));
    if (n < k->policy.min_approvers)
        return FAIL_AS(e, DENIED, "4035", "Not enough approvers are configured to approve the request");
    return SUCCESS;
}

static result conflict(const char *text, struct err *e)
{
    return FAIL_AS(e, CONFLICT, "4091", "%s", text);
}

/* His own open request of this kind, running or waiting; 0: none. */
static result find_own(struct db *db, struct arena *a, const struct asking *k, int64_t *ret_id, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT q.id FROM requests q WHERE q.account_id = $1 AND q.status IN ('Active', 'Pending') AND "
                     "q.user_id = $2 AND q.kind = 'request' AND q.access_type = $3 AND q.ends_at > $4 "
                     "ORDER BY q.status, q.id LIMIT 1",
                     P_INT(k->account.id), P_INT(k->who->user_id), P_TEXT(k->access_type), P_INT(k->now)),
                 &r, e));
    *ret_id = r.n ? row_int(&r, 0, 0) : 0;
    return SUCCESS;
}

/* All open ones run from before now until after it: they overlap with one that begins now. By the account's index, in
 * which few are open, so `ends_at + 0`. */
static result check_others(struct db *db, const struct asking *k, struct err *e)
{
    int64_t n;
    TRY(db_insert(db,
                  SQL("SELECT COUNT(*) FROM requests q WHERE q.account_id = $1 AND q.status IN ('Active', 'Pending') "
                      "AND q.user_id <> $2 AND q.ends_at + 0 > $3",
                      P_INT(k->account.id), P_INT(k->who->user_id), P_INT(k->now)),
                  &n, "", e));
    if (k->account.max_concurrent_requests != 0 && n >= k->account.max_concurrent_requests)
        return conflict("Other requests for this account are open", e);
    return SUCCESS;
}

struct request_row {
    const char *kind, *status;
    int64_t account_id, min_approvers, minutes, approved_at;
    struct str access_type, reason;
    bool rotate_on_checkin;
};

static result insert(struct db *db, int64_t user_id, const struct request_row *w, int64_t now, int64_t *ret_id,
                     struct err *e)
{
    return db_insert(
        db,
        SQL("INSERT INTO requests (user_id, account_id, kind, access_type, reason, status, min_approvers, "
            "duration_minutes, rotate_on_checkin, created_at, approved_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6, "
            "$7, $8, $9, $10, $11, $12) RETURNING id",
            P_INT(user_id), P_INT(w->account_id), P_TEXT(str_of(w->kind)), P_TEXT(w->access_type), P_TEXT(w->reason),
            P_TEXT(str_of(w->status)), P_INT(w->min_approvers), P_INT(w->minutes), P_INT(w->rotate_on_checkin),
            P_INT(now), P_INT(w->approved_at), P_INT(now + w->minutes * MINUTES)),
        ret_id, "The request was not stored", e);
}

/* No policy here knows the override of the change at check-in; Administrators pass every such check. */
static bool rotates(const struct asking *k)
{
    return k->with->rotate_on_checkin || !k->account.change_after_release || !k->who->rights.is_administrator;
}

result request_create(struct db *db, struct arena *a, const struct caller *who, const struct request_new *with,
                      int64_t now, int64_t *ret_id, bool *ret_is_new, struct err *e)
{
    struct asking k = {.who = who, .with = with, .now = now};
    int64_t own;
    TRY(check_right(db, a, &k, e));
    TRY(check_body(&k, e));
    TRY(find_own(db, a, &k, &own, e));
    if (own && k.is_reuse) {
        *ret_id = own;
        *ret_is_new = false;
        return SUCCESS;
    }
    if (own && !k.is_renew)
        return conflict("An own request for this account is open", e);
    TRY(check_approvers(db, &k, e));
    TRY(check_others(db, &k, e));
    if (own)
        TRY(request_end(db, own, "Cancelled", now, e));
    bool is_approved = k.policy.min_approvers == 0;
    struct request_row row = {.kind = "request",
                              .status = is_approved ? "Active" : "Pending",
                              .account_id = k.account.id,
                              .min_approvers = k.policy.min_approvers,
                              .minutes = with->duration_minutes,
                              .approved_at = is_approved ? now : 0,
                              .access_type = k.access_type,
                              .reason = text_or_empty(with->reason),
                              .rotate_on_checkin = rotates(&k)};
    TRY(insert(db, who->user_id, &row, now, ret_id, e));
    *ret_is_new = true;
    return SUCCESS;
}

result request_create_isa(struct db *db, struct arena *a, const struct caller *who, int64_t account_id, int64_t minutes,
                          struct str reason, int64_t now, int64_t *ret_id, struct err *e)
{
    struct managed_account account;
    struct err found = {0};
    TRY(must_have_role(db, a, who, isa_roles, NULL, NULL, e));
    TRY(account_get(db, a, account_id, now, &account, e));
    TRY(must_have_role_on(db, a, who, isa_roles, NULL, NULL, account_id, e));
    if (!account.api_enabled)
        return FAIL_AS(e, DENIED, "4031", "The account is not enabled for the API");
    if (minutes == 0)
        minutes = account.isa_release_duration;
    else
        check_duration_within(minutes, account.max_release_duration, &found);
    check_reason(text_or_empty(reason), &found);
    TRY(check_end(&found, e));
    struct request_row row = {.kind = "isa",
                              .status = "Active",
                              .account_id = account_id,
                              .minutes = minutes,
                              .approved_at = now,
                              .access_type = S("View"),
                              .reason = text_or_empty(reason),
                              .rotate_on_checkin = true};
    return insert(db, who->user_id, &row, now, ret_id, e);
}
