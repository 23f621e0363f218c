/* db/rows.c: rows in an arena, and how they get there. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "db/driver.h"

static const char *const kind_names[] = {"null", "a number", "text", "bytes"};

static const struct cell *cell_at(const struct rows *r, size_t row, size_t column, enum param_kind wanted)
{
    if (row >= r->n || column >= r->columns)
        die("row %zu, column %zu of %zu rows with %zu columns", row, column, r->n, r->columns);
    const struct cell *c = &r->cells[row * r->columns + column];
    if (c->kind != wanted && c->kind != PARAM_NULL && wanted != PARAM_NULL)
        die("column %zu holds %s, not %s", column, kind_names[c->kind], kind_names[wanted]);
    return c;
}

int64_t row_int(const struct rows *r, size_t row, size_t column)
{
    return cell_at(r, row, column, PARAM_INT)->i;
}

bool row_flag(const struct rows *r, size_t row, size_t column)
{
    return row_int(r, row, column) != 0;
}

struct str row_text(const struct rows *r, size_t row, size_t column)
{
    return cell_at(r, row, column, PARAM_TEXT)->s;
}

struct str row_blob(const struct rows *r, size_t row, size_t column)
{
    return cell_at(r, row, column, PARAM_BLOB)->s;
}

bool row_is_null(const struct rows *r, size_t row, size_t column)
{
    return cell_at(r, row, column, PARAM_NULL)->kind == PARAM_NULL;
}

void gathering_init(struct gathering *g, struct arena *a)
{
    *g = (struct gathering){.arena = a};
}

void gathering_free(struct gathering *g)
{
    free(g->cells);
    g->cells = NULL;
}

static struct cell *next_cell(struct gathering *g)
{
    if (g->n == g->capacity) {
        g->capacity = g->capacity ? 2 * g->capacity : 32;
        g->cells = reallocarray(g->cells, g->capacity, sizeof(struct cell));
        if (!g->cells)
            die("out of memory: %zu cells", g->capacity);
    }
    g->bytes += sizeof(struct cell);
    struct cell *c = &g->cells[g->n++];
    *c = (struct cell){0};
    return c;
}

void gather_null(struct gathering *g)
{
    next_cell(g)->kind = PARAM_NULL;
}

void gather_int(struct gathering *g, int64_t i)
{
    struct cell *c = next_cell(g);
    c->kind = PARAM_INT;
    c->i = i;
}

void gather_bytes(struct gathering *g, enum param_kind kind, const void *p, size_t n)
{
    struct cell *c = next_cell(g);
    c->kind = kind;
    g->bytes += n;
    if (!gathering_is_too_large(g))
        c->s = arena_str(g->arena, n ? (struct str){p, n} : S(""));
}

bool gathering_is_too_large(const struct gathering *g)
{
    return g->bytes > RESULT_BYTES_MAX;
}

struct rows gathering_rows(const struct gathering *g)
{
    struct cell *cells = arena_array(g->arena, struct cell, g->n);
    if (g->n)
        memcpy(cells, g->cells, g->n * sizeof(struct cell));
    return (struct rows){.n = g->columns ? g->n / g->columns : 0, .columns = g->columns, .cells = cells};
}
