/* db/store.c: a store's directory, its lock, and its backup. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/log.h"
#include "db/driver.h"
#include "db/migration.h"
#include "db/postgresql_place.h"

static const char file_name[] = "keyturn.db";

static const char *path_of(struct arena *a, const char *directory, const char *name)
{
    return arena_printf(a, "%s/%s", directory, name).p;
}

static bool is_remote(const struct store_place *at)
{
    return at->url && strcmp(at->url, "sqlite") != 0;
}

static result store_new(const struct store_place *at, const char *directory, struct store **ret, struct err *e)
{
    AUTOFREE(store) s = calloc(1, sizeof(*s));
    if (!s)
        die("out of memory: a store");
    s->lock = -1;
    s->driver = is_remote(at) ? &postgresql_driver : &sqlite_driver;
    s->server = at->server ? strdup(at->server) : NULL;
    if (is_remote(at)) {
        TRY(postgresql_place_new(at, &s->remote, e));
        s->place = postgresql_place_name(s->remote);
    } else if (asprintf(&s->place, "%s/%s", directory, file_name) < 0) {
        die("out of memory: a store");
    }
    *ret = TAKE(s);
    return SUCCESS;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    if (s->lock >= 0)
        close(s->lock);
    postgresql_place_free(s->remote);
    free(s->server);
    free(s->place);
    free(s);
}

const char *store_name(const struct store *s)
{
    return s->place;
}

size_t store_addresses(const struct store *s, struct arena *a, struct store_address **ret)
{
    return s->remote ? postgresql_place_addresses(s->remote, a, ret) : 0;
}

bool store_is_shared(const struct store *s)
{
    return s->driver->is_shared;
}

uint64_t store_commits(const struct store *s)
{
    return atomic_load(&s->commits);
}

/* Its real path: SQLite follows no link on the way to its files. */
static result real_path(const char *path, struct arena *a, const char **ret, struct err *e)
{
    char *real = realpath(path, NULL);
    if (!real)
        return FAIL(e, NOT_FOUND, "%s: %s", path, strerror(errno));
    *ret = arena_cstr(a, str_of(real));
    free(real);
    return SUCCESS;
}

static result check_directory(const char *directory, struct err *e)
{
    struct stat st;
    if (stat(directory, &st) != 0)
        return FAIL(e, NOT_FOUND, "%s: %s", directory, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return FAIL(e, INVALID, "%s is not a directory", directory);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return FAIL(e, INVALID, "%s belongs to another user", directory);
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return FAIL(e, INVALID, "%s can be written by others: chmod go-w", directory);
    return SUCCESS;
}

static result take_lock(const char *directory, struct arena *a, int *ret, struct err *e)
{
    const char *path = path_of(a, directory, "lock");
    AUTOCLOSE fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return FAIL(e, INTERNAL, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? FAIL(e, CONFLICT, "another server uses this directory: %s", directory)
                                    : FAIL(e, INTERNAL, "%s: %s", path, strerror(errno));
    *ret = TAKE_FD(fd);
    return SUCCESS;
}

static result sync_folder(const char *folder, struct err *e)
{
    AUTOCLOSE fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return FAIL(e, INTERNAL, "%s: %s", folder, strerror(errno));
    return SUCCESS;
}

/* Closed again before the store opens it: closing any descriptor of the file later would drop the store's own locks. */
static result make_file(const char *file, const char *hint, struct err *e)
{
    AUTOCLOSE fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        return SUCCESS;
    if (errno == EEXIST)
        return FAIL(e, CONFLICT, "%s exists already%s", file, hint);
    if (errno == ENOSPC || errno == EDQUOT)
        return FAIL(e, STORE_FULL, "%s: %s", file, strerror(errno));
    return FAIL(e, errno == ENOENT || errno == ENOTDIR ? NOT_FOUND : INVALID, "%s: %s", file, strerror(errno));
}

static result check_file(const char *file, struct err *e)
{
    struct stat st;
    if (lstat(file, &st) != 0)
        return errno == ENOENT ? FAIL(e, NOT_FOUND, "%s is not there: make a store with `keyturn init`", file)
                               : FAIL(e, INTERNAL, "%s: %s", file, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return FAIL(e, INVALID, "%s is not a regular file", file);
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return FAIL(e, INVALID, "%s can be read or written by others: chmod 600", file);
    return SUCCESS;
}

static void remove_file(const char *file, struct arena *a)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        unlink(arena_printf(a, "%s%s", file, suffixes[i]).p);
}

result store_bring_up(struct store *s, struct err *e)
{
    AUTOFREE(db) db = NULL;
    TRY(db_open(s, DB_WRITER, &db, e));
    return migrations_run(db, e);
}

static result create_file(struct store *s, const char *directory, struct arena *a, struct err *e)
{
    TRY(make_file(s->place, "; if its making was cut short, remove it", e));
    result r = store_bring_up(s, e);
    if (is_ok(r))
        r = sync_folder(directory, e);
    if (!is_ok(r))
        remove_file(s->place, a);
    return r;
}

/* Tables without an installation are what an `init` left behind that was cut short: the next one goes on with them. */
static result create_tables(struct store *s, struct err *e)
{
    int64_t installations;
    TRY(store_bring_up(s, e));
    AUTOFREE(db) db = NULL;
    TRY(db_open(s, DB_WRITER, &db, e));
    TRY(db_insert(db, SQL("SELECT count(*) FROM settings WHERE name = 'installation'"), &installations, "no count", e));
    if (installations > 0)
        return FAIL(e, CONFLICT, "%s: a store is there already; nothing was changed", s->place);
    return SUCCESS;
}

static result look(struct store *s, struct err *e)
{
    AUTOFREE(db) db = NULL;
    if (!s->remote)
        TRY(check_file(s->place, e));
    TRY(db_open(s, DB_READER, &db, e));
    return migrations_check(db, e);
}

result store_open(const struct store_place *at, bool creates, struct store **ret, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    const char *real = at->directory;
    TRY(real_path(at->directory, a, &real, e));
    TRY(check_directory(real, e));
    AUTOFREE(store) s = NULL;
    TRY(store_new(at, real, &s, e));
    TRY(take_lock(real, a, &s->lock, e));
    if (creates)
        TRY(s->remote ? create_tables(s, e) : create_file(s, real, a, e));
    else
        TRY(look(s, e));
    if (!creates)
        TRY(store_bring_up(s, e));
    s->is_up = true;
    *ret = TAKE(s);
    return SUCCESS;
}

result store_open_reader(const struct store_place *at, struct store **ret, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    const char *real = at->directory;
    TRY(real_path(at->directory, a, &real, e));
    TRY(check_directory(real, e));
    AUTOFREE(store) s = NULL;
    TRY(store_new(at, real, &s, e));
    TRY(look(s, e));
    s->is_up = true;
    *ret = TAKE(s);
    return SUCCESS;
}

static result make_missing(struct store *s, const char *directory, struct err *e)
{
    if (s->remote)
        return SUCCESS;
    if (!directory)
        return FAIL(e, INVALID, "a store in a file needs its folder");
    if (access(s->place, F_OK) != 0) {
        TRY(make_file(s->place, "", e));
        TRY(sync_folder(directory, e));
    }
    return check_file(s->place, e);
}

result store_open_bare(const struct store_place *at, struct store **ret, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    const char *real = at->directory;
    if (real) {
        TRY(real_path(at->directory, a, &real, e));
        TRY(check_directory(real, e));
    }
    AUTOFREE(store) s = NULL;
    TRY(store_new(at, real, &s, e));
    if (real)
        TRY(take_lock(real, a, &s->lock, e));
    TRY(make_missing(s, real, e));
    *ret = TAKE(s);
    return SUCCESS;
}

/* ---- backup ---- */

static result copy_and_sync(struct store *s, const char *file, const char *folder, struct err *e)
{
    {
        AUTOFREE(db) db = NULL;
        TRY(db_open(s, DB_READER, &db, e));
        TRY(db_snapshot(db, e));
        TRY(s->driver->copy(db->connection, file, e));
    }
    AUTOCLOSE fd = open(file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fsync(fd) != 0)
        return FAIL(e, INTERNAL, "%s: %s", file, strerror(errno));
    return sync_folder(folder, e);
}

result store_backup(struct store *s, const char *file, struct err *e)
{
    const char *slash = strrchr(file, '/');
    const char *name = slash ? slash + 1 : file;
    if (!s->driver->copy)
        return FAIL(
            e, INVALID,
            "a store on PostgreSQL is backed up with its own tools (pg_basebackup, pg_dump), or copied to a file: "
            "keyturn store copy --from URL --to sqlite");
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return FAIL(e, INVALID, "%s does not name a file", file);
    AUTOFREE(arena) a = arena_new();
    const char *folder = slash == file ? "/"
                         : slash       ? arena_cstr(a, str_sub(str_of(file), 0, (size_t)(slash - file)))
                                       : ".";
    TRY(real_path(folder, a, &folder, e));
    const char *path = path_of(a, folder, name);
    TRY(make_file(path, "", e));
    result r = copy_and_sync(s, path, folder, e);
    if (!is_ok(r))
        remove_file(path, a);
    return r;
}
