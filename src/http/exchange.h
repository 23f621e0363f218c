/* http/exchange.h: one request and its reply: the bytes, what they mean, and how the reply is written. */
#pragma once

#include <netinet/in.h>
#include <stdatomic.h>

#include "http/framing.h"
#include "http/message.h"

enum { EXCHANGE_INPUT_BYTES = 2 * HTTP_HEAD_MAX };

struct connection;
struct loop;

struct http_exchange {
    struct http_request request;
    struct framing framing;
    struct loop *loop;
    struct connection *connection; /* its loop's thread only; NULL once that is closed */
    struct http_exchange *next;    /* in the pool's or the mailbox's list */
    atomic_bool is_waiting;        /* on_request was called, no reply yet */
    atomic_bool is_gone;
    struct message *message;

    size_t held;      /* of the server's held_bytes */
    bool must_close;  /* after the reply */
    struct buf reply; /* the reply's head, and a small body */
    struct buf reply_body;
    struct str lent; /* instead of reply_body */

    size_t input_n; /* bytes in input */
    size_t scanned; /* of these, searched for the head's end */
    size_t head_n;  /* length of the head, once known */
    size_t used;    /* where the next request begins, once this one is whole */
    char peer[INET6_ADDRSTRLEN];
    char input[EXCHANGE_INPUT_BYTES];
};

/* From the loop's pool; nothing in it. On the loop's thread. */
struct http_exchange *exchange_take(struct loop *loop);
/* Wipe and give back to the pool. On the loop's thread. */
void exchange_give_back(struct http_exchange *x);
/* Wipe what was used up; what follows it moves to the front. */
void exchange_begin_next(struct http_exchange *x);
void exchange_free(struct http_exchange *x);  /* wipes */
void exchange_count(struct http_exchange *x); /* its bodies have grown or gone. On the loop's thread */

/* Write status line and headers, all but what the loop adds; takes the body. Any thread that holds the exchange. */
void exchange_write_reply(struct http_exchange *x, struct http_reply *reply);
struct str exchange_reply_body(const struct http_exchange *x);
/* Add Date and Connection. On the loop's thread. */
void exchange_finish_reply(struct http_exchange *x);
