/* db/loss.c: what the writer does when the disk is full, or fails. */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "task.h"

enum { LARGE = 3 << 20 };

struct counts {
    atomic_int losses, device_failures;
};

static void note_loss(struct db *db, void *context)
{
    assert_false(db_is_in_transaction(db));
    atomic_fetch_add(&((struct counts *)context)->losses, 1);
}

static void note_device_failure(void *context)
{
    atomic_fetch_add(&((struct counts *)context)->device_failures, 1);
}

static struct scene *counting_scene(struct fixture *f, struct counts *counts)
{
    struct writer_hooks hooks = {.context = counts, .after_loss = note_loss, .device_failed = note_device_failure};
    return scene_new(f, &hooks);
}

/* Small, large, small in one group; the large one does not fit. */
static void run_three(struct scene *s, struct task tasks[3], size_t large)
{
    scene_hold(s);
    for (int64_t i = 0; i < 3; i++) {
        task_init(&tasks[i], s, i + 1);
        tasks[i].bytes = i == 1 ? large : 16;
        task_submit(&tasks[i]);
    }
    scene_release(s);
    for (size_t i = 0; i < 3; i++)
        task_wait(&tasks[i]);
}

static void check_three(struct scene *s, const struct task tasks[3])
{
    assert_int_equal(tasks[0].outcome, OK);
    assert_int_equal(tasks[1].outcome, STORE_FULL);
    assert_int_equal(tasks[2].outcome, OK);
    assert_int_equal(rows_of(s, 1), 1);
    assert_int_equal(rows_of(s, 2), 0);
    assert_int_equal(rows_of(s, 3), 1);
}

static void limit_pages(struct fixture *f, int pages)
{
    MUST(db_run(f->writer, SQL(arena_printf(f->arena, "PRAGMA max_page_count = %d", pages).p), &error));
}

static void a_full_store_loses_the_group_and_heals(void **state)
{
    struct fixture *f = *state;
    struct counts counts = {0};
    limit_pages(f, (int)number(f->writer, SQL("PRAGMA page_count")) + 20);
    struct scene *s = counting_scene(f, &counts);
    struct task tasks[3], again;
    run_three(s, tasks, LARGE);
    check_three(s, tasks);
    assert_true(atomic_load(&counts.losses) >= 1);
    assert_int_equal(tasks[0].runs, 2); /* it had run, it was lost with the group, and it ran again */
    assert_int_equal(tasks[1].runs, 2);
    assert_int_equal(tasks[2].runs, 1);
    writer_free(s->writer);
    limit_pages(f, 1 << 30);
    struct writer_hooks none = {0};
    MUST(writer_new(f->writer, &none, &s->writer, &error));
    task_init(&again, s, 2);
    again.bytes = LARGE;
    task_submit(&again);
    task_wait(&again);
    assert_int_equal(again.outcome, OK);
    assert_int_equal(rows_of(s, 2), 1);
    assert_int_equal(atomic_load(&counts.device_failures), 0);
    scene_free(s);
}

static void a_loss_that_is_ignored_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;
    struct counts counts = {0};
    limit_pages(f, (int)number(f->writer, SQL("PRAGMA page_count")) + 20);
    struct scene *s = counting_scene(f, &counts);
    struct task before, careless, after;
    scene_hold(s);
    task_init(&before, s, 1);
    task_init(&careless, s, 2);
    careless.bytes = LARGE;
    careless.ignores = true;
    task_init(&after, s, 3);
    task_submit(&before);
    task_submit(&careless);
    task_submit(&after);
    scene_release(s);
    task_wait(&before);
    task_wait(&careless);
    task_wait(&after);
    assert_int_equal(before.outcome, OK);
    assert_int_equal(careless.outcome, INTERNAL);
    assert_int_equal(after.outcome, OK);
    assert_true(rows_of(s, 1) == 1 && rows_of(s, 2) == 0 && rows_of(s, 3) == 1);
    assert_true(atomic_load(&counts.losses) >= 1);
    scene_free(s);
}

static result fill(struct db *db, void *argument, struct err *e)
{
    return write_row(db, *(const int64_t *)argument, 2000, e);
}

static void a_full_disk_refuses_and_heals(void **state)
{
    struct fixture *f = *state;
    struct counts counts = {0};
    const char *folder = arena_printf(f->arena, "%s/small", f->directory).p;
    fixture_close(f);
    assert_int_equal(mkdir(folder, 0700), 0);
    if (mount("none", folder, "tmpfs", 0, "size=4m,mode=0700") != 0)
        skip();
    MUST(store_open(AT(folder), true, &f->store, &error));
    MUST(db_open(f->store, DB_WRITER, &f->writer, &error));
    MUST(db_open(f->store, DB_READER, &f->reader, &error));
    struct scene *s = counting_scene(f, &counts);
    const char *ballast = arena_printf(f->arena, "%s/ballast", folder).p;
    int fd = open(ballast, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(posix_fallocate(fd, 0, 1 << 20), 0);
    close(fd);
    struct task tasks[3];
    run_three(s, tasks, LARGE); /* fails in the WAL, at the COMMIT or before */
    check_three(s, tasks);
    int64_t written = 0, kind = 7;
    struct err e = {0};
    result r = SUCCESS;
    while (written < 5000 && is_ok(r = writer_do(s->writer, fill, &kind, &e)))
        written++;
    assert_int_equal(r.code, STORE_FULL);
    assert_int_equal(rows_of(s, 7), written);
    assert_int_equal(unlink(ballast), 0);
    MUST(writer_do(s->writer, fill, &kind, &error));
    assert_int_equal(rows_of(s, 7), written + 1);
    scene_free(s);
    assert_int_equal(atomic_load(&counts.device_failures), 0);
    fixture_close(f);
    MUST(store_open(AT(folder), false, &f->store, &error));
    MUST(db_open(f->store, DB_READER, &f->reader, &error));
    assert_int_equal(number(f->reader, SQL("SELECT count(*) FROM ended_tokens WHERE ends_at = $1", P_INT(7))),
                     written + 1);
    fixture_close(f);
    umount(folder);
}

/* A write that fails with EFBIG stands for a device that fails. */
static void a_device_that_fails_stops_everything(void **state)
{
    struct fixture *f = *state;
    struct counts counts = {0};
    struct scene *s = counting_scene(f, &counts);
    struct task tasks[3], late;
    struct stat st;
    struct rlimit before, small;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(stat(arena_printf(f->arena, "%s/keyturn.db-wal", f->directory).p, &st), 0);
    small = (struct rlimit){(rlim_t)st.st_size + 65536, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    run_three(s, tasks, 1 << 20);
    task_init(&late, s, 4);
    struct err e = {0};
    result r = writer_submit(s->writer, &late.work, &e);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(tasks[i].outcome, INTERNAL);
        assert_int_equal(rows_of(s, tasks[i].number), 0);
    }
    assert_int_equal(r.code, INTERNAL);
    assert_int_equal(atomic_load(&counts.device_failures), 1);
    scene_free(s);
    assert_true(db_has_device_failed(f->writer));
    fixture_close(f);
    MUST(store_open(AT(f->directory), false, &f->store, &error)); /* and the store is whole */
    MUST(db_open(f->store, DB_READER, &f->reader, &error));
    assert_int_equal(number(f->reader, SQL("SELECT count(*) FROM ended_tokens WHERE ends_at > 0")), 0);
}

#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_full_store_loses_the_group_and_heals),
        WITH_STORE(a_loss_that_is_ignored_leaves_nothing_behind),
        WITH_STORE(a_full_disk_refuses_and_heals),
        WITH_STORE(a_device_that_fails_stops_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
