/* http/connection.h: one client. A state machine on its loop's thread; the functions below are its parts.
 *
 * HANDSHAKE -> HEAD -> BODY -> WAITING -> SENDING -> HEAD ... -> LINGERING -> CLOSING */
#pragma once

#include <uv.h>

#include "http/exchange.h"
#include "http/loop.h"
#include "http/tls.h"

enum connection_state {
    CONNECTION_HANDSHAKE, /* TLS only */
    CONNECTION_HEAD,      /* idle, or part of a head is there */
    CONNECTION_BODY,
    CONNECTION_WAITING, /* the exchange is with whoever makes the reply */
    CONNECTION_SENDING,
    CONNECTION_LINGERING, /* our side is shut; what still comes is thrown away, so that the client sees the reply */
    CONNECTION_CLOSING,
};

struct connection {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    uv_shutdown_t shutdown;
    unsigned open_handles;
    struct loop *loop;
    struct connection *next, **previous; /* in the loop's list */

    enum connection_state state;
    struct http_exchange *exchange; /* NULL while no byte of a request is there */
    struct tls *tls;                /* NULL: plain */
    bool is_reading, is_writing, saw_end;
    bool is_advancing; /* connection_advance is on the stack */

    uint64_t started_ms;  /* when the first byte of this request came */
    uint64_t deadline_ms; /* 0: none. Loop time */
    uint64_t due_ms;      /* when the timer fires; 0: not armed */
    size_t sent;          /* of the reply */
    size_t queued_before; /* bytes the client had not taken at the last deadline while sending */
    uint64_t sent_by_ms;  /* the whole reply, however steadily it is read */
    struct buf outgoing;  /* ciphertext being written */

    char peer[INET6_ADDRSTRLEN];
    bool peer_is_loopback;
};

/* connection.c: its life. */
void connection_open(struct loop *loop, struct accepted *a); /* takes the socket */
void connection_close(struct connection *c);                 /* twice is fine; freed later */
bool connection_is_idle(const struct connection *c);         /* nobody would miss anything if it closed now */
void connection_set_deadline(struct connection *c, uint64_t deadline_ms); /* 0: none */
void connection_expect_progress(struct connection *c);                    /* of what is being written */
void connection_start_or_stop_reading(struct connection *c, bool should_read);

/* request.c: from bytes to a request. Does all that the bytes at hand allow; arms what comes next. */
void connection_advance(struct connection *c);
void connection_note_bytes(struct connection *c, size_t n); /* n more bytes stand in the exchange's input */
struct str connection_room(struct connection *c);           /* where bytes of requests may be put */

/* sending.c: the way back. */
void connection_answer(struct http_exchange *x); /* the reply is written; the exchange's connection may be gone */
void connection_refuse(struct connection *c, int status, const char *why);
void connection_send_continue(struct connection *c);
void connection_linger(struct connection *c);
/* Hand what TLS has made to the socket; false when some of it could not go out yet. */
bool connection_flush_tls(struct connection *c);
