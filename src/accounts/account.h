/* accounts/account.h: managed accounts (passwordsafe-api 6.10): what they are, not what their passwords are
 * (rotation/). */
#pragma once

#include "accounts/system.h"

struct managed_account {
    int64_t id, system_id;
    struct str domain_name, name, distinguished_name, user_principal_name, sam_account_name, description,
        release_notification_email;
    bool password_fallback, login_account, api_enabled, auto_management, dss_auto_management, check_password,
        change_after_release, reset_on_mismatch, use_own_credentials;
    int64_t password_rule_id, release_duration, max_release_duration, isa_release_duration, max_concurrent_requests;
    struct str change_frequency_type, change_time;
    int64_t change_frequency_days, next_change_at, last_change_at;
    struct opt_int workgroup_id;
    /* rotation's */
    struct str state, proof;
    int64_t current_version, last_version, last_verified_at, last_read_at;
    int64_t reset_version;           /* the version whose mismatch has started a change */
    int64_t parent_account_id;       /* 0, or the account whose password it takes (6.11); */
    int64_t sync_wanted, sync_since; /* the parent's version to follow, and since when it is behind; 0: in step */
    int64_t change_state;            /* 0 idle, 1 changing, 2 queued or due within five minutes: derived */
    bool is_changing;
    /* joined */
    struct str system_name, instance_name; /* instance_name: "" unless it is a database's */
    int64_t platform_id;
};
RESULT account_get(struct db *db, struct arena *a, int64_t id, int64_t now, struct managed_account *ret,
                   struct err *e); /* "Managed Account not found" */
RESULT account_by_name(struct db *db, struct arena *a, int64_t system_id, struct str name, int64_t now,
                       struct managed_account *ret, struct err *e);
/* By workgroup, asset and account name (seed 002): NOT_FOUND names the first that failed. The asset's own system first,
 * then its databases; INVALID when several of these have it. */
RESULT account_by_place(struct db *db, struct arena *a, struct str workgroup, struct str asset, struct str account,
                        int64_t now, struct managed_account *ret, struct err *e);
struct account_filter {
    int64_t system_id, rule_id, parent_id; /* 0: any */
    int64_t limit, offset;                 /* limit < 0: none */
};
RESULT account_list(struct db *db, struct arena *a, const struct account_filter *f, int64_t now,
                    struct managed_account **ret, size_t *ret_n, int64_t *ret_total, struct err *e);
/* Every rule of 6.10.3; durations and schedule not given (0, "") are the system's; next_change_at computed
 * (schedule.h): a day that lies ahead and was not stored before holds once, at change_time. Values: rotation/version.h
 * afterwards. CONFLICT duplicate. */
RESULT account_create(struct db *db, struct arena *a, const struct managed_account *with, int64_t now, int64_t *ret_id,
                      struct err *e);
RESULT account_update(struct db *db, struct arena *a, const struct managed_account *with /* whole */, int64_t now,
                      struct err *e);
RESULT account_delete(struct db *db, int64_t id, int64_t now,
                      struct err *e); /* marks it deleted; versions stay, sealed, for 90 days */

/* 6.10.1: what a requestor can see. */
struct requestable_filter {
    struct str system_name, account_name, workgroup_name; /* absent or empty: any */
    int64_t system_id, entity_type, limit, offset;        /* entity_type 0: any */
};
struct requestable {
    struct managed_account account;
    int64_t platform_id, max_release_duration, release_duration;
    bool is_isa_access;
};
RESULT account_requestable(struct db *db, struct arena *a, const struct caller *who, const struct requestable_filter *f,
                           int64_t now, struct requestable **ret, size_t *ret_n, struct err *e);
