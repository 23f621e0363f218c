/* identity/gather.h: the parts of many objects by one query each. */
#pragma once

#include "db/db.h"

enum { GATHER_MAX = 1000 }; /* objects per query */

/* Rows whose first column is the owner's id, ascending: which of them are this owner's? */
struct span {
    size_t from, n;
};
struct span rows_of_owner(const struct rows *rows, int64_t owner_id);

/* Run "<select> IN (ids) <order>" for the ids given. */
RESULT gather(struct db *db, struct arena *a, const char *select, const char *column, const int64_t *ids, size_t n,
              const char *order, struct rows *ret, struct err *e);
