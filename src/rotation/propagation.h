/* rotation/propagation.h: the jobs that run an account's propagation actions (accounts/propagation.h): one of kind
 * `propagate` for each system, made in the transaction of a proved turn, run after it, and undoing nothing. */
#pragma once

#include "base/field.h"
#include "db/db.h"

/* The account has another version, proved live. Jobs of an earlier turn that are unfinished end here. */
RESULT propagation_turn(struct db *db, struct arena *a, int64_t account_id, int64_t now, struct err *e);
/* The account is about to be deleted: its unfinished jobs end, and it has no actions any more. */
RESULT propagation_forget(struct db *db, int64_t account_id, int64_t now, struct err *e);
