/* rotation/told.h: what a person tells the engine to do about a change that it could not bring to an end by itself
 * (keyturn-api 4). In the caller's transaction; rights are the handler's matter. */
#pragma once

#include "crypto/keyring.h"
#include "rotation/job.h"

/* The same candidate once more, through the functional account. The job is open again; refused, or where nothing could
 * be sent, it is in drift again. Joins what is under way. CONFLICT: not in drift, no functional account, stopped. */
RESULT told_set_again(struct db *db, struct arena *a, const struct job *j, int64_t now, int64_t *ret_wait_us,
                      struct err *e);

struct adoption {
    struct secret *password, *private_key, *passphrase;
    struct str public_key; /* of the private key (prepare step) */
    bool key_is_encrypted;
    int64_t by;
};
/* What was typed becomes a version, and current once it is proved: by compare, or by one login within the budget.
 * *ret_wait_us 0: it is that already. INVALID: nothing was typed. CONFLICT: not in drift, another is being adopted. */
RESULT told_adopt(struct db *db, struct arena *a, const struct keyring *keys, const struct job *j,
                  const struct adoption *with, int64_t now, int64_t *ret_wait_us, struct err *e);
/* How that ended, for its caller: INVALID "does not match the system", CONFLICT (budget), REFUSED (anything else). */
RESULT told_adopt_answer(const struct job *j, struct err *e);

/* The candidate stays as a version; the account is free, and unverified. Whoever has the lease records nothing more.
 * CONFLICT: neither resolving nor in drift. */
RESULT told_abandon(struct db *db, struct arena *a, const struct job *j, struct str reason, int64_t now, struct err *e);

/* A fresh order, that no worker has begun to carry out: `attempt` runs it as such (run_told.c). */
static inline bool job_is_told(const struct job *j)
{
    return j->told.n > 0 && str_equal(j->state, S("prepared"));
}

/* What it ends with is what somebody has typed, and not its candidate. */
static inline bool job_is_adopting(const struct job *j)
{
    return str_starts(j->told, S("adopt"));
}
