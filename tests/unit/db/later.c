/* db/later.c: statements that go out with the next one, or with COMMIT. */
#include <string.h>

#include "fixture.h"

static const char insert[] = "INSERT INTO counters (name, next) VALUES ($1, 1)";

/* Run once, so that it is prepared: only then a store of its own process has something to put off. */
static struct fixture *warm(void **state)
{
    struct fixture *f = *state;
    MUST(db_begin(f->writer, &error));
    MUST(db_run(f->writer, SQL(insert, P_TEXT(S("there"))), &error));
    MUST(db_commit(f->writer, &error));
    return f;
}

static result later(struct fixture *f, const char *name, struct err *e)
{
    return db_run_later(f->writer, SQL(insert, P_TEXT(str_of(name))), e);
}

static int64_t counters(struct db *db)
{
    return number(db, SQL("SELECT count(*) FROM counters"));
}

static void it_stands_with_its_transaction(void **state)
{
    struct fixture *f = warm(state);
    MUST(db_begin(f->writer, &error));
    MUST(later(f, "a", &error));
    MUST(later(f, "b", &error));
    assert_int_equal(counters(f->writer), 3); /* what comes after it sees it */
    assert_int_equal(counters(f->reader), 1);
    MUST(later(f, "c", &error));
    MUST(db_commit(f->writer, &error));
    assert_int_equal(counters(f->reader), 4);
}

static void it_is_gone_with_a_rollback(void **state)
{
    struct fixture *f = warm(state);
    for (int round = 0; round < 3; round++) {
        MUST(db_begin(f->writer, &error));
        MUST(later(f, "gone", &error));
        db_rollback(f->writer);
        if (round == 1) /* the next one is a statement of its own, and takes nothing along */
            MUST(db_run(f->writer, SQL("UPDATE counters SET next = next + 1"), &error));
        assert_int_equal(counters(f->reader), 1);
    }
    MUST(db_begin(f->writer, &error));
    MUST(later(f, "gone", &error));
    MUST(db_commit(f->writer, &error));
    assert_int_equal(counters(f->reader), 2);
}

/* Whether it comes at once or with COMMIT, nothing of the transaction may be said to stand. */
static void its_failure_is_that_of_the_commit(void **state)
{
    struct fixture *f = warm(state);
    struct err ignored;
    uint64_t commits = store_commits(f->store);
    MUST(db_begin(f->writer, &error));
    MUST(later(f, "before", &error));
    result failed = later(f, "there", &ignored);
    if (is_ok(failed))
        failed = db_commit(f->writer, &ignored);
    assert_int_equal(failed.code, CONFLICT);
    assert_int_equal(store_commits(f->store), commits);
    db_rollback(f->writer);
    assert_int_equal(counters(f->reader), 1);
    MUST(db_begin(f->writer, &error));
    MUST(later(f, "next", &error));
    MUST(db_commit(f->writer, &error));
    assert_int_equal(counters(f->reader), 2);
}

static void its_failure_is_that_of_the_next_statement(void **state)
{
    struct fixture *f = warm(state);
    struct err ignored;
    MUST(db_begin(f->writer, &error));
    result failed = later(f, "there", &ignored);
    if (is_ok(failed))
        failed = db_run(f->writer, SQL("UPDATE counters SET next = 7"), &ignored);
    assert_int_equal(failed.code, CONFLICT);
    db_rollback(f->writer);
    assert_int_equal(number(f->reader, SQL("SELECT next FROM counters")), 1);
    MUST(db_begin(f->writer, &error));
    MUST(db_run(f->writer, SQL("UPDATE counters SET next = 7"), &error)); /* prepared in an exchange that failed */
    MUST(db_commit(f->writer, &error));
    assert_int_equal(number(f->reader, SQL("SELECT next FROM counters")), 7);
}

static void its_values_may_go_before_it_is_sent(void **state)
{
    struct fixture *f = warm(state);
    char name[] = "first";
    MUST(db_begin(f->writer, &error));
    MUST(db_run_later(f->writer, SQL(insert, P_TEXT(str_of(name))), &error));
    memset(name, 'x', strlen(name));
    MUST(db_commit(f->writer, &error));
    assert_int_equal(number(f->reader, SQL("SELECT count(*) FROM counters WHERE name = 'first'")), 1);
}

/* More than any buffer between us and the store holds, in either direction. */
static void many_of_them_go_out_without_waiting_for_an_answer(void **state)
{
    enum { STATEMENTS = 3000, BYTES = 2000 };
    struct fixture *f = warm(state);
    char *bytes = arena_alloc(f->arena, BYTES + 1);
    memset(bytes, 'y', BYTES);
    MUST(db_begin(f->writer, &error));
    for (int i = 0; i < STATEMENTS; i++)
        MUST(later(f, arena_printf(f->arena, "%d %s", i, bytes).p, &error));
    MUST(db_commit(f->writer, &error));
    assert_int_equal(counters(f->reader), STATEMENTS + 1);
}

#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(it_stands_with_its_transaction),      WITH_STORE(it_is_gone_with_a_rollback),
        WITH_STORE(its_failure_is_that_of_the_commit),   WITH_STORE(its_failure_is_that_of_the_next_statement),
        WITH_STORE(its_values_may_go_before_it_is_sent), WITH_STORE(many_of_them_go_out_without_waiting_for_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
