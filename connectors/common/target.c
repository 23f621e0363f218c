/* common/target.c: the target of a process, kept from check to check; and a TCP connection to it within a bound. */
#include "common/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "common/watchdog.h"

const struct field target_key_fields[] = {
    TEXT("type", struct host_key, type, .required = true, .max = 64),
    TEXT("sha256", struct host_key, sha256, .required = true, .max = 64),
    FIELD_END,
};

static bool is_same_address(const struct target_address *one, const struct target_address *other)
{
    return str_equal(one->name, other->name) && str_equal(one->address, other->address) &&
           str_equal(one->instance, other->instance) && str_equal(one->domain, other->domain) &&
           one->port == other->port && one->timeout_s == other->timeout_s;
}

static bool are_same_keys(const struct target *t, const struct host_key *keys, size_t n)
{
    bool is_same = t->key_count == n;
    for (size_t i = 0; is_same && i < n; i++)
        is_same = str_equal(t->keys[i].type, keys[i].type) && str_equal(t->keys[i].sha256, keys[i].sha256);
    return is_same;
}

result target_keep(struct target *t, const struct target_address *to, const struct list *list, bool *ret_is_same,
                   struct err *e)
{
    const struct target_address *known = &t->address;
    const struct host_key *keys = list->at;
    if (t->is_set && (!str_equal(to->address, known->address) || to->port != known->port ||
                      !str_equal(to->instance, known->instance)))
        return FAIL_AS(e, INVALID, "bad_request", "this process serves another target");
    bool is_same = t->is_set && is_same_address(to, known) && are_same_keys(t, keys, list->n);
    if (ret_is_same)
        *ret_is_same = is_same;
    if (is_same)
        return SUCCESS;
    struct host_key *copies = arena_array(t->arena, struct host_key, list->n);
    for (size_t i = 0; i < list->n; i++)
        copies[i] = (struct host_key){arena_str(t->arena, keys[i].type), arena_str(t->arena, keys[i].sha256)};
    t->address = (struct target_address){
        .name = arena_str(t->arena, to->name),
        .address = arena_str(t->arena, to->address),
        .instance = arena_str(t->arena, to->instance),
        .domain = arena_str(t->arena, to->domain),
        .port = to->port,
        .timeout_s = to->timeout_s,
    };
    t->keys = copies;
    t->key_count = list->n;
    t->is_set = true;
    return SUCCESS;
}

/* ---- connecting ---- */

static const char *connect_problem(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return "connection refused";
    case ETIMEDOUT:
        return "connection timed out";
    case EHOSTUNREACH:
    case ENETUNREACH:
        return "no route to the target";
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
static int wait_until_connected(int fd, int wait_ms)
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

result target_dial(const struct target_address *to, const struct dial *how, struct arena *a, int *ret, struct err *e)
{
    struct sockaddr_storage where = {0};
    socklen_t length = 0;
    int64_t port = how->port ? how->port : to->port;
    TRY(parse_address(to->address, port, a, &where, &length, e));
    AUTOCLOSE fd = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "no socket for this address");
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int error = connect(fd, (struct sockaddr *)&where, length) == 0 ? 0 : errno;
    if (error == EINPROGRESS)
        error = wait_until_connected(fd, how->wait_ms ? how->wait_ms : watchdog_left_ms());
    if (error != 0 && how->names_port)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "port %d: %s", (int)port, connect_problem(error));
    if (error != 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "%s", connect_problem(error));
    if (how->blocks && fcntl(fd, F_SETFL, 0) != 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the socket cannot be set up");
    *ret = TAKE_FD(fd);
    return SUCCESS;
}
