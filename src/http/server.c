/* http/server.c: making, running and stopping a server. */
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/scope.h"

enum { BACKLOG = 1024, LOOPS_MAX = 64 };

static unsigned count_cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : (unsigned)n;
}

RESULT http_server_new(const struct http_config *config, struct http_server **ret, struct err *e)
{
    struct http_server *s;
    struct http_config *c;

    if (!config->on_request || !config->body_limit || !config->on_refusal)
        return FAIL(e, INTERNAL, "http: a server needs on_request, body_limit and on_refusal");
    if (config->loops > LOOPS_MAX)
        return FAIL(e, INVALID, "http: at most %d loops", LOOPS_MAX);
    s = calloc(1, sizeof(*s));
    if (!s)
        die("out of memory");
    s->config = *config;
    c = &s->config;
    c->loops = c->loops ? c->loops : count_cores();
    c->loops = c->loops > LOOPS_MAX ? LOOPS_MAX : c->loops;
    c->head_deadline_ms = c->head_deadline_ms ? c->head_deadline_ms : 10000;
    c->body_deadline_ms = c->body_deadline_ms ? c->body_deadline_ms : 30000;
    c->reply_bytes_per_s = c->reply_bytes_per_s ? c->reply_bytes_per_s : 16 * 1024;
    c->idle_ms = c->idle_ms ? c->idle_ms : 75000;
    c->connections_max = c->connections_max ? c->connections_max : 4096;
    c->held_max = c->held_max ? c->held_max : (size_t)512 * 1024 * 1024;
    s->loops = calloc(c->loops, sizeof(struct loop *));
    if (!s->loops)
        die("out of memory");
    for (unsigned i = 0; i < c->loops; i++)
        s->loops[i] = loop_new(s, c, i);
    *ret = s;
    return SUCCESS;
}

static socklen_t fill_address(const struct http_url *url, struct arena *a, union socket_address *ret)
{
    const char *host = arena_cstr(a, url->host);

    *ret = (union socket_address){0};
    if (inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons((uint16_t)url->port);
        return sizeof(ret->v4);
    }
    if (inet_pton(AF_INET6, host, &ret->v6.sin6_addr) != 1)
        die("http: an address that http_url_parse let pass is none");
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = htons((uint16_t)url->port);
    return sizeof(ret->v6);
}

/* The socket listens; connections wait in its queue until the server runs. */
static RESULT open_socket(struct str url, const union socket_address *address, socklen_t n, int *ret_fd, int *ret_port,
                          struct err *e)
{
    AUTOCLOSE fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    union socket_address real = {0};
    socklen_t real_n = sizeof(real);

    if (fd < 0)
        return FAIL(e, INTERNAL, "listen: %.*s: %s", STR_ARG(url), strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (address->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int));
    if (bind(fd, &address->any, n) != 0 || listen(fd, BACKLOG) != 0)
        return FAIL(e, errno == EADDRINUSE ? CONFLICT : INVALID, "listen: %.*s: %s", STR_ARG(url), strerror(errno));
    if (getsockname(fd, &real.any, &real_n) != 0)
        return FAIL(e, INTERNAL, "listen: %.*s: %s", STR_ARG(url), strerror(errno));
    *ret_port = ntohs(real.any.sa_family == AF_INET ? real.v4.sin_port : real.v6.sin6_port);
    *ret_fd = TAKE_FD(fd);
    return SUCCESS;
}

RESULT http_server_listen(struct http_server *s, struct str url, const char *certificate_file, const char *key_file,
                          struct arena *a, struct str *ret_url, struct err *e)
{
    struct http_url parsed;
    struct listener *l = &s->listeners[s->listener_count];
    union socket_address address;
    struct tls_context *tls = NULL;
    socklen_t n;
    int fd = -1, port = 0;
    result opened;

    TRY(http_url_parse(url, &parsed, e));
    if (s->listener_count == LISTENERS_MAX)
        return FAIL(e, INVALID, "listen: at most %d addresses", LISTENERS_MAX);
    if (parsed.is_tls && (!certificate_file || !key_file))
        return FAIL(e, INVALID, "listen: https needs a certificate file and a key file");
    if (parsed.is_tls)
        TRY(tls_context_new(certificate_file, key_file, &tls, e));
    n = fill_address(&parsed, a, &address);
    opened = open_socket(url, &address, n, &fd, &port, e);
    if (!is_ok(opened)) {
        tls_context_free(tls);
        return opened;
    }
    *l = (struct listener){.server = s, .fd = fd, .tls = tls, .is_loopback = parsed.is_loopback};
    s->listener_count++;
    *ret_url = arena_printf(a, address.any.sa_family == AF_INET6 ? "%s://[%.*s]:%d" : "%s://%.*s:%d",
                            parsed.is_tls ? "https" : "http", STR_ARG(parsed.host), port);
    return SUCCESS;
}

bool http_server_is_loopback_only(const struct http_server *s)
{
    for (size_t i = 0; i < s->listener_count; i++)
        if (!s->listeners[i].is_loopback)
            return false;
    return true;
}

static void *run_other_loop(void *loop)
{
    loop_run(loop, NULL);
    return NULL;
}

void http_server_run(struct http_server *s)
{
    pthread_t threads[LOOPS_MAX];

    signal(SIGPIPE, SIG_IGN); /* libuv writes without MSG_NOSIGNAL */
    for (unsigned i = 1; i < s->config.loops; i++)
        if (pthread_create(&threads[i], NULL, run_other_loop, s->loops[i]) != 0)
            die("http: cannot start a thread");
    loop_run(s->loops[0], server_start_accepting);
    for (unsigned i = 1; i < s->config.loops; i++)
        pthread_join(threads[i], NULL);
}

void http_server_stop(struct http_server *s, unsigned grace_ms)
{
    for (unsigned i = 0; i < s->config.loops; i++)
        loop_post_stop(s->loops[i], grace_ms);
}

bool server_is_full(const struct http_server *s)
{
    return atomic_load(&s->held_bytes) >= s->config.held_max;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->listener_count; i++) {
        if (s->listeners[i].fd >= 0)
            close(s->listeners[i].fd);
        tls_context_free(s->listeners[i].tls);
    }
    for (unsigned i = 0; i < s->config.loops; i++)
        loop_release(s->loops[i]);
    free(s->loops);
    free(s);
}
