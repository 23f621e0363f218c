/* unit/audit/refusal.c: are refusals counted and not lost, however many come, and do they never become a flood of rows?
 */
#include "fixture.h"

#include <inttypes.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"

static const char *row_count = "SELECT COUNT(*) FROM audit_rows";

static void refuse(struct fixture *f, int64_t address, const char *user, const char *reason)
{
    struct str from = arena_printf(f->a, "2001:db8::%" PRIx64, (uint64_t)address);
    audit_refusal(f->audit, NULL,
                  (struct audit_actor){.user_name = str_of(user), .address = from, .source = S("keyturn")},
                  "session.create", reason);
}

/* A flush whose batch the writer has finished. */
static void flush(struct fixture *f, bool is_last)
{
    struct writer *w;
    must(f, writer_new(f->db, &f->hooks, &w, &f->e));
    audit_flush(f->audit, w, is_last);
    writer_free(w);
}

/* As if this many seconds had passed. */
static void wait_s(struct fixture *f, int64_t seconds)
{
    struct refusals *r = &f->audit->refusals;
    r->flushed_at -= seconds * SECONDS;
    for (size_t i = 0; i < r->n; i++)
        if (r->at[i].written_at != 0)
            r->at[i].written_at -= seconds * SECONDS;
}

/* The sum of what the rows say. */
static int64_t counted(struct fixture *f)
{
    struct rows rows;
    must(f, db_query(f->db, f->a, SQL("SELECT detail FROM audit_rows"), &rows, &f->e));
    int64_t sum = 0;
    for (size_t i = 0; i < rows.n; i++) {
        struct str detail = row_text(&rows, i, 0);
        const char *comma = strrchr(detail.p, ',');
        int64_t times = 1;
        if (str_ends(detail, S(" times"))) {
            struct str number = str_of(comma + 2);
            assert_true(str_to_int(str_sub(number, 0, number.n - 6), 2, INT64_MAX, &times));
        }
        sum += times;
    }
    return sum;
}

static void same_refusal_many_times(void **state)
{
    struct fixture *f = *state;
    flush(f, false);
    assert_int_equal(number_of(f, row_count), 0);
    for (int i = 0; i < 1000; i++)
        refuse(f, 1, "priya", "wrong password");
    flush(f, false);
    assert_int_equal(number_of(f, row_count), 1);
    assert_true(str_equal(text_of(f, "SELECT detail FROM audit_rows"), S("wrong password, 1000 times")));
    assert_int_equal(number_of(f,
                               "SELECT COUNT(*) FROM audit_rows WHERE is_success = 0 AND what = 'session.create' AND "
                               "user_name = 'priya' AND address = '2001:db8::1' AND source = 'keyturn'"),
                     1);
    for (int second = 0; second < 59; second++) { /* within the minute: no second row */
        refuse(f, 1, "priya", "wrong password");
        wait_s(f, 1);
        flush(f, false);
    }
    assert_int_equal(number_of(f, row_count), 1);
    wait_s(f, 1);
    flush(f, false);
    assert_int_equal(number_of(f, row_count), 2);
    assert_int_equal(counted(f), 1059);
    wait_s(f, 61);
    flush(f, false); /* silent since: forgotten */
    assert_int_equal(f->audit->refusals.n, 0);
    refuse(f, 1, "priya", "wrong password");
    flush(f, false);
    assert_true(str_equal(text_of(f, "SELECT detail FROM audit_rows WHERE number = 3"), S("wrong password")));
}

static void different_refusals(void **state)
{
    struct fixture *f = *state;
    refuse(f, 1, "priya", "wrong password");
    refuse(f, 2, "priya", "wrong password");
    refuse(f, 1, "paul", "wrong password");
    refuse(f, 1, "priya", "locked");
    refuse(f, 1, NULL, "locked");
    refuse(f, 1, "", "locked"); /* the same as nobody */
    flush(f, false);
    assert_int_equal(number_of(f, row_count), 5);
    assert_int_equal(counted(f), 6);
}

static void hundred_rows_a_second(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 250; i++)
        refuse(f, i, "x", "wrong password");
    flush(f, false);
    assert_int_equal(number_of(f, row_count), 100);
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM audit_rows WHERE what = 'refusals.counted'"), 1);
    assert_true(str_equal(text_of(f, "SELECT detail FROM audit_rows WHERE what = 'refusals.counted'"),
                          S("further refusals, not listed one by one, 151 times")));
    assert_int_equal(counted(f), 250);
    for (int i = 1000; i < 1300; i++)
        refuse(f, i, "x", "wrong password");
    for (int i = 0; i < 5; i++)
        flush(f, false); /* five ticks in no time bring no five hundred rows */
    assert_true(number_of(f, row_count) < 200);
    wait_s(f, 1);
    flush(f, false);
    assert_true(number_of(f, row_count) < 300);
    assert_int_equal(counted(f), 550);
}

static void bounded_memory(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 3000; i++)
            refuse(f, round * 3000 + i, "somebody with quite a long name, to fill the memory", "wrong password");
        assert_true(f->audit->refusals.n <= REFUSALS_MAX);
        assert_true(arena_bytes(f->audit->refusals.arena) < 1 << 20);
        wait_s(f, 1);
        flush(f, false);
        assert_true(arena_bytes(f->audit->refusals.arena) < 1 << 20);
    }
    int64_t rows = number_of(f, row_count); /* those listed hold their places for a minute: names get rarer */
    assert_true(rows >= REFUSALS_MAX && rows < REFUSALS_MAX + 100);
    assert_int_equal(counted(f), 20 * 3000);
    assert_true(verify(f, NULL).is_ok);
}

static void nothing_held_back_at_stop(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++)
        refuse(f, 1, "priya", "wrong password");
    flush(f, false);
    for (int i = 0; i < 4; i++)
        refuse(f, 1, "priya", "wrong password");
    flush(f, false);
    assert_int_equal(counted(f), 3);
    flush(f, true);
    assert_int_equal(counted(f), 7);
    flush(f, true);
    assert_int_equal(counted(f), 7);
}

static result full(struct db *db, void *context, struct err *e)
{
    (void)db;
    (void)context;
    return FAIL(e, STORE_FULL, "the disk is full");
}

static void store_that_takes_nothing(void **state)
{
    struct fixture *f = *state;
    struct writer_hooks hooks = f->hooks;
    hooks.before_commit = full;
    struct writer *w;
    for (int i = 0; i < 30; i++)
        refuse(f, i % 3, "x", "wrong password");
    must(f, writer_new(f->db, &hooks, &w, &f->e));
    audit_flush(f->audit, w, false);
    writer_free(w);
    assert_int_equal(number_of(f, row_count), 0);
    assert_int_equal(f->audit->refusals.unlisted, 30);
    assert_false(f->audit->refusals.is_under_way);
    wait_s(f, 1);
    flush(f, false);
    assert_int_equal(number_of(f, row_count), 1);
    assert_int_equal(counted(f), 30);
}

static void *refuse_often(void *context)
{
    struct fixture *f = context;
    for (int i = 0; i < 5000; i++)
        audit_refusal(f->audit, NULL,
                      (struct audit_actor){.address = i % 2 ? S("192.0.2.1") : S("192.0.2.2"), .source = S("keyturn")},
                      "session.create", "no");
    return NULL;
}

static void many_threads(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[4];
    struct writer *w;
    must(f, writer_new(f->db, &f->hooks, &w, &f->e));
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, refuse_often, f), 0);
    for (int i = 0; i < 20; i++) {
        audit_flush(f->audit, w, false);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    audit_flush(f->audit, w, true);
    writer_free(w);
    assert_int_equal(counted(f), 20000);
}

int main(void)
{
    crypto_start();
#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {
        CASE(same_refusal_many_times),  CASE(different_refusals), CASE(hundred_rows_a_second),
        CASE(bounded_memory),           CASE(many_threads),       CASE(nothing_held_back_at_stop),
        CASE(store_that_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
