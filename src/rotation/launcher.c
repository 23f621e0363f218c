/* rotation/launcher.c: the server's side: start the launcher, ask it for connectors. */
#include "rotation/launcher.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/scope.h"
#include "base/str.h"
#include "rotation/launcher_process.h"

enum { REPLY_WAIT_MS = 10000, STOP_WAIT_MS = 3000 };

struct launcher {
    int socket;
    pid_t pid;
    uint32_t serial;      /* of the last request: a reply that comes too late is not taken for the next one's */
    int64_t silent_until; /* it has not answered: nobody else waits for it meanwhile */
    pthread_mutex_t lock;
};

static const char *const kinds[] = {"ssh", "activedirectory", "ldap", "mysql", "postgresql", "controlroom"};

static bool is_kind(const char *kind)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (str_equal(str_of(kind), str_of(kinds[i])))
            return true;
    return false;
}

/* NSS may load libraries and open files, so it is asked here, before the fork. */
static void find_user(const char *user, struct launcher_settings *settings)
{
    if (geteuid() != 0)
        return;
    struct passwd *found = user ? getpwnam(user) : NULL;
    if (!found || found->pw_uid == 0)
        found = getpwnam("nobody");
    settings->drops_uid = true;
    settings->uid = found ? found->pw_uid : 65534;
    settings->gid = found ? found->pw_gid : 65534;
}

RESULT launcher_start(const char *folder, const char *user, struct launcher **ret, struct err *e)
{
    struct launcher_settings settings = {.folder = folder};
    find_user(user, &settings);
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return FAIL(e, INTERNAL, "launcher: no socket: %s", strerror(errno));
    AUTOCLOSE ours = pair[0];
    AUTOCLOSE theirs = pair[1];
    settings.parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return FAIL(e, INTERNAL, "launcher: no process: %s", strerror(errno));
    if (pid == 0)
        launcher_process(TAKE_FD(theirs), &settings);
    struct launcher *l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    l->socket = TAKE_FD(ours);
    l->pid = pid;
    pthread_mutex_init(&l->lock, NULL);
    *ret = l;
    return SUCCESS;
}

static bool send_request(const struct launcher *l, const struct launcher_request *request)
{
    return send(l->socket, request, sizeof(*request), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(*request);
}

/* One reply with its descriptors, which are -1 when it has none; false when there is none in time. */
static bool take_reply(const struct launcher *l, int timeout_ms, struct launcher_reply *ret, int descriptors[2])
{
    descriptors[0] = descriptors[1] = -1;
    struct pollfd ready = {.fd = l->socket, .events = POLLIN};
    int n = poll(&ready, 1, timeout_ms);
    if (n < 0 && errno == EINTR)
        n = poll(&ready, 1, timeout_ms);
    if (n <= 0)
        return false;
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec into = {.iov_base = ret, .iov_len = sizeof(*ret)};
    struct msghdr message = {
        .msg_iov = &into, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(l->socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    /* Only one when the process may have no more: it is ours to close. */
    if (got >= 0 && header && header->cmsg_type == SCM_RIGHTS)
        memcpy(descriptors, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    return got == sizeof(*ret);
}

static RESULT spawn_locked(struct launcher *l, const char *kind, struct launcher_reply *reply, int descriptors[2],
                           struct err *e)
{
    static const char silent[] = "the launcher of connectors does not answer";
    if (clock_monotonic() < l->silent_until)
        return FAIL_AS(e, UNREACHABLE, NO_CONNECTOR, "%s", silent);
    struct launcher_request request = {.op = LAUNCHER_SPAWN, .serial = ++l->serial};
    memcpy(request.kind, kind, strlen(kind));
    if (!send_request(l, &request))
        return FAIL_AS(e, UNREACHABLE, NO_CONNECTOR, "the launcher of connectors is gone");
    int64_t deadline = clock_monotonic() + REPLY_WAIT_MS * INT64_C(1000);
    for (;;) {
        int64_t left_ms = (deadline - clock_monotonic()) / 1000;
        if (left_ms <= 0 || !take_reply(l, (int)left_ms, reply, descriptors)) {
            l->silent_until = clock_monotonic() + REPLY_WAIT_MS * INT64_C(1000);
            return FAIL_AS(e, UNREACHABLE, NO_CONNECTOR, "%s", silent);
        }
        if (reply->serial == l->serial)
            return SUCCESS;
        fd_autoclose_(&descriptors[0]);
        fd_autoclose_(&descriptors[1]);
        struct launcher_request late = {.op = LAUNCHER_KILL, .pid = reply->pid};
        if (reply->pid > 0 && !send_request(l, &late))
            return FAIL_AS(e, UNREACHABLE, NO_CONNECTOR, "the launcher of connectors is gone");
    }
}

RESULT launcher_spawn(struct launcher *l, const char *kind, int *ret_socket, int *ret_stderr, pid_t *ret_pid,
                      struct err *e)
{
    if (!kind)
        return FAIL(e, INVALID, "there is no connector for this platform");
    if (!is_kind(kind))
        return FAIL(e, INVALID, "there is no connector of the kind \"%s\"", kind);
    struct launcher_reply reply = {0};
    int descriptors[2] = {-1, -1};
    pthread_mutex_lock(&l->lock);
    result done = spawn_locked(l, kind, &reply, descriptors, e);
    pthread_mutex_unlock(&l->lock);
    TRY(done);
    if (reply.error != 0 || descriptors[0] < 0 || descriptors[1] < 0) {
        fd_autoclose_(&descriptors[0]);
        fd_autoclose_(&descriptors[1]);
        return FAIL_AS(e, UNREACHABLE, NO_CONNECTOR, "the program of the connector \"%s\" cannot be started: %s", kind,
                       strerror(reply.error ? reply.error : EMFILE));
    }
    *ret_socket = descriptors[0];
    *ret_stderr = descriptors[1];
    *ret_pid = reply.pid;
    return SUCCESS;
}

static void tell(struct launcher *l, const struct launcher_request *request)
{
    pthread_mutex_lock(&l->lock);
    /* A full queue drains within milliseconds; a launcher that is gone has taken its connectors along. */
    for (int i = 0; i < 100 && !send_request(l, request) && errno == EAGAIN; i++)
        poll(NULL, 0, 10);
    pthread_mutex_unlock(&l->lock);
}

void launcher_kill(struct launcher *l, pid_t pid)
{
    tell(l, &(struct launcher_request){.op = LAUNCHER_KILL, .pid = pid});
}

void launcher_kill_all(struct launcher *l)
{
    tell(l, &(struct launcher_request){.op = LAUNCHER_KILL_ALL});
}

void launcher_stop(struct launcher *l)
{
    if (!l)
        return;
    close(l->socket);
    pid_t ended = 0;
    for (int waited_ms = 0; ended == 0 && waited_ms < STOP_WAIT_MS; waited_ms += 5) {
        ended = waitpid(l->pid, NULL, WNOHANG);
        if (ended == 0)
            poll(NULL, 0, 5);
    }
    if (ended == 0) {
        kill(l->pid, SIGKILL);
        waitpid(l->pid, NULL, 0);
    }
    pthread_mutex_destroy(&l->lock);
    free(l);
}
