/* rotation/alone.h: one row's part of a transaction: where it fails, the others go on without it. */
#pragma once

#include "db/db.h"

struct alone {
    result (*run)(struct db *db, void *argument, struct err *e);
    void *argument;
    const char *what; /* for the log: "the schedule" */
    int64_t account_id;
};
/* Run it in a savepoint. *ret_why: NULL, or why nothing of it stands; that was logged, and noted as a
 * change that was skipped, so the caller moves the row out of the way. Errors: those of the store itself, which are
 * everybody's. */
RESULT alone_run(struct db *db, struct arena *a, const struct alone *with, const char **ret_why, struct err *e);
