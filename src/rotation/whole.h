/* rotation/whole.h: a change of all accounts of a system (passwordsafe-api 5.5). The account with the fewest links goes
 * first; the others wait, held, until one was changed. */
#pragma once

#include "db/db.h"

/* One of its accounts was changed (parent_id 0: nothing to do): all the others may go. */
RESULT whole_child_done(struct db *db, int64_t parent_id, struct err *e);
/* Somebody has asked for a change of one of its accounts: that job is his now, and named in `skipped`. */
RESULT whole_child_left(struct db *db, int64_t parent_id, struct str account_name, int64_t now, struct err *e);
/* Something else has become of one of its jobs: the next one is let go or, at one outcome that is not known or three
 * refusals, those that were not tried are dropped, and named in `skipped`. */
RESULT whole_child_moved(struct db *db, int64_t parent_id, int64_t now, struct err *e);
/* Those of which no account is waited for any more end: refused where no account was changed; `reason` says how many
 * were not. */
RESULT whole_settle(struct db *db, struct arena *a, int64_t now, struct err *e);
