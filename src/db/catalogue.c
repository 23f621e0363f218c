/* db/catalogue.c: tables, columns, keys and references, read from the store's own catalogue. */
#include "db/catalogue.h"

#include <string.h>

enum { COLUMN_TABLE, COLUMN_NAME, COLUMN_KEY_AT, COLUMN_IS_ID };

static result read_table(const struct rows *r, size_t from, size_t n, struct arena *a, struct table *ret, struct err *e)
{
    struct str *columns = arena_array(a, struct str, n);
    size_t *key = arena_array(a, size_t, n);
    *ret = (struct table){.name = row_text(r, from, COLUMN_TABLE), .columns = columns, .n = n, .key = key};
    for (size_t i = 0; i < n; i++) {
        int64_t key_at = row_int(r, from + i, COLUMN_KEY_AT);
        columns[i] = row_text(r, from + i, COLUMN_NAME);
        if (key_at > 0)
            key[key_at - 1] = i;
        ret->key_n += key_at > 0;
        ret->has_next_id |= row_flag(r, from + i, COLUMN_IS_ID);
    }
    if (ret->key_n == 0)
        return FAIL(e, INTERNAL, "the table %.*s has no primary key", STR_ARG(ret->name));
    return SUCCESS;
}

static result read_tables(struct db *db, struct arena *a, struct catalogue *ret, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a, SQL(db->driver->dialect.columns), &r, e));
    *ret = (struct catalogue){.tables = arena_array(a, struct table, r.n)};
    for (size_t from = 0, n; from < r.n; from += n) {
        n = 1;
        while (from + n < r.n && str_equal(row_text(&r, from, COLUMN_TABLE), row_text(&r, from + n, COLUMN_TABLE)))
            n++;
        TRY(read_table(&r, from, n, a, &ret->tables[ret->n++], e));
    }
    return SUCCESS;
}

static const struct table *find_table(const struct catalogue *c, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(c->tables[i].name, name))
            return &c->tables[i];
    return NULL;
}

/* Does all that this table refers to stand among the first `n`? A table that refers to itself never does: its rows
 * would need an order of their own. */
static bool may_follow(const struct catalogue *c, size_t n, struct str name, const struct rows *references)
{
    for (size_t i = 0; i < references->n; i++)
        if (str_equal(row_text(references, i, 0), name) && !find_table(c, n, row_text(references, i, 1)))
            return false;
    return true;
}

static result sort_by_reference(struct catalogue *c, const struct rows *references, struct err *e)
{
    for (size_t n = 0; n < c->n; n++) {
        size_t next = n;
        while (next < c->n && !may_follow(c, n, c->tables[next].name, references))
            next++;
        if (next == c->n)
            return FAIL(e, INTERNAL, "the table %.*s refers to itself, or in a circle", STR_ARG(c->tables[n].name));
        struct table found = c->tables[next];
        memmove(&c->tables[n + 1], &c->tables[n], (next - n) * sizeof(struct table));
        c->tables[n] = found;
    }
    return SUCCESS;
}

result catalogue_read(struct db *db, struct arena *a, struct catalogue *ret, struct err *e)
{
    struct catalogue found;
    struct rows references;
    TRY(read_tables(db, a, &found, e));
    TRY(db_query(db, a, SQL(db->driver->dialect.references), &references, e));
    TRY(sort_by_reference(&found, &references, e));
    *ret = found;
    return SUCCESS;
}

static bool is_alike(const struct table *x, const struct table *y)
{
    bool is_same = x->n == y->n && x->key_n == y->key_n && x->has_next_id == y->has_next_id;
    for (size_t i = 0; is_same && i < x->n; i++)
        is_same = str_equal(x->columns[i], y->columns[i]);
    for (size_t i = 0; is_same && i < x->key_n; i++)
        is_same = x->key[i] == y->key[i];
    return is_same;
}

result catalogue_check(const struct catalogue *from, const struct catalogue *to, struct err *e)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct table *wanted = &from->tables[i], *found = find_table(to, to->n, wanted->name);
        if (!found)
            return FAIL(e, CONFLICT, "the table %.*s is none of Keyturn's: take it out of the store first",
                        STR_ARG(wanted->name));
        if (!is_alike(wanted, found))
            return FAIL(e, CONFLICT, "the table %.*s has other columns in the other store", STR_ARG(wanted->name));
    }
    return SUCCESS;
}

/* A row that came with its id does not move PostgreSQL's counter. */
result next_id_read(struct db *db, const struct table *t, int64_t *ret, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    struct builder b;
    int64_t counted, largest;
    TRY(db_insert(db, SQL(db->driver->dialect.next_id, P_TEXT(t->name)), &counted, "the table counts no ids", e));
    builder_init(&b, a);
    builder_add(&b, arena_printf(a, "SELECT COALESCE(max(id), 0) FROM \"%.*s\"", STR_ARG(t->name)).p);
    TRY(db_insert(db, builder_sql(&b), &largest, "no number", e));
    *ret = counted > largest ? counted : largest + 1;
    return SUCCESS;
}

result next_id_write(struct db *db, const struct table *t, int64_t next, struct err *e)
{
    return db_run(db, SQL(db->driver->dialect.set_next_id, P_TEXT(t->name), P_INT(next)), e);
}
