/* rotation/job_row.h: the columns of a job, once, for job.c and job_lease.c. */
#pragma once

#include "rotation/job.h"

#define JOB_COLUMNS                                                                                                    \
    "j.id, j.kind, j.state, j.is_open, j.trigger_kind, j.is_queued, j.account_id, j.system_id, j.parent_id, "          \
    "j.made_by, "                                                                                                      \
    "j.created_at, j.version, j.parts, j.sent_at, j.fence, j.attempt, j.refusals, j.epoch, j.leased_until, "           \
    "j.next_try_at, "                                                                                                  \
    "j.put_off_since, j.settled_at, j.success, j.reason_code, j.reason, j.skipped, COALESCE(s.name, ''), "             \
    "COALESCE(m.name, ''), j.told, j.told_version, j.is_held, j.parent_version, COALESCE(m.domain_name, ''), "         \
    "j.turns_functional, j.signs_in"
#define JOB_TABLES                                                                                                     \
    "jobs j LEFT JOIN managed_systems s ON s.id = j.system_id LEFT JOIN managed_accounts m ON m.id = j.account_id"

/* What workers do; and of that, what comes after an account's change, on other systems: it neither waits for the
 * account nor keeps it. */
#define KINDS_RUN  "('change', 'test', 'check', 'audit', 'push', 'propagate')"
#define AFTERWARDS "('push', 'propagate')"

/* A store that was wound back gives the ids of lost jobs out again: their epochs must not be the same. */
#define FIRST_EPOCH "COALESCE((SELECT CAST(value AS bigint) * 1048576 FROM settings WHERE name = 'epoch'), 0)"

enum { JOB_COLUMN_COUNT = 35 };
struct job job_of(const struct rows *r, size_t i);
