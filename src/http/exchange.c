/* http/exchange.c: exchanges are pooled per loop and wiped whenever one ends. */
#include "http/exchange.h"

#include "base/log.h"
#include "base/secret.h"
#include "http/connection.h"
#include "http/loop.h"
#include "http/server.h"

enum {
    POOL_MAX = 64,
    REPLY_HEAD_MAX = 64 * 1024 /* six extra headers of at most 8 KiB, and ours */
};

struct http_exchange *exchange_take(struct loop *loop)
{
    struct http_exchange *x = loop->pool;

    if (x) {
        loop->pool = x->next;
        loop->pool_count--;
        return x;
    }
    x = calloc(1, sizeof(*x));
    if (!x)
        die("out of memory");
    x->loop = loop;
    x->message = message_new();
    buf_init(&x->reply, REPLY_HEAD_MAX);
    return x;
}

void exchange_count(struct http_exchange *x)
{
    size_t held = x->request.body.capacity + x->reply_body.capacity;

    if (held != x->held)
        atomic_fetch_add(&x->loop->server->held_bytes, held - x->held);
    x->held = held;
}

void exchange_begin_next(struct http_exchange *x)
{
    size_t left = x->input_n - x->used;

    memmove(x->input, x->input + x->used, left);
    wipe(x->input + left, x->input_n - left);
    x->input_n = left;
    x->scanned = x->head_n = x->used = 0;
    x->request.method = HTTP_OTHER;
    x->request.path = x->request.query = STR_ABSENT;
    x->request.header_count = 0;
    buf_free(&x->request.body);
    buf_clear(&x->reply);
    buf_free(&x->reply_body);
    x->lent = STR_ABSENT;
    exchange_count(x);
    x->connection = NULL;
}

void exchange_give_back(struct http_exchange *x)
{
    struct loop *loop = x->loop;

    x->used = x->input_n;
    exchange_begin_next(x);
    if (loop->pool_count == POOL_MAX) {
        exchange_free(x);
        return;
    }
    x->next = loop->pool;
    loop->pool = x;
    loop->pool_count++;
}

void exchange_free(struct http_exchange *x)
{
    buf_free(&x->request.body);
    buf_free(&x->reply);
    buf_free(&x->reply_body);
    message_free(x->message);
    wipe(x->input, x->input_n);
    free(x);
}

struct http_request *http_exchange_request(struct http_exchange *x)
{
    return &x->request;
}

unsigned http_exchange_loop(const struct http_exchange *x)
{
    return x->loop->index;
}

bool http_exchange_is_gone(const struct http_exchange *x)
{
    return atomic_load(&x->is_gone);
}

void http_exchange_reply(struct http_exchange *x, struct http_reply *reply)
{
    struct loop *loop = x->loop;

    if (!atomic_exchange(&x->is_waiting, false))
        die("http: a second reply for one exchange");
    exchange_write_reply(x, reply);
    /* Inside on_request only that request is answered at once: another one's next request must not nest. */
    if (loop_is_current(loop) && (!loop->dispatching || loop->dispatching == x))
        connection_answer(x);
    else
        loop_post_reply(loop, x);
}
