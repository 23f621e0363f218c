/* base/pool.c: the bounds, what each thread holds, and an orderly end. */
#include "base/pool.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "check.h"

static sem_t gate, entered;
static atomic_int done, started, ended;

static void wait_at_gate(void *argument, void *local)
{
    (void)argument;
    (void)local;
    sem_post(&entered);
    sem_wait(&gate);
    atomic_fetch_add(&done, 1);
}

static void open_gate(int n)
{
    for (int i = 0; i < n; i++)
        sem_post(&gate);
}

static int reset(void **state)
{
    (void)state;
    sem_init(&gate, 0, 0);
    sem_init(&entered, 0, 0);
    done = started = ended = 0;
    return 0;
}

static void what_does_not_fit_is_refused_at_once(void **state)
{
    (void)state;
    struct err e;
    struct pool *p = pool_new("hashing", 2, 3, NULL, NULL, NULL);
    for (int i = 0; i < 5; i++)
        assert_code(pool_run(p, wait_at_gate, NULL, &e), OK);
    assert_code(pool_run(p, wait_at_gate, NULL, &e), BUSY);
    assert_string_equal(e.text, "hashing: the queue is full");
    sem_wait(&entered);
    sem_wait(&entered);
    assert_code(pool_run(p, wait_at_gate, NULL, &e), BUSY);
    open_gate(1);
    sem_wait(&entered); /* a third one runs, so one has left */
    while (pool_run(p, wait_at_gate, NULL, NULL).code != OK)
        usleep(100);
    assert_code(pool_run(p, wait_at_gate, NULL, NULL), BUSY);
    open_gate(5);
    pool_free(p);
    assert_int_equal(done, 6);
}

static void no_queue_still_runs(void **state)
{
    (void)state;
    struct pool *p = pool_new("one", 1, 0, NULL, NULL, NULL);
    assert_code(pool_run(p, wait_at_gate, NULL, NULL), OK);
    assert_code(pool_run(p, wait_at_gate, NULL, NULL), BUSY);
    open_gate(1);
    pool_free(p);
    assert_int_equal(done, 1);
}

static void *start(void *context)
{
    atomic_fetch_add(&started, 1);
    int *local = malloc(sizeof(*local));
    *local = *(int *)context;
    return local;
}

static void end(void *local)
{
    atomic_fetch_add(&ended, 1);
    free(local);
}

static void add_local(void *argument, void *local)
{
    atomic_fetch_add((atomic_int *)argument, *(int *)local);
}

static void every_thread_has_its_own(void **state)
{
    (void)state;
    int context = 7, accepted = 0;
    atomic_int sum = 0;
    struct pool *p = pool_new("a name longer than Linux keeps", 3, 1000, start, end, &context);
    for (int i = 0; i < 1000; i++)
        accepted += is_ok(pool_run(p, add_local, &sum, NULL));
    pool_free(p);
    assert_int_equal(accepted, 1000);
    assert_int_equal(sum, 7000);
    assert_int_equal(started, 3);
    assert_int_equal(ended, 3);
}

static void signals_stay_with_the_main_thread(void *argument, void *local)
{
    (void)local;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    *(int *)argument = sigismember(&blocked, SIGTERM);
}

static void ending_finishes_what_waits(void **state)
{
    (void)state;
    int is_blocked = 0;
    struct pool *p = pool_new("ends", 1, 10, NULL, NULL, NULL);
    for (int i = 0; i < 5; i++)
        assert_code(pool_run(p, wait_at_gate, NULL, NULL), OK);
    assert_code(pool_run(p, signals_stay_with_the_main_thread, &is_blocked, NULL), OK);
    open_gate(5);
    pool_free(p);
    pool_free(NULL);
    assert_int_equal(done, 5);
    assert_int_equal(is_blocked, 1);
}

RUN(cmocka_unit_test_setup(what_does_not_fit_is_refused_at_once, reset),
    cmocka_unit_test_setup(no_queue_still_runs, reset), cmocka_unit_test_setup(every_thread_has_its_own, reset),
    cmocka_unit_test_setup(ending_finishes_what_waits, reset))
