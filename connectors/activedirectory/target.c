/* activedirectory/target.c: a connection to a numeric address, within a bound. */
#include "activedirectory/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static const char *connect_problem(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return "connection refused";
    case ETIMEDOUT:
        return "connection timed out";
    case EHOSTUNREACH:
    case ENETUNREACH:
        return "no route to the domain controller";
    case ECONNRESET:
        return "connection reset";
    default:
        return "no connection";
    }
}

static RESULT parse_address(struct str from, int64_t port, struct arena *a, struct sockaddr_storage *ret,
                            socklen_t *ret_length, struct err *e)
{
    const char *text = arena_cstr(a, from);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(ret, &v4, sizeof(v4));
        *ret_length = sizeof(v4);
    } else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
        memcpy(ret, &v6, sizeof(v6));
        *ret_length = sizeof(v6);
    } else {
        return FAIL_AS(e, INVALID, "bad_request", "the address is not numeric");
    }
    return SUCCESS;
}

/* A signal cuts a wait short: the deadline decides. */
static int wait_for_connection(int fd, int wait_ms)
{
    int64_t deadline = clock_monotonic() + wait_ms * INT64_C(1000);
    int error = EINPROGRESS;
    while (error == EINPROGRESS) {
        int64_t left_ms = (deadline - clock_monotonic()) / 1000;
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        int n = left_ms > 0 ? poll(&ready, 1, (int)left_ms) : 0;
        socklen_t size = sizeof(error);
        if (n == 0)
            error = ETIMEDOUT;
        else if (n > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
            error = errno;
    }
    return error;
}

RESULT target_dial(const struct address *to, int64_t port, int wait_ms, struct arena *a, int *ret, struct err *e)
{
    struct sockaddr_storage where = {0};
    socklen_t length = 0;
    TRY(parse_address(to->address, port, a, &where, &length, e));
    AUTOCLOSE fd = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "no socket for this address");
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int error = connect(fd, (struct sockaddr *)&where, length) == 0 ? 0 : errno;
    if (error == EINPROGRESS)
        error = wait_for_connection(fd, wait_ms);
    if (error != 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "port %d: %s", (int)port, connect_problem(error));
    if (fcntl(fd, F_SETFL, 0) != 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the socket cannot be set up");
    *ret = TAKE_FD(fd);
    return SUCCESS;
}
