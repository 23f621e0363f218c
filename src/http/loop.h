/* http/loop.h: one event loop, its thread, and the mailbox through which other threads reach it. */
#pragma once

#include <netinet/in.h>
#include <pthread.h>
#include <uv.h>

#include "http/http.h"

struct connection;
struct http_exchange;
struct http_server;
struct tls_context;

/* A socket on its way from the accepting loop to its own. */
struct accepted {
    struct accepted *next;
    int fd;
    struct tls_context *tls; /* NULL: plain */
    char peer[INET6_ADDRSTRLEN];
    bool peer_is_loopback;
};

struct mail {
    struct accepted *accepted;
    struct http_exchange *replies, **last_reply; /* in the order they were given */
    bool must_stop;
    unsigned grace_ms;
};

enum { LOOP_SCRATCH_BYTES = 64 * 1024 };

struct loop {
    unsigned index;
    struct http_server *server;
    const struct http_config *config; /* defaults filled in */

    pthread_mutex_t lock; /* guards the next four */
    enum { LOOP_NEW, LOOP_OPEN, LOOP_CLOSED } state;
    struct mail mail;
    unsigned references; /* the server, and each exchange that was still out when the loop ended */
    uv_async_t async;

    /* What follows belongs to the loop's thread. */
    uv_loop_t uv;
    uv_prepare_t prepare;
    uv_timer_t grace;
    bool is_stopping;
    struct connection *connections;
    struct http_exchange *dispatching; /* on_request is running for it */
    unsigned exchanges_out;
    struct http_exchange *pool;
    unsigned pool_count;
    struct buf date;
    int64_t date_second;
    char scratch[LOOP_SCRATCH_BYTES]; /* bytes between a socket and TLS; holds nothing between two callbacks */
};

struct loop *loop_new(struct http_server *server, const struct http_config *config, unsigned index);
void loop_release(struct loop *loop);
/* Serve until stopped. `start` runs on the loop's thread once its uv loop is there (may be NULL). */
void loop_run(struct loop *loop, void (*start)(struct loop *loop));
bool loop_is_current(const struct loop *loop);

/* Any thread. Once the loop has ended, a socket is closed and a reply wiped. */
void loop_post_accepted(struct loop *loop, struct accepted *a);
void loop_post_reply(struct loop *loop, struct http_exchange *x);
void loop_post_stop(struct loop *loop, unsigned grace_ms);

/* A stopping loop ends with its last connection. */
void loop_end_if_done(struct loop *loop);
