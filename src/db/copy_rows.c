/* db/copy_rows.c: the rows of one table: walked in slices, copied, hashed. */
#include "db/copy_rows.h"

enum {
    SLICE_ROWS_FIRST = 100,
    SLICE_ROWS_MAX = 1000,
    SLICE_BYTES = 4 << 20, /* above it the next slice is half as long */
    STATEMENT_VALUES = 2000
};

/* ---- statements ---- */

static void add_name(struct builder *b, struct str name)
{
    builder_add(b, arena_printf(b->arena, "\"%.*s\"", STR_ARG(name)).p);
}

static void add_columns(struct builder *b, const struct table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        builder_add(b, i ? ", " : "");
        add_name(b, t->columns[i]);
    }
}

static void add_key(struct builder *b, const struct table *t, const char *direction)
{
    for (size_t i = 0; i < t->key_n; i++) {
        builder_add(b, i ? ", " : "");
        add_name(b, t->columns[t->key[i]]);
        builder_add(b, direction);
    }
}

static struct param param_of(const struct cell *c)
{
    return (struct param){.kind = c->kind, .i = c->i, .s = c->s};
}

static struct sql select_slice(struct builder *b, const struct table *t, const struct cell *after, int64_t limit)
{
    builder_add(b, "SELECT ");
    add_columns(b, t);
    builder_add(b, " FROM ");
    add_name(b, t->name);
    if (after) {
        builder_add(b, " WHERE (");
        add_key(b, t, "");
        builder_add(b, ") > (");
        for (size_t i = 0; i < t->key_n; i++) {
            builder_add(b, i ? ", " : "");
            builder_param(b, param_of(&after[t->key[i]]));
        }
        builder_add(b, ")");
    }
    builder_add(b, " ORDER BY ");
    add_key(b, t, "");
    builder_add(b, " LIMIT");
    builder_param(b, P_INT(limit));
    return builder_sql(b);
}

static struct sql insert_rows(struct builder *b, const struct table *t, const struct rows *rows, size_t from, size_t n)
{
    builder_add(b, "INSERT INTO ");
    add_name(b, t->name);
    builder_add(b, " (");
    add_columns(b, t);
    builder_add(b, ") VALUES ");
    for (size_t i = 0; i < n * t->n; i++) {
        builder_add(b, i == 0 ? "(" : i % t->n == 0 ? "), (" : ",");
        builder_param(b, param_of(&rows->cells[from * t->n + i]));
    }
    builder_add(b, ")");
    return builder_sql(b);
}

result table_count(struct db *db, const struct table *t, int64_t *ret, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    struct builder b;
    builder_init(&b, a);
    builder_add(&b, "SELECT count(*) FROM ");
    add_name(&b, t->name);
    return db_insert(db, builder_sql(&b), ret, "no count", e);
}

/* ---- walking ---- */

typedef result (*slice_seen)(void *context, const struct rows *slice, struct err *e);

/* Two arenas take turns: the last row of a slice says where the next one begins. */
static result walk(struct db *db, const struct table *t, const struct cell *after, slice_seen seen, void *context,
                   struct err *e)
{
    AUTOFREE(arena) even = arena_new();
    AUTOFREE(arena) odd = arena_new();
    int64_t limit = SLICE_ROWS_FIRST;
    for (bool is_odd = false;; is_odd = !is_odd) {
        struct arena *a = is_odd ? odd : even;
        struct rows slice;
        struct builder b;
        arena_reset(a);
        builder_init(&b, a);
        TRY(db_query(db, a, select_slice(&b, t, after, limit), &slice, e));
        if (slice.n == 0)
            return SUCCESS;
        TRY(seen(context, &slice, e));
        after = &slice.cells[(slice.n - 1) * slice.columns];
        if (arena_bytes(a) > SLICE_BYTES)
            limit = limit > 1 ? limit / 2 : 1;
        else
            limit = limit < SLICE_ROWS_MAX / 2 ? limit * 2 : SLICE_ROWS_MAX;
    }
}

/* ---- copying ---- */

struct copying {
    struct db *to;
    const struct table *table;
    const struct copy_watch *watch;
    int64_t done, of;
};

/* Over a network a statement costs a way there and back; in a file a short one is found by its text faster. */
static size_t rows_per_statement(const struct db *to, const struct table *t)
{
    size_t n = !to->driver->is_shared ? 1 : STATEMENT_VALUES / t->n;
    return n ? n : 1;
}

static result insert_slice(const struct copying *c, const struct rows *slice, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    size_t at_once = rows_per_statement(c->to, c->table);
    TRY(db_begin(c->to, e));
    for (size_t from = 0; from < slice->n; from += at_once) {
        size_t n = slice->n - from < at_once ? slice->n - from : at_once;
        struct builder b;
        arena_reset(a);
        builder_init(&b, a);
        TRY(db_run(c->to, insert_rows(&b, c->table, slice, from, n), e));
    }
    return db_commit(c->to, e);
}

static result copy_slice(void *context, const struct rows *slice, struct err *e)
{
    struct copying *c = context;
    result r = insert_slice(c, slice, e);
    if (!is_ok(r)) {
        db_rollback(c->to);
        return r;
    }
    db_checkpoint(c->to);
    c->done += (int64_t)slice->n;
    c->watch->seen(c->watch->context, "", c->table->name, c->done, c->of);
    return SUCCESS;
}

/* *ret stays NULL when there is none. */
static result last_row(struct db *db, const struct table *t, struct arena *a, const struct cell **ret, struct err *e)
{
    struct rows r;
    struct builder b;
    builder_init(&b, a);
    builder_add(&b, "SELECT ");
    add_columns(&b, t);
    builder_add(&b, " FROM ");
    add_name(&b, t->name);
    builder_add(&b, " ORDER BY ");
    add_key(&b, t, " DESC");
    builder_add(&b, " LIMIT 1");
    TRY(db_query(db, a, builder_sql(&b), &r, e));
    *ret = r.n ? r.cells : NULL;
    return SUCCESS;
}

result table_copy(struct db *from, struct db *to, const struct table *t, const struct copy_watch *watch, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    struct copying c = {.to = to, .table = t, .watch = watch};
    const struct cell *after = NULL;
    int64_t next;
    TRY(table_count(from, t, &c.of, e));
    TRY(table_count(to, t, &c.done, e));
    TRY(last_row(to, t, a, &after, e));
    TRY(walk(from, t, after, copy_slice, &c, e));
    if (!t->has_next_id)
        return SUCCESS;
    TRY(next_id_read(from, t, &next, e));
    return next_id_write(to, t, next, e);
}

/* ---- hashing ---- */

struct hashing {
    struct hasher hasher;
    const struct table *table;
    const struct copy_watch *watch;
    bool is_settings;
    int64_t rows, seen, of;
};

static void add_int(struct hasher *h, int64_t v)
{
    char bytes[9] = {'i'};
    for (int i = 0; i < 8; i++)
        bytes[1 + i] = (char)((uint64_t)v >> (56 - 8 * i));
    hasher_add(h, (struct str){bytes, sizeof(bytes)});
}

static void add_cell(struct hasher *h, const struct cell *c)
{
    switch (c->kind) {
    case PARAM_NULL:
        hasher_add(h, S("n"));
        break;
    case PARAM_INT:
        add_int(h, c->i);
        break;
    case PARAM_TEXT:
    case PARAM_BLOB:
        hasher_add(h, c->kind == PARAM_TEXT ? S("t") : S("b"));
        hasher_add(h, c->s);
        break;
    }
}

bool is_mark(struct str setting)
{
    return str_starts(setting, S("copy."));
}

static result hash_slice(void *context, const struct rows *slice, struct err *e)
{
    struct hashing *h = context;
    (void)e;
    for (size_t row = 0; row < slice->n; row++) {
        if (h->is_settings && is_mark(row_text(slice, row, h->table->key[0])))
            continue;
        h->rows++;
        for (size_t i = 0; i < slice->columns; i++)
            add_cell(&h->hasher, &slice->cells[row * slice->columns + i]);
    }
    h->seen += (int64_t)slice->n;
    h->watch->seen(h->watch->context, "compare ", h->table->name, h->seen, h->of);
    return SUCCESS;
}

result table_digest(struct db *db, const struct table *t, const struct copy_watch *watch, int64_t *ret_rows,
                    unsigned char ret[HASH_BYTES], struct err *e)
{
    struct hashing h = {.table = t, .watch = watch, .is_settings = str_equal(t->name, S("settings"))};
    int64_t next = 0;
    hasher_start(&h.hasher);
    hasher_add(&h.hasher, t->name);
    for (size_t i = 0; i < t->n; i++)
        hasher_add(&h.hasher, t->columns[i]);
    TRY(table_count(db, t, &h.of, e));
    TRY(walk(db, t, NULL, hash_slice, &h, e));
    if (t->has_next_id)
        TRY(next_id_read(db, t, &next, e));
    add_int(&h.hasher, h.rows);
    add_int(&h.hasher, next);
    hasher_end(&h.hasher, ret);
    *ret_rows = h.rows;
    return SUCCESS;
}
