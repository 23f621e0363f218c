/* db/postgresql_writer.c: the writer beside other servers' writers, and when its connection is lost. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "task.h"

#define END_WRITERS                                                                                                    \
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'keyturn % writer'"

/* ---- collisions ---- */

static result read_and_raise(struct db *db, const char *disturbance, struct err *e)
{
    int64_t next;
    TRY(db_insert(db, SQL("SELECT next FROM counters WHERE name = 'a'"), &next, "no counter", e));
    if (disturbance)
        run_elsewhere(disturbance);
    return db_run(db, SQL("UPDATE counters SET next = $1 WHERE name = 'a'", P_INT(next + 1)), e);
}

struct disturbed {
    int runs, disturbances;
};

static result raise_disturbed(struct db *db, void *argument, struct err *e)
{
    struct disturbed *d = argument;
    bool is_disturbed = d->runs++ < d->disturbances;
    return read_and_raise(db, is_disturbed ? "UPDATE counters SET next = next + 100 WHERE name = 'a'" : NULL, e);
}

static int64_t counter_a(struct fixture *f)
{
    return number(f->reader, SQL("SELECT next FROM counters WHERE name = 'a'"));
}

static void what_collides_is_run_again(void **state)
{
    struct fixture *f = *state;
    MUST(db_run(f->writer, SQL("INSERT INTO counters VALUES ('a', 0)"), &error));
    struct scene *s = scene_new(f, NULL);
    for (int n = 0; n <= 3; n++) {
        struct disturbed d = {.disturbances = n};
        MUST(writer_do(s->writer, raise_disturbed, &d, &error));
        assert_int_equal(d.runs, n + 1);
    }
    assert_int_equal(counter_a(f), 4 + 600);
    struct disturbed always = {.disturbances = 1000};
    struct err e = {0};
    assert_int_equal(writer_do(s->writer, raise_disturbed, &always, &e).code, BUSY);
    assert_string_equal(e.text, "the store is busy with changes of other servers");
    assert_int_equal(always.runs, 4); /* in the group and three times alone */
    assert_int_equal(counter_a(f), 4 + 600 + 400);
    scene_free(s);
}

struct crowd {
    struct writer *writer;
    int tries; /* of asking again after BUSY */
};

static result raise(struct db *db, void *argument, struct err *e)
{
    (void)argument;
    return read_and_raise(db, NULL, e);
}

static void *raise_often(void *argument)
{
    struct crowd *c = argument;
    for (int i = 0; i < 50;) {
        struct err e = {0};
        result r = writer_do(c->writer, raise, NULL, &e);
        assert_true(is_ok(r) || (r.code == BUSY && c->tries++ < 500));
        i += is_ok(r);
    }
    return NULL;
}

/* Two servers that raise the same counter: none of the raises is lost, and none happens twice. */
static void two_writers_lose_nothing(void **state)
{
    struct fixture *f = *state, second = *f;
    MUST(db_run(f->writer, SQL("INSERT INTO counters VALUES ('a', 0)"), &error));
    MUST(db_open(f->store, DB_WRITER, &second.writer, &error));
    struct scene *scenes[] = {scene_new(f, NULL), scene_new(&second, NULL)};
    pthread_t threads[6];
    struct crowd crowds[6];
    for (size_t i = 0; i < 6; i++) {
        crowds[i] = (struct crowd){.writer = scenes[i % 2]->writer};
        assert_int_equal(pthread_create(&threads[i], NULL, raise_often, &crowds[i]), 0);
    }
    for (size_t i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(counter_a(f), 300);
    assert_true(writer_stats(scenes[0]->writer).losses + writer_stats(scenes[1]->writer).losses > 0);
    scene_free(scenes[0]);
    scene_free(scenes[1]);
    db_free(second.writer);
}

/* ---- lost connections ---- */

struct contact {
    int calls, failures; /* it fails so often before it says anything */
    int64_t wanted;      /* the row that shows whether the group stands */
    bool says_it_stands; /* whatever the store holds */
    bool has_said_it_stands;
};

static result on_contact(struct db *db, void *context, bool *ret_stands, struct err *e)
{
    struct contact *c = context;
    int64_t rows;
    assert_false(db_is_in_transaction(db));
    c->calls++;
    if (c->failures-- > 0)
        return FAIL(e, BUSY, "not yet");
    TRY(db_insert(db, SQL("SELECT count(*) FROM ended_tokens WHERE ends_at = $1", P_INT(c->wanted)), &rows, "none", e));
    *ret_stands = rows > 0 || c->says_it_stands;
    c->has_said_it_stands = *ret_stands;
    return SUCCESS;
}

static void task_must(struct task *t, int runs)
{
    task_wait(t);
    if (t->outcome != OK)
        fail_msg("task %d: %s", (int)t->number, t->why.text);
    assert_int_equal(t->runs, runs);
}

static void between_two_groups(void **state)
{
    struct contact contact = {0};
    struct writer_hooks hooks = {.context = &contact, .contact = on_contact};
    struct scene *s = scene_new(*state, &hooks);
    struct task tasks[2];
    for (int64_t i = 0; i < 2; i++) {
        task_init(&tasks[i], s, i + 1);
        task_submit(&tasks[i]);
        task_wait(&tasks[i]);
        if (i == 0)
            assert_int_equal(run_elsewhere(END_WRITERS), 1);
    }
    task_must(&tasks[1], 2);
    assert_true(rows_of(s, 1) == 1 && rows_of(s, 2) == 1);
    assert_int_equal(contact.calls, 1);
    scene_free(s);
}

static void inside_a_group(void **state)
{
    struct contact contact = {.failures = 3};
    struct writer_hooks hooks = {.context = &contact, .contact = on_contact};
    struct scene *s = scene_new(*state, &hooks);
    struct task tasks[5];
    scene_hold(s);
    for (int64_t i = 0; i < 5; i++) {
        task_init(&tasks[i], s, i + 1);
        task_submit(&tasks[i]);
    }
    assert_int_equal(run_elsewhere(END_WRITERS), 1);
    scene_release(s);
    assert_int_equal(s->holder.outcome, OK);
    assert_int_equal(s->holder.runs, 2);
    for (size_t i = 0; i < 5; i++)
        task_must(&tasks[i], 1);
    for (int64_t i = 0; i <= 5; i++)
        assert_int_equal(rows_of(s, i), 1);
    assert_int_equal(contact.calls, 4);
    scene_free(s);
}

/* After some works of the group had run: they run once more. */
static void after_a_group_has_worked(void **state)
{
    struct contact contact = {0};
    struct writer_hooks hooks = {.context = &contact, .contact = on_contact};
    struct scene *s = scene_new(*state, &hooks);
    struct task first, last;
    scene_hold(s);
    task_init(&first, s, 1);
    task_init(&last, s, 2);
    task_submit(&first);
    task_submit(&last);
    run_elsewhere("CREATE SEQUENCE ends;" /* which a rollback does not turn back */
                  "CREATE FUNCTION end_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                  " IF nextval('ends') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"
                  " RETURN NEW; END $$;"
                  "CREATE TRIGGER end_it BEFORE INSERT ON ended_tokens FOR EACH ROW WHEN (NEW.ends_at = 2)"
                  " EXECUTE FUNCTION end_it()");
    scene_release(s);
    task_must(&first, 2);
    task_must(&last, 2);
    for (int64_t i = 0; i <= 2; i++)
        assert_int_equal(rows_of(s, i), 1);
    scene_free(s);
}

/* COMMIT of a group with row 99 takes a second. */
static void make_commits_slow(void)
{
    run_elsewhere("CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1);"
                  " RETURN NULL; END $$;"
                  "CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON ended_tokens DEFERRABLE INITIALLY DEFERRED"
                  " FOR EACH ROW WHEN (NEW.ends_at = 99) EXECUTE FUNCTION linger()");
}

static void wait_for_commit(void)
{
    int64_t end = clock_monotonic() + 10 * SECONDS;
    while (run_elsewhere("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'keyturn % writer'"
                         " AND wait_event = 'PgSleep' AND query = 'COMMIT'") == 0)
        assert_true(clock_monotonic() < end);
}

static void during_commit(struct fixture *f, struct contact *contact, int runs, int64_t rows)
{
    struct writer_hooks hooks = {.context = contact, .contact = on_contact};
    struct scene *s = scene_new(f, &hooks);
    struct task t;
    contact->wanted = 99;
    make_commits_slow();
    task_init(&t, s, 99);
    task_submit(&t);
    wait_for_commit();
    assert_int_equal(run_elsewhere(END_WRITERS), 1);
    task_must(&t, runs);
    assert_int_equal(rows_of(s, 99), rows);
    assert_int_equal(contact->calls, 1);
    scene_free(s);
}

static void during_a_commit_that_did_not_stand(void **state)
{
    struct contact contact = {0};
    during_commit(*state, &contact, 2, 1);
    assert_false(contact.has_said_it_stands);
}

/* Whoever keeps the chain is believed: what stands is not written again. */
static void during_a_commit_that_is_said_to_stand(void **state)
{
    struct contact contact = {.says_it_stands = true};
    during_commit(*state, &contact, 1, 0);
    assert_true(contact.has_said_it_stands);
}

static void until_then_nothing_is_written(void **state)
{
    struct contact contact = {.failures = 1000};
    struct writer_hooks hooks = {.context = &contact, .contact = on_contact};
    struct scene *s = scene_new(*state, &hooks);
    struct task before, during, after;
    task_init(&before, s, 1);
    task_init(&during, s, 2);
    task_init(&after, s, 3);
    assert_int_equal(run_elsewhere(END_WRITERS), 1);
    int64_t start = clock_monotonic();
    task_submit(&before);
    task_wait(&before);
    assert_in_range(clock_monotonic() - start, 9 * SECONDS, 14 * SECONDS);
    assert_int_equal(before.outcome, BUSY);
    assert_string_equal(before.why.text, "the store cannot be reached");
    start = clock_monotonic();
    task_submit(&during);
    task_wait(&during);
    assert_true(clock_monotonic() - start < 2 * SECONDS); /* nobody waits a second time */
    assert_int_equal(during.outcome, BUSY);
    assert_true(rows_of(s, 1) == 0 && rows_of(s, 2) == 0);
    contact.failures = 0; /* the writer is idle; the lock of submit orders this */
    task_submit(&after);
    task_wait(&after);
    assert_int_equal(after.outcome, OK);
    assert_int_equal(rows_of(s, 3), 1);
    scene_free(s);
}

#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(what_collides_is_run_again),
        WITH_STORE(two_writers_lose_nothing),
        WITH_STORE(between_two_groups),
        WITH_STORE(inside_a_group),
        WITH_STORE(after_a_group_has_worked),
        WITH_STORE(during_a_commit_that_did_not_stand),
        WITH_STORE(during_a_commit_that_is_said_to_stand),
        WITH_STORE(until_then_nothing_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
