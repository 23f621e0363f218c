/* db/copy_rows.h: the rows of one table: walked in slices, copied, hashed. Internal to this folder. */
#pragma once

#include "crypto/password.h"
#include "db/catalogue.h"
#include "db/copy.h"

/* Copy what `to` does not have yet, in the order of the primary key, a slice per transaction. What is there is how far
 * an earlier copy got. `from` reads in a snapshot. */
RESULT table_copy(struct db *from, struct db *to, const struct table *t, const struct copy_watch *watch, struct err *e);
/* BLAKE2b-256 over the table's name and columns, its rows in the order of the key and its next id: the same on both
 * kinds of store. The marks of a copy (settings "copy.…") are left out. */
RESULT table_digest(struct db *db, const struct table *t, const struct copy_watch *watch, int64_t *ret_rows,
                    unsigned char ret[HASH_BYTES], struct err *e);
RESULT table_count(struct db *db, const struct table *t, int64_t *ret, struct err *e);
bool is_mark(struct str setting);
