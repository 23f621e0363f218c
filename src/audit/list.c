/* audit/list.c: the rows as people look at them: filtered, sorted, paged. */
#include "audit/audit.h"
#include "db/filter.h"

const struct column audit_columns[] = {
    {"id", COLUMN_ID, "id"},
    {"createdOn", COLUMN_TIME, "at"},
    {"userName", COLUMN_TEXT, "user_name_key"},
    {"objectName", COLUMN_TEXT, "object_name_key"},
    {"activityType", COLUMN_TEXT, "what"},
    {"status", COLUMN_TEXT, "(CASE is_success WHEN 1 THEN 'successful' ELSE 'unsuccessful' END)"},
    {"source", COLUMN_TEXT, "source"},
    {"hostName", COLUMN_TEXT, "address"},
    {"requestId", COLUMN_TEXT, "request_id"},
    {0},
};

static struct audit_row row_at(const struct rows *rows, size_t row)
{
    return (struct audit_row){
        .id = row_int(rows, row, 0),
        .at = row_int(rows, row, 1),
        .user_id = row_int(rows, row, 2),
        .object_id = row_int(rows, row, 3),
        .account_id = row_int(rows, row, 4),
        .what = row_text(rows, row, 5),
        .user_name = row_text(rows, row, 6),
        .address = row_text(rows, row, 7),
        .source = row_text(rows, row, 8),
        .request_id = row_text(rows, row, 9),
        .object_kind = row_text(rows, row, 10),
        .object_name = row_text(rows, row, 11),
        .detail = row_text(rows, row, 12),
        .is_success = row_flag(rows, row, 13),
    };
}

RESULT audit_list(struct db *db, struct arena *a, const struct listing *l, struct counts *ret_counts,
                  struct audit_row **ret, size_t *ret_n, struct err *e)
{
    struct builder from;
    builder_init(&from, a);
    builder_add(&from, "FROM audit_rows WHERE 1 = 1");
    struct counts counts;
    struct rows rows;
    TRY(filter_run(db, a,
                   "id, at, user_id, object_id, account_id, what, user_name, address, source, request_id, object_kind, "
                   "object_name, detail, is_success",
                   &from, l, "id", &counts, &rows, e));
    struct audit_row *list = arena_array(a, struct audit_row, rows.n);
    for (size_t i = 0; i < rows.n; i++)
        list[i] = row_at(&rows, i);
    *ret_counts = counts;
    *ret = list;
    *ret_n = rows.n;
    return SUCCESS;
}
