/* http/acceptor.c: loop 0 accepts and hands sockets to the loops in turn. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/log.h"
#include "http/server.h"

enum {
    ACCEPT_AT_ONCE = 64, /* then other work has its turn */
    PAUSE_MS = 100,
};

static void describe_peer(const union socket_address *address, struct accepted *ret)
{
    if (address->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->v4.sin_addr, ret->peer, sizeof(ret->peer));
        ret->peer_is_loopback = ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    } else {
        inet_ntop(AF_INET6, &address->v6.sin6_addr, ret->peer, sizeof(ret->peer));
        ret->peer_is_loopback = IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
    }
}

static void hand_over(struct listener *l, int fd, const union socket_address *address)
{
    struct http_server *s = l->server;
    struct accepted *a;

    if (atomic_fetch_add(&s->connections, 1) >= s->config.connections_max) {
        atomic_fetch_sub(&s->connections, 1);
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    a = calloc(1, sizeof(*a));
    if (!a)
        die("out of memory");
    a->fd = fd;
    a->tls = l->tls;
    describe_peer(address, a);
    loop_post_accepted(s->loops[s->next_loop++ % s->config.loops], a);
}

static void on_client(uv_poll_t *poll, int status, int events);

static void watch_listeners(struct http_server *s)
{
    for (size_t i = 0; i < s->listener_count; i++)
        uv_poll_start(&s->listeners[i].poll, UV_READABLE, on_client);
}

static void on_pause_over(uv_timer_t *pause)
{
    watch_listeners(pause->data);
}

/* Level-triggered: without a pause the loop would spin on a queue that it cannot empty. */
static void pause_accepting(struct http_server *s, int reason)
{
    log_error("http: cannot accept connections: %s; raise the limit of open files", strerror(reason));
    for (size_t i = 0; i < s->listener_count; i++)
        uv_poll_stop(&s->listeners[i].poll);
    uv_timer_start(&s->pause, on_pause_over, PAUSE_MS, 0);
}

static void on_client(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;
    union socket_address address = {0};

    (void)status, (void)events;
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        socklen_t n = sizeof(address);
        int fd = accept4(l->fd, &address.any, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            hand_over(l, fd, &address);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(l->server, errno);
            return;
        }
    }
}

void server_start_accepting(struct loop *loop)
{
    struct http_server *s = loop->server;

    uv_timer_init(&loop->uv, &s->pause);
    s->pause.data = s;
    for (size_t i = 0; i < s->listener_count; i++) {
        if (uv_poll_init(&loop->uv, &s->listeners[i].poll, s->listeners[i].fd) != 0)
            die("http: cannot watch a listening socket");
        s->listeners[i].poll.data = &s->listeners[i];
    }
    s->is_accepting = true;
    watch_listeners(s);
}

void server_stop_accepting(struct http_server *s)
{
    if (!s->is_accepting)
        return;
    s->is_accepting = false;
    uv_close((uv_handle_t *)&s->pause, NULL);
    for (size_t i = 0; i < s->listener_count; i++) {
        uv_close((uv_handle_t *)&s->listeners[i].poll, NULL);
        close(s->listeners[i].fd);
        s->listeners[i].fd = -1;
    }
}

void server_connection_ended(struct http_server *s)
{
    atomic_fetch_sub(&s->connections, 1);
}
