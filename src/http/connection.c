/* http/connection.c: opening, reading, deadlines, closing. */
#include "http/connection.h"

#include "base/log.h"
#include "http/server.h"

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    struct loop *loop = c->loop;

    if (--c->open_handles > 0)
        return;
    if (c->exchange)
        exchange_give_back(c->exchange);
    tls_free(c->tls);
    buf_free(&c->outgoing);
    if (c->next)
        c->next->previous = c->previous;
    *c->previous = c->next;
    free(c);
    server_connection_ended(loop->server);
    loop_end_if_done(loop);
}

void connection_close(struct connection *c)
{
    struct http_exchange *x = c->exchange;

    if (c->state == CONNECTION_CLOSING)
        return;
    if (c->state == CONNECTION_WAITING) {
        atomic_store(&x->is_gone, true);
        x->connection = NULL;
        c->exchange = NULL;
    }
    c->state = CONNECTION_CLOSING;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

bool connection_is_idle(const struct connection *c)
{
    switch (c->state) {
    case CONNECTION_HEAD:
        return !c->exchange || c->exchange->input_n == 0;
    case CONNECTION_HANDSHAKE:
        return true;
    default:
        return false;
    }
}

/* Deadlines are checked when the timer fires: a later one costs nothing, only an earlier one moves the timer. */
static void on_timer(uv_timer_t *timer)
{
    struct connection *c = timer->data;
    uint64_t now = uv_now(&c->loop->uv);
    size_t queued;

    c->due_ms = 0;
    if (c->deadline_ms == 0 || now < c->deadline_ms) {
        connection_set_deadline(c, c->deadline_ms);
        return;
    }
    switch (c->state) {
    case CONNECTION_HEAD:
        if (!connection_is_idle(c)) {
            connection_refuse(c, 408, "the head took too long");
            connection_advance(c);
            return;
        }
        break;
    case CONNECTION_BODY:
        connection_refuse(c, 408, "the body took too long");
        connection_advance(c);
        return;
    case CONNECTION_SENDING:
        queued = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
        if (queued < c->queued_before && now < c->sent_by_ms) {
            connection_expect_progress(c);
            return;
        }
        break;
    default:
        break;
    }
    connection_close(c);
}

void connection_set_deadline(struct connection *c, uint64_t deadline_ms)
{
    uint64_t now = uv_now(&c->loop->uv);

    c->deadline_ms = deadline_ms;
    if (deadline_ms == 0 || c->state == CONNECTION_CLOSING || (c->due_ms != 0 && c->due_ms <= deadline_ms))
        return;
    c->due_ms = deadline_ms;
    uv_timer_start(&c->timer, on_timer, deadline_ms > now ? deadline_ms - now : 0, 0);
}

void connection_expect_progress(struct connection *c)
{
    uint64_t deadline_ms = uv_now(&c->loop->uv) + c->loop->config->body_deadline_ms;

    c->queued_before = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
    if (c->state == CONNECTION_SENDING && c->sent_by_ms < deadline_ms)
        deadline_ms = c->sent_by_ms;
    connection_set_deadline(c, deadline_ms);
}

/* Clear text is read straight to its place; ciphertext, and what is thrown away, into the loop's scratch. */
static void on_room_wanted(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct connection *c = handle->data;

    (void)suggested;
    *ret = uv_buf_init(c->loop->scratch, sizeof(c->loop->scratch));
    if (!c->tls && c->state != CONNECTION_LINGERING) {
        struct str room = connection_room(c);
        *ret = uv_buf_init((char *)room.p, (unsigned)room.n);
    }
}

static void on_end(struct connection *c)
{
    c->saw_end = true;
    c->is_reading = false;
    if (c->state == CONNECTION_WAITING)
        atomic_store(&c->exchange->is_gone, true);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct connection *c = stream->data;

    if (n < 0 && n != UV_EOF) {
        connection_close(c);
        return;
    }
    if (n < 0)
        on_end(c);
    else if (c->state != CONNECTION_LINGERING && c->tls)
        tls_take(c->tls, (struct str){buffer->base, (size_t)n});
    else if (c->state != CONNECTION_LINGERING)
        connection_note_bytes(c, (size_t)n);
    connection_advance(c);
}

void connection_start_or_stop_reading(struct connection *c, bool should_read)
{
    if (should_read == c->is_reading)
        return;
    c->is_reading = should_read;
    if (should_read && uv_read_start((uv_stream_t *)&c->tcp, on_room_wanted, on_read) != 0)
        connection_close(c);
    else if (!should_read)
        uv_read_stop((uv_stream_t *)&c->tcp);
}

void connection_open(struct loop *loop, struct accepted *a)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (!c)
        die("out of memory");
    c->loop = loop;
    c->next = loop->connections;
    c->previous = &loop->connections;
    if (c->next)
        c->next->previous = &c->next;
    loop->connections = c;
    c->open_handles = 2;
    c->tls = a->tls ? tls_new(a->tls) : NULL;
    c->state = a->tls ? CONNECTION_HANDSHAKE : CONNECTION_HEAD;
    memcpy(c->peer, a->peer, sizeof(c->peer));
    c->peer_is_loopback = a->peer_is_loopback;
    buf_init(&c->outgoing, 2 * LOOP_SCRATCH_BYTES);
    uv_tcp_init(&loop->uv, &c->tcp);
    uv_timer_init(&loop->uv, &c->timer);
    c->tcp.data = c->timer.data = c->write.data = c->shutdown.data = c;
    connection_set_deadline(c, uv_now(&loop->uv) + loop->config->head_deadline_ms);
    if (uv_tcp_open(&c->tcp, a->fd) != 0) {
        close(a->fd);
        connection_close(c);
    }
    free(a);
    connection_advance(c);
}
