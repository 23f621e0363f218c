/* db/postgresql.c: what only a store on PostgreSQL has to show: its types, its failures, its names and its notices. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixture.h"

/* ---- types ---- */

static struct rows ask(struct fixture *f, struct sql sql)
{
    struct rows rows;
    MUST(db_query(f->reader, f->arena, sql, &rows, &error));
    return rows;
}

/* The same text each time: what a NULL stood for must not decide how a later value is read. */
static void a_null_first_and_a_value_later(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "SELECT $1, $2", insert[] = "INSERT INTO t VALUES ($1, $2, $3)";
    const char bytes[] = {0, (char)0xFF, 0, '\\', 0x27};
    struct str blob = {bytes, sizeof(bytes)};
    struct rows r = ask(f, SQL(text, P_NULL, P_NULL));
    assert_true(row_is_null(&r, 0, 0) && row_is_null(&r, 0, 1));
    r = ask(f, SQL(text, P_INT(INT64_MIN), P_NULL));
    assert_true(row_int(&r, 0, 0) == INT64_MIN && row_is_null(&r, 0, 1));
    r = ask(f, SQL(text, P_TEXT(S("")), P_BLOB(blob)));
    assert_true(str_equal(row_text(&r, 0, 0), S("")) && !row_is_null(&r, 0, 0) && str_equal(row_blob(&r, 0, 1), blob));
    r = ask(f, SQL(text, P_BLOB(S("")), P_INT(INT64_MAX)));
    assert_true(row_blob(&r, 0, 0).n == 0 && !row_is_null(&r, 0, 0) && row_int(&r, 0, 1) == INT64_MAX);
    r = ask(f, SQL(text, P_NULL, P_TEXT(S("ä\\'\n"))));
    assert_true(row_is_null(&r, 0, 0) && str_equal(row_text(&r, 0, 1), S("ä\\'\n")));
    MUST(db_run(f->writer, SQL("CREATE TABLE t (i bigint, s text, b bytea)"), &error));
    MUST(db_run(f->writer, SQL(insert, P_NULL, P_NULL, P_NULL), &error));
    MUST(db_run(f->writer, SQL(insert, P_INT(-1), P_TEXT(S("-1")), P_BLOB(blob)), &error));
    MUST(db_run(f->writer, SQL(insert, P_INT(7), P_NULL, P_NULL), &error));
    r = ask(f, SQL("SELECT i, s, b FROM t ORDER BY i"));
    assert_int_equal(r.n, 3);
    assert_true(row_int(&r, 0, 0) == -1 && str_equal(row_text(&r, 0, 1), S("-1")) &&
                str_equal(row_blob(&r, 0, 2), blob));
    assert_true(row_is_null(&r, 1, 1) && row_is_null(&r, 2, 0) && row_is_null(&r, 2, 1) && row_is_null(&r, 2, 2));
}

static void numbers_of_every_width(void **state)
{
    struct fixture *f = *state;
    struct rows r = ask(f, SQL("SELECT CAST(-2 AS smallint), CAST(-3 AS int), 1 = 1, 1 = 2, current_schema(),"
                               " count(*), CAST(NULL AS bigint) FROM counters"));
    assert_int_equal(row_int(&r, 0, 0), -2);
    assert_int_equal(row_int(&r, 0, 1), -3);
    assert_true(row_flag(&r, 0, 2) && !row_flag(&r, 0, 3) && row_is_null(&r, 0, 6));
    assert_true(str_equal(row_text(&r, 0, 4), S("public")));
}

/* ---- failures ---- */

static int64_t counters(struct fixture *f)
{
    return number(f->reader, SQL("SELECT count(*) FROM counters"));
}

static result add(struct db *db, const char *name, struct err *e)
{
    return db_run(db, SQL("INSERT INTO counters (name, next) VALUES ($1, 1)", P_TEXT(str_of(name))), e);
}

static void a_failure_ends_with_its_savepoint(void **state)
{
    struct fixture *f = *state;
    MUST(db_begin(f->writer, &error));
    MUST(add(f->writer, "before", &error));
    MUST(db_savepoint(f->writer, &error));
    MUST(add(f->writer, "within", &error));
    EXPECT(CONFLICT, add(f->writer, "before", &error));
    MUST(db_rollback_to(f->writer, &error));
    MUST(db_savepoint(f->writer, &error)); /* straight after: nothing was asked in between */
    EXPECT(CONFLICT, db_run(f->writer, SQL("INSERT INTO role_rights VALUES (5, 1, 1)"), &error));
    MUST(db_rollback_to(f->writer, &error));
    MUST(db_savepoint(f->writer, &error));
    EXPECT(INTERNAL, db_run(f->writer, SQL("INSERT INTO role_rights VALUES (5, 1, 2)"), &error));
    MUST(db_rollback_to(f->writer, &error));
    assert_false(db_has_collided(f->writer) || db_is_lost(f->writer));
    MUST(add(f->writer, "after", &error));
    MUST(db_commit(f->writer, &error));
    assert_int_equal(counters(f), 2);
}

static void a_failure_that_nobody_noticed_is_found(void **state)
{
    struct fixture *f = *state;
    struct err ignored;
    MUST(db_begin(f->writer, &error));
    MUST(add(f->writer, "kept", &error));
    MUST(db_savepoint(f->writer, &error));
    assert_false(is_ok(add(f->writer, "kept", &ignored)));
    EXPECT(INTERNAL, db_release(f->writer, &error));
    MUST(db_rollback_to(f->writer, &error));
    MUST(db_commit(f->writer, &error));
    assert_int_equal(counters(f), 1);
    uint64_t commits = store_commits(f->store);
    MUST(db_begin(f->writer, &error));
    MUST(add(f->writer, "lost", &error));
    assert_false(is_ok(add(f->writer, "kept", &ignored)));
    EXPECT(INTERNAL, db_commit(f->writer, &error)); /* never "it stands" */
    assert_int_equal(store_commits(f->store), commits);
    db_rollback(f->writer);
    MUST(db_begin(f->writer, &error));
    MUST(add(f->writer, "next", &error));
    MUST(db_commit(f->writer, &error));
    assert_int_equal(counters(f), 2);
}

/* Prepared in an exchange of which a later part failed, or the first part: it has to work the next time. */
static void a_statement_that_failed_works_later(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "INSERT INTO counters (name, next) VALUES ($1, $2 / $3)";
    for (int64_t round = 0; round < 3; round++) {
        const char *name = arena_printf(f->arena, "n%d", (int)round).p;
        MUST(db_begin(f->writer, &error));
        MUST(db_savepoint(f->writer, &error));
        EXPECT(INTERNAL, db_run(f->writer, SQL(text, P_TEXT(str_of(name)), P_INT(1), P_INT(0)), &error));
        MUST(db_rollback_to(f->writer, &error));
        MUST(db_run(f->writer, SQL(text, P_TEXT(str_of(name)), P_INT(8), P_INT(2)), &error));
        EXPECT(INTERNAL, db_run(f->writer, SQL("SELECT no_such_column FROM counters"), &error));
        db_rollback(f->writer);
        MUST(db_run(f->writer, SQL(text, P_TEXT(str_of(name)), P_INT(8), P_INT(2)), &error));
        EXPECT(INTERNAL, db_run(f->writer, SQL("SELECT no_such_column FROM counters"), &error));
    }
    assert_int_equal(number(f->reader, SQL("SELECT CAST(sum(next) AS bigint) FROM counters")), 12);
}

static void only_so_many_statements_stay_prepared(void **state)
{
    struct fixture *f = *state;
    for (int64_t i = 0; i < 900; i++) {
        struct builder b;
        builder_init(&b, f->arena);
        builder_add(&b, arena_printf(f->arena, "SELECT %d + ", (int)(i % 600)).p);
        builder_param(&b, P_INT(1));
        assert_int_equal(number(f->reader, builder_sql(&b)), i % 600 + 1);
    }
    assert_in_range(number(f->reader, SQL("SELECT count(*) FROM pg_prepared_statements")), 200, 257);
}

static void what_takes_too_long_or_is_too_much(void **state)
{
    struct fixture *f = *state;
    struct rows rows = {.n = 42};
    MUST(db_snapshot(f->reader, &error));
    db_limit(f->reader, 200);
    int64_t start = clock_monotonic();
    EXPECT(BUSY, db_query(f->reader, f->arena, SQL("SELECT count(pg_sleep(20))"), &rows, &error));
    assert_in_range(clock_monotonic() - start, 150000, 3000000);
    assert_false(db_is_lost(f->reader));
    db_snapshot_end(f->reader);
    db_limit(f->reader, 0);
    EXPECT(TOO_LARGE,
           db_query(f->reader, f->arena, SQL("SELECT zeroblob(1000000) FROM generate_series(1, 400)"), &rows, &error));
    struct builder b;
    builder_init(&b, f->arena);
    int64_t *ids = arena_alloc(f->arena, 33000 * sizeof(*ids));
    builder_add(&b, "SELECT 1 WHERE ");
    builder_in(&b, "1", ids, 33000);
    EXPECT(TOO_LARGE, db_query(f->reader, f->arena, builder_sql(&b), &rows, &error));
    assert_int_equal(rows.n, 42);
    assert_int_equal(counters(f), 0);
}

static void a_lock_that_another_holds_is_waited_for_some_seconds(void **state)
{
    struct fixture *f = *state;
    struct db *other;
    MUST(add(f->writer, "a", &error));
    MUST(db_open(f->store, DB_WRITER, &other, &error));
    MUST(db_begin(other, &error));
    MUST(db_run(other, SQL("UPDATE counters SET next = 9"), &error));
    MUST(db_begin(f->writer, &error));
    int64_t start = clock_monotonic();
    EXPECT(BUSY, db_run(f->writer, SQL("UPDATE counters SET next = 8"), &error));
    assert_in_range(clock_monotonic() - start, 4000000, 8000000);
    assert_true(db_has_collided(f->writer) && !db_is_in_transaction(f->writer));
    db_rollback(f->writer);
    db_free(other);
    MUST(db_run(f->writer, SQL("UPDATE counters SET next = 8"), &error));
}

/* The ROLLBACK after it is an exchange of its own, and says nothing of the statement. */
static void a_statement_that_could_not_be_prepared_works_later(void **state)
{
    struct fixture *f = *state;
    struct db *other;
    struct sql sql = SQL("UPDATE counters SET next = next + 7");
    MUST(add(f->writer, "a", &error));
    MUST(db_open(f->store, DB_WRITER, &other, &error));
    MUST(db_begin(other, &error));
    MUST(db_run(other, SQL("LOCK TABLE counters IN ACCESS EXCLUSIVE MODE"), &error));
    MUST(db_begin(f->writer, &error));
    (void)number(f->writer, SQL("SELECT count(*) FROM settings"));
    EXPECT(BUSY, db_run(f->writer, sql, &error));
    assert_true(db_has_collided(f->writer));
    db_rollback(f->writer);
    db_free(other);
    MUST(db_run(f->writer, sql, &error));
    assert_int_equal(number(f->reader, SQL("SELECT next FROM counters WHERE name = 'a'")), 8);
}

static void limit_connections(struct fixture *f, int most)
{
    struct rows name = ask(f, SQL("SELECT current_database()"));
    struct sql sql = {.is_built = true};
    sql.text =
        arena_printf(f->arena, "ALTER DATABASE %.*s WITH CONNECTION LIMIT %d", STR_ARG(row_text(&name, 0, 0)), most).p;
    MUST(db_run(f->writer, sql, &error));
}

static void a_reader_may_be_opened_while_the_store_is_away(void **state)
{
    struct fixture *f = *state;
    struct db *late = NULL, *writer = NULL;
    struct store *other = NULL;
    limit_connections(f, 0);
    MUST(db_open(f->store, DB_READER, &late, &error));
    assert_true(db_is_lost(late));
    EXPECT(BUSY, db_snapshot(late, &error));
    EXPECT(BUSY, db_run(late, SQL("SELECT 1"), &error));
    EXPECT(BUSY, db_open(f->store, DB_WRITER, &writer, &error));
    struct err e = {0};
    assert_int_equal(store_open_reader(AT(f->directory), &other, &e).code, BUSY); /* a tool is told why */
    assert_non_null(strstr(e.text, "too many connections"));
    assert_null(other);
    limit_connections(f, -1);
    usleep(300000);
    MUST(db_snapshot(late, &error));
    assert_int_equal(number(late, SQL("SELECT count(*) FROM counters")), 0);
    db_free(late);
}

/* ---- several servers ---- */

static void a_name_is_held_by_one(void **state)
{
    struct fixture *f = *state;
    struct store_place one = *AT(f->directory), two = one;
    char other[] = "/tmp/keyturn-db-XXXXXX";
    struct store *first, *second = NULL;
    struct db *holder;
    assert_non_null(mkdtemp(other));
    fixture_close(f);
    one.server = two.server = "north";
    two.directory = other;
    MUST(store_open(&one, false, &first, &error));
    MUST(db_open(first, DB_WRITER, &holder, &error));
    struct err e = {0};
    result r = store_open(&two, false, &second, &e);
    assert_int_equal(r.code, CONFLICT);
    assert_non_null(strstr(e.text, "another process serves this store under the name north"));
    assert_non_null(strstr(e.text, "from 127.0.0.1, backend "));
    assert_non_null(strstr(e.text, "--server"));
    assert_null(second);
    two.server = "south";
    MUST(store_open(&two, false, &second, &error));
    store_free(second);
    db_free(holder);
    two.server = "north";
    MUST(store_open(&two, false, &second, &error)); /* as soon as the first has gone */
    store_free(second);
    store_free(first);
    remove_directory(other);
}

struct ear {
    pthread_mutex_t mutex;
    char heard[200]; /* each text with a comma behind it */
};

static void on_notice(void *context, struct str text)
{
    struct ear *ear = context;
    pthread_mutex_lock(&ear->mutex);
    size_t n = strlen(ear->heard);
    snprintf(ear->heard + n, sizeof(ear->heard) - n, "%.*s,", STR_ARG(text));
    pthread_mutex_unlock(&ear->mutex);
}

static bool has_heard(struct ear *ear, const char *expected)
{
    pthread_mutex_lock(&ear->mutex);
    bool is_same = strcmp(ear->heard, expected) == 0;
    pthread_mutex_unlock(&ear->mutex);
    return is_same;
}

static void wait_to_hear(struct ear *ear, const char *expected)
{
    int64_t end = clock_monotonic() + 10 * SECONDS;
    while (!has_heard(ear, expected) && clock_monotonic() < end)
        usleep(10000);
    assert_string_equal(ear->heard, expected);
}

static void say(struct db *db, const char *text)
{
    MUST(db_begin(db, &error));
    MUST(db_notify(db, str_of(text), &error));
}

static void notices_come_with_the_commit(void **state)
{
    struct fixture *f = *state;
    struct ear ear = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    struct listener *l;
    MUST(store_listen(f->store, on_notice, &ear, &l, &error));
    wait_to_hear(&ear, ",");
    say(f->writer, "lost");
    db_rollback(f->writer);
    say(f->writer, "it's \\ ä");
    usleep(200000);
    assert_true(has_heard(&ear, ","));
    MUST(db_commit(f->writer, &error));
    wait_to_hear(&ear, ",it's \\ ä,");
    assert_int_equal(run_elsewhere("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                                   " WHERE application_name = 'keyturn listener'"),
                     1);
    wait_to_hear(&ear, ",it's \\ ä,,"); /* connected again: some may have been missed */
    say(f->writer, "new");
    MUST(db_commit(f->writer, &error));
    wait_to_hear(&ear, ",it's \\ ä,,new,");
    listener_free(l);
}

static void the_clock_is_the_databases(void **state)
{
    struct fixture *f = *state;
    int64_t before = 0, now = 0;
    MUST(db_begin(f->writer, &error)); /* it goes on within a transaction too */
    MUST(db_clock(f->writer, &before, &error));
    assert_in_range(before, clock_now() - 5 * SECONDS, clock_now() + 5 * SECONDS);
    usleep(20000);
    MUST(db_clock(f->writer, &now, &error));
    assert_in_range(now - before, 20000, 5 * SECONDS);
}

static void a_store_of_its_own_says_so(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    const char *password = strchr(strchr(getenv("KEYTURN_TEST_STORE_URL"), ':') + 1, ':');
    assert_true(store_is_shared(f->store));
    assert_non_null(strstr(store_name(f->store), "postgresql://keyturn@127.0.0.1:"));
    assert_null(strstr(store_name(f->store), arena_printf(f->arena, "%.12s", password + 1).p));
    assert_int_equal(store_backup(f->store, "/tmp/never", &e).code, INVALID);
    assert_non_null(strstr(e.text, "pg_basebackup"));
    fixture_close(f);
    e = (struct err){0};
    assert_int_equal(store_open(AT(f->directory), true, &f->store, &e).code, OK); /* tables without an installation */
    store_free(f->store);
    run_elsewhere("INSERT INTO settings (name, value) VALUES ('installation', 'x')");
    assert_int_equal(store_open(AT(f->directory), true, &f->store, &e).code, CONFLICT);
    assert_non_null(strstr(e.text, "a store is there already"));
    f->store = NULL;
}

#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_null_first_and_a_value_later),
        WITH_STORE(numbers_of_every_width),
        WITH_STORE(a_failure_ends_with_its_savepoint),
        WITH_STORE(a_failure_that_nobody_noticed_is_found),
        WITH_STORE(a_statement_that_failed_works_later),
        WITH_STORE(only_so_many_statements_stay_prepared),
        WITH_STORE(what_takes_too_long_or_is_too_much),
        WITH_STORE(a_lock_that_another_holds_is_waited_for_some_seconds),
        WITH_STORE(a_statement_that_could_not_be_prepared_works_later),
        WITH_STORE(a_reader_may_be_opened_while_the_store_is_away),
        WITH_STORE(a_name_is_held_by_one),
        WITH_STORE(notices_come_with_the_commit),
        WITH_STORE(the_clock_is_the_databases),
        WITH_STORE(a_store_of_its_own_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
