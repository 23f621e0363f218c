/* http/request.c: from bytes to a request. */
#include "base/log.h"
#include "base/secret.h"
#include "http/connection.h"
#include "http/server.h"

static const char too_much[] = "too much is under way at the moment; try again";

static struct http_exchange *exchange_of(struct connection *c)
{
    if (!c->exchange)
        c->exchange = exchange_take(c->loop);
    return c->exchange;
}

struct str connection_room(struct connection *c)
{
    struct http_exchange *x = exchange_of(c);

    return (struct str){x->input + x->input_n, sizeof(x->input) - x->input_n};
}

void connection_note_bytes(struct connection *c, size_t n)
{
    struct http_exchange *x = c->exchange;

    if (c->state == CONNECTION_HEAD && x->input_n == 0 && n > 0)
        c->started_ms = uv_now(&c->loop->uv);
    x->input_n += n;
}

/* Decrypt what has come; true when there are more bytes of requests than before. */
static bool pull(struct connection *c)
{
    struct str room;
    enum tls_outcome outcome;
    size_t n = 0;

    if (!c->tls)
        return false;
    room = connection_room(c);
    if (room.n == 0)
        return false;
    outcome = tls_read(c->tls, (char *)room.p, room.n, &n);
    if (c->state == CONNECTION_HANDSHAKE && tls_is_established(c->tls)) {
        c->state = CONNECTION_HEAD;
        connection_set_deadline(c, uv_now(&c->loop->uv) + c->loop->config->head_deadline_ms);
    }
    connection_flush_tls(c);
    if (outcome == TLS_READ)
        connection_note_bytes(c, n);
    if (outcome == TLS_BROKEN && c->state == CONNECTION_HANDSHAKE)
        connection_linger(c); /* so that the client sees the alert */
    else if (outcome == TLS_CLOSED || outcome == TLS_BROKEN)
        c->saw_end = true;
    if (c->saw_end && c->state == CONNECTION_WAITING)
        atomic_store(&c->exchange->is_gone, true);
    return outcome == TLS_READ && c->state != CONNECTION_CLOSING;
}

static void dispatch(struct connection *c)
{
    struct http_exchange *x = c->exchange;
    struct loop *loop = c->loop;

    c->state = CONNECTION_WAITING;
    c->deadline_ms = 0;
    x->connection = c;
    atomic_store(&x->is_gone, c->saw_end);
    atomic_store(&x->is_waiting, true);
    loop->exchanges_out++;
    loop->dispatching = x;
    loop->config->on_request(x, loop->config->context);
    loop->dispatching = NULL;
}

static bool take_state(struct connection *c, enum message_state state)
{
    switch (state) {
    case MESSAGE_COMPLETE:
        dispatch(c);
        return true;
    case MESSAGE_TOO_LARGE:
        connection_refuse(c, 413, "the body is too large");
        return false;
    case MESSAGE_BROKEN:
        connection_refuse(c, 400, "the body's framing is broken");
        return false;
    case MESSAGE_MORE:
        break;
    }
    return true;
}

static bool begin_request(struct connection *c)
{
    struct http_exchange *x = c->exchange;
    struct str head = {x->input, x->head_n};
    struct refusal refusal = framing_check(head, &x->request, &x->framing);
    enum message_state state;
    size_t limit;

    memcpy(x->peer, c->peer, sizeof(x->peer));
    x->request.peer = str_of(x->peer);
    x->request.peer_is_loopback = c->peer_is_loopback;
    x->request.is_tls = c->tls != NULL;
    if (refusal.status != 0) {
        connection_refuse(c, refusal.status, refusal.why);
        return false;
    }
    if (server_is_full(c->loop->server)) {
        connection_refuse(c, 503, too_much);
        return false;
    }
    limit = c->loop->config->body_limit(&x->request, c->loop->config->context);
    if (x->framing.content_length > limit) {
        connection_refuse(c, 413, "the body is too large");
        return false;
    }
    buf_init(&x->request.body, limit);
    state = message_begin(x->message, head, x->framing.is_chunked, x->framing.content_length, &x->request.body);
    c->state = CONNECTION_BODY;
    x->used = x->head_n;
    if (state == MESSAGE_MORE && x->framing.expects_continue && x->input_n == x->head_n)
        connection_send_continue(c);
    return take_state(c, state);
}

static bool advance_head(struct connection *c)
{
    struct http_exchange *x = c->exchange;
    enum framing_scan scan;

    if (!x || x->input_n == 0)
        return pull(c);
    scan = framing_find_end((struct str){x->input, x->input_n}, &x->scanned, &x->head_n);
    if (scan == FRAMING_BROKEN) {
        connection_refuse(c, 400, "a line of the head does not end with CR LF, or holds a NUL");
        return false;
    }
    if (scan == FRAMING_COMPLETE && x->head_n <= HTTP_HEAD_MAX)
        return begin_request(c);
    if (x->input_n >= HTTP_HEAD_MAX) {
        connection_refuse(c, 431, "the head is too large");
        return false;
    }
    return pull(c);
}

static bool advance_body(struct connection *c)
{
    struct http_exchange *x = c->exchange;
    struct str bytes = {x->input + x->head_n, x->input_n - x->head_n};
    enum message_state state;
    size_t used = 0;

    if (bytes.n == 0)
        return pull(c);
    state = message_feed(x->message, bytes, &used);
    exchange_count(x);
    if (state == MESSAGE_MORE && server_is_full(c->loop->server)) {
        connection_refuse(c, 503, too_much);
        return false;
    }
    if (state == MESSAGE_MORE) {
        wipe(x->input + x->head_n, bytes.n);
        x->input_n = x->head_n;
    }
    x->used = x->head_n + used;
    return take_state(c, state);
}

/* What to wait for now: more bytes, until when, or the end. */
static void settle(struct connection *c)
{
    const struct http_config *config = c->loop->config;
    bool is_idle = connection_is_idle(c), has_room = true;

    if (is_idle && c->exchange) {
        exchange_give_back(c->exchange);
        c->exchange = NULL;
    }
    switch (c->state) {
    case CONNECTION_HANDSHAKE:
    case CONNECTION_HEAD:
    case CONNECTION_BODY:
        if (c->saw_end || (is_idle && c->loop->is_stopping)) {
            connection_close(c);
            return;
        }
        if (c->state == CONNECTION_BODY)
            connection_set_deadline(c, c->started_ms + config->body_deadline_ms);
        else if (!is_idle)
            connection_set_deadline(c, c->started_ms + config->head_deadline_ms);
        break;
    case CONNECTION_WAITING:
        has_room = connection_room(c).n > 0;
        break;
    case CONNECTION_LINGERING:
        if (c->saw_end && !c->is_writing)
            connection_close(c);
        break;
    case CONNECTION_SENDING: /* on_written goes on */
        break;
    case CONNECTION_CLOSING:
        return;
    }
    if (c->state != CONNECTION_CLOSING)
        connection_start_or_stop_reading(c, has_room && !c->saw_end && !c->is_writing);
}

void connection_advance(struct connection *c)
{
    bool goes_on = true;

    if (c->is_advancing)
        return;
    c->is_advancing = true;
    while (goes_on) {
        switch (c->state) {
        case CONNECTION_HEAD:
            goes_on = advance_head(c);
            break;
        case CONNECTION_BODY:
            goes_on = advance_body(c);
            break;
        case CONNECTION_HANDSHAKE:
            goes_on = pull(c) || c->state == CONNECTION_HEAD;
            break;
        case CONNECTION_WAITING:
            goes_on = pull(c);
            break;
        default:
            goes_on = false;
        }
    }
    c->is_advancing = false;
    settle(c);
}
