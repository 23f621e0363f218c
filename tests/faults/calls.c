/* faults/calls.c: the calls that the library takes over from libc, in the order of its header files. */
#undef _FILE_OFFSET_BITS
#include "faultpoint.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* Start a struct call for the function it stands in. */
#define CALL(call_number, ...)                                                                                         \
    {                                                                                                                  \
        .name = __func__, .caller = __builtin_return_address(0), .number = (call_number), .fd = -1, __VA_ARGS__        \
    }
/* libc has a second name for each call that takes an off_t; both are the same on a 64-bit machine. */
#define SAME_AS(name) __attribute__((alias(#name)))

/* -- writing ------------------------------------------------------------------------------------------------------ */

ssize_t write(int fd, const void *bytes, size_t count)
{
    struct call call = CALL(SYS_write, .effect = WRITES, .shortening = SHORT_COUNT, .offset = -1,
                            .args = {fd, (long)bytes, (long)count});
    call.fd = fd;
    return call_carry_out(&call);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
    struct call call = CALL(SYS_pwrite64, .effect = WRITES, .shortening = SHORT_COUNT, .offset = offset,
                            .args = {fd, (long)bytes, (long)count, offset});
    call.fd = fd;
    return call_carry_out(&call);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) SAME_AS(pwrite);

ssize_t writev(int fd, const struct iovec *vectors, int count)
{
    struct call call = CALL(SYS_writev, .effect = WRITES, .shortening = SHORT_VECTOR, .vectors = vectors,
                            .vector_count = (size_t)count, .offset = -1, .args = {fd, (long)vectors, count});
    call.fd = fd;
    return call_carry_out(&call);
}

ssize_t pwritev(int fd, const struct iovec *vectors, int count, off_t offset)
{
    struct call call =
        CALL(SYS_pwritev, .effect = WRITES, .shortening = SHORT_VECTOR, .vectors = vectors,
             .vector_count = (size_t)count, .offset = offset, .args = {fd, (long)vectors, count, offset});
    call.fd = fd;
    return call_carry_out(&call);
}
ssize_t pwritev64(int fd, const struct iovec *vectors, int count, off64_t offset) SAME_AS(pwritev);

int ftruncate(int fd, off_t size)
{
    struct call call = CALL(SYS_ftruncate, .effect = TRUNCATES, .offset = size, .args = {fd, size});
    call.fd = fd;
    return (int)call_carry_out(&call);
}
int ftruncate64(int fd, off64_t size) SAME_AS(ftruncate);

int fsync(int fd)
{
    struct call call = CALL(SYS_fsync, .effect = SYNCS, .args = {fd});
    call.fd = fd;
    return (int)call_carry_out(&call);
}

int fdatasync(int fd)
{
    struct call call = CALL(SYS_fdatasync, .effect = SYNCS, .args = {fd});
    call.fd = fd;
    return (int)call_carry_out(&call);
}

int msync(void *start, size_t bytes, int flags)
{
    struct call call = CALL(SYS_msync, .args = {(long)start, (long)bytes, flags});
    return (int)call_carry_out(&call);
}

/* -- sending ------------------------------------------------------------------------------------------------------ */

ssize_t send(int fd, const void *bytes, size_t count, int flags)
{
    struct call call = CALL(SYS_sendto, .shortening = SHORT_COUNT, .args = {fd, (long)bytes, (long)count, flags});
    call.fd = fd;
    return call_carry_out(&call);
}

ssize_t sendto(int fd, const void *bytes, size_t count, int flags, const struct sockaddr *address, socklen_t size)
{
    struct call call = CALL(SYS_sendto, .shortening = SHORT_COUNT,
                            .args = {fd, (long)bytes, (long)count, flags, (long)address, (long)size});
    call.fd = fd;
    return call_carry_out(&call);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct call call = CALL(SYS_sendmsg, .shortening = SHORT_MESSAGE, .message = message, .vectors = message->msg_iov,
                            .vector_count = message->msg_iovlen, .args = {fd, (long)message, flags});
    call.fd = fd;
    return call_carry_out(&call);
}

/* Nothing of it can be seen from outside: a point only where errors of a connection are asked for. */
ssize_t recv(int fd, void *bytes, size_t count, int flags)
{
    struct call call = CALL(SYS_recvfrom, .args = {fd, (long)bytes, (long)count, flags});
    if (point_peer() == NULL)
        return syscall(SYS_recvfrom, fd, bytes, count, flags, NULL, NULL);
    call.fd = fd;
    return call_carry_out(&call);
}

static void name_address(const struct sockaddr *address, char *ret_name)
{
    char text[INET6_ADDRSTRLEN];
    const struct sockaddr_in *four = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
    if (address->sa_family == AF_INET)
        snprintf(ret_name, PATH_MAX, "inet:%s:%u", inet_ntop(AF_INET, &four->sin_addr, text, sizeof text),
                 ntohs(four->sin_port));
    else if (address->sa_family == AF_INET6)
        snprintf(ret_name, PATH_MAX, "inet:[%s]:%u", inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text),
                 ntohs(six->sin6_port));
    else if (address->sa_family == AF_UNIX)
        snprintf(ret_name, PATH_MAX, "unix:%.100s", ((const struct sockaddr_un *)address)->sun_path);
    else
        snprintf(ret_name, PATH_MAX, "family:%d", address->sa_family);
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    struct call call = CALL(SYS_connect, .args = {fd, (long)address, (long)size});
    call.fd = fd;
    if (point_is_active())
        name_address(address, call.file);
    return (int)call_carry_out(&call);
}

/* -- names -------------------------------------------------------------------------------------------------------- */

static int open_file(const char *name, const void *caller, int directory, const char *path, int flags, mode_t mode)
{
    struct call call = {.name = name,
                        .caller = caller,
                        .number = SYS_openat,
                        .fd = -1,
                        .effect = CREATES,
                        .flags = flags,
                        .args = {directory, (long)path, flags, mode}};
    if (!point_is_active() || (flags & (O_CREAT | O_TRUNC)) == 0)
        return (int)syscall(SYS_openat, directory, path, flags, mode);
    call_name_path(directory, path, call.file);
    return (int)call_carry_out(&call);
}

/* open() is given a mode only when it makes a file. O_TMPFILE is several bits, one of which is O_DIRECTORY. */
#define OPEN_MODE(flags)                                                                                               \
    ({                                                                                                                 \
        va_list list;                                                                                                  \
        va_start(list, flags);                                                                                         \
        bool makes_file = ((flags)&O_CREAT) != 0 || ((flags)&O_TMPFILE) == O_TMPFILE;                                  \
        mode_t given = makes_file ? va_arg(list, mode_t) : 0;                                                          \
        va_end(list);                                                                                                  \
        given;                                                                                                         \
    })

int open(const char *path, int flags, ...)
{
    return open_file("open", __builtin_return_address(0), AT_FDCWD, path, flags, OPEN_MODE(flags));
}
int open64(const char *path, int flags, ...) SAME_AS(open);

int openat(int directory, const char *path, int flags, ...)
{
    return open_file("open", __builtin_return_address(0), directory, path, flags, OPEN_MODE(flags));
}
int openat64(int directory, const char *path, int flags, ...) SAME_AS(openat);

int creat(const char *path, mode_t mode)
{
    const int flags = O_CREAT | O_WRONLY | O_TRUNC;
    return open_file("open", __builtin_return_address(0), AT_FDCWD, path, flags, mode);
}
int creat64(const char *path, mode_t mode) SAME_AS(creat);

static int rename_file(const void *caller, int from, const char *old, int to, const char *new, unsigned flags)
{
    struct call call = {.name = "rename",
                        .caller = caller,
                        .number = SYS_renameat2,
                        .fd = -1,
                        .effect = RENAMES,
                        .args = {from, (long)old, to, (long)new, flags}};
    if (point_is_active()) {
        call_name_path(from, old, call.file);
        call_name_path(to, new, call.target);
        if (point_loses_power() && (flags & RENAME_EXCHANGE) != 0)
            point_die("cannot undo an exchange of names", call.file);
    }
    return (int)call_carry_out(&call);
}

int rename(const char *old, const char *new)
{
    return rename_file(__builtin_return_address(0), AT_FDCWD, old, AT_FDCWD, new, 0);
}

int renameat(int from, const char *old, int to, const char *new)
{
    return rename_file(__builtin_return_address(0), from, old, to, new, 0);
}

int renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
    return rename_file(__builtin_return_address(0), from, old, to, new, flags);
}

static int unlink_file(const void *caller, int directory, const char *path, int flags)
{
    struct call call = {.name = "unlink",
                        .caller = caller,
                        .number = SYS_unlinkat,
                        .fd = -1,
                        .effect = REMOVES,
                        .args = {directory, (long)path, flags}};
    if (point_is_active())
        call_name_path(directory, path, call.file);
    return (int)call_carry_out(&call);
}

int unlink(const char *path)
{
    return unlink_file(__builtin_return_address(0), AT_FDCWD, path, 0);
}

int unlinkat(int directory, const char *path, int flags)
{
    return unlink_file(__builtin_return_address(0), directory, path, flags);
}

/* -- mappings: noted only ----------------------------------------------------------------------------------------- */

void *mmap(void *start, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (fd >= 0 && (flags & MAP_SHARED) != 0 && (protection & PROT_WRITE) != 0)
        call_note_mapping(fd, __builtin_return_address(0));
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel returns the address as a number
    return (void *)syscall(SYS_mmap, start, bytes, protection, flags, fd, offset);
}
void *mmap64(void *start, size_t bytes, int protection, int flags, int fd, off64_t offset) SAME_AS(mmap);

/* -- other programs ----------------------------------------------------------------------------------------------- */

struct program {
    const char *path;
    int fd; /* the folder of a relative path, or the program itself */
    int flags;
    pid_t *pid;
    const posix_spawn_file_actions_t *actions;
    const posix_spawnattr_t *attributes;
    char *const *arguments;
    char *const *environment;
    const char *symbol;
};

/* libc's own function of the same name. */
static void *next_function(const char *symbol)
{
    void *found = dlsym(RTLD_NEXT, symbol);
    if (found == NULL)
        point_die("libc has no such function", symbol);
    return found;
}

/* LD_PRELOAD and our own settings, kept for programs that are run with a cleared environment. */
enum { OWN_VARIABLES_MAX = 16, ENVIRONMENT_MAX = 1000 };
static char *own_variables[OWN_VARIABLES_MAX];

static bool is_own_variable(const char *variable)
{
    return strncmp(variable, "LD_PRELOAD=", 11) == 0 || strncmp(variable, "KEYTURN_FAULT_", 14) == 0;
}

void call_keep_environment(void)
{
    size_t kept = 0;
    for (char **variable = environ; *variable != NULL && kept < OWN_VARIABLES_MAX; variable++)
        if (is_own_variable(*variable))
            own_variables[kept++] = strdup(*variable);
}

/* A server clears the environment of what it starts, which would end the watch: connectors are to be tested too. */
static void extend_environment(char *const *environment, char **ret_extended)
{
    size_t count = 0;
    for (size_t i = 0; environment[i] != NULL; i++) {
        if (count + OWN_VARIABLES_MAX >= ENVIRONMENT_MAX)
            point_die("too many variables", environment[i]);
        if (own_variables[0] == NULL || !is_own_variable(environment[i]))
            ret_extended[count++] = environment[i];
    }
    for (size_t i = 0; i < OWN_VARIABLES_MAX && own_variables[i] != NULL; i++)
        ret_extended[count++] = own_variables[i];
    ret_extended[count] = NULL;
}

static int run_by_kernel(void *context)
{
    const struct program *program = context;
    char *environment[ENVIRONMENT_MAX + 1];
    extend_environment(program->environment, environment);
    return (int)syscall(SYS_execveat, program->fd, program->path, program->arguments, environment, program->flags);
}

static int run_by_search(void *context)
{
    const struct program *program = context;
    char *environment[ENVIRONMENT_MAX + 1];
    extend_environment(program->environment, environment);
    int (*run)(const char *, char *const *, char *const *) = next_function("execvpe");
    return run(program->path, program->arguments, environment);
}

static int run_by_spawn(void *context)
{
    const struct program *program = context;
    char *environment[ENVIRONMENT_MAX + 1];
    extend_environment(program->environment, environment);
    __typeof__(posix_spawn) *spawn = next_function(program->symbol);
    return spawn(program->pid, program->path, program->actions, program->attributes, program->arguments, environment);
}

int execve(const char *path, char *const arguments[], char *const environment[])
{
    struct program program = {.path = path, .fd = AT_FDCWD, .arguments = arguments, .environment = environment};
    return call_run_program("execve", __builtin_return_address(0), path, run_by_kernel, &program);
}

int execv(const char *path, char *const arguments[])
{
    struct program program = {.path = path, .fd = AT_FDCWD, .arguments = arguments, .environment = environ};
    return call_run_program("execv", __builtin_return_address(0), path, run_by_kernel, &program);
}

int execveat(int fd, const char *path, char *const arguments[], char *const environment[], int flags)
{
    struct program program = {
        .path = path, .fd = fd, .flags = flags, .arguments = arguments, .environment = environment};
    const char *name = path[0] == '\0' ? arguments[0] : path;
    return call_run_program("execveat", __builtin_return_address(0), name, run_by_kernel, &program);
}

int fexecve(int fd, char *const arguments[], char *const environment[])
{
    struct program program = {
        .path = "", .fd = fd, .flags = AT_EMPTY_PATH, .arguments = arguments, .environment = environment};
    return call_run_program("fexecve", __builtin_return_address(0), arguments[0], run_by_kernel, &program);
}

int execvp(const char *name, char *const arguments[])
{
    struct program program = {.path = name, .arguments = arguments, .environment = environ};
    return call_run_program("execvp", __builtin_return_address(0), name, run_by_search, &program);
}

int execvpe(const char *name, char *const arguments[], char *const environment[])
{
    struct program program = {.path = name, .arguments = arguments, .environment = environment};
    return call_run_program("execvpe", __builtin_return_address(0), name, run_by_search, &program);
}

/* posix_spawn() returns the error itself. */
static int spawn_program(struct program *program, const void *caller)
{
    int done = call_run_program("posix_spawn", caller, program->path, run_by_spawn, program);
    return done < 0 ? errno : done;
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[])
{
    struct program program = {path, -1, 0, pid, actions, attributes, arguments, environment, "posix_spawn"};
    return spawn_program(&program, __builtin_return_address(0));
}

int posix_spawnp(pid_t *pid, const char *name, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[])
{
    struct program program = {name, -1, 0, pid, actions, attributes, arguments, environment, "posix_spawnp"};
    return spawn_program(&program, __builtin_return_address(0));
}
