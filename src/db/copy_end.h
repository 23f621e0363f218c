/* db/copy_end.h: the two stores of a move, and their marks. Internal to this folder. */
#pragma once

#include "db/copy.h"
#include "db/driver.h"

struct end_state {
    struct str installation, id, from, to, moved_to;
    int64_t epoch;
};
/* What the settings say; absent and 0 where they say nothing. */
RESULT end_read(struct db *db, struct arena *a, struct end_state *ret, struct err *e);
/* Its writer, which keeps every other move away for as long as it lives. */
RESULT end_open(struct store *s, struct db **ret, struct err *e);
/* In a transaction of its own; nothing of it stands when it fails. */
RESULT end_write(struct db *db, result (*run)(struct db *db, void *argument, struct err *e), void *argument,
                 struct err *e);
/* CONFLICT: a server uses this store, or did until some moments ago. */
RESULT end_check_unused(struct db *db, struct err *e);
/* Take the marks of a source away; no argument. */
RESULT end_unmark(struct db *db, void *argument, struct err *e);

RESULT mark_set(struct db *db, const char *name, struct str value, struct err *e);
RESULT mark_unset(struct db *db, const char *name, struct err *e);
RESULT epoch_set(struct db *db, int64_t epoch, struct err *e);
