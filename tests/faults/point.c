/* faults/point.c: count the points, decide which one fails, and how. */
#undef _FILE_OFFSET_BITS
#include "faultpoint.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum mode {
    MODE_LIST,
    MODE_KILL,
    MODE_STOP,
    MODE_EIO,
    MODE_ENOSPC,
    MODE_ENOMEM,
    MODE_EINTR,
    MODE_ECONNRESET,
    MODE_SHORT,
    MODE_POWER
};
static const char *const mode_names[] = {"list",   "kill",  "stop",       "eio",   "enospc",
                                         "enomem", "eintr", "econnreset", "short", "power"};
static const int errors[] = {[MODE_EIO] = EIO,     [MODE_ENOSPC] = ENOSPC,         [MODE_ENOMEM] = ENOMEM,
                             [MODE_EINTR] = EINTR, [MODE_ECONNRESET] = ECONNRESET, [MODE_POWER] = 0};

/* The control file: a test writes `armed` and `at` while the process runs, and reads the others. */
struct control {
    _Atomic uint64_t armed;   /* 0: nothing is counted */
    _Atomic uint64_t counter; /* points so far, over all threads and all watched processes */
    _Atomic uint64_t at;      /* the point that fails; 0: as the environment says */
    _Atomic uint64_t fired;   /* the last point that did fail */
};

static struct control own_control = {.armed = 1};
static struct control *control = &own_control;
static bool is_active;
static enum mode mode;
static bool is_after;
static uint64_t at_from_environment;
static uint64_t length = 1;
static int log_fd = -1;
static atomic_bool is_dead;
static char peer[100]; /* "inet:ADDRESS:PORT"; "": none */

_Noreturn void point_die(const char *sentence, const char *what)
{
    char text[PATH_MAX + 200];
    int bytes = snprintf(text, sizeof text, "faultpoint: %s: %s\n", sentence, what);
    syscall(SYS_write, STDERR_FILENO, text, bytes);
    _exit(97);
}

static uint64_t environment_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    if (text == NULL)
        return otherwise;
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0')
        point_die("not a number", name);
    return value;
}

/* The name in /proc is cut to 15 characters, and so is the wish. */
static bool is_named(const char *wanted)
{
    char name[17] = {0};
    int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? -1 : read(fd, name, sizeof name - 1);
    if (fd >= 0)
        close(fd);
    if (bytes <= 0)
        return false;
    name[strcspn(name, "\n")] = '\0';
    return strncmp(name, wanted, 15) == 0;
}

static enum mode mode_named(const char *name)
{
    for (size_t i = 0; i < sizeof mode_names / sizeof *mode_names; i++)
        if (strcmp(name, mode_names[i]) == 0)
            return (enum mode)i;
    point_die("no such KEYTURN_FAULT_MODE", name);
}

static void open_log(const char *path)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    /* A high number: the watched program may expect certain low ones to be free. */
    log_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 700);
    if (log_fd < 0)
        point_die("cannot write KEYTURN_FAULT_LOG", path);
    close(fd);
}

static void map_control(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED || lseek(fd, 0, SEEK_END) < (off_t)sizeof *control)
        point_die("KEYTURN_FAULT_ARM is not a file of 32 bytes", path);
    close(fd);
    control = mapped;
}

/* Most calls come from inside a library; the frame of the program itself tells what it was for. */
static const void *frame_of_program(void)
{
    Dl_info program, info;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel hands the address over as a number
    if (dladdr((const void *)getauxval(AT_ENTRY), &program) == 0)
        return NULL;
    void *frames[64];
    int count = backtrace(frames, 64);
    for (int i = 0; i < count; i++)
        if (dladdr(frames[i], &info) != 0 && info.dli_fbase == program.dli_fbase)
            return frames[i];
    return NULL;
}

void point_set_up(void)
{
    const char *mode_text = getenv("KEYTURN_FAULT_MODE"), *comm = getenv("KEYTURN_FAULT_COMM");
    if (mode_text == NULL || (comm != NULL && !is_named(comm)))
        return;
    mode = mode_named(mode_text);
    const char *when = getenv("KEYTURN_FAULT_WHEN");
    if (when != NULL && strcmp(when, "before") != 0 && strcmp(when, "after") != 0)
        point_die("KEYTURN_FAULT_WHEN is before or after, not", when);
    is_after = when != NULL && strcmp(when, "after") == 0;
    at_from_environment = environment_number("KEYTURN_FAULT_AT", 0);
    length = environment_number("KEYTURN_FAULT_LENGTH", 1);
    const char *arm = getenv("KEYTURN_FAULT_ARM"), *log = getenv("KEYTURN_FAULT_LOG");
    if (arm != NULL)
        map_control(arm);
    if (log != NULL)
        open_log(log);
    const char *wanted = getenv("KEYTURN_FAULT_PEER");
    if (wanted != NULL)
        snprintf(peer, sizeof peer, "inet:%s", wanted);
    if (mode == MODE_ECONNRESET && wanted == NULL)
        point_die("econnreset needs KEYTURN_FAULT_PEER, which is", "unset");
    if (mode == MODE_POWER) {
        const char *root = getenv("KEYTURN_FAULT_ROOT");
        if (root == NULL || root[0] != '/')
            point_die("KEYTURN_FAULT_ROOT is an absolute path, not", root == NULL ? "unset" : root);
        powerloss_set_up(root);
    }
    /* The first backtrace loads a library, which a program may forbid itself later. */
    if (mode == MODE_LIST)
        frame_of_program();
    is_active = true;
}

bool point_is_active(void)
{
    return is_active;
}

const char *point_peer(void)
{
    return peer[0] == '\0' ? NULL : peer;
}

bool point_loses_power(void)
{
    return is_active && mode == MODE_POWER;
}

void point_wait_if_dead(void)
{
    while (atomic_load(&is_dead))
        pause();
}

static void name_place(const void *address, char *ret_text, size_t size)
{
    Dl_info info;
    if (address == NULL || dladdr(address, &info) == 0 || info.dli_fname == NULL) {
        snprintf(ret_text, size, "?");
        return;
    }
    const char *slash = strrchr(info.dli_fname, '/');
    long offset = (const char *)address - (const char *)info.dli_fbase;
    int bytes = snprintf(ret_text, size, "%s+0x%lx", slash == NULL ? info.dli_fname : slash + 1, offset);
    if (info.dli_sname != NULL && bytes > 0 && (size_t)bytes < size)
        snprintf(ret_text + bytes, size - (size_t)bytes, "(%s+0x%lx)", info.dli_sname,
                 (const char *)address - (const char *)info.dli_saddr);
}

static void write_line(uint64_t point, const struct call *call, const char *what)
{
    char caller[400], program[400], thread[17] = {0}, line[2 * PATH_MAX + 1000];
    name_place(call->caller, caller, sizeof caller);
    name_place(frame_of_program(), program, sizeof program);
    prctl(PR_GET_NAME, thread);
    int bytes = snprintf(line, sizeof line, "%lu\t%s\t%s%s%s\t%s\t%s\t%d/%ld/%s\t%s\n", point, call->name, call->file,
                         call->target[0] == '\0' ? "" : " -> ", call->target, caller, program, getpid(),
                         syscall(SYS_gettid), thread, what);
    syscall(SYS_write, log_fd, line, (size_t)bytes < sizeof line ? (size_t)bytes : sizeof line);
}

void point_note(const struct call *call)
{
    if (is_active && mode == MODE_LIST && log_fd >= 0 && atomic_load(&control->armed) != 0)
        write_line(0, call, "note");
}

/* A disk that is full or broken, and a kernel without memory for it, say so on files; a socket never does, but one to
 * the peer that is to be tormented. */
static bool can_happen_to(const struct call *call)
{
    if (peer[0] != '\0')
        return true;
    if (mode == MODE_EIO || mode == MODE_ENOSPC || mode == MODE_ENOMEM)
        return call->file[0] == '/' && call->number > 0;
    return mode != MODE_SHORT || call->shortening != NEVER_SHORT;
}

static void end_process(void)
{
    if (mode == MODE_POWER) {
        atomic_store(&is_dead, true);
        powerloss_undo();
    }
    /* To this thread: it takes the signal before it returns to the program, and takes the other threads along. */
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), mode == MODE_STOP ? SIGSTOP : SIGKILL);
}

struct fault point_before(const struct call *call)
{
    struct fault fault = {0};
    if (atomic_load(&control->armed) == 0)
        return fault;
    fault.point = atomic_fetch_add(&control->counter, 1) + 1;
    if (mode == MODE_LIST && log_fd >= 0)
        write_line(fault.point, call, "point");
    uint64_t at = atomic_load(&control->at);
    if (at == 0)
        at = at_from_environment;
    fault.fires = mode != MODE_LIST && at != 0 && fault.point >= at && fault.point - at < length && can_happen_to(call);
    if (!fault.fires)
        return fault;
    atomic_store(&control->fired, fault.point);
    /* Whoever was told that it was reset finds it at its end, too. */
    if (mode == MODE_ECONNRESET && !is_after)
        syscall(SYS_shutdown, call->fd, SHUT_RDWR);
    if (log_fd >= 0)
        write_line(fault.point, call, mode_names[mode]);
    fault.is_short = mode == MODE_SHORT;
    fault.error = errors[mode];
    fault.is_instead = fault.error != 0 && !is_after;
    if (!is_after && (mode == MODE_KILL || mode == MODE_STOP || mode == MODE_POWER))
        end_process();
    return fault;
}

long point_after(const struct fault *fault, const struct call *call, long done)
{
    if (!fault->fires || !is_after)
        return done;
    if (mode == MODE_KILL || mode == MODE_STOP || mode == MODE_POWER)
        end_process();
    if (fault->error == 0 || done < 0)
        return done;
    if (mode == MODE_ECONNRESET)
        syscall(SYS_shutdown, call->fd, SHUT_RDWR);
    /* The call was carried out and its reply is lost. A new descriptor would leak: nobody knows of it. */
    if (call->effect == CREATES)
        syscall(SYS_close, done);
    errno = fault->error;
    return -1;
}
