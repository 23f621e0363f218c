/* rotation/owed.h: a change that an account owes: its date has come, a release or a link has ended, its glass was
 * broken.
 *
 * The mark stays on the account until a change of ours is proved that was not in anybody's hands before, or until the
 * queued job that was made for it has failed for good. A change that is under way meanwhile, and is refused, loses
 * nothing. An account that takes another one's password owes what that one pays. */
#pragma once

#include "crypto/keyring.h"
#include "rotation/job.h"

/* `trigger`: of the job that is to be made. The current version is known to somebody: a later one pays. */
RESULT owed_add(struct db *db, int64_t account_id, const char *trigger, int64_t now, struct err *e);
/* As "breakGlass": any version may have been shown, the candidate of a change under way too. */
RESULT owed_add_for_glass(struct db *db, int64_t account_id, int64_t now, struct err *e);
/* This version is current now, by a change of ours or by a caller's word. */
RESULT owed_paid(struct db *db, int64_t account_id, int64_t version, struct err *e);
/* The job has ended without a change, for good: what was owed before it was made is not tried again. Nothing where
 * somebody waited for its answer. */
RESULT owed_given_up(struct db *db, const struct job *job, struct err *e);
RESULT owed_forget(struct db *db, int64_t account_id, struct err *e);
/* AutoManagementFlag is off now. What breaking the glass costs stays, to be noted. */
RESULT owed_forget_unmanaged(struct db *db, int64_t account_id, struct err *e);
/* The account has become a synced one: its parent owes it. */
RESULT owed_hand_over(struct db *db, struct arena *a, int64_t account_id, int64_t now, struct err *e);
/* Queue what is owed wherever no change is open; after break-glass once the account is stable, neither in drift nor in
 * mismatch. On the clockwork. */
RESULT owed_start(struct db *db, struct arena *a, const struct keyring *keys, int64_t now, bool *ret_made,
                  struct err *e);
