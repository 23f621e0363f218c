/* db/filter.c: filters, sorts and pages as SQL. */
#include "db/filter.h"

static const char everything[] = " 1 = 1 ", nothing[] = " 1 = 0 ";

static void add_filter(struct builder *b, const struct filter *f);

static void add_joined(struct builder *b, const struct filter *f, const char *word)
{
    if (f->n == 0)
        builder_add(b, everything);
    for (size_t i = 0; i < f->n; i++) {
        if (i)
            builder_add(b, word);
        add_filter(b, &f->operands[i]);
    }
}

static void add_empty(struct builder *b, const struct column *c)
{
    builder_add(b, c->sql);
    builder_add(b, " IS NULL");
    if (c->kind != COLUMN_TEXT && c->kind != COLUMN_TIME)
        return;
    builder_add(b, " OR ");
    builder_add(b, c->sql);
    builder_add(b, c->kind == COLUMN_TEXT ? " = ''" : " = 0"); /* 0: never */
}

static void add_comparison(struct builder *b, const struct filter *f, const char *operator)
{
    const struct column *c = f->column;
    builder_add(b, c->sql);
    builder_add(b, operator);
    builder_param(b, c->kind == COLUMN_TEXT ? P_TEXT(f->text.p ? f->text : S("")) : P_INT(f->number));
}

static void add_equal(struct builder *b, const struct filter *f)
{
    if (!f->has_value || (f->column->kind == COLUMN_TEXT && f->text.n == 0))
        add_empty(b, f->column);
    else
        add_comparison(b, f, " = ");
}

static void add_search(struct builder *b, const struct filter *f)
{
    const struct column *c = f->column;
    if (c->kind == COLUMN_ID)
        builder_contains(b, arena_printf(b->arena, "CAST(%s AS TEXT)", c->sql).p, f->text);
    else if (c->kind == COLUMN_TEXT)
        builder_contains(b, c->sql, f->text);
    else
        builder_add(b, nothing);
}

static void add_start(struct builder *b, const struct filter *f)
{
    const struct column *c = f->column;
    if (c->kind == COLUMN_ID)
        builder_prefix(b, arena_printf(b->arena, "CAST(%s AS TEXT)", c->sql).p, f->text);
    else if (c->kind == COLUMN_TEXT)
        builder_prefix(b, c->sql, f->text);
    else
        builder_add(b, nothing);
}

/* IS NOT TRUE: what is not known to match does not, so that its opposite does. */
static void add_filter(struct builder *b, const struct filter *f)
{
    builder_add(b, "(");
    switch (f->op) {
    case FILTER_ALL:
        builder_add(b, everything);
        break;
    case FILTER_AND:
        add_joined(b, f, " AND ");
        break;
    case FILTER_OR:
        add_joined(b, f, " OR ");
        break;
    case FILTER_NOT:
        builder_add(b, "(");
        add_joined(b, f, " AND ");
        builder_add(b, ") IS NOT TRUE");
        break;
    case FILTER_EQ:
        add_equal(b, f);
        break;
    case FILTER_NE:
        builder_add(b, "(");
        add_equal(b, f);
        builder_add(b, ") IS NOT TRUE");
        break;
    case FILTER_LT:
        add_comparison(b, f, " < ");
        break;
    case FILTER_LE:
        add_comparison(b, f, " <= ");
        break;
    case FILTER_GT:
        add_comparison(b, f, " > ");
        break;
    case FILTER_GE:
        add_comparison(b, f, " >= ");
        break;
    case FILTER_SUBSTRING:
        add_search(b, f);
        break;
    case FILTER_STARTS:
        add_start(b, f);
        break;
    }
    builder_add(b, ")");
}

void filter_where(struct builder *b, const struct filter *f)
{
    if (f->op == FILTER_ALL)
        return;
    builder_add(b, " AND ");
    add_filter(b, f);
}

void filter_order(struct builder *b, const struct listing *l, const char *id_sql)
{
    builder_add(b, " ORDER BY ");
    for (size_t i = 0; i < l->sort_count; i++) {
        const struct sort *s = &l->sorts[i];
        builder_add(b, s->column->sql);
        builder_add(b, s->is_descending ? " DESC" : "");
        if (s->column->may_be_null)
            builder_add(b, s->is_descending ? " NULLS LAST" : " NULLS FIRST");
        builder_add(b, ", ");
    }
    builder_add(b, id_sql);
    builder_add(b, l->sort_count ? " LIMIT" : " DESC LIMIT");
    builder_param(b, P_INT(l->length));
    builder_add(b, "OFFSET");
    builder_param(b, P_INT(l->offset));
}

/* SELECT … in front of a copy of `from`, whose parameters keep their numbers. */
static void start(struct builder *b, struct arena *a, const char *columns, const struct builder *from)
{
    builder_init(b, a);
    builder_add(b, "SELECT ");
    builder_add(b, columns);
    builder_add(b, " ");
    builder_add(b, from->text.p);
    b->params = arena_array(a, struct param, from->n + 8);
    b->params_capacity = from->n + 8;
    b->n = from->n;
    for (size_t i = 0; i < from->n; i++)
        b->params[i] = from->params[i];
}

static result count(struct db *db, struct arena *a, const struct builder *from, const struct filter *f, int64_t *ret,
                    struct err *e)
{
    struct builder b;
    start(&b, a, "count(*)", from);
    filter_where(&b, f);
    return db_insert(db, builder_sql(&b), ret, "no count", e);
}

result filter_run(struct db *db, struct arena *a, const char *columns, const struct builder *from,
                  const struct listing *l, const char *id_sql, struct counts *ret_counts, struct rows *ret,
                  struct err *e)
{
    static const struct filter all = {.op = FILTER_ALL};
    struct builder page;
    struct counts counts = {0};
    TRY(count(db, a, from, &all, &counts.total, e));
    counts.filtered = counts.total;
    if (l->where.op != FILTER_ALL)
        TRY(count(db, a, from, &l->where, &counts.filtered, e));
    start(&page, a, columns, from);
    filter_where(&page, &l->where);
    filter_order(&page, l, id_sql);
    TRY(db_query(db, a, builder_sql(&page), ret, e));
    *ret_counts = counts;
    return SUCCESS;
}
