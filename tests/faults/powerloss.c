/* faults/powerloss.c: remember what is not durable, and put the old bytes back as a power loss would.
 *
 * The rules, the strictest that a program may meet: bytes and size of a file are durable after fsync or fdatasync of
 * it; that a new file exists, after fsync of it or of its folder; that a name was changed or removed, after fsync of
 * the folder (for a move from one to another: the new one). Whatever is not durable is undone, in reverse order. One
 * lock covers each call on files under the root together with what is remembered of it. */
#undef _FILE_OFFSET_BITS
#include "faultpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct identity {
    dev_t device;
    ino_t inode;
};

enum kind { DROPPED, RANGE, CREATED, REMOVED, RENAMED };

struct record {
    enum kind kind;
    struct identity file;   /* RANGE CREATED */
    struct identity folder; /* CREATED REMOVED RENAMED */
    char *path;
    char *target; /* RENAMED */
    off_t offset; /* RANGE, REMOVED: where the saved bytes were */
    off_t old_size;
    char *saved;
    size_t saved_bytes;
    struct stat old; /* REMOVED */
};

enum { VOLATILE_MAX = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static struct record *records;
static size_t record_count, record_capacity;
static char *volatile_paths[VOLATILE_MAX];

static void take_lock(void)
{
    pthread_mutex_lock(&lock);
}

static void leave_lock(void)
{
    pthread_mutex_unlock(&lock);
}

void powerloss_set_up(const char *wanted)
{
    if (realpath(wanted, root) == NULL)
        point_die("no such KEYTURN_FAULT_ROOT", wanted);
    pthread_atfork(take_lock, leave_lock, leave_lock);
}

static bool is_under_root(const char *path)
{
    size_t length = strlen(root);
    return length > 0 && strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static void *grown(void *old, size_t bytes)
{
    void *memory = realloc(old, bytes == 0 ? 1 : bytes);
    if (memory == NULL)
        point_die("out of memory", root);
    return memory;
}

static char *copied(const char *text)
{
    size_t bytes = strlen(text) + 1;
    return memcpy(grown(NULL, bytes), text, bytes);
}

static struct record *add_record(enum kind kind, const char *path)
{
    if (record_count == record_capacity) {
        record_capacity = record_capacity == 0 ? 64 : 2 * record_capacity;
        records = grown(records, record_capacity * sizeof *records);
    }
    struct record *record = &records[record_count++];
    *record = (struct record){.kind = kind, .path = copied(path)};
    return record;
}

static void free_record(struct record *record)
{
    free(record->path);
    free(record->target);
    free(record->saved);
}

static struct identity identity_of(const struct stat *status)
{
    return (struct identity){status->st_dev, status->st_ino};
}

static bool is_same(struct identity a, struct identity b)
{
    return a.device == b.device && a.inode == b.inode;
}

static struct identity folder_of(const char *path)
{
    char folder[PATH_MAX];
    struct stat status;
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    if (stat(folder, &status) != 0)
        point_die("no folder of", path);
    return identity_of(&status);
}

static void save_bytes(struct record *record, int fd, off_t offset, size_t bytes)
{
    record->offset = offset;
    record->saved = grown(NULL, bytes + 1);
    while (record->saved_bytes < bytes) {
        ssize_t got = pread(fd, record->saved + record->saved_bytes, bytes - record->saved_bytes,
                            offset + (off_t)record->saved_bytes);
        if (got <= 0)
            point_die("cannot read the old bytes of", record->path);
        record->saved_bytes += (size_t)got;
    }
}

/* A descriptor that the program has for writing only is opened again. Closing that one drops the process's locks on
 * the file (fcntl); SQLite, which has such locks, opens everything for reading too. */
static void save_range(int fd, const char *path, off_t offset, size_t bytes)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    struct record *record = add_record(RANGE, path);
    record->file = identity_of(&status);
    record->old_size = status.st_size;
    if (offset >= status.st_size)
        return;
    if (bytes > (size_t)(status.st_size - offset))
        bytes = (size_t)(status.st_size - offset);
    int reader = fd;
    if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
        reader = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    save_bytes(record, reader, offset, bytes);
    if (reader != fd)
        syscall(SYS_close, reader);
}

static void save_file(const char *path, enum kind kind)
{
    struct stat status;
    if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    struct record *record = add_record(kind, path);
    record->old = status;
    record->file = identity_of(&status);
    record->folder = folder_of(path);
    record->old_size = status.st_size;
    save_bytes(record, fd, 0, (size_t)status.st_size);
    syscall(SYS_close, fd);
}

static void save_before_write(const struct call *call)
{
    size_t bytes = 0;
    if (call->shortening == SHORT_COUNT)
        bytes = (size_t)call->args[2];
    for (size_t i = 0; i < call->vector_count; i++)
        bytes += call->vectors[i].iov_len;
    off_t offset = call->offset;
    struct stat status;
    if (offset < 0 && (fcntl(call->fd, F_GETFL) & O_APPEND) != 0)
        offset = fstat(call->fd, &status) == 0 ? status.st_size : 0;
    else if (offset < 0)
        offset = lseek(call->fd, 0, SEEK_CUR);
    save_range(call->fd, call->file, offset, bytes);
}

/* Remember what the call is about to overwrite. */
static void save_before(const struct call *call)
{
    switch (call->effect) {
    case WRITES:
        save_before_write(call);
        break;
    case TRUNCATES:
        save_range(call->fd, call->file, call->offset, SIZE_MAX);
        break;
    case CREATES:
        if ((call->flags & O_TRUNC) != 0)
            save_file(call->file, RANGE);
        break;
    case RENAMES:
        save_file(call->target, REMOVED);
        break;
    case REMOVES:
        save_file(call->file, REMOVED);
        break;
    case OUTSIDE:
    case SYNCS:
        break;
    }
}

/* A name change that became durable holds for what was done under the old name before. */
static void settle_name(size_t index)
{
    struct record *settled = &records[index];
    for (size_t i = 0; i < index; i++) {
        struct record *earlier = &records[i];
        if (earlier->kind == DROPPED || strcmp(earlier->path, settled->path) != 0)
            continue;
        if (settled->kind == REMOVED) {
            earlier->kind = DROPPED;
        } else if (settled->kind == RENAMED) {
            free(earlier->path);
            earlier->path = copied(settled->target);
        }
    }
    settled->kind = DROPPED;
}

static void settle(int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return;
    struct identity synced = identity_of(&status);
    for (size_t i = 0; i < record_count; i++) {
        struct record *record = &records[i];
        if ((record->kind == RANGE || record->kind == CREATED) && is_same(record->file, synced))
            record->kind = DROPPED;
        else if (record->kind != DROPPED && record->kind != RANGE && is_same(record->folder, synced))
            settle_name(i);
    }
    size_t kept = 0;
    for (size_t i = 0; i < record_count; i++) {
        if (records[i].kind == DROPPED)
            free_record(&records[i]);
        else
            records[kept++] = records[i];
    }
    record_count = kept;
}

static void remember_after(const struct call *call, long done, bool is_new)
{
    struct stat status;
    if (call->effect == SYNCS) {
        settle(call->fd);
    } else if (call->effect == RENAMES) {
        struct record *record = add_record(RENAMED, call->file);
        record->target = copied(call->target);
        record->folder = folder_of(call->target);
    } else if (call->effect == CREATES && is_new && fstat((int)done, &status) == 0) {
        struct record *record = add_record(CREATED, call->file);
        record->file = identity_of(&status);
        record->folder = folder_of(call->file);
    }
}

long powerloss_run(struct call *call, long (*perform)(struct call *call))
{
    if (call->effect == OUTSIDE || !is_under_root(call->file))
        return perform(call);
    take_lock();
    size_t mark = record_count;
    bool is_new = call->effect == CREATES && access(call->file, F_OK) != 0;
    save_before(call);
    long done = perform(call);
    int error = errno;
    if (done >= 0)
        remember_after(call, done, is_new);
    for (; done < 0 && record_count > mark; record_count--)
        free_record(&records[record_count - 1]);
    errno = error;
    leave_lock();
    return done;
}

void powerloss_note_volatile(const char *path)
{
    if (!is_under_root(path))
        return;
    take_lock();
    size_t i = 0;
    while (i < VOLATILE_MAX && volatile_paths[i] != NULL && strcmp(volatile_paths[i], path) != 0)
        i++;
    if (i == VOLATILE_MAX)
        point_die("too many -shm files", path);
    if (volatile_paths[i] == NULL)
        volatile_paths[i] = copied(path);
    leave_lock();
}

static bool put_bytes_back(const struct record *record)
{
    int flags = O_WRONLY | O_CLOEXEC | (record->kind == REMOVED ? O_CREAT : 0);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, record->path, flags, 0600);
    if (fd < 0)
        return false;
    bool is_back =
        syscall(SYS_pwrite64, fd, record->saved, record->saved_bytes, record->offset) == (long)record->saved_bytes &&
        syscall(SYS_ftruncate, fd, record->old_size) == 0;
    if (record->kind == REMOVED)
        is_back = is_back && syscall(SYS_fchown, fd, record->old.st_uid, record->old.st_gid) == 0 &&
                  syscall(SYS_fchmod, fd, record->old.st_mode & 07777) == 0;
    syscall(SYS_close, fd);
    return is_back;
}

static bool undo(const struct record *record)
{
    switch (record->kind) {
    case RANGE:
    case REMOVED:
        return put_bytes_back(record);
    case CREATED:
        return syscall(SYS_unlinkat, AT_FDCWD, record->path, 0) == 0;
    case RENAMED:
        return syscall(SYS_renameat2, AT_FDCWD, record->target, AT_FDCWD, record->path, 0) == 0;
    case DROPPED:
        break;
    }
    return true;
}

void powerloss_undo(void)
{
    take_lock();
    for (size_t i = record_count; i > 0; i--)
        if (!undo(&records[i - 1]))
            point_die("cannot undo what was done to", records[i - 1].path);
    for (size_t i = 0; i < VOLATILE_MAX && volatile_paths[i] != NULL; i++)
        syscall(SYS_unlinkat, AT_FDCWD, volatile_paths[i], 0);
}
