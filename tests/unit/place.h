/* unit/place.h: where a test's store is: a directory of its own, or the database of KEYTURN_TEST_STORE_URL, which
 * script/with-postgresql sets. */
#pragma once

#include <stdlib.h>

#include "db/db.h"

#define AT(folder) (&(const struct store_place){.directory = (folder), .url = getenv("KEYTURN_TEST_STORE_URL")})

/* Leave nothing in that database but zeroblob() as SQLite has it, and end whatever is still connected to it. Nothing to
 * do where there is none. */
void place_empty(void);
/* Run SQL on that database over a connection that is none of the store's. Returns the first value of the answer as a
 * number. */
int64_t run_elsewhere(const char *sql);
/* The text for the store at hand, where a test asks for what the two call by different names. */
const char *on_store(const char *sqlite, const char *postgresql);
