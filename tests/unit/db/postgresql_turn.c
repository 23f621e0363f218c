/* db/postgresql_turn.c: servers that have collided write in turn for a while, and nobody waits long for his. */
#include "base/clock.h"
#include "task.h"

enum { CAREFUL_GROUPS = 256 }; /* db/writer_group.c */

struct pair {
    struct fixture *f;
    struct db *other;
    struct scene *scene;
};

static struct pair set_up(void **state)
{
    struct pair p = {.f = *state};
    MUST(db_run(p.f->writer, SQL("INSERT INTO counters VALUES ('a', 0)"), &error));
    MUST(db_open(p.f->store, DB_WRITER, &p.other, &error));
    p.scene = scene_new(p.f, NULL);
    return p;
}

static void tear_down(struct pair *p)
{
    scene_free(p->scene);
    db_free(p->other);
}

static bool takes_turn(struct db *db)
{
    bool is_turn = false;
    MUST(db_begin_in_turn(db, &is_turn, &error));
    return is_turn;
}

static result raise(struct db *db, void *argument, struct err *e)
{
    int *disturbances = argument;
    int64_t next;
    TRY(db_insert(db, SQL("SELECT next FROM counters WHERE name = 'a'"), &next, "no counter", e));
    if ((*disturbances)-- > 0)
        run_elsewhere("UPDATE counters SET next = next + 100 WHERE name = 'a'");
    return db_run(db, SQL("UPDATE counters SET next = $1 WHERE name = 'a'", P_INT(next + 1)), e);
}

/* Is the turn free while this group is written? */
struct look {
    struct db *other;
    bool is_free;
};

static result look(struct db *db, void *argument, struct err *e)
{
    struct look *l = argument;
    int64_t one;
    TRY(db_insert(db, SQL("SELECT count(*) FROM counters"), &one, "no counter", e));
    l->is_free = takes_turn(l->other);
    db_rollback(l->other);
    return SUCCESS;
}

static bool is_free_meanwhile(struct pair *p)
{
    struct look l = {.other = p->other};
    MUST(writer_do(p->scene->writer, look, &l, &error));
    return l.is_free;
}

static void collide(struct pair *p)
{
    int disturbances = 1;
    MUST(writer_do(p->scene->writer, raise, &disturbances, &error));
    assert_int_equal(writer_stats(p->scene->writer).collisions, 1);
}

static void one_at_a_time_has_it(void **state)
{
    struct pair p = set_up(state);
    struct db *third;
    MUST(db_open(p.f->store, DB_WRITER, &third, &error));
    assert_true(takes_turn(p.other));
    assert_false(takes_turn(third));
    db_rollback(third);
    MUST(db_begin(third, &error)); /* who does not ask does not wait */
    MUST(db_run(third, SQL("INSERT INTO counters VALUES ('b', 0)"), &error));
    MUST(db_commit(third, &error));
    MUST(db_commit(p.other, &error));
    assert_true(takes_turn(third));
    db_rollback(third);
    assert_true(takes_turn(p.other));
    db_free(p.other); /* a server that is gone holds nobody up */
    MUST(db_open(p.f->store, DB_WRITER, &p.other, &error));
    for (int tries = 0; !takes_turn(third) && tries < 500; tries++)
        db_rollback(third);
    assert_true(db_is_in_transaction(third));
    db_rollback(third);
    db_free(third);
    tear_down(&p);
}

static void only_who_has_collided_takes_it_and_not_for_ever(void **state)
{
    struct pair p = set_up(state);
    assert_true(is_free_meanwhile(&p));
    collide(&p);
    assert_false(is_free_meanwhile(&p));
    assert_true(takes_turn(p.other)); /* between two groups */
    db_rollback(p.other);
    for (int i = 0, none = 0; i < CAREFUL_GROUPS; i++)
        MUST(writer_do(p.scene->writer, raise, &none, &error));
    assert_true(is_free_meanwhile(&p));
    tear_down(&p);
}

static void nobody_waits_long_for_one_that_has_stopped(void **state)
{
    struct pair p = set_up(state);
    int none = 0;
    collide(&p);
    assert_true(takes_turn(p.other)); /* and does nothing more */
    int64_t start = clock_monotonic();
    MUST(writer_do(p.scene->writer, raise, &none, &error));
    assert_in_range(clock_monotonic() - start, 0, 5 * SECONDS);
    db_rollback(p.other);
    assert_int_equal(number(p.f->reader, SQL("SELECT next FROM counters WHERE name = 'a'")), 102);
    assert_false(is_free_meanwhile(&p));
    tear_down(&p);
}

#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(one_at_a_time_has_it),
        WITH_STORE(only_who_has_collided_takes_it_and_not_for_ever),
        WITH_STORE(nobody_waits_long_for_one_that_has_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
