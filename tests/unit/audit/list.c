/* unit/audit/list.c: the columns of the Control Room's audit list, filtered, sorted and paged. */
#include "fixture.h"

#include <strings.h>

#include "db/filter.h"

static const struct column *column(const char *name)
{
    for (const struct column *c = audit_columns; c->name; c++)
        if (strcasecmp(c->name, name) == 0)
            return c;
    fail_msg("there is no column %s", name);
    return NULL;
}

static struct counts counts;

static size_t list(struct fixture *f, struct listing l, struct audit_row **ret)
{
    size_t n = 0;
    l.length = l.length ? l.length : PAGE_MAX;
    must(f, audit_list(f->db, f->a, &l, &counts, ret, &n, &f->e));
    return n;
}

static int64_t found(struct fixture *f, const char *name, enum filter_op op, const char *text)
{
    struct audit_row *rows;
    struct filter leaf = {.op = op, .column = column(name), .has_value = true, .text = str_of(text)};
    list(f, (struct listing){.where = leaf}, &rows);
    assert_int_equal(counts.total, 30);
    return counts.filtered;
}

static void text_columns(void **state)
{
    struct fixture *f = *state;
    write_rows(f, 30);
    assert_int_equal(found(f, "status", FILTER_EQ, "successful"), 20);
    assert_int_equal(found(f, "status", FILTER_EQ, "unsuccessful"), 10);
    assert_int_equal(found(f, "status", FILTER_NE, "successful"), 10);
    assert_int_equal(found(f, "status", FILTER_SUBSTRING, "success"), 30);
    assert_int_equal(found(f, "status", FILTER_STARTS, "un"), 10);
    assert_int_equal(found(f, "activityType", FILTER_SUBSTRING, "create"), 15);
    assert_int_equal(found(f, "activityType", FILTER_EQ, "locker.change"), 15);
    assert_int_equal(found(f, "activityType", FILTER_SUBSTRING, "locker"), 30);
    assert_int_equal(found(f, "activityType", FILTER_SUBSTRING, "%"), 0);
    assert_int_equal(found(f, "userName", FILTER_EQ, "übung 7"), 1);
    assert_int_equal(found(f, "objectName", FILTER_SUBSTRING, "locker 2"), 11);
    assert_int_equal(found(f, "hostName", FILTER_EQ, "192.0.2.9"), 1);
    assert_int_equal(found(f, "requestId", FILTER_STARTS, "0000000"), 15);
    assert_int_equal(found(f, "source", FILTER_EQ, "controlroom"), 30);
}

static void numbers_and_times(void **state)
{
    struct fixture *f = *state;
    write_rows(f, 30);
    struct audit_row *rows;
    struct filter id = {.op = FILTER_GT, .column = column("id"), .has_value = true, .number = 25};
    assert_int_equal(list(f, (struct listing){.where = id}, &rows), 5);
    struct filter later = {.op = FILTER_GT, .column = column("createdOn"), .has_value = true, .number = INT64_MAX};
    assert_int_equal(list(f, (struct listing){.where = later}, &rows), 0);
    struct listing page = {
        .where = {.op = FILTER_ALL}, .sorts = {{column("userName"), false}}, .sort_count = 1, .offset = 1, .length = 2};
    assert_int_equal(list(f, page, &rows), 2);
    assert_true(str_equal(rows[0].user_name, S("Übung 10")));
    assert_int_equal(counts.filtered, 30);
}

static void whole_row(void **state)
{
    struct fixture *f = *state;
    write_rows(f, 30);
    struct audit_row *rows;
    assert_int_equal(list(f, (struct listing){.where = {.op = FILTER_ALL}}, &rows), 30);
    const struct audit_row *r = &rows[13]; /* newest first: row 17 */
    assert_int_equal(r->id, 17);
    assert_int_equal(r->user_id, 17);
    assert_int_equal(r->object_id, 1017);
    assert_int_equal(r->account_id, 3);
    assert_true(r->at > 0 && r->is_success);
    assert_true(str_equal(r->what, S("locker.create")) && str_equal(r->user_name, S("Übung 17")));
    assert_true(str_equal(r->address, S("192.0.2.17")) && str_equal(r->source, S("controlroom")));
    assert_true(str_equal(r->request_id, S("00000011")) && str_equal(r->object_kind, S("locker")));
    assert_true(str_equal(r->object_name, S("Locker 17")) && str_equal(r->detail, S("row 17")));
    assert_false(rows[30 - 3].is_success);
}

int main(void)
{
    crypto_start();
#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {CASE(text_columns), CASE(numbers_and_times), CASE(whole_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
