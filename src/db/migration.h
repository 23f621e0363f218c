/* db/migration.h: bring a store's tables up to this program. Internal to this folder. */
#pragma once

#include "db/driver.h"

/* Run what is missing, each migration in a transaction with its number in settings('schema').
 * Errors: CONFLICT when the store is newer than this program. */
RESULT migrations_run(struct db *db, struct err *e);
/* CONFLICT when the store is newer than this program, or no store at all. */
RESULT migrations_check(struct db *db, struct err *e);
/* Write out the column types (@id @int @flag @time @text @blob) and the ends of the tables. Strings, quoted names and
 * comments stay as they are. Errors: INTERNAL for a type outside the set. */
RESULT migration_translate(const struct dialect *dialect, struct str text, struct arena *a, const char **ret,
                           struct err *e);
