/* rotation/job.h: jobs as rows: what is to be done to an account, how far it is, who has the lease. */
#pragma once

#include "base/field.h"
#include "db/db.h"

struct job {
    int64_t id, account_id, system_id, parent_id, made_by, created_at, version, sent_at, attempt, refusals, epoch,
        leased_until, next_try_at, put_off_since, settled_at;
    struct str kind, state, trigger, parts, fence, reason_code, reason, skipped;
    bool is_open, is_queued, success, is_held;
    struct str system_name, account_name, domain_name; /* joined */
    struct str told;                                   /* "", "again", "adopt …": told.h */
    struct str signs_in;                               /* "", "new", "old denied" …: own.h */
    int64_t told_version;
    int64_t turns_functional; /* the functional account whose own password it changes (own.h); 0: none */
    int64_t parent_version;   /* of a synced account: its parent's, whose password it brings (synced.h); 0: none */
};
/* A reason_code that stays until the candidate is sent once more: it was, and was refused. */
#define REFUSED_AGAIN "refused_again"
/* Which epoch of the store it is from: one that was wound back gives ids out again. */
#define JOB_EPOCHS INT64_C(1048576)
static inline int64_t job_store_epoch(const struct job *j)
{
    return j->epoch / JOB_EPOCHS;
}
struct job_step {
    int64_t at;
    struct str step, text;
    bool is_ok;
};
RESULT job_get(struct db *db, struct arena *a, int64_t id, struct job *ret, struct err *e); /* "Job not found" */
/* The account's unfinished change; id 0: none. */
RESULT job_open_change(struct db *db, struct arena *a, int64_t account_id, struct job *ret, struct err *e);
struct job_filter {
    struct str state; /* "open", one state, or absent */
    struct str kind;
    int64_t account_id, system_id, made_by; /* 0: any */
    int64_t before_id, limit;               /* newest first */
};
RESULT job_list(struct db *db, struct arena *a, const struct job_filter *f, struct job **ret, size_t *ret_n,
                struct err *e);
#define JOB_LONGEST_PAUSE (5 * MINUTES)
/* The one that somebody waits for. */
struct awaited_job {
    int64_t id, account_id, store_epoch;
};
/* NOT_FOUND: the store has lost it, and what has its id now is another one. */
RESULT job_get_awaited(struct db *db, struct arena *a, const struct awaited_job *which, struct job *ret, struct err *e);
/* A person wants this try: he waits for it, has queued it, or has asked for it again since it was refused. */
bool job_is_asked_for(const struct job *j);
bool job_is_afterwards(const struct job *j); /* a push or a propagation: after an account's change, elsewhere */
/* Before the next try of such a job: 5 s at first, 5 minutes at most, with jitter. */
int64_t job_pause(const struct job *j);
RESULT job_count_open(struct db *db, const char *kind, int64_t *ret, struct err *e);
RESULT job_steps(struct db *db, struct arena *a, int64_t id, struct job_step **ret, size_t *ret_n, struct err *e);
RESULT job_progress(struct db *db, struct arena *a, const struct job *j, int64_t *ret_done, int64_t *ret_total,
                    struct err *e);

/* CONFLICT when the account has an unfinished change already. */
RESULT job_insert(struct db *db, const struct job *with, int64_t now, int64_t *ret_id, struct err *e);
/* Note a step; `step` static. Also one audit row ("job.<step>"). */
RESULT job_note(struct db *db, struct arena *a, const struct job *j, const char *step, bool is_ok, struct str text,
                int64_t now, struct err *e);

/* ---- transitions: each compares the epoch, so that what an old holder of the lease records is refused (CONFLICT) ----
 */

/* Take the lease on what is due: user-triggered before scheduled, then first in first out; one job per account,
 * `per_system` per system at once. *ret_n jobs, at most max. */
RESULT job_claim(struct db *db, struct arena *a, int64_t now, size_t max, size_t per_system, struct job *ret,
                 size_t *ret_n, struct err *e);
RESULT job_set_candidate(struct db *db, const struct job *j, int64_t version, struct err *e); /* queued -> prepared */
RESULT job_set_applying(struct db *db, struct job *j, struct str fence, int64_t now,
                        struct err *e); /* the last thing before `change` */
RESULT job_set_resolving(struct db *db, const struct job *j, struct err *e);
RESULT job_try_later(struct db *db, const struct job *j, int64_t at, const char *reason_code, struct str reason,
                     struct err *e); /* lease given back, state kept */
/* Refused, or nothing was sent: the same candidate is tried again at `at`, as if it had only waited. */
RESULT job_back_to_queue(struct db *db, const struct job *j, int64_t at, const char *reason_code, struct str reason,
                         struct err *e);
RESULT job_settle(struct db *db, const struct job *j, const char *state, bool success, const char *reason_code,
                  struct str reason, int64_t now, struct err *e);
/* For those who wait for it on other servers: it has ended, in this transaction. */
RESULT job_tell_settled(struct db *db, const struct job *j, struct err *e);
/* Without a lease: before anything was sent (queued or prepared). *ret_dropped false: it was too late. */
RESULT job_drop_unsent(struct db *db, int64_t id, const char *why, int64_t now, bool *ret_dropped, struct err *e);
/* Its next try is now, and it is held no longer. CONFLICT unless it is `queued` or `resolving`. */
RESULT job_retry(struct db *db, const struct job *j, int64_t now, struct err *e);
/* Queued by the server itself, for a later try, or as one of a whole system: it becomes this user's alone, and is due.
 * *ret_taken false: it was already, or is no longer queued. */
RESULT job_take_over(struct db *db, int64_t id, int64_t by, int64_t now, bool *ret_taken, struct err *e);
/* Nothing moves: CONFLICT when another worker has the job by now. Before what would harm its work. */
RESULT job_check_is_ours(struct db *db, const struct job *j, struct err *e);
/* What this server has in hand stays its own. */
RESULT jobs_renew(struct db *db, struct arena *a, const int64_t *ids, size_t n, int64_t now, struct err *e);
/* At start: the leases that this server held end; immediate changes of which nothing was sent are dropped; what was
 * sent goes to the resolver. */
RESULT jobs_recover(struct db *db, struct arena *a, int64_t now, struct err *e);
