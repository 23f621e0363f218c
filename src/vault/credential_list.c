/* vault/credential_list.c: the list of what a caller may see, and attributes of many credentials at once. */
#include <stdlib.h>

#include "vault/attributes.h"
#include "vault/relation.h"

enum { SLICE = 500 }; /* ids in one statement */

const struct column credential_columns[] = {
    {"name", COLUMN_TEXT, "c.name_key"},
    {"description", COLUMN_TEXT, "c.description_key"},
    {"id", COLUMN_ID, "c.id"},
    {"ownerId", COLUMN_ID, "c.owner_id"},
    {"lockerId", COLUMN_ID, "c.locker_id", .may_be_null = true},
    {"createdBy", COLUMN_ID, "c.created_by"},
    {"updatedBy", COLUMN_ID, "c.updated_by"},
    {"version", COLUMN_ID, "c.version"},
    {"createdOn", COLUMN_TIME, "c.created_at"},
    {"updatedOn", COLUMN_TIME, "c.updated_at"},
    {0},
};

/* ---- attributes ---- */

#define ATTRIBUTE_COLUMNS                                                                                              \
    "t.id, t.credential_id, t.name, t.description, t.user_provided, t.masked, t.password_flag, t.version,"             \
    " t.created_by, t.created_at, t.updated_by, t.updated_at"

struct attribute attribute_of_row(const struct rows *rows, size_t row)
{
    return (struct attribute){
        .id = row_int(rows, row, 0),
        .credential_id = row_int(rows, row, 1),
        .name = row_text(rows, row, 2),
        .description = row_text(rows, row, 3),
        .user_provided = row_flag(rows, row, 4),
        .masked = row_flag(rows, row, 5),
        .password_flag = row_flag(rows, row, 6),
        .version = row_int(rows, row, 7),
        .created_by = row_int(rows, row, 8),
        .created_at = row_int(rows, row, 9),
        .updated_by = row_int(rows, row, 10),
        .updated_at = row_int(rows, row, 11),
    };
}

static int compare_ids(const void *x, const void *y)
{
    const struct credential *const *left = x, *const *right = y;
    return ((*left)->id > (*right)->id) - ((*left)->id < (*right)->id);
}

/* `slice` and the rows both go up by credential id. */
static void hand_out(struct credential *const *slice, size_t n, const struct rows *rows, struct arena *a)
{
    struct attribute *all = arena_array(a, struct attribute, rows->n);
    for (size_t i = 0; i < rows->n; i++)
        all[i] = attribute_of_row(rows, i);
    size_t next = 0;
    for (size_t i = 0; i < n; i++) {
        size_t from = next;
        while (next < rows->n && all[next].credential_id == slice[i]->id)
            next++;
        slice[i]->attributes = (struct list){.at = all + from, .n = next - from, .is_set = true};
    }
}

RESULT credential_load_attributes(struct db *db, struct arena *a, struct credential *credentials, size_t n,
                                  struct err *e)
{
    struct credential **sorted = arena_array(a, struct credential *, n);
    int64_t *ids = arena_array(a, int64_t, SLICE);
    for (size_t i = 0; i < n; i++)
        sorted[i] = &credentials[i];
    qsort(sorted, n, sizeof(struct credential *), compare_ids);
    for (size_t start = 0; start < n; start += SLICE) {
        size_t count = n - start < SLICE ? n - start : SLICE;
        for (size_t i = 0; i < count; i++)
            ids[i] = sorted[start + i]->id;
        struct builder b;
        struct rows rows;
        builder_init(&b, a);
        builder_add(&b, "SELECT " ATTRIBUTE_COLUMNS " FROM attributes t WHERE ");
        builder_in(&b, "t.credential_id", ids, count);
        builder_add(&b, " ORDER BY t.credential_id, t.id");
        TRY(db_query(db, a, builder_sql(&b), &rows, e));
        hand_out(sorted + start, count, &rows, a);
    }
    return SUCCESS;
}

/* ---- the list ---- */

/* The union is made once from the indexes of owner and locker, whatever the list is sorted by. */
static void build_visible(struct builder *b, struct arena *a, const struct caller *who, bool consumed)
{
    struct param user = P_INT(who->user_id);
    builder_init(b, a);
    if (consumed) {
        builder_add(b, "FROM credentials c WHERE c.locker_id IN (" CONSUMED_LOCKERS);
        builder_param(b, user);
        builder_add(b, ")");
        return;
    }
    if (rights_have(&who->rights, LOCKER_ADMINISTER, LEVEL_WRITE)) {
        builder_add(b, "FROM credentials c WHERE 1 = 1");
        return;
    }
    builder_add(b, "FROM credentials c WHERE c.id IN (SELECT o.id FROM credentials o WHERE o.owner_id = ");
    builder_param(b, user);
    builder_add(b, " UNION SELECT l.id FROM credentials l WHERE l.locker_id IN (" MANAGED_LOCKERS);
    builder_param(b, user);
    builder_add(b, " UNION " CONSUMED_LOCKERS);
    builder_param(b, user);
    builder_add(b, "))");
}

RESULT credential_list(struct db *db, struct arena *a, const struct caller *who, bool consumed, const struct listing *l,
                       struct counts *ret_counts, struct credential **ret, size_t *ret_n, struct err *e)
{
    struct builder from;
    struct counts counts;
    struct rows rows;
    build_visible(&from, a, who, consumed);
    TRY(filter_run(db, a, CREDENTIAL_COLUMNS, &from, l, "c.id", &counts, &rows, e));
    struct credential *found = arena_array(a, struct credential, rows.n);
    for (size_t i = 0; i < rows.n; i++)
        found[i] = credential_of_row(&rows, i);
    TRY(credential_load_attributes(db, a, found, rows.n, e));
    *ret_counts = counts;
    *ret = found;
    *ret_n = rows.n;
    return SUCCESS;
}
