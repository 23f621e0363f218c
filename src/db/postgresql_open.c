/* db/postgresql_open.c: a connection is opened, found lost, reached again and closed. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/postgresql.h"

#define UNREACHED_FOR (200 * INT64_C(1000))

void postgresql_close(struct connection *c)
{
    if (!c)
        return;
    connection_drop(c);
    free(c);
}

result postgresql_open(struct store *s, enum db_kind kind, struct connection **ret, struct err *e)
{
    struct connection *c = calloc(1, sizeof(*c));
    if (!c)
        die("out of memory: a connection");
    c->store = s;
    c->kind = kind;
    c->is_lost = true;
    struct err why;
    result r = connection_make(c, false, &why);
    if (!is_ok(r) && kind == DB_READER && s->is_up) {
        connection_drop(c); /* lost from the start */
        r = SUCCESS;
    }
    if (is_ok(r)) {
        *ret = c;
        return SUCCESS;
    }
    postgresql_close(c);
    *e = why;
    return r;
}

/* Readers that queue for a store that is away do not each try for as long as the one before: for a moment they believe
 * him. */
static bool was_just_tried(const struct connection *c)
{
    int64_t at = atomic_load(&c->store->unreached_at);
    return c->kind == DB_READER && at && clock_monotonic() - at < UNREACHED_FOR;
}

result postgresql_reach(struct connection *c, struct err *e)
{
    struct err why;
    if (was_just_tried(c))
        return FAIL(e, BUSY, "the store cannot be reached");
    if (is_ok(connection_make(c, true, &why))) {
        log_info("store: %s answers again", c->store->place);
        c->complained_at = 0;
        return SUCCESS;
    }
    connection_drop(c);
    int64_t now = clock_monotonic();
    atomic_store(&c->store->unreached_at, now);
    if (c->complained_at == 0 || now - c->complained_at >= 10 * SECONDS) {
        log_warning("store: %s", why.text);
        c->complained_at = now;
    }
    return FAIL(e, BUSY, "the store cannot be reached");
}
