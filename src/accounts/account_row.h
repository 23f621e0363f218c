/* accounts/account_row.h: the columns of an account, once, for account.c and requestable.c; for this folder only. */
#pragma once

#include "accounts/account.h"

#define ACCOUNT_COLUMNS                                                                                                \
    "m.id, m.system_id, m.domain_name, m.name, m.distinguished_name, m.user_principal_name, m.sam_account_name, "      \
    "m.description, m.release_notification_email, m.password_fallback, m.login_account, m.api_enabled, "               \
    "m.auto_management, m.dss_auto_management, m.check_password, m.change_after_release, m.reset_on_mismatch, "        \
    "m.use_own_credentials, m.password_rule_id, m.release_duration, m.max_release_duration, m.isa_release_duration, "  \
    "m.max_concurrent_requests, m.change_frequency_type, m.change_time, m.change_frequency_days, m.next_change_at, "   \
    "m.last_change_at, m.workgroup_id, m.state, m.proof, m.current_version, m.last_version, m.last_verified_at, "      \
    "m.last_read_at, s.name, s.platform_id, COALESCE(j.state, ''), m.parent_account_id, m.sync_wanted, m.sync_since, " \
    "m.reset_version, "                                                                                                \
    "COALESCE((SELECT d.instance_name FROM databases d WHERE d.place_id = s.asset_id), '')"
enum { ACCOUNT_COLUMN_COUNT = 43 };
/* At most one open change of an account: jobs_one_change. */
#define ACCOUNT_FROM                                                                                                   \
    "FROM managed_accounts m JOIN managed_systems s ON s.id = m.system_id"                                             \
    " LEFT JOIN jobs j ON j.account_id = m.id AND j.is_open = 1 AND j.kind = 'change' WHERE m.deleted_at = 0"

struct managed_account account_of(const struct rows *r, size_t i, int64_t now);
