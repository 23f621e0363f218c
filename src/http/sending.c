/* http/sending.c: replies on their way to the client. */
#include "base/log.h"
#include "http/connection.h"

enum {
    LINGER_MS = 2000,
    TLS_PIECE_BYTES = 32 * 1024, /* encrypted at once; fits the loop's scratch with what TLS adds */
};

static void on_written(uv_write_t *write, int status);

static size_t reply_bytes(const struct http_exchange *x)
{
    return x->reply.n + exchange_reply_body(x).n;
}

/* What has not been sent of the reply, as one or two pieces. */
static unsigned pieces_left(const struct connection *c, uv_buf_t ret[2])
{
    const struct http_exchange *x = c->exchange;
    size_t head_sent = c->sent < x->reply.n ? c->sent : x->reply.n, body_sent = c->sent - head_sent;
    struct str body = exchange_reply_body(x);
    unsigned count = 0;

    if (head_sent < x->reply.n)
        ret[count++] = uv_buf_init(x->reply.p + head_sent, (unsigned)(x->reply.n - head_sent));
    if (body_sent < body.n)
        ret[count++] = uv_buf_init((char *)body.p + body_sent, (unsigned)(body.n - body_sent));
    return count;
}

static void write_later(struct connection *c, const uv_buf_t *pieces, unsigned count)
{
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, pieces, count, on_written) != 0) {
        connection_close(c);
        return;
    }
    c->is_writing = true;
    connection_expect_progress(c);
}

/* How many bytes the socket takes at once; closes on an error. */
static size_t try_write(struct connection *c, const uv_buf_t *pieces, unsigned count)
{
    int n = uv_try_write((uv_stream_t *)&c->tcp, pieces, count);

    if (n < 0 && n != UV_EAGAIN)
        connection_close(c);
    return n > 0 ? (size_t)n : 0;
}

bool connection_flush_tls(struct connection *c)
{
    char *room = c->loop->scratch;

    while (!c->is_writing && c->state != CONNECTION_CLOSING) {
        size_t n = tls_give(c->tls, room, sizeof(c->loop->scratch)), sent;
        uv_buf_t piece = uv_buf_init(room, (unsigned)n);
        if (n == 0)
            return true;
        sent = try_write(c, &piece, 1);
        if (sent < n && c->state != CONNECTION_CLOSING) {
            buf_clear(&c->outgoing);
            buf_add_bytes(&c->outgoing, room + sent, n - sent);
            piece = uv_buf_init(c->outgoing.p, (unsigned)c->outgoing.n);
            write_later(c, &piece, 1);
        }
    }
    return false;
}

static void reply_is_out(struct connection *c)
{
    bool must_close = c->exchange->must_close;

    exchange_begin_next(c->exchange);
    if (must_close) {
        connection_linger(c);
        return;
    }
    c->state = CONNECTION_HEAD;
    c->started_ms = uv_now(&c->loop->uv);
    connection_set_deadline(c, c->started_ms + c->loop->config->idle_ms);
}

static void send_plain(struct connection *c)
{
    uv_buf_t pieces[2];
    unsigned count = pieces_left(c, pieces);

    if (count > 0)
        c->sent += try_write(c, pieces, count);
    if (c->state == CONNECTION_CLOSING)
        return;
    count = pieces_left(c, pieces);
    if (count == 0) {
        reply_is_out(c);
        return;
    }
    c->sent = reply_bytes(c->exchange);
    write_later(c, pieces, count);
}

static void send_tls(struct connection *c)
{
    uv_buf_t pieces[2];

    while (connection_flush_tls(c)) {
        if (pieces_left(c, pieces) == 0) {
            reply_is_out(c);
            return;
        }
        size_t n = pieces[0].len < TLS_PIECE_BYTES ? pieces[0].len : TLS_PIECE_BYTES;
        if (!tls_write(c->tls, (struct str){pieces[0].base, n})) {
            connection_close(c);
            return;
        }
        c->sent += n;
    }
}

static void send_more(struct connection *c)
{
    if (c->is_writing)
        return; /* on_written goes on */
    if (c->tls)
        send_tls(c);
    else
        send_plain(c);
}

static void on_written(uv_write_t *write, int status)
{
    struct connection *c = write->data;

    c->is_writing = false;
    if (c->state == CONNECTION_CLOSING)
        return;
    if (status != 0) {
        connection_close(c);
        return;
    }
    buf_clear(&c->outgoing);
    if (c->state == CONNECTION_SENDING)
        send_more(c);
    else if (c->tls)
        connection_flush_tls(c);
    connection_advance(c);
}

static void begin_sending(struct connection *c)
{
    const struct http_config *config = c->loop->config;

    exchange_finish_reply(c->exchange);
    exchange_count(c->exchange);
    c->sent_by_ms = uv_now(&c->loop->uv) + config->body_deadline_ms +
                    (uint64_t)reply_bytes(c->exchange) * 1000 / config->reply_bytes_per_s;
    c->state = CONNECTION_SENDING;
    c->sent = 0;
    send_more(c);
}

void connection_answer(struct http_exchange *x)
{
    struct connection *c = x->connection;

    x->loop->exchanges_out--;
    if (!c) {
        exchange_give_back(x);
        return;
    }
    begin_sending(c);
    connection_advance(c);
}

void connection_refuse(struct connection *c, int status, const char *why)
{
    struct http_exchange *x = c->exchange;
    struct http_reply reply = {.status = status};

    log_debug("http: refused with %d: %s", status, why);
    c->loop->config->on_refusal(x->request.path, status, why, &reply, c->loop->config->context);
    reply.must_close = true;
    exchange_write_reply(x, &reply);
    x->used = x->input_n;
    begin_sending(c);
}

void connection_send_continue(struct connection *c)
{
    struct str line = S("HTTP/1.1 100 Continue\r\n\r\n");
    uv_buf_t piece = uv_buf_init((char *)line.p, (unsigned)line.n);

    if (c->tls) {
        if (tls_write(c->tls, line))
            connection_flush_tls(c);
        else
            connection_close(c);
    } else if (try_write(c, &piece, 1) != line.n) {
        connection_close(c); /* a client that has not read its last replies */
    }
}

static void on_shut(uv_shutdown_t *shutdown, int status)
{
    struct connection *c = shutdown->data;

    if (status != 0)
        connection_close(c);
}

void connection_linger(struct connection *c)
{
    if (c->exchange) {
        exchange_give_back(c->exchange);
        c->exchange = NULL;
    }
    c->state = CONNECTION_LINGERING;
    if (c->tls) {
        tls_say_goodbye(c->tls);
        connection_flush_tls(c);
    }
    if (c->state == CONNECTION_CLOSING)
        return;
    connection_set_deadline(c, uv_now(&c->loop->uv) + LINGER_MS);
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shut) != 0)
        connection_close(c);
}
