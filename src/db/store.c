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

static const char file_name[] = "keyturn.db";

static const char *path_of(struct arena *a, const char *directory, const char *name)
{
    return arena_printf(a, "%s/%s", directory, name).p;
}

static struct store *store_new(const char *directory)
{
    struct store *s = calloc(1, sizeof(*s));
    if (!s || asprintf(&s->place, "%s/%s", directory, file_name) < 0)
        die("out of memory: a store");
    s->driver = &sqlite_driver;
    s->lock = -1;
    return s;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    if (s->lock >= 0)
        close(s->lock);
    free(s->place);
    free(s);
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

static result bring_up(struct store *s, struct err *e)
{
    AUTOFREE(db) db = NULL;
    TRY(db_open(s, DB_WRITER, &db, e));
    return migrations_run(db, e);
}

static result create(struct store *s, const char *directory, struct arena *a, struct err *e)
{
    TRY(make_file(s->place, "; if its making was cut short, remove it", e));
    result r = bring_up(s, e);
    if (is_ok(r))
        r = sync_folder(directory, e);
    if (!is_ok(r))
        remove_file(s->place, a);
    return r;
}

static result look(struct store *s, struct err *e)
{
    AUTOFREE(db) db = NULL;
    TRY(check_file(s->place, e));
    TRY(db_open(s, DB_READER, &db, e));
    return migrations_check(db, e);
}

result store_open(const char *directory, bool creates, struct store **ret, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    const char *real = directory;
    TRY(real_path(directory, a, &real, e));
    TRY(check_directory(real, e));
    AUTOFREE(store) s = store_new(real);
    TRY(take_lock(real, a, &s->lock, e));
    if (creates) {
        TRY(create(s, real, a, e));
    } else {
        TRY(look(s, e));
        TRY(bring_up(s, e));
    }
    *ret = TAKE(s);
    return SUCCESS;
}

result store_open_reader(const char *directory, struct store **ret, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    const char *real = directory;
    TRY(real_path(directory, a, &real, e));
    TRY(check_directory(real, e));
    AUTOFREE(store) s = store_new(real);
    TRY(look(s, e));
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
