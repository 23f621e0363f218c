/* db/copy.c: a move from store to store, step by step. */
#include "db/copy.h"

#include <string.h>

#include "crypto/random.h"
#include "db/copy_end.h"
#include "db/copy_rows.h"

enum { ID_BYTES = 12 };

struct move {
    struct store *from, *to;
    struct db *source, *target; /* writers */
    struct end_state source_state, target_state;
    struct str id;
    struct arena *a;
    struct catalogue tables, target_tables;
    const struct copy_watch *watch;
};

static bool is_of_source(const struct move *m)
{
    const struct end_state *s = &m->source_state, *t = &m->target_state;
    return str_is_set(s->id) && str_equal(s->id, t->id) && str_equal(s->installation, t->installation);
}

/* Nothing there: begin. This move's own copy: go on, or nothing is left to do. Anything else is refused. */
static result compare_states(const struct move *m, bool *ret_begins, bool *ret_was_done, struct err *e)
{
    const struct end_state *s = &m->source_state, *t = &m->target_state;
    *ret_begins = !str_is_set(t->installation);
    *ret_was_done = is_of_source(m) && str_is_set(s->moved_to) && !str_is_set(t->from);
    if (*ret_was_done || (is_of_source(m) && str_is_set(t->from) && s->epoch == t->epoch))
        return SUCCESS;
    if (*ret_begins && str_is_set(s->moved_to))
        return copy_check_served(m->source, e);
    if (*ret_begins)
        return SUCCESS;
    if (!str_is_set(t->from))
        return FAIL(e, CONFLICT, "%s holds installation %.*s already; nothing was changed", m->to->place,
                    STR_ARG(t->installation));
    return FAIL(e, CONFLICT,
                "%s holds what is left of another copy (of %.*s): take an empty one, or remove it and begin again",
                m->to->place, STR_ARG(t->from));
}

static result mark_source(struct db *db, void *argument, struct err *e)
{
    struct move *m = argument;
    TRY(mark_set(db, "copy.id", m->id, e));
    return mark_set(db, "copy.to", str_of(m->to->place), e);
}

/* The mark comes before the look: a server that starts now sees the mark, or is seen. */
static result close_source(struct move *m, struct err *e)
{
    struct err ignored;
    TRY(end_write(m->source, mark_source, m, e));
    result r = end_check_unused(m->source, e);
    if (!is_ok(r))
        (void)!is_ok(end_write(m->source, end_unmark, m, &ignored));
    return r;
}

static result check_empty(const struct move *m, struct err *e)
{
    for (size_t i = 0; i < m->target_tables.n; i++) {
        const struct table *t = &m->target_tables.tables[i];
        int64_t n;
        if (str_equal(t->name, S("settings")))
            continue;
        TRY(table_count(m->target, t, &n, e));
        if (n > 0)
            return FAIL(e, CONFLICT, "%s is not empty: there are rows in the table %.*s; nothing was changed",
                        m->to->place, STR_ARG(t->name));
    }
    return SUCCESS;
}

/* The settings come first, with the marks: from here on it is known whose copy this is. */
static result begin_target(struct db *db, void *argument, struct err *e)
{
    struct move *m = argument;
    struct rows r;
    TRY(db_query(m->source, m->a, SQL("SELECT name, value FROM settings"), &r, e));
    for (size_t i = 0; i < r.n; i++)
        if (!is_mark(row_text(&r, i, 0)))
            TRY(mark_set(db, arena_cstr(m->a, row_text(&r, i, 0)), row_text(&r, i, 1), e));
    TRY(mark_set(db, "copy.id", m->id, e));
    return mark_set(db, "copy.from", str_of(m->from->place), e);
}

static result begin(struct move *m, struct err *e)
{
    m->id = random_hex(m->a, ID_BYTES);
    TRY(check_empty(m, e));
    TRY(close_source(m, e));
    return end_write(m->target, begin_target, m, e);
}

static result open_snapshot(struct store *s, struct db **ret, struct err *e)
{
    AUTOFREE(db) db = NULL;
    TRY(db_open(s, DB_READER, &db, e));
    TRY(db_snapshot(db, e));
    *ret = TAKE(db);
    return SUCCESS;
}

static result copy_tables(struct move *m, struct err *e)
{
    AUTOFREE(db) snapshot = NULL;
    TRY(open_snapshot(m->from, &snapshot, e));
    for (size_t i = 0; i < m->tables.n; i++)
        if (!str_equal(m->tables.tables[i].name, S("settings")))
            TRY(table_copy(snapshot, m->target, &m->tables.tables[i], m->watch, e));
    return SUCCESS;
}

static result hash_tables(struct move *m, struct copied_table *tables, bool is_target, struct err *e)
{
    AUTOFREE(db) snapshot = NULL;
    TRY(open_snapshot(is_target ? m->to : m->from, &snapshot, e));
    for (size_t i = 0; i < m->tables.n; i++) {
        struct copied_table *t = &tables[i];
        t->name = m->tables.tables[i].name;
        TRY(table_digest(snapshot, &m->tables.tables[i], m->watch, is_target ? &t->to_rows : &t->from_rows,
                         is_target ? t->to_digest : t->from_digest, e));
    }
    return SUCCESS;
}

static result compare_tables(struct move *m, struct copy_outcome *ret, struct err *e)
{
    struct copied_table *tables = arena_array(m->a, struct copied_table, m->tables.n);
    TRY(hash_tables(m, tables, false, e));
    TRY(hash_tables(m, tables, true, e));
    ret->tables = tables;
    ret->n = m->tables.n;
    ret->is_equal = true;
    for (size_t i = 0; i < m->tables.n; i++) {
        tables[i].is_equal = tables[i].from_rows == tables[i].to_rows &&
                             memcmp(tables[i].from_digest, tables[i].to_digest, HASH_BYTES) == 0;
        ret->is_equal = ret->is_equal && tables[i].is_equal;
    }
    return SUCCESS;
}

static result mark_moved(struct db *db, void *argument, struct err *e)
{
    struct move *m = argument;
    TRY(mark_unset(db, "copy.to", e));
    return mark_set(db, "copy.moved_to", str_of(m->to->place), e);
}

static result open_target(struct db *db, void *argument, struct err *e)
{
    struct move *m = argument;
    TRY(mark_unset(db, "copy.from", e));
    return epoch_set(db, m->source_state.epoch + 1, e);
}

/* Between the two neither can be served, and a run that is begun again comes here once more. */
static result finish(struct move *m, struct err *e)
{
    TRY(end_write(m->source, mark_moved, m, e));
    return end_write(m->target, open_target, m, e);
}

static result run(struct move *m, struct copy_outcome *ret, struct err *e)
{
    bool begins;
    TRY(end_read(m->source, m->a, &m->source_state, e));
    TRY(end_read(m->target, m->a, &m->target_state, e));
    TRY(compare_states(m, &begins, &ret->was_done, e));
    ret->epoch = ret->was_done ? m->target_state.epoch : m->source_state.epoch + 1;
    ret->is_equal = ret->was_done;
    if (ret->was_done)
        return SUCCESS;
    TRY(catalogue_read(m->source, m->a, &m->tables, e));
    TRY(catalogue_read(m->target, m->a, &m->target_tables, e));
    TRY(catalogue_check(&m->tables, &m->target_tables, e));
    if (begins)
        TRY(begin(m, e));
    TRY(copy_tables(m, e));
    TRY(compare_tables(m, ret, e));
    return ret->is_equal ? finish(m, e) : SUCCESS;
}

result store_copy(struct store *from, struct store *to, const struct copy_watch *watch, struct arena *a,
                  struct copy_outcome *ret, struct err *e)
{
    AUTOFREE(db) source = NULL;
    AUTOFREE(db) target = NULL;
    *ret = (struct copy_outcome){0};
    TRY(end_open(from, &source, e));
    TRY(end_open(to, &target, e));
    struct move m = {.from = from, .to = to, .source = source, .target = target, .a = a, .watch = watch};
    return run(&m, ret, e);
}
