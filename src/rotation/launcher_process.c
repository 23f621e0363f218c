/* rotation/launcher_process.c: the launcher itself. One thread, no keys, a table of what it has started.
 *
 * A connector stays in the table, dead or alive, until the server lets go of it: so no process id is used again while
 * the server still holds it, and a kill never hits a stranger. */
#include "rotation/launcher_process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"

enum { CONNECTORS_MAX = 256, TICK_MS = 1000, REAP_MS = 5, CONNECTOR_FD = 3, STDERR_FD = 2 };
#define LIFE_MAX (10 * MINUTES)

struct connector {
    pid_t pid; /* 0: a free row */
    int64_t started;
    bool is_let_go; /* killed, to be reaped */
};

struct table {
    struct connector rows[CONNECTORS_MAX];
    const struct launcher_settings *settings;
    int socket;
};

struct program {
    char path[4096];
    int fd;
};

static void limit(int resource, rlim_t value)
{
    struct rlimit both = {value, value};
    setrlimit((__rlimit_resource_t)resource, &both);
}

static void limit_connector(void)
{
#ifndef __SANITIZE_ADDRESS__ /* its shadow memory alone reserves terabytes */
    limit(RLIMIT_AS, (rlim_t)512 << 20);
#endif
    limit(RLIMIT_CPU, 60);
    limit(RLIMIT_NOFILE, 64);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
}

static bool drop_uid(const struct launcher_settings *s)
{
    return !s->drops_uid || (setgroups(0, NULL) == 0 && setresgid(s->gid, s->gid, s->gid) == 0 &&
                             setresuid(s->uid, s->uid, s->uid) == 0);
}

/* Every descriptor sits above the ones that the connector gets, so that no dup2 overwrites another's source. */
static bool place_descriptors(int socket, int problems)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    return nothing >= 0 && dup2(nothing, 0) == 0 && dup2(nothing, 1) == 1 && dup2(problems, STDERR_FD) == STDERR_FD &&
           dup2(socket, CONNECTOR_FD) == CONNECTOR_FD;
}

/* The program is opened as ourselves and run through its descriptor, which a connector's uid may have no path to. */
static void become_connector(const struct launcher_settings *s, const struct program *program, int socket, int problems,
                             pid_t launcher, int report)
{
    char *const arguments[] = {(char *)"keyturn-connector", NULL};
    char *const environment[] = {(char *)"LC_ALL=C", (char *)"PATH=/usr/bin:/bin", NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    if (place_descriptors(socket, problems) && drop_uid(s)) {
        limit_connector();
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* after the uid: changing that clears it */
        if (getppid() == launcher) {
            close_range(CONNECTOR_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC);
            execveat(program->fd, "", arguments, environment, AT_EMPTY_PATH);
            if (errno == ENOENT) /* a script: its interpreter needs a path */
                execve(program->path, arguments, environment);
        }
    }
    int error = errno;
    ssize_t told = write(report, &error, sizeof(error));
    _exit(told == sizeof(error) ? 127 : 126);
}

static int raised(int fd)
{
    int high = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 10) : -1;
    fd_autoclose_(&fd);
    return high;
}

/* Fork and wait until the child is another program (its end of the pipe closes) or has told why not. */
static int fork_connector(const struct launcher_settings *s, const struct program *program, int socket, int problems,
                          pid_t *ret)
{
    int pipe_ends[2];
    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        return errno;
    AUTOCLOSE from = raised(pipe_ends[0]);
    AUTOCLOSE report = raised(pipe_ends[1]);
    if (from < 0 || report < 0)
        return EMFILE;
    pid_t launcher = getpid(), pid = fork();
    if (pid < 0)
        return errno;
    if (pid == 0)
        become_connector(s, program, socket, problems, launcher, report);
    close(TAKE_FD(report));
    int error = 0;
    ssize_t got;
    do
        got = read(from, &error, sizeof(error));
    while (got < 0 && errno == EINTR);
    if (got == sizeof(error)) {
        waitpid(pid, NULL, 0);
        return error != 0 ? error : EIO;
    }
    *ret = pid;
    return 0;
}

static bool open_program(const char *folder, const char *kind, struct program *ret)
{
    int n = snprintf(ret->path, sizeof(ret->path), "%s/keyturn-connector-%s", folder, kind);
    errno = ENAMETOOLONG;
    ret->fd = n > 0 && (size_t)n < sizeof(ret->path) ? raised(open(ret->path, O_PATH | O_CLOEXEC)) : -1;
    return ret->fd >= 0;
}

/* Start one; fills what the server gets. Returns 0 or what failed. */
static int spawn(struct table *t, const char *kind, int ret_descriptors[2], pid_t *ret)
{
    struct connector *row = t->rows;
    while (row < t->rows + CONNECTORS_MAX && row->pid != 0)
        row++;
    if (row == t->rows + CONNECTORS_MAX)
        return EAGAIN;
    struct program program;
    if (!open_program(t->settings->folder, kind, &program))
        return errno;
    AUTOCLOSE program_fd = program.fd;
    int pair[2], ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return errno;
    AUTOCLOSE ours = raised(pair[0]);
    AUTOCLOSE theirs = raised(pair[1]);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    AUTOCLOSE problems = raised(ends[0]);
    AUTOCLOSE problems_end = raised(ends[1]);
    if (ours < 0 || theirs < 0 || problems < 0 || problems_end < 0)
        return EMFILE;
    int error = fork_connector(t->settings, &program, theirs, problems_end, ret);
    if (error != 0)
        return error;
    *row = (struct connector){.pid = *ret, .started = clock_monotonic()};
    ret_descriptors[0] = TAKE_FD(ours);
    ret_descriptors[1] = TAKE_FD(problems);
    return 0;
}

static void answer(const struct table *t, const struct launcher_reply *reply, const int descriptors[2])
{
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec from = {.iov_base = (void *)reply, .iov_len = sizeof(*reply)};
    struct msghdr message = {.msg_iov = &from, .msg_iovlen = 1};
    if (reply->error == 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        *header =
            (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(2 * sizeof(int))};
        memcpy(CMSG_DATA(header), descriptors, 2 * sizeof(int));
    }
    while (sendmsg(t->socket, &message, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

/* With whatever it has started: it leads a session of its own, and its helpers know what it was told. */
static void kill_connector(pid_t pid)
{
    kill(-pid, SIGKILL);
}

static void let_go(struct table *t, pid_t pid)
{
    for (size_t i = 0; i < CONNECTORS_MAX && pid > 0; i++)
        if (t->rows[i].pid == pid) {
            kill_connector(pid);
            t->rows[i].is_let_go = true;
        }
}

/* Their calls fail at once; each is let go of by whoever holds it. */
static void kill_all(const struct table *t)
{
    for (size_t i = 0; i < CONNECTORS_MAX; i++)
        if (t->rows[i].pid != 0)
            kill_connector(t->rows[i].pid);
}

/* Kill what has outlived its limit, reap what was let go of. Returns whether something is still to be reaped. */
static bool tend(struct table *t)
{
    bool has_more = false;
    int64_t now = clock_monotonic();
    for (size_t i = 0; i < CONNECTORS_MAX; i++) {
        struct connector *row = &t->rows[i];
        if (row->pid != 0 && !row->is_let_go && now - row->started > LIFE_MAX)
            kill_connector(row->pid);
        if (row->is_let_go && waitpid(row->pid, NULL, WNOHANG) != 0)
            *row = (struct connector){0};
        has_more |= row->is_let_go;
    }
    return has_more;
}

static bool serve_one(struct table *t)
{
    struct launcher_request request;
    ssize_t got = recv(t->socket, &request, sizeof(request), MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got != sizeof(request))
        return false;
    if (request.op == LAUNCHER_KILL)
        let_go(t, request.pid);
    if (request.op == LAUNCHER_KILL_ALL)
        kill_all(t);
    if (request.op != LAUNCHER_SPAWN)
        return true;
    request.kind[sizeof(request.kind) - 1] = '\0';
    int descriptors[2] = {-1, -1};
    struct launcher_reply reply = {.serial = request.serial};
    reply.error = spawn(t, request.kind, descriptors, &reply.pid);
    answer(t, &reply, descriptors);
    fd_autoclose_(&descriptors[0]);
    fd_autoclose_(&descriptors[1]);
    return true;
}

/* What a terminal or a service manager sends to the whole group is the server's to act on: it ends us by its end. */
static int settle(const struct launcher_settings *settings)
{
    setsid();
    sigset_t mask, parent_died;
    sigfillset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    prctl(PR_SET_NAME, "keyturn-launch");
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    sigemptyset(&parent_died);
    sigaddset(&parent_died, SIGUSR1);
    if (getppid() != settings->parent)
        _exit(0);
    return signalfd(-1, &parent_died, SFD_CLOEXEC | SFD_NONBLOCK);
}

_Noreturn void launcher_process(int socket, const struct launcher_settings *settings)
{
    struct table t = {.settings = settings, .socket = CONNECTOR_FD};
    dup2(socket, CONNECTOR_FD);
    fcntl(t.socket, F_SETFD, FD_CLOEXEC);
    close_range(CONNECTOR_FD + 1, ~0U, 0);
    int parent_died = settle(settings);
    bool has_more = false;
    for (;;) {
        struct pollfd ready[2] = {{.fd = t.socket, .events = POLLIN}, {.fd = parent_died, .events = POLLIN}};
        poll(ready, 2, has_more ? REAP_MS : TICK_MS);
        if (ready[1].revents || (ready[0].revents && !serve_one(&t)))
            break;
        has_more = tend(&t);
    }
    kill_all(&t);
    _exit(0);
}
