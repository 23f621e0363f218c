/* db/catalogue.h: the tables of a store as its own catalogue describes them. Internal to this folder. */
#pragma once

#include "db/driver.h"

struct table {
    struct str name;
    const struct str *columns;
    size_t n;
    const size_t *key; /* the primary key: indexes of columns, in its order */
    size_t key_n;
    bool has_next_id; /* it has an @id column */
};
struct catalogue {
    struct table *tables; /* a table stands behind all that it refers to */
    size_t n;
};
/* Errors: INTERNAL: a table without a primary key, or tables that refer to each other in a circle. */
RESULT catalogue_read(struct db *db, struct arena *a, struct catalogue *ret, struct err *e);
/* CONFLICT names the first table of `from` that `to` does not have, or has otherwise. */
RESULT catalogue_check(const struct catalogue *from, const struct catalogue *to, struct err *e);

/* The id that the next row of this table gets; never one that was used. */
RESULT next_id_read(struct db *db, const struct table *t, int64_t *ret, struct err *e);
RESULT next_id_write(struct db *db, const struct table *t, int64_t next, struct err *e);
