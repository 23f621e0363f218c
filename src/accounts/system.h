/* accounts/system.h: managed systems (passwordsafe-api 6.9). This issue: systems on assets. */
#pragma once

#include "accounts/place.h"
#include "accounts/platform.h"
#include "identity/caller.h"

struct managed_system {
    int64_t id, workgroup_id, asset_id, platform_id;
    struct str name, host_name, ip_address, dns_name, contact_email, description;
    struct opt_int port;
    int64_t timeout_s, ssh_key_enforcement, password_rule_id, dss_key_rule_id, release_duration, max_release_duration,
        isa_release_duration;
    bool auto_management;
    struct opt_int functional_account_id;
    struct str elevation_command;
    bool check_password, change_after_release, reset_on_mismatch;
    struct str change_frequency_type, change_time;
    int64_t change_frequency_days;
};
RESULT system_get(struct db *db, struct arena *a, int64_t id, struct managed_system *ret,
                  struct err *e); /* "Managed System not found" */
RESULT system_of_asset(struct db *db, struct arena *a, int64_t asset_id, struct managed_system *ret, struct err *e);
struct system_filter {
    int64_t workgroup_id, functional_account_id, rule_id; /* 0: any */
    struct str name;                                      /* absent: any */
    int64_t limit, offset;                                /* limit < 0: none */
};
RESULT system_list(struct db *db, struct arena *a, const struct system_filter *f, struct managed_system **ret,
                   size_t *ret_n, int64_t *ret_total, struct err *e);
/* Checks every rule of 6.9 (durations, functional account's platform, FunctionalAccountID dropped when not
 * auto-managed, ...); 0 and "" mean the default, an address that is absent is the asset's. The caller has asked for
 * SYSTEM_MANAGEMENT at LEVEL_WRITE, which a port other than the platform's needs. The name is the host name. CONFLICT
 * duplicate. */
RESULT system_create(struct db *db, struct arena *a, const struct managed_system *with, int64_t *ret_id, struct err *e);
RESULT system_update(struct db *db, struct arena *a, const struct managed_system *with /* whole */, struct err *e);
RESULT system_delete(struct db *db, int64_t id, int64_t now,
                     struct err *e); /* its accounts too: the caller asked rotation/ first */
