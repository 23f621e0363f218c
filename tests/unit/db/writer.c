/* db/writer.c: order, groups, refusals, bounds and hooks of the writer. */
#include "db/writer.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "task.h"

static void steps_go_first(void **state)
{
    struct scene *s = scene_new(*state, NULL);
    struct task tasks[6];
    scene_hold(s);
    for (int64_t i = 0; i < 6; i++) {
        task_init(&tasks[i], s, i + 1);
        tasks[i].work.is_step = i == 2 || i == 4; /* numbers 3 and 5 */
        task_submit(&tasks[i]);
    }
    assert_int_equal(writer_stats(s->writer).waiting, 6);
    scene_release(s);
    for (size_t i = 0; i < 6; i++)
        task_wait(&tasks[i]);
    static const int64_t expected[] = {0, 3, 5, 1, 2, 4, 6};
    assert_memory_equal(s->order, expected, sizeof(expected));
    scene_free(s);
}

static void what_is_done_is_durable_and_seen(void **state)
{
    struct fixture *f = *state;
    struct scene *s = scene_new(f, NULL);
    for (int64_t i = 1; i <= 20; i++) {
        struct task t;
        uint64_t before = store_commits(f->store);
        MUST(db_snapshot(f->reader, &error));
        task_init(&t, s, i);
        task_submit(&t);
        task_wait(&t);
        assert_int_equal(t.outcome, OK);
        assert_true(t.commits > before);
        assert_int_equal(rows_of(s, i), 0);
        MUST(db_snapshot(f->reader, &error));
        assert_int_equal(rows_of(s, i), 1);
    }
    scene_free(s);
}

static result refuse_with_record(struct db *db, struct work *w, const struct err *why, struct err *e)
{
    struct task *t = (struct task *)w;
    assert_int_equal(why->code, t->fails);
    return write_row(db, t->number + 1000, 16, e);
}

static result refuse_in_vain(struct db *db, struct work *w, const struct err *why, struct err *e)
{
    struct task *t = (struct task *)w;
    (void)why;
    TRY(write_row(db, t->number + 1000, 16, e));
    return FAIL(e, INTERNAL, "no record");
}

static void a_refusal_keeps_its_record_and_nothing_else(void **state)
{
    struct scene *s = scene_new(*state, NULL);
    struct task before, refused, silent, vain, after;
    task_init(&before, s, 1);
    task_init(&refused, s, 2);
    refused.fails = DENIED;
    refused.work.refuse = refuse_with_record;
    task_init(&silent, s, 3);
    silent.fails = CONFLICT;
    task_init(&vain, s, 4);
    vain.fails = DENIED;
    vain.work.refuse = refuse_in_vain;
    task_init(&after, s, 5);
    struct task *all[] = {&before, &refused, &silent, &vain, &after};
    scene_hold(s);
    for (size_t i = 0; i < 5; i++)
        task_submit(all[i]);
    scene_release(s);
    for (size_t i = 0; i < 5; i++)
        task_wait(all[i]);
    assert_int_equal(before.outcome, OK);
    assert_int_equal(refused.outcome, DENIED);
    assert_string_equal(refused.why.text, "as it was told");
    assert_int_equal(silent.outcome, CONFLICT);
    assert_int_equal(vain.outcome, INTERNAL); /* no answer without its record */
    assert_int_equal(after.outcome, OK);
    assert_true(rows_of(s, 1) == 1 && rows_of(s, 5) == 1);
    assert_true(rows_of(s, 2) == 0 && rows_of(s, 3) == 0 && rows_of(s, 4) == 0);
    assert_true(rows_of(s, 1002) == 1 && rows_of(s, 1003) == 0 && rows_of(s, 1004) == 0);
    assert_int_equal(writer_stats(s->writer).losses, 0);
    assert_int_equal(before.runs + refused.runs + after.runs, 3);
    scene_free(s);
}

static bool never(struct work *w)
{
    (void)w;
    return false;
}

static void what_nobody_wants_is_dropped(void **state)
{
    struct scene *s = scene_new(*state, NULL);
    struct task t;
    task_init(&t, s, 1);
    t.work.is_wanted = never;
    task_submit(&t);
    task_wait(&t);
    assert_int_equal(t.outcome, BUSY);
    assert_int_equal(t.runs, 0);
    assert_int_equal(rows_of(s, 1), 0);
    scene_free(s);
}

static void the_queue_has_bounds(void **state)
{
    static struct task tasks[4096], extra;
    struct scene *s = scene_new(*state, NULL);
    scene_hold(s);
    task_init(&extra, s, 9);
    task_init(&tasks[0], s, 1);
    tasks[0].work.bytes = (32 << 20) - 10;
    task_submit(&tasks[0]);
    extra.work.bytes = 11;
    EXPECT(BUSY, writer_submit(s->writer, &extra.work, &error));
    extra.work.bytes = SIZE_MAX;
    EXPECT(BUSY, writer_submit(s->writer, &extra.work, &error));
    for (size_t i = 1; i < 4096; i++) {
        task_init(&tasks[i], s, 1);
        task_submit(&tasks[i]);
    }
    extra.work.bytes = 0;
    EXPECT(BUSY, writer_submit(s->writer, &extra.work, &error));
    scene_release(s);
    for (size_t i = 0; i < 4096; i++)
        task_wait(&tasks[i]);
    extra.work.bytes = 32 << 20;
    task_submit(&extra); /* there is room again */
    task_wait(&extra);
    assert_int_equal(rows_of(s, 1), 4096);
    assert_int_equal(writer_stats(s->writer).works, 4098);
    assert_true(writer_stats(s->writer).commits < 1000);
    scene_free(s);
}

static void stopping_finishes_what_waits(void **state)
{
    struct scene *s = scene_new(*state, NULL);
    struct fixture *f = *state;
    struct task tasks[200];
    for (size_t i = 0; i < 200; i++) {
        task_init(&tasks[i], s, 1);
        task_submit(&tasks[i]);
    }
    writer_free(s->writer);
    s->writer = NULL;
    for (size_t i = 0; i < 200; i++)
        assert_true(tasks[i].is_done && tasks[i].outcome == OK);
    MUST(db_run(f->writer, SQL("DELETE FROM ended_tokens WHERE ends_at = 7"), &error)); /* the caller's again */
    scene_free(s);
}

/* ---- many threads ---- */

struct crowd {
    struct writer *writer;
    int64_t number;
};

static result add_row(struct db *db, void *argument, struct err *e)
{
    struct crowd *c = argument;
    TRY(write_row(db, c->number, 16, e));
    return c->number % 3 ? SUCCESS : FAIL(e, CONFLICT, "a multiple of three");
}

static void *write_rows(void *argument)
{
    struct crowd *c = argument;
    for (int i = 0; i < 100; i++) {
        struct err e = {0};
        result r = writer_do(c->writer, add_row, c, &e);
        assert_int_equal(r.code, c->number % 3 ? OK : CONFLICT);
        assert_int_equal(e.code, r.code);
    }
    return NULL;
}

static void many_threads_share_commits(void **state)
{
    struct scene *s = scene_new(*state, NULL);
    pthread_t threads[16];
    struct crowd crowds[16];
    for (int64_t i = 0; i < 16; i++) {
        crowds[i] = (struct crowd){s->writer, i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, write_rows, &crowds[i]), 0);
    }
    for (size_t i = 0; i < 16; i++)
        pthread_join(threads[i], NULL);
    for (int64_t i = 1; i <= 16; i++)
        assert_int_equal(rows_of(s, i), i % 3 ? 100 : 0);
    struct writer_stats stats = writer_stats(s->writer);
    assert_int_equal(stats.works, 1600);
    assert_true(stats.commits < 1000);
    assert_int_equal(stats.waiting, 0);
    scene_free(s);
}

/* ---- hooks: an audit in small, whose records are numbers ---- */

struct notes {
    size_t n, head, losses, cuts, commits;
};

static size_t notes_mark(struct db *db, void *context)
{
    struct notes *n = context;
    assert_true(db_is_in_transaction(db));
    return n->n++; /* each work notes one record as soon as it begins */
}

static void notes_cut(struct db *db, size_t mark, void *context)
{
    struct notes *n = context;
    (void)db;
    assert_true(mark < n->n);
    n->n = mark;
    n->cuts++;
}

static result notes_before_commit(struct db *db, void *context, struct err *e)
{
    struct notes *n = context;
    for (size_t i = 0; i < n->n; i++)
        TRY(write_row(db, 5000, 16, e));
    return SUCCESS;
}

static void notes_after_commit(struct db *db, void *context)
{
    struct notes *n = context;
    assert_false(db_is_in_transaction(db));
    n->head += n->n;
    n->n = 0;
    n->commits++;
}

static void notes_after_loss(struct db *db, void *context)
{
    struct notes *n = context;
    assert_false(db_is_in_transaction(db));
    n->n = 0;
    n->losses++;
}

static void hooks_follow_the_group(void **state)
{
    struct notes notes = {0};
    struct writer_hooks hooks = {.context = &notes,
                                 .mark = notes_mark,
                                 .cut = notes_cut,
                                 .before_commit = notes_before_commit,
                                 .after_commit = notes_after_commit,
                                 .after_loss = notes_after_loss};
    struct scene *s = scene_new(*state, &hooks);
    struct task tasks[10];
    scene_hold(s);
    for (int64_t i = 0; i < 10; i++) {
        task_init(&tasks[i], s, 1);
        tasks[i].fails = i == 3 || i == 7 ? DENIED : OK;
        task_submit(&tasks[i]);
    }
    scene_release(s);
    for (size_t i = 0; i < 10; i++)
        task_wait(&tasks[i]);
    int64_t records = rows_of(s, 5000);
    scene_free(s);
    assert_int_equal(notes.cuts, 2);
    assert_int_equal(notes.losses, 0);
    assert_int_equal(notes.head, 9); /* the holder and eight tasks */
    assert_int_equal(records, 9);
}

static result fail_before_commit(struct db *db, void *context, struct err *e)
{
    int *left = context;
    TRY(write_row(db, 5000, 16, e));
    return (*left)-- > 0 ? FAIL(e, INTERNAL, "no record can be written") : SUCCESS;
}

static void without_records_nothing_stands(void **state)
{
    int failures = 1000;
    struct writer_hooks hooks = {.context = &failures, .before_commit = fail_before_commit};
    struct scene *s = scene_new(*state, &hooks);
    struct task tasks[5], last;
    for (int64_t i = 0; i < 5; i++) {
        task_init(&tasks[i], s, 1);
        task_submit(&tasks[i]);
    }
    for (size_t i = 0; i < 5; i++) {
        task_wait(&tasks[i]);
        assert_int_equal(tasks[i].outcome, INTERNAL);
        assert_string_equal(tasks[i].why.text, "no record can be written");
        assert_int_equal(tasks[i].runs, 2); /* in the group and alone */
    }
    assert_true(rows_of(s, 1) == 0 && rows_of(s, 5000) == 0);
    failures = 1; /* of the group only: the second run stands. The writer is idle, the lock of submit orders this */
    task_init(&last, s, 2);
    task_submit(&last);
    task_wait(&last);
    assert_int_equal(last.outcome, OK);
    assert_int_equal(last.runs, 2);
    assert_true(rows_of(s, 2) == 1 && rows_of(s, 5000) == 1);
    scene_free(s);
}

#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

/* Each of many comes back as soon as it is answered, as clients do: the groups must stay large. Then one comes alone:
 * it must not be held up by those that do not come again. */
static void company_is_waited_for_once(void **state)
{
    enum { CLIENTS = 16, ROUNDS = 5 };
    struct scene *s = scene_new(*state, NULL);
    struct task tasks[ROUNDS][CLIENTS], last;
    int64_t next = 1;
    scene_hold(s);
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < CLIENTS; i++)
            task_init(&tasks[round][i], s, next++);
    for (size_t i = 0; i < CLIENTS; i++)
        task_submit(&tasks[0][i]);
    scene_release(s);
    for (size_t round = 1; round < ROUNDS; round++)
        for (size_t i = 0; i < CLIENTS; i++) {
            task_wait(&tasks[round - 1][i]);
            task_submit(&tasks[round][i]);
        }
    for (size_t i = 0; i < CLIENTS; i++)
        task_wait(&tasks[ROUNDS - 1][i]);
    struct writer_stats before = writer_stats(s->writer);
    assert_int_equal(before.works, ROUNDS * CLIENTS + 1);
    assert_true(before.commits <= ROUNDS * CLIENTS / 2);
    int64_t start = clock_monotonic();
    task_init(&last, s, next);
    task_submit(&last);
    task_wait(&last);
    assert_true(clock_monotonic() - start < SECONDS);
    assert_int_equal(last.outcome, OK);
    assert_int_equal(writer_stats(s->writer).commits, before.commits + 1);
    scene_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(steps_go_first),
        WITH_STORE(what_is_done_is_durable_and_seen),
        WITH_STORE(a_refusal_keeps_its_record_and_nothing_else),
        WITH_STORE(what_nobody_wants_is_dropped),
        WITH_STORE(the_queue_has_bounds),
        WITH_STORE(stopping_finishes_what_waits),
        WITH_STORE(many_threads_share_commits),
        WITH_STORE(hooks_follow_the_group),
        WITH_STORE(company_is_waited_for_once),
        WITH_STORE(without_records_nothing_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
