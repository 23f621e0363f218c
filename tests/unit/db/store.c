/* db/store.c: the directory, the lock, the files' modes, and backups. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/scope.h"
#include "db/postgresql_place.h"
#include "fixture.h"

static const char *path_in(struct fixture *f, const char *name)
{
    return arena_printf(f->arena, "%s/%s", f->directory, name).p;
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void files_are_private(void **state)
{
    struct fixture *f = *state;
    MUST(db_run(f->writer, SQL("INSERT INTO counters VALUES ('a', 1)"), &error));
    static const char *const names[] = {"keyturn.db", "keyturn.db-wal", "keyturn.db-shm", "lock"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(mode_of(path_in(f, names[i])), 0600);
    assert_int_equal(number(f->writer, SQL("PRAGMA synchronous")), 2);
    assert_int_equal(number(f->writer, SQL("PRAGMA foreign_keys")), 1);
    assert_int_equal(number(f->writer, SQL("PRAGMA secure_delete")), 1);
    assert_int_equal(number(f->writer, SQL("PRAGMA wal_autocheckpoint")), 0);
    assert_int_equal(number(f->reader, SQL("PRAGMA busy_timeout")), 5000);
    assert_int_equal(number(f->reader, SQL("PRAGMA trusted_schema")), 0);
    struct rows rows;
    MUST(db_query(f->reader, f->arena, SQL("PRAGMA journal_mode"), &rows, &error));
    assert_true(str_equal(row_text(&rows, 0, 0), S("wal")));
}

static void one_server_per_directory(void **state)
{
    struct fixture *f = *state;
    struct store *second = NULL;
    EXPECT(CONFLICT, store_open(AT(f->directory), false, &second, &error));
    EXPECT(CONFLICT, store_open(AT(f->directory), true, &second, &error));
    assert_null(second);
    MUST(store_open_reader(AT(f->directory), &second, &error));
    store_free(second);
    fixture_close(f);
    MUST(store_open(AT(f->directory), false, &second, &error));
    store_free(second);
}

static void what_is_there_is_not_made_again(void **state)
{
    struct fixture *f = *state;
    struct store *s = NULL;
    fixture_close(f);
    EXPECT(CONFLICT, store_open(AT(f->directory), true, &s, &error));
    assert_true(is_there(path_in(f, "keyturn.db")));
    assert_int_equal(mkdir(path_in(f, "empty"), 0700), 0);
    struct err e = {0};
    result r = store_open(AT(path_in(f, "empty")), false, &s, &e);
    assert_int_equal(r.code, NOT_FOUND);
    assert_non_null(strstr(e.text, "keyturn init"));
    EXPECT(NOT_FOUND, store_open_reader(AT(path_in(f, "empty")), &s, &error));
    EXPECT(NOT_FOUND, store_open(AT(path_in(f, "nowhere")), true, &s, &error));
    EXPECT(INVALID, store_open(AT(path_in(f, "keyturn.db")), true, &s, &error));
    assert_false(is_there(path_in(f, "empty/keyturn.db")));
    close(open(path_in(f, "empty/keyturn.db"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    EXPECT(CONFLICT, store_open(AT(path_in(f, "empty")), false, &s, &error)); /* an init that was cut short */
}

static void unsafe_places_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store *s = NULL;
    fixture_close(f);
    assert_int_equal(chmod(f->directory, 0770), 0);
    EXPECT(INVALID, store_open(AT(f->directory), false, &s, &error));
    EXPECT(INVALID, store_open_reader(AT(f->directory), &s, &error));
    assert_int_equal(chmod(f->directory, 0700), 0);
    assert_int_equal(chmod(path_in(f, "keyturn.db"), 0640), 0);
    EXPECT(INVALID, store_open(AT(f->directory), false, &s, &error));
    assert_int_equal(chmod(path_in(f, "keyturn.db"), 0600), 0);
    assert_int_equal(mkdir(path_in(f, "other"), 0700), 0);
    assert_int_equal(symlink("../keyturn.db", path_in(f, "other/keyturn.db")), 0);
    EXPECT(INVALID, store_open(AT(path_in(f, "other")), false, &s, &error));
    assert_int_equal(symlink(f->directory, path_in(f, "link")), 0);
    MUST(store_open(AT(path_in(f, "link")), false, &s, &error)); /* a link to the directory is fine */
    store_free(s);
}

static void what_was_written_is_there_after_opening_again(void **state)
{
    struct fixture *f = *state;
    MUST(db_run(f->writer, SQL("INSERT INTO counters VALUES ('a', 41)"), &error));
    fixture_close(f);
    MUST(store_open(AT(f->directory), false, &f->store, &error));
    MUST(db_open(f->store, DB_READER, &f->reader, &error));
    assert_int_equal(number(f->reader, SQL("SELECT next FROM counters WHERE name = 'a'")), 41);
}

static void a_newer_store_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *s = NULL;
    MUST(db_run(f->writer, SQL("UPDATE settings SET value = '999' WHERE name = 'schema'"), &error));
    struct err e = {0};
    assert_int_equal(store_open_reader(AT(f->directory), &s, &e).code, CONFLICT);
    assert_non_null(strstr(e.text, "newer"));
    fixture_close(f);
    EXPECT(CONFLICT, store_open(AT(f->directory), false, &s, &error));
    assert_null(s);
}

static void the_wal_is_checkpointed_when_it_is_long(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    int64_t largest = 0;
    for (int i = 0; i < 40; i++) {
        MUST(db_run(f->writer, SQL("INSERT INTO ended_tokens VALUES (randomblob(400000), 1)"), &error));
        db_checkpoint(f->writer);
        assert_int_equal(stat(path_in(f, "keyturn.db-wal"), &st), 0);
        largest = st.st_size > largest ? st.st_size : largest;
    }
    assert_in_range(largest, 4 << 20, 6 << 20);
    assert_int_equal(stat(path_in(f, "keyturn.db"), &st), 0);
    assert_true(st.st_size > 10 << 20);
}

/* ---- readers that overlap ---- */

struct reading {
    struct db *db;
    atomic_bool *is_stopping;
};

static void *read_on_and_on(void *argument)
{
    struct reading *r = argument;
    while (!atomic_load(r->is_stopping)) {
        MUST(db_snapshot(r->db, &error));
        (void)number(r->db, SQL("SELECT count(*) FROM settings"));
        usleep(20000);
        db_snapshot_end(r->db);
    }
    return NULL;
}

static void the_wal_begins_anew_beside_readers_that_overlap(void **state)
{
    enum { READERS = 4 };
    struct fixture *f = *state;
    pthread_t threads[READERS];
    struct reading readings[READERS];
    atomic_bool is_stopping = false;
    struct stat st;
    int64_t largest = 0;
    for (size_t i = 0; i < READERS; i++) {
        readings[i].is_stopping = &is_stopping;
        MUST(db_open(f->store, DB_READER, &readings[i].db, &error));
        assert_int_equal(pthread_create(&threads[i], NULL, read_on_and_on, &readings[i]), 0);
    }
    for (int i = 0; i < 160; i++) {
        MUST(db_run(f->writer, SQL("INSERT INTO ended_tokens VALUES (randomblob(1000000), 1)"), &error));
        db_checkpoint(f->writer);
        assert_int_equal(stat(path_in(f, "keyturn.db-wal"), &st), 0);
        largest = st.st_size > largest ? st.st_size : largest;
    }
    atomic_store(&is_stopping, true);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        db_free(readings[i].db);
    }
    assert_in_range(largest, 4 << 20, 80 << 20);
}

/* ---- backup ---- */

struct mover {
    struct db *db;
    atomic_bool is_stopping;
    int64_t moves;
};

static void *move_back_and_forth(void *argument)
{
    struct mover *m = argument;
    while (!atomic_load(&m->is_stopping)) {
        MUST(db_begin(m->db, &error));
        MUST(db_run(m->db, SQL("UPDATE counters SET next = next - 1 WHERE name = 'a'"), &error));
        MUST(db_run(m->db, SQL("UPDATE counters SET next = next + 1 WHERE name = 'b'"), &error));
        MUST(db_commit(m->db, &error));
        db_checkpoint(m->db);
        m->moves++;
    }
    return NULL;
}

static void check_backup(struct fixture *f, const char *directory)
{
    struct store *s = NULL;
    struct db *db = NULL;
    struct rows rows;
    assert_int_equal(mode_of(arena_printf(f->arena, "%s/keyturn.db", directory).p), 0600);
    assert_false(is_there(arena_printf(f->arena, "%s/keyturn.db-wal", directory).p));
    assert_false(is_there(arena_printf(f->arena, "%s/keyturn.db-journal", directory).p));
    MUST(store_open(AT(directory), false, &s, &error));
    MUST(db_open(s, DB_READER, &db, &error));
    assert_int_equal(number(db, SQL("SELECT sum(next) FROM counters")), 1000);
    assert_int_equal(number(db, SQL("SELECT count(*) FROM ended_tokens")), 500);
    MUST(db_query(db, f->arena, SQL("PRAGMA integrity_check"), &rows, &error));
    assert_true(str_equal(row_text(&rows, 0, 0), S("ok")));
    db_free(db);
    store_free(s);
}

static void a_backup_is_consistent_while_others_write(void **state)
{
    struct fixture *f = *state;
    struct mover m = {.db = f->writer};
    pthread_t thread;
    MUST(db_run(f->writer, SQL("INSERT INTO counters VALUES ('a', 1000), ('b', 0)"), &error));
    for (int i = 0; i < 500; i++)
        MUST(db_run(f->writer, SQL("INSERT INTO ended_tokens VALUES (randomblob(3000), 1)"), &error));
    assert_int_equal(pthread_create(&thread, NULL, move_back_and_forth, &m), 0);
    for (int i = 0; i < 10; i++) {
        const char *directory = arena_printf(f->arena, "%s/backup%d", f->directory, i).p;
        assert_int_equal(mkdir(directory, 0700), 0);
        MUST(store_backup(f->store, arena_printf(f->arena, "%s/keyturn.db", directory).p, &error));
        check_backup(f, directory);
    }
    atomic_store(&m.is_stopping, true);
    pthread_join(thread, NULL);
    assert_true(m.moves > 10);
    assert_int_equal(number(f->reader, SQL("SELECT next FROM counters WHERE name = 'b'")), m.moves);
}

static void a_backup_never_replaces(void **state)
{
    struct fixture *f = *state;
    const char *file = path_in(f, "there");
    int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, "precious", 8), 8);
    close(fd);
    EXPECT(CONFLICT, store_backup(f->store, file, &error));
    assert_int_equal(symlink("nowhere", path_in(f, "link")), 0);
    EXPECT(CONFLICT, store_backup(f->store, path_in(f, "link"), &error));
    EXPECT(NOT_FOUND, store_backup(f->store, path_in(f, "no/such/folder"), &error));
    EXPECT(INVALID, store_backup(f->store, path_in(f, ""), &error));
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_size, 8);
    assert_false(is_there(path_in(f, "nowhere")));
}

static void a_backup_that_fails_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    const char *folder = path_in(f, "small");
    assert_int_equal(mkdir(folder, 0700), 0);
    if (mount("none", folder, "tmpfs", 0, "size=128k,mode=0700") != 0)
        skip();
    struct err e = {0};
    result r = store_backup(f->store, path_in(f, "small/copy"), &e);
    bool is_left = is_there(path_in(f, "small/copy"));
    umount(folder);
    assert_int_equal(r.code, STORE_FULL);
    assert_false(is_left);
    assert_int_equal(number(f->writer, SQL("SELECT 1")), 1);
    assert_false(db_has_device_failed(f->writer));
}

static void a_store_that_cannot_be_made_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct store *s = NULL;
    const char *folder = path_in(f, "small");
    assert_int_equal(mkdir(folder, 0700), 0);
    if (mount("none", folder, "tmpfs", 0, "size=128k,mode=0700") != 0)
        skip();
    struct err e = {0};
    result r = store_open(AT(folder), true, &s, &e);
    bool is_left = is_there(path_in(f, "small/keyturn.db"));
    umount(folder);
    assert_int_equal(r.code, STORE_FULL);
    assert_false(is_left);
    assert_null(s);
}

/* What a URL of PostgreSQL says of where the database is; "" is a socket. */
static void a_url_tells_where_the_database_is(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *url, *where;
    } cases[] = {
        {"postgresql:///vault", " 5432"},
        {"postgresql://me@db.example:6432/vault", "db.example 6432"},
        {"postgresql://[2001:db8::5]/vault", "2001:db8::5 5432"},
        {"postgresql://a,b:6432,127.0.0.1/vault", "a 5432, b 6432, 127.0.0.1 5432"},
        {"postgresql://a,b/vault?port=6432", "a 6432, b 6432"},
        {"postgresql:///vault?host=/run/postgresql&port=6432", " 6432"},
        {"postgresql://name:6432/vault?hostaddr=10.0.0.5", "10.0.0.5 6432"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct postgresql_place *place = NULL;
        struct store_address *found;
        AUTOBUF text;
        buf_init(&text, 1000);
        MUST(postgresql_place_new(&(struct store_place){.url = cases[i].url}, &place, &error));
        size_t n = postgresql_place_addresses(place, f->arena, &found);
        for (size_t k = 0; k < n; k++)
            buf_printf(&text, "%s%.*s %" PRId64, k ? ", " : "", STR_ARG(found[k].host), found[k].port);
        postgresql_place_free(place);
        assert_string_equal(arena_cstr(f->arena, buf_str(&text)), cases[i].where);
    }
    assert_int_equal(store_addresses(f->store, f->arena, &(struct store_address *){NULL}), 0);
}

#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(files_are_private),
        WITH_STORE(one_server_per_directory),
        WITH_STORE(what_is_there_is_not_made_again),
        WITH_STORE(unsafe_places_are_refused),
        WITH_STORE(what_was_written_is_there_after_opening_again),
        WITH_STORE(a_newer_store_is_refused),
        WITH_STORE(the_wal_is_checkpointed_when_it_is_long),
        WITH_STORE(the_wal_begins_anew_beside_readers_that_overlap),
        WITH_STORE(a_backup_is_consistent_while_others_write),
        WITH_STORE(a_backup_never_replaces),
        WITH_STORE(a_backup_that_fails_leaves_nothing),
        WITH_STORE(a_store_that_cannot_be_made_leaves_nothing),
        WITH_STORE(a_url_tells_where_the_database_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
