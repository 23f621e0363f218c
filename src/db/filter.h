/* db/filter.h: filter, sort and page of the Control Room lists (controlroom-api 8), as data, and their SQL. */
#pragma once

#include "db/db.h"

enum column_kind { COLUMN_TEXT, COLUMN_ID, COLUMN_TIME, COLUMN_FLAG };
/* A list names its columns once. Text columns are compared and sorted by `key`, a …_key column. */
struct column {
    const char *name; /* on the wire, matched ignoring ASCII case */
    enum column_kind kind;
    const char *sql;  /* "c.created_at"; for COLUMN_TEXT the …_key column */
    bool may_be_null; /* sorted before every value, on both stores */
};

enum filter_op {
    FILTER_ALL,
    FILTER_AND,
    FILTER_OR,
    FILTER_NOT,
    FILTER_EQ,
    FILTER_NE,
    FILTER_LT,
    FILTER_LE,
    FILTER_GT,
    FILTER_GE,
    FILTER_SUBSTRING,
    FILTER_STARTS
};
struct filter {
    enum filter_op op;
    bool has_value;                /* without: EQ means "is empty" */
    const struct filter *operands; /* AND, OR, NOT */
    size_t n;
    const struct column *column; /* leaves */
    int64_t number;              /* ID, TIME, FLAG */
    struct str text;             /* TEXT: already a key (text_key); ID with SUBSTRING, STARTS: decimal digits */
};
struct sort {
    const struct column *column;
    bool is_descending;
};
enum { FILTER_DEPTH_MAX = 16, FILTER_LEAVES_MAX = 200, SORTS_MAX = 8, PAGE_MAX = 10000 };
struct listing {
    struct filter where;
    struct sort sorts[SORTS_MAX];
    size_t sort_count;
    int64_t offset, length; /* length 1..PAGE_MAX */
};
struct counts { /* of the whole list */
    int64_t total, filtered;
};

/* Append " AND (…)" for the filter (nothing for FILTER_ALL). */
void filter_where(struct builder *b, const struct filter *f);
/* Append " ORDER BY … , <id_sql>" (no sort: id_sql DESC) and " LIMIT $ OFFSET $". */
void filter_order(struct builder *b, const struct listing *l, const char *id_sql);
/* Run the three statements of a list: total, filtered, page. `from` is "FROM … WHERE …" as a builder whose text is
 * copied, `columns` what to select. */
RESULT filter_run(struct db *db, struct arena *a, const char *columns, const struct builder *from,
                  const struct listing *l, const char *id_sql, struct counts *ret_counts, struct rows *ret,
                  struct err *e);
