/* db/statement.c: statements, parameters, types and errors. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fixture.h"

static void add_counter(struct db *db, const char *name, int64_t next)
{
    MUST(db_run(db, SQL("INSERT INTO counters (name, next) VALUES ($1, $2)", P_TEXT(str_of(name)), P_INT(next)),
                &error));
}

static void parameters_go_by_name(void **state)
{
    struct fixture *f = *state;
    struct rows rows;
    MUST(db_query(f->reader, f->arena,
                  SQL("SELECT $3, $1, $2, $1 || $3, $3", P_TEXT(S("one")), P_INT(2), P_TEXT(S("three"))), &rows,
                  &error));
    assert_true(str_equal(row_text(&rows, 0, 0), S("three")));
    assert_true(str_equal(row_text(&rows, 0, 1), S("one")));
    assert_int_equal(row_int(&rows, 0, 2), 2);
    assert_true(str_equal(row_text(&rows, 0, 3), S("onethree")));
    assert_true(str_equal(row_text(&rows, 0, 4), S("three")));
}

static void more_than_nine_parameters(void **state)
{
    struct fixture *f = *state;
    struct builder b;
    builder_init(&b, f->arena);
    builder_add(&b, "SELECT 1 WHERE 5000 ");
    int64_t ids[1000];
    for (int64_t i = 0; i < 1000; i++)
        ids[i] = i * 10;
    builder_in(&b, "", ids, 1000);
    assert_int_equal(b.n, 1000);
    struct rows rows;
    MUST(db_query(f->reader, f->arena, builder_sql(&b), &rows, &error));
    assert_int_equal(rows.n, 1);
    b.params[500] = P_INT(-1);
    MUST(db_query(f->reader, f->arena, builder_sql(&b), &rows, &error));
    assert_int_equal(rows.n, 0);
}

static void an_empty_list_matches_nothing(void **state)
{
    struct fixture *f = *state;
    struct builder b;
    builder_init(&b, f->arena);
    builder_add(&b, "SELECT 1 WHERE ");
    builder_in(&b, "1", NULL, 0);
    struct rows rows;
    MUST(db_query(f->reader, f->arena, builder_sql(&b), &rows, &error));
    assert_int_equal(rows.n, 0);
    builder_add(&b, "OR 1 = 1");
    MUST(db_query(f->reader, f->arena, builder_sql(&b), &rows, &error));
    assert_int_equal(rows.n, 1);
}

static void types_come_back_as_they_went(void **state)
{
    struct fixture *f = *state;
    const char bytes[] = {'a', 0, (char)0xFF, 'b'};
    struct rows r;
    MUST(db_run(f->writer,
                SQL(on_store("CREATE TABLE t (n INTEGER, i INTEGER, s TEXT, b BLOB) STRICT",
                             "CREATE TABLE t (n bigint, i bigint, s text, b bytea)")),
                &error));
    MUST(db_run(f->writer,
                SQL("INSERT INTO t VALUES (1, $1, $2, $3), (2, $4, $5, $6), (3, $7, $8, $9)", P_INT(INT64_MIN),
                    P_TEXT(S("Ä€😀")), P_BLOB(((struct str){bytes, 4})), P_INT(INT64_MAX), P_TEXT(S("")), P_BLOB(S("")),
                    P_NULL, P_TEXT(STR_ABSENT), P_BLOB(STR_ABSENT)),
                &error));
    MUST(db_query(f->reader, f->arena, SQL("SELECT i, s, b FROM t ORDER BY n"), &r, &error));
    assert_int_equal(r.n, 3);
    assert_int_equal(r.columns, 3);
    assert_true(row_int(&r, 0, 0) == INT64_MIN && row_int(&r, 1, 0) == INT64_MAX);
    assert_true(str_equal(row_text(&r, 0, 1), S("Ä€😀")));
    assert_true(str_equal(row_blob(&r, 0, 2), (struct str){bytes, 4}));
    assert_true(str_is_set(row_text(&r, 1, 1)) && row_text(&r, 1, 1).n == 0 && !row_is_null(&r, 1, 1));
    assert_true(str_is_set(row_blob(&r, 1, 2)) && row_blob(&r, 1, 2).n == 0 && !row_is_null(&r, 1, 2));
    assert_true(row_is_null(&r, 2, 0) && row_is_null(&r, 2, 1) && row_is_null(&r, 2, 2));
    assert_true(row_int(&r, 2, 0) == 0 && !str_is_set(row_text(&r, 2, 1)) && !str_is_set(row_blob(&r, 2, 2)));
    assert_false(row_flag(&r, 2, 0));
    assert_true(row_flag(&r, 0, 0));
}

static void texts_with_nul_or_broken_utf8_are_refused(void **state)
{
    struct fixture *f = *state;
    struct rows rows;
    EXPECT(INVALID, db_query(f->reader, f->arena, SQL("SELECT $1", P_TEXT(S("a\0b"))), &rows, &error));
    EXPECT(INVALID, db_query(f->reader, f->arena, SQL("SELECT $1", P_TEXT(S("\xC3"))), &rows, &error));
    EXPECT(INVALID, db_query(f->reader, f->arena, SQL("SELECT $1", P_TEXT(S("\xED\xA0\x80"))), &rows, &error));
}

static void conflicts_are_told_apart_from_faults(void **state)
{
    struct fixture *f = *state;
    int64_t id = 77;
    add_counter(f->writer, "a", 1);
    EXPECT(CONFLICT, db_run(f->writer, SQL("INSERT INTO counters (name, next) VALUES ('a', 2)"), &error));
    EXPECT(CONFLICT, db_run(f->writer, SQL("INSERT INTO role_rights VALUES (5, 1, 1)"), &error));
    EXPECT(CONFLICT, db_insert(f->writer,
                               SQL("INSERT INTO counters VALUES ('a', 2) ON CONFLICT (name) DO NOTHING RETURNING next"),
                               &id, "taken", &error));
    assert_int_equal(id, 77);
    struct err e = {0};
    result r = db_run(f->writer, SQL("INSERT INTO counters (name, next) VALUES ('b', 'text')"), &e);
    assert_int_equal(r.code, INTERNAL);
    assert_null(strstr(e.text, "counters")); /* the store's own words are for the log */
    EXPECT(INTERNAL,
           db_run(f->writer, SQL("INSERT INTO roles VALUES (1, 3, 1, 'a', 'a', '', '', 0, 1, 0, 1, 0, 1, 0)"), &error));
    EXPECT(INTERNAL, db_run(f->writer, SQL("SELECT * FROM no_such_table"), &error));
    assert_false(is_ok(db_run(f->reader, SQL("DELETE FROM counters"), &e)));
    MUST(db_reach(f->reader, &error)); /* PostgreSQL may have ended the connection for it */
    assert_int_equal(number(f->reader, SQL("SELECT CAST(sum(next) AS bigint) FROM counters")), 1);
}

static void changes_are_counted(void **state)
{
    struct fixture *f = *state;
    int64_t changed = -1;
    add_counter(f->writer, "a", 1);
    add_counter(f->writer, "b", 1);
    MUST(db_run_counting(f->writer, SQL("UPDATE counters SET next = 5 WHERE next = 1"), &changed, &error));
    assert_int_equal(changed, 2);
    MUST(db_run_counting(f->writer, SQL("SELECT 1"), &changed, &error));
    assert_int_equal(changed, 0);
    MUST(db_run_counting(f->writer, SQL("INSERT INTO counters VALUES ('a', 2) ON CONFLICT DO NOTHING"), &changed,
                         &error));
    assert_int_equal(changed, 0);
}

static void one_row_means_exactly_one(void **state)
{
    struct fixture *f = *state;
    struct rows rows = {.n = 42};
    struct err e = {0};
    result r = db_query_one(f->reader, f->arena, SQL("SELECT 1 WHERE 1 = 0"), "the locker", &rows, &e);
    assert_int_equal(r.code, NOT_FOUND);
    assert_string_equal(e.text, "the locker not found");
    EXPECT(NOT_FOUND, db_query_one(f->reader, f->arena, SQL("SELECT 1 UNION SELECT 2"), "x", &rows, &error));
    assert_int_equal(rows.n, 42);
    MUST(db_query_one(f->reader, f->arena, SQL("SELECT 9"), "x", &rows, &error));
    assert_int_equal(row_int(&rows, 0, 0), 9);
}

static void counters_never_go_back(void **state)
{
    struct fixture *f = *state;
    int64_t n = 0;
    for (int64_t expected = 100; expected < 104; expected++) {
        MUST(db_next_number(f->writer, "role.controlroom", 100, &n, &error));
        assert_int_equal(n, expected);
    }
    MUST(db_next_number(f->writer, "other", 7, &n, &error));
    assert_int_equal(n, 7);
}

static void a_result_has_a_ceiling(void **state)
{
    struct fixture *f = *state;
    struct rows rows = {.n = 42};
    EXPECT(TOO_LARGE, db_query(f->reader, f->arena,
                               SQL("WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 400)"
                                   " SELECT zeroblob(1000000) FROM c"),
                               &rows, &error));
    assert_int_equal(rows.n, 42);
    assert_int_equal(number(f->reader, SQL("SELECT 1")), 1);
}

static const char endless[] = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";

static void a_search_has_a_limit(void **state)
{
    struct fixture *f = *state;
    struct rows rows;
    MUST(db_snapshot(f->reader, &error));
    int64_t start = clock_monotonic();
    db_limit(f->reader, 100);
    assert_int_equal(number(f->reader, SQL("SELECT 1")), 1);
    EXPECT(BUSY, db_query(f->reader, f->arena, SQL(endless), &rows, &error));
    int64_t spent = clock_monotonic() - start;
    assert_in_range(spent, 90000, 2000000);
    EXPECT(BUSY, db_query(f->reader, f->arena, SQL("SELECT 1"), &rows, &error)); /* in total: nothing is left */
    db_snapshot_end(f->reader);
    EXPECT(BUSY, db_snapshot(f->reader, &error));
    assert_false(db_is_in_transaction(f->reader));
    db_limit(f->reader, 0);
    MUST(db_snapshot(f->reader, &error));
    assert_int_equal(number(f->reader, SQL("SELECT 1")), 1);
}

static void the_cache_forgets_and_finds_again(void **state)
{
    struct fixture *f = *state;
    for (int64_t round = 0; round < 3; round++)
        for (int64_t i = 0; i < 700; i++) {
            struct builder b;
            builder_init(&b, f->arena);
            builder_add(&b, arena_printf(f->arena, "SELECT %d + ", (int)i).p);
            builder_param(&b, P_INT(round));
            assert_int_equal(number(f->reader, builder_sql(&b)), i + round);
        }
}

static void snapshots_see_what_was_acknowledged(void **state)
{
    struct fixture *f = *state;
    static const char all[] = "SELECT count(*) FROM counters";
    uint64_t before = store_commits(f->store);
    MUST(db_snapshot(f->reader, &error));
    MUST(db_begin(f->writer, &error));
    add_counter(f->writer, "a", 1);
    MUST(db_snapshot(f->reader, &error));
    assert_int_equal(number(f->reader, SQL(all)), 0);
    MUST(db_commit(f->writer, &error));
    assert_int_equal(store_commits(f->store), before + 1);
    assert_int_equal(number(f->reader, SQL(all)), 0); /* the old snapshot stands until it is asked for again */
    MUST(db_snapshot(f->reader, &error));
    assert_int_equal(number(f->reader, SQL(all)), 1);
    db_snapshot_end(f->reader);
    db_snapshot_end(f->reader);
    assert_false(db_is_in_transaction(f->reader));
}

static void savepoints_and_rollback(void **state)
{
    struct fixture *f = *state;
    MUST(db_begin(f->writer, &error));
    add_counter(f->writer, "kept", 1);
    MUST(db_savepoint(f->writer, &error));
    add_counter(f->writer, "lost", 1);
    MUST(db_rollback_to(f->writer, &error));
    MUST(db_savepoint(f->writer, &error));
    add_counter(f->writer, "also kept", 1);
    MUST(db_release(f->writer, &error));
    MUST(db_commit(f->writer, &error));
    assert_int_equal(number(f->reader, SQL("SELECT count(*) FROM counters WHERE name LIKE '%kept'")), 2);
    assert_int_equal(number(f->reader, SQL("SELECT count(*) FROM counters")), 2);
    MUST(db_begin(f->writer, &error));
    add_counter(f->writer, "gone", 1);
    db_rollback(f->writer);
    db_rollback(f->writer);
    assert_false(db_is_in_transaction(f->writer));
    assert_int_equal(number(f->reader, SQL("SELECT count(*) FROM counters")), 2);
}

/* One store says so at once, the other with the next statement. */
static void a_savepoint_that_is_not_there_cannot_be_released(void **state)
{
    struct fixture *f = *state;
    struct err e;
    MUST(db_begin(f->writer, &error));
    add_counter(f->writer, "a", 1);
    assert_false(is_ok(db_release(f->writer, &e)) && is_ok(db_commit(f->writer, &e)));
    db_rollback(f->writer);
    MUST(db_begin(f->writer, &error));
    add_counter(f->writer, "b", 1);
    MUST(db_commit(f->writer, &error));
    assert_int_equal(number(f->reader, SQL("SELECT count(*) FROM counters")), 1);
}

/* In the child that a mistake ends: the parent's connection is not its own. */
static struct db *reader_of_child(struct fixture *f)
{
    struct db *db;
    MUST(db_open(f->store, DB_READER, &db, &error));
    return db;
}

static void read_text_of_number(void *argument)
{
    struct fixture *f = argument;
    struct rows rows;
    MUST(db_query(reader_of_child(f), f->arena, SQL("SELECT 1"), &rows, &error));
    row_text(&rows, 0, 0);
}

static void read_past_the_end(void *argument)
{
    struct fixture *f = argument;
    struct rows rows;
    MUST(db_query(reader_of_child(f), f->arena, SQL("SELECT 1"), &rows, &error));
    row_int(&rows, 1, 0);
}

static void change_a_literal(void *argument)
{
    struct fixture *f = argument;
    char text[] = "SELECT 1";
    struct db *db = reader_of_child(f);
    MUST(db_run(db, SQL(text), &error));
    text[7] = '2';
    MUST(db_run(db, SQL(text), &error));
}

static void give_too_few(void *argument)
{
    struct fixture *f = argument;
    MUST(db_run(reader_of_child(f), SQL("SELECT $1, $2", P_INT(1)), &error));
}

static void skip_a_number(void *argument)
{
    struct fixture *f = argument;
    MUST(db_run(reader_of_child(f), SQL("SELECT $1, $3", P_INT(1), P_INT(2)), &error));
}

static void give_two_statements(void *argument)
{
    struct fixture *f = argument;
    MUST(db_run(reader_of_child(f), SQL("SELECT 1; DROP TABLE counters"), &error));
}

static void limit_the_writer(void *argument)
{
    db_limit(((struct fixture *)argument)->writer, 5);
}

/* The last three PostgreSQL refuses like any other faulty statement. */
static void mistakes_in_the_code_stop_the_process(void **state)
{
    struct fixture *f = *state;
    static void (*const mistakes[])(void *) = {read_text_of_number, read_past_the_end, change_a_literal,
                                               limit_the_writer,    give_too_few,      skip_a_number,
                                               give_two_statements};
    size_t n = sizeof(mistakes) / sizeof(mistakes[0]);
    for (size_t i = 0; i < (store_is_shared(f->store) ? n - 3 : n); i++)
        if (!dies(mistakes[i], *state))
            fail_msg("mistake %zu went through", i);
}

#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(parameters_go_by_name),
        WITH_STORE(more_than_nine_parameters),
        WITH_STORE(an_empty_list_matches_nothing),
        WITH_STORE(types_come_back_as_they_went),
        WITH_STORE(texts_with_nul_or_broken_utf8_are_refused),
        WITH_STORE(conflicts_are_told_apart_from_faults),
        WITH_STORE(changes_are_counted),
        WITH_STORE(one_row_means_exactly_one),
        WITH_STORE(counters_never_go_back),
        WITH_STORE(a_result_has_a_ceiling),
        WITH_STORE(a_search_has_a_limit),
        WITH_STORE(the_cache_forgets_and_finds_again),
        WITH_STORE(snapshots_see_what_was_acknowledged),
        WITH_STORE(savepoints_and_rollback),
        WITH_STORE(a_savepoint_that_is_not_there_cannot_be_released),
        WITH_STORE(mistakes_in_the_code_stop_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
