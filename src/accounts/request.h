/* accounts/request.h: requests, approvals, check-in (passwordsafe-api 7). Reading the credential is rotation/release.h.
 */
#pragma once

#include "accounts/account.h"

struct access_policy {
    int64_t id, min_approvers, max_concurrent;
    struct str name, description;
    bool require_reason;
};
RESULT access_policy_list(struct db *db, struct arena *a, struct access_policy **ret, size_t *ret_n, struct err *e);
RESULT access_policy_get(struct db *db, struct arena *a, int64_t id, struct access_policy *ret, struct err *e);
/* The policy that applies to this caller's request on this account; Administrators without one: 5000. NOT_FOUND: no
 * requestor role. */
RESULT access_policy_for(struct db *db, struct arena *a, const struct caller *who, int64_t account_id,
                         struct access_policy *ret, struct err *e);
/* The strictest approval that any policy on the account wants (links: keyturn-api 3.1 rule 1). */
RESULT access_policy_needs_approval(struct db *db, struct arena *a, int64_t account_id, bool *ret, struct err *e);

struct request {
    int64_t id, user_id, account_id, system_id, min_approvers, duration_minutes, created_at, approved_at, ends_at,
        ended_at;
    struct str kind, access_type, reason, status, system_name, account_name, user_name, domain_name;
    bool rotate_on_checkin, was_released;
};
struct request_new {
    int64_t account_id, system_id, duration_minutes;
    struct str access_type, reason, conflict_option; /* "", "reuse", "renew" */
    bool rotate_on_checkin;
};
/* *ret_is_new false: reused (200). Errors with the sub-codes of 7.2 in e->word. */
RESULT request_create(struct db *db, struct arena *a, const struct caller *who, const struct request_new *with,
                      int64_t now, int64_t *ret_id, bool *ret_is_new, struct err *e);
RESULT request_create_isa(struct db *db, struct arena *a, const struct caller *who, int64_t account_id, int64_t minutes,
                          struct str reason, int64_t now, int64_t *ret_id, struct err *e);
/* The caller's own, approved and running: 5.6's codes ("4034" pending, "4031" another's, NOT_FOUND ended). */
RESULT request_running(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now,
                       struct request *ret, struct err *e);
RESULT request_mark_released(struct db *db, int64_t id, struct err *e);
RESULT request_list(struct db *db, struct arena *a, const struct caller *who, struct str status, struct str queue,
                    int64_t now, struct request **ret, size_t *ret_n, struct err *e);
RESULT request_checkin(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now,
                       struct err *e); /* ended by him already: fine */
RESULT request_approve(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now,
                       struct err *e);
RESULT request_deny(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now, struct err *e);
RESULT request_rotate_on_checkin(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now,
                                 struct err *e);
/* End all open ones of an account, a system, or a user (0: not by this). */
RESULT request_terminate(struct db *db, struct arena *a, int64_t account_id, int64_t system_id, int64_t user_id,
                         int64_t now, int64_t **ret_ids, size_t *ret_n, struct err *e);
/* For the rotation tick: expire what is over; the requests whose end has not been settled yet and whose account turns
 * after a release (8.2: with several open requests, after the last). Marks them settled. */
RESULT request_settle(struct db *db, struct arena *a, int64_t now, int64_t **ret_account_ids, size_t *ret_n,
                      struct err *e);
