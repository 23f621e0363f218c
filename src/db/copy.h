/* db/copy.h: an installation moved from one store to another, of either kind. Values stay sealed: they are copied as
 * bytes.
 *
 * The settings carry the marks of a move: the source "copy.to" while it is under way and "copy.moved_to" afterwards,
 * the target "copy.from" until it is whole, both the same "copy.id". What is marked is not served. A move that was cut
 * short goes on when it is begun again: the rows that the target has are how far it got. */
#pragma once

#include "crypto/password.h"
#include "db/db.h"

struct copy_watch {
    /* `doing` is "" while copying, or "compare "; called after each slice. */
    void (*seen)(void *context, const char *doing, struct str table, int64_t done, int64_t of);
    void *context;
};

struct copied_table {
    struct str name;
    int64_t from_rows, to_rows;
    unsigned char from_digest[HASH_BYTES], to_digest[HASH_BYTES];
    bool is_equal;
};
struct copy_outcome {
    bool was_done, is_equal; /* was_done: by an earlier run; no tables then */
    const struct copied_table *tables;
    size_t n;
    int64_t epoch; /* of the target */
};

/* The source: an installation that nobody serves. Of a PostgreSQL store at->directory may be NULL: no lock is taken.
 * Errors: store_open's; CONFLICT: it is in use, was moved, or is itself an unfinished copy. */
RESULT copy_open_source(const struct store_place *at, struct store **ret, struct err *e);
/* The target: nothing yet, or an unfinished copy. CONFLICT: it holds an installation that is no such copy. */
RESULT copy_open_target(const struct store_place *at, struct store **ret, struct err *e);
/* Copy all rows and counters, compare a digest of each table, and turn the target into the one that is served, with the
 * next epoch. When a digest differs (is_equal is false) both keep the marks of an unfinished move. Blocks for as long
 * as it takes. Errors: CONFLICT, STORE_FULL, BUSY: begin it again, it goes on. */
RESULT store_copy(struct store *from, struct store *to, const struct copy_watch *watch, struct arena *a,
                  struct copy_outcome *ret, struct err *e);

/* CONFLICT, with what to do about it: this store was moved, or is an end of a move under way. */
RESULT copy_check_served(struct db *db, struct err *e);
/* Take the marks off a source, so that it can be served again; it becomes another one than its copy (epoch + 2). The
 * caller sees to it that the copy is served no longer. *ret_to: where it had gone.
 * Errors: CONFLICT: it was not moved, or is an unfinished copy. */
RESULT copy_reopen(struct store *s, struct arena *a, struct str *ret_to, int64_t *ret_epoch, struct err *e);
