/* db/filter.c: filters, sorts and pages, against an evaluator that knows nothing of SQL. */
#include "db/filter.h"

#include <stdlib.h>
#include <string.h>

#include "fixture.h"

enum { ROWS = 200 };

struct item {
    int64_t id, locker, created; /* locker 0: NULL */
    bool has_name, is_on;        /* no name: NULL */
    struct str name;
};
static struct item items[ROWS];

static const struct column columns[] = {
    {"name", COLUMN_TEXT, "t.name_key", .may_be_null = true},
    {"id", COLUMN_ID, "t.id"},
    {"lockerId", COLUMN_ID, "t.locker_id", .may_be_null = true},
    {"createdOn", COLUMN_TIME, "t.created_at"},
    {"on", COLUMN_FLAG, "t.is_on"},
};
enum { NAME, ID_, LOCKER, CREATED, ON };

/* Pieces that trip over patterns, order of code points and ends of prefixes. */
static const char *const pieces[] = {"a",
                                     "b",
                                     "%",
                                     "_",
                                     "\\",
                                     "'",
                                     "ä",
                                     "\x7F",
                                     "\xDF\xBF",
                                     "\xED\x9F\xBF",
                                     "\xEE\x80\x80",
                                     "\xEF\xBF\xBF",
                                     "😀",
                                     "\xF4\x8F\xBF\xBF",
                                     "A",
                                     "é"};

static uint64_t seed = 0x9E3779B97F4A7C15;
static int64_t draw(int64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (int64_t)(seed % (uint64_t)below);
}

static struct str draw_text(struct arena *a, int64_t most)
{
    struct str s = S("");
    for (int64_t n = draw(most + 1); n > 0; n--)
        s = arena_printf(a, "%.*s%s", STR_ARG(s), pieces[draw(sizeof(pieces) / sizeof(pieces[0]))]);
    return s;
}

static int set_up(void **state)
{
    fixture_set_up(state);
    struct fixture *f = *state;
    MUST(db_run(
        f->writer,
        SQL(on_store(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name_key TEXT, locker_id INTEGER, created_at INTEGER NOT NULL,"
            " is_on INTEGER NOT NULL) STRICT",
            "CREATE TABLE t (id bigint PRIMARY KEY, name_key text COLLATE \"C\", locker_id bigint, created_at bigint "
            "NOT NULL,"
            " is_on bigint NOT NULL)")),
        &error));
    MUST(db_begin(f->writer, &error));
    for (int64_t i = 0; i < ROWS; i++) {
        struct item *x = &items[i];
        *x = (struct item){.id = i * 7 + 1, .locker = draw(6), .created = draw(5) * 100, .is_on = draw(2)};
        x->has_name = draw(10) > 0;
        x->name = draw_text(f->arena, 3);
        MUST(db_run(f->writer,
                    SQL("INSERT INTO t VALUES ($1, $2, $3, $4, $5)", P_INT(x->id),
                        P_TEXT(x->has_name ? x->name : STR_ABSENT), x->locker ? P_INT(x->locker) : P_NULL,
                        P_INT(x->created), P_INT(x->is_on)),
                    &error));
    }
    MUST(db_commit(f->writer, &error));
    return 0;
}

/* ---- the evaluator ---- */

static int compare_text(struct str a, struct str b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* False when there is nothing to compare. */
static bool compare(const struct filter *f, const struct item *x, int *ret)
{
    int64_t value = 0;
    switch (f->column - columns) {
    case NAME:
        *ret = compare_text(x->name, f->text);
        return x->has_name;
    case ID_:
        value = x->id;
        break;
    case LOCKER:
        value = x->locker;
        break;
    case CREATED:
        value = x->created;
        break;
    default:
        value = x->is_on;
    }
    *ret = (value > f->number) - (value < f->number);
    return f->column != &columns[LOCKER] || x->locker;
}

static bool is_empty(const struct filter *f, const struct item *x)
{
    switch (f->column - columns) {
    case NAME:
        return !x->has_name || x->name.n == 0;
    case LOCKER:
        return x->locker == 0;
    case CREATED:
        return x->created == 0;
    default:
        return false;
    }
}

static bool search(struct arena *a, const struct filter *f, const struct item *x)
{
    struct str s = x->name;
    bool is_there = x->has_name;
    if (f->column->kind == COLUMN_ID) {
        int64_t value = f->column == &columns[ID_] ? x->id : x->locker;
        is_there = value != 0;
        s = arena_printf(a, "%d", (int)value);
    }
    return is_there && (f->op == FILTER_STARTS ? str_starts(s, f->text) : str_find(s, f->text) >= 0);
}

static bool matches(struct arena *a, const struct filter *f, const struct item *x);

static bool matches_leaf(struct arena *a, const struct filter *f, const struct item *x)
{
    int order = 0;
    if (f->op == FILTER_SUBSTRING || f->op == FILTER_STARTS)
        return search(a, f, x);
    if (f->op == FILTER_EQ || f->op == FILTER_NE) {
        bool is_for_empty = !f->has_value || (f->column == &columns[NAME] && f->text.n == 0);
        bool is_equal = is_for_empty ? is_empty(f, x) : compare(f, x, &order) && order == 0;
        return is_equal == (f->op == FILTER_EQ);
    }
    if (!compare(f, x, &order))
        return false;
    return f->op == FILTER_LT   ? order < 0
           : f->op == FILTER_LE ? order <= 0
           : f->op == FILTER_GT ? order > 0
                                : order >= 0;
}

static bool matches(struct arena *a, const struct filter *f, const struct item *x)
{
    switch (f->op) {
    case FILTER_ALL:
        return true;
    case FILTER_NOT:
        return !matches(a, &f->operands[0], x);
    case FILTER_AND:
        for (size_t i = 0; i < f->n; i++)
            if (!matches(a, &f->operands[i], x))
                return false;
        return true;
    case FILTER_OR:
        for (size_t i = 0; i < f->n; i++)
            if (matches(a, &f->operands[i], x))
                return true;
        return f->n == 0;
    default:
        return matches_leaf(a, f, x);
    }
}

/* ---- drawing filters ---- */

static void draw_leaf(struct arena *a, struct filter *f)
{
    f->column = &columns[draw(5)];
    f->op = FILTER_EQ + (enum filter_op)draw(f->column->kind == COLUMN_TIME || f->column->kind == COLUMN_FLAG ? 6 : 8);
    f->has_value = draw(6) > 0 || (f->op != FILTER_EQ && f->op != FILTER_NE);
    const struct item *like = &items[draw(ROWS)];
    if (f->column == &columns[NAME]) {
        f->text = draw(2) ? like->name : draw_text(a, 2);
    } else if (f->op == FILTER_SUBSTRING || f->op == FILTER_STARTS) {
        f->text = arena_printf(a, "%d", (int)draw(30));
    } else {
        f->number = f->column == &columns[ID_]       ? like->id
                    : f->column == &columns[LOCKER]  ? draw(6)
                    : f->column == &columns[CREATED] ? draw(5) * 100
                                                     : draw(2);
    }
}

static void draw_filter(struct arena *a, struct filter *f, int depth)
{
    *f = (struct filter){0};
    int64_t kind = draw(depth ? 6 : 2);
    if (kind < 2) {
        draw_leaf(a, f);
        return;
    }
    f->op = kind == 2 ? FILTER_NOT : kind == 3 ? FILTER_OR : kind == 4 ? FILTER_AND : FILTER_ALL;
    f->n = f->op == FILTER_NOT ? 1 : f->op == FILTER_ALL ? 0 : (size_t)draw(4);
    struct filter *operands = arena_array(a, struct filter, f->n);
    for (size_t i = 0; i < f->n; i++)
        draw_filter(a, &operands[i], depth - 1);
    f->operands = operands;
}

/* ---- sorting ---- */

static const struct listing *sorting;

static int compare_items(const void *p, const void *q)
{
    const struct item *x = *(const struct item *const *)p, *y = *(const struct item *const *)q;
    for (size_t i = 0; i < sorting->sort_count; i++) {
        int64_t order = 0;
        switch (sorting->sorts[i].column - columns) {
        case NAME: /* NULL first */
            order = x->has_name != y->has_name ? x->has_name - y->has_name
                    : x->has_name              ? compare_text(x->name, y->name)
                                               : 0;
            break;
        case ID_:
            order = x->id - y->id;
            break;
        case LOCKER:
            order = x->locker - y->locker;
            break;
        case CREATED:
            order = x->created - y->created;
            break;
        default:
            order = x->is_on - y->is_on;
        }
        if (order)
            return (order < 0 ? -1 : 1) * (sorting->sorts[i].is_descending ? -1 : 1);
    }
    int order = (x->id > y->id) - (x->id < y->id);
    return sorting->sort_count ? order : -order;
}

/* ---- tests ---- */

static void check(struct fixture *f, struct arena *a, const struct listing *l)
{
    const struct item *wanted[ROWS];
    size_t n = 0, visible = 0;
    for (size_t i = 0; i < ROWS; i++) {
        if (items[i].id >= 1300)
            continue;
        visible++;
        if (matches(a, &l->where, &items[i]))
            wanted[n++] = &items[i];
    }
    sorting = l;
    qsort(wanted, n, sizeof(wanted[0]), compare_items);
    struct builder from;
    struct counts counts = {0};
    struct rows rows;
    builder_init(&from, a);
    builder_add(&from, "FROM t WHERE t.id <");
    builder_param(&from, P_INT(1300));
    MUST(filter_run(f->reader, a, "t.id, t.name_key", &from, l, "t.id", &counts, &rows, &error));
    assert_int_equal(counts.total, visible);
    assert_int_equal(counts.filtered, n);
    size_t start = (size_t)l->offset < n ? (size_t)l->offset : n;
    size_t page = n - start < (size_t)l->length ? n - start : (size_t)l->length;
    assert_int_equal(rows.n, page);
    for (size_t i = 0; i < page; i++)
        assert_int_equal(row_int(&rows, i, 0), wanted[start + i]->id);
}

static void drawn_filters_agree_with_the_evaluator(void **state)
{
    struct fixture *f = *state;
    struct arena *a = arena_new();
    for (int round = 0; round < 5000; round++) {
        struct listing l = {.offset = draw(3) ? 0 : draw(250), .length = 1 + draw(250)};
        draw_filter(a, &l.where, (int)draw(5));
        l.sort_count = (size_t)draw(4);
        for (size_t i = 0; i < l.sort_count; i++)
            l.sorts[i] = (struct sort){&columns[draw(5)], draw(2)};
        check(f, a, &l);
        arena_reset(a);
    }
    arena_free(a);
}

static struct filter leaf(enum filter_op op, int column)
{
    return (struct filter){.op = op, .column = &columns[column]};
}

static void an_empty_locker_and_its_opposites(void **state)
{
    struct fixture *f = *state;
    struct filter in_three = leaf(FILTER_EQ, LOCKER);
    in_three.has_value = true;
    in_three.number = 3;
    struct filter empty = leaf(FILTER_EQ, LOCKER), filled = leaf(FILTER_NE, LOCKER), not_three = in_three;
    not_three.op = FILTER_NE;
    struct filter not_in_three = {.op = FILTER_NOT, .operands = &in_three, .n = 1};
    const struct filter cases[] = {in_three, empty, filled, not_three, not_in_three};
    for (size_t i = 0; i < 5; i++) {
        struct listing l = {.where = cases[i], .length = PAGE_MAX};
        check(f, f->arena, &l);
    }
}

static void nesting_to_the_bounds_works(void **state)
{
    struct fixture *f = *state;
    struct filter leaves[FILTER_LEAVES_MAX], levels[FILTER_DEPTH_MAX];
    for (int i = 0; i < FILTER_LEAVES_MAX; i++)
        draw_leaf(f->arena, &leaves[i]);
    levels[0] = (struct filter){.op = FILTER_OR, .operands = leaves, .n = FILTER_LEAVES_MAX};
    for (int i = 1; i < FILTER_DEPTH_MAX; i++)
        levels[i] = (struct filter){.op = FILTER_NOT, .operands = &levels[i - 1], .n = 1};
    struct listing l = {.where = levels[FILTER_DEPTH_MAX - 1], .length = PAGE_MAX};
    check(f, f->arena, &l);
}

static void a_very_long_search_matches_nothing(void **state)
{
    struct fixture *f = *state;
    char *text = arena_alloc(f->arena, 200000);
    memset(text, '%', 200000);
    struct filter contains = leaf(FILTER_SUBSTRING, NAME), starts = leaf(FILTER_STARTS, NAME);
    contains.text = starts.text = (struct str){text, 200000};
    struct listing l = {.where = contains, .length = PAGE_MAX};
    check(f, f->arena, &l);
    l.where = starts;
    check(f, f->arena, &l);
}

#define WITH_ITEMS(f) cmocka_unit_test_setup_teardown(f, set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ITEMS(drawn_filters_agree_with_the_evaluator),
        WITH_ITEMS(an_empty_locker_and_its_opposites),
        WITH_ITEMS(nesting_to_the_bounds_works),
        WITH_ITEMS(a_very_long_search_matches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
