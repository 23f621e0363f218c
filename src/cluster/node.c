/* cluster/node.c: rows of servers and leases. */
#include "cluster/node.h"

#include "base/clock.h"

#define FORGOTTEN_AFTER (1 * DAYS)
#define LEASE           (10 * SECONDS)

result node_beat(struct db *db, const struct node *n, int64_t now, struct err *e)
{
    return db_run(db,
                  SQL("INSERT INTO nodes (name, version, urls, started_at, seen_at) VALUES ($1, $2, $3, $4, $5)"
                      " ON CONFLICT (name) DO UPDATE SET version = excluded.version, urls = excluded.urls,"
                      " started_at = excluded.started_at, seen_at = excluded.seen_at",
                      P_TEXT(n->name), P_TEXT(n->version), P_TEXT(n->urls), P_INT(n->started_at), P_INT(now)),
                  e);
}

result node_list(struct db *db, struct arena *a, int64_t now, struct node **ret, size_t *ret_n, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT name, version, urls, started_at, seen_at FROM nodes WHERE seen_at > $1 ORDER BY name",
                     P_INT(now - FORGOTTEN_AFTER)),
                 &r, e));
    *ret = arena_array(a, struct node, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = (struct node){.name = row_text(&r, i, 0),
                                  .version = row_text(&r, i, 1),
                                  .urls = row_text(&r, i, 2),
                                  .started_at = row_int(&r, i, 3),
                                  .seen_at = row_int(&r, i, 4)};
    *ret_n = r.n;
    return SUCCESS;
}

result node_leave(struct db *db, struct str name, int64_t now, struct err *e)
{
    TRY(db_run(db, SQL("UPDATE leases SET until = $2 WHERE holder = $1 AND until > $2", P_TEXT(name), P_INT(now)), e));
    return db_run(db, SQL("DELETE FROM nodes WHERE name = $1", P_TEXT(name)), e);
}

result lease_take(struct db *db, struct arena *a, const char *name, struct str holder, int64_t now, bool *ret,
                  struct err *e)
{
    struct rows r;
    TRY(db_query(db, a, SQL("SELECT holder, until FROM leases WHERE name = $1", P_TEXT(str_of(name))), &r, e));
    int64_t until = r.n ? row_int(&r, 0, 1) : 0;
    *ret = r.n && str_equal(row_text(&r, 0, 0), holder);
    if (*ret ? until > now + LEASE / 2 : until > now)
        return SUCCESS;
    TRY(db_query(db, a,
                 SQL("INSERT INTO leases (name, holder, until) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET"
                     " holder = excluded.holder, until = excluded.until"
                     " WHERE leases.holder = excluded.holder OR leases.until <= $4 RETURNING name",
                     P_TEXT(str_of(name)), P_TEXT(holder), P_INT(now + LEASE), P_INT(now)),
                 &r, e));
    *ret = r.n == 1;
    return SUCCESS;
}
