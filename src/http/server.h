/* http/server.h: the listeners and the loops they feed. */
#pragma once

#include <netinet/in.h>
#include <stdatomic.h>
#include <uv.h>

#include "http/http.h"
#include "http/loop.h"
#include "http/tls.h"

enum { LISTENERS_MAX = 8 };

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct listener {
    struct http_server *server;
    int fd;
    struct tls_context *tls; /* NULL: plain */
    bool is_loopback;
    uv_poll_t poll; /* loop 0 */
};

struct http_server {
    struct http_config config;
    struct loop **loops;
    struct listener listeners[LISTENERS_MAX];
    size_t listener_count;
    atomic_size_t connections;
    atomic_size_t held_bytes; /* bodies of requests and of replies */

    /* What follows belongs to loop 0's thread. */
    unsigned next_loop;
    uv_timer_t pause; /* after the process has run out of descriptors */
    bool is_accepting;
};

void server_start_accepting(struct loop *loop); /* on loop 0, before it runs */
void server_stop_accepting(struct http_server *s);
bool server_is_full(const struct http_server *s);    /* it holds all that it may; any loop */
void server_connection_ended(struct http_server *s); /* any loop */
