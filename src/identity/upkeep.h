/* identity/upkeep.h: what init and the tick do for identity. */
#pragma once

#include "db/db.h"

/* The key of the keyed hashes; init makes it, once. */
RESULT identity_make_secrets(struct db *db, struct err *e);
/* Drop what is over: sessions, counters of guesses, old addresses. The tick calls it, on the writer; bounded. */
RESULT identity_tidy(struct db *db, int64_t now, struct err *e);
