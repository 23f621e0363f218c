/* cluster/node.h: the servers that share a store, and what only one of them does at a time. */
#pragma once

#include "db/db.h"

struct node {
    struct str name, version, urls; /* urls: one per line */
    int64_t started_at, seen_at;
};

/* Say that this server is there; every few seconds, on the writer. */
RESULT node_beat(struct db *db, const struct node *n, int64_t now, struct err *e);
/* All that were seen within a day, by name. */
RESULT node_list(struct db *db, struct arena *a, int64_t now, struct node **ret, size_t *ret_n, struct err *e);
/* Gone for good and in order: another server need not wait for it. */
RESULT node_leave(struct db *db, struct str name, int64_t now, struct err *e);

/* Is this server the one that does `name` from now on? True until somebody else can take it, when it has not asked
 * again in time. Writes only when there is something to take or to prolong. */
RESULT lease_take(struct db *db, struct arena *a, const char *name, struct str holder, int64_t now, bool *ret,
                  struct err *e);
