/* identity/gather.c: the parts of many objects by one query each. */
#include "identity/gather.h"

static size_t first_not_below(const struct rows *rows, int64_t owner_id)
{
    size_t low = 0, high = rows->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (row_int(rows, middle, 0) < owner_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct span rows_of_owner(const struct rows *rows, int64_t owner_id)
{
    struct span s = {.from = first_not_below(rows, owner_id)};
    while (s.from + s.n < rows->n && row_int(rows, s.from + s.n, 0) == owner_id)
        s.n++;
    return s;
}

RESULT gather(struct db *db, struct arena *a, const char *select, const char *column, const int64_t *ids, size_t n,
              const char *order, struct rows *ret, struct err *e)
{
    struct builder b;
    builder_init(&b, a);
    builder_add(&b, select);
    builder_add(&b, " WHERE ");
    builder_in(&b, column, ids, n);
    builder_add(&b, order);
    return db_query(db, a, builder_sql(&b), ret, e);
}
