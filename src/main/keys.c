/* main/keys.c: key files, and the keyring of a store. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "base/secret_open.h"
#include "main/programs.h"

enum { SECRET_FILE_MAX = 8192 };

result secret_file_read(const char *file, struct arena *a, struct secret **ret, struct err *e)
{
    struct stat st;
    AUTOCLOSE fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0)
        return FAIL(e, NOT_FOUND, "%s: %s", file, strerror(errno));
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
        return FAIL(e, INVALID, "%s: others can read it; chmod 600 it first", file);
    char *room;
    struct secret *s = secret_with_room(a, SECRET_FILE_MAX, &room);
    ssize_t n = read(fd, room, SECRET_FILE_MAX);
    if (n <= 0)
        return FAIL(e, INVALID, "%s: %s", file, n == 0 ? "is empty" : strerror(errno));
    const char *end = memchr(room, '\n', (size_t)n);
    size_t length = end ? (size_t)(end - room) : (size_t)n;
    while (length > 0 && room[length - 1] == '\r')
        length--;
    if (length == 0)
        return FAIL(e, INVALID, "%s: its first line is empty", file);
    secret_set_length(s, length);
    *ret = s;
    return SUCCESS;
}

static result sync_folder_of(const char *file, struct arena *a, struct err *e)
{
    const char *slash = strrchr(file, '/');
    const char *folder = slash ? arena_cstr(a, (struct str){file, slash == file ? 1 : (size_t)(slash - file)}) : ".";
    AUTOCLOSE fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return FAIL(e, INTERNAL, "%s: %s", folder, strerror(errno));
    return SUCCESS;
}

result secret_file_write(const char *file, const struct secret *line, struct arena *a, struct err *e)
{
    AUTOCLOSE fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST)
        return FAIL(e, CONFLICT, "%s exists already: if it is left from an init that was cut short, remove it", file);
    if (fd < 0)
        return FAIL(e, INTERNAL, "%s: %s", file, strerror(errno));
    struct str bytes = secret_open(line);
    bool has_newline = bytes.n && bytes.p[bytes.n - 1] == '\n';
    bool is_written =
        write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n && (has_newline || write(fd, "\n", 1) == 1) && fsync(fd) == 0;
    if (!is_written) {
        result failed = FAIL(e, INTERNAL, "%s: %s", file, strerror(errno));
        unlink(file); /* half a secret is of no use, and a secret */
        return failed;
    }
    return sync_folder_of(file, a, e);
}

result installation_of(struct db *db, struct arena *a, struct str *ret_installation, int64_t *ret_epoch, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT value FROM settings WHERE name = 'installation'"), "Installation", &r, e));
    *ret_installation = row_text(&r, 0, 0);
    TRY(db_query_one(db, a, SQL("SELECT value FROM settings WHERE name = 'epoch'"), "Epoch", &r, e));
    if (!str_to_int(row_text(&r, 0, 0), 1, INT64_MAX, ret_epoch))
        return FAIL(e, INTERNAL, "the store's epoch is not a number");
    return SUCCESS;
}

result keys_read_root(const struct options *o, struct arena *a, struct secret **ret, struct err *e)
{
    return secret_file_read(o->key_file ? o->key_file : arena_printf(a, "%s/root.key", o->data).p, a, ret, e);
}

result keys_open(struct db *db, struct arena *a, const struct options *o, struct keyring *k, struct err *e)
{
    struct secret *root;
    TRY(keys_read_root(o, a, &root, e));
    return keys_open_with(db, a, root, k, e);
}

result keys_open_with(struct db *db, struct arena *a, const struct secret *root, struct keyring *k, struct err *e)
{
    struct rows r;
    struct str installation;
    int64_t epoch;
    TRY(installation_of(db, a, &installation, &epoch, e));
    TRY(db_query(db, a, SQL("SELECT id, root_wrap, recovery_wrap FROM data_keys ORDER BY id"), &r, e));
    size_t wrap = str_starts(secret_open(root), S("keyturn-recovery-")) ? 2 : 1;
    for (size_t i = 0; i < r.n; i++)
        TRY(keyring_add(k, row_int(&r, i, 0), row_blob(&r, i, wrap), root, installation, e));
    return SUCCESS;
}
