/* gate/call.c: one call: made, looked into by handlers, given back. */
#include "base/log.h"
#include "base/text.h"
#include "crypto/random.h"
#include "gate/internal.h"

const struct body no_body = {0};

struct gate_call *gate_call_new(struct gate *g, struct http_exchange *x)
{
    pthread_mutex_lock(&g->lock);
    struct gate_call *gc = g->free_calls;
    if (gc)
        g->free_calls = gc->next;
    pthread_mutex_unlock(&g->lock);
    struct arena *whole = gc ? gc->call.whole : arena_new();
    struct arena *run = gc ? gc->call.arena : arena_new();
    struct buf out = {0};
    if (gc)
        out = gc->out;
    else
        buf_init(&out, HTTP_REPLY_MAX);
    if (!gc)
        gc = malloc(sizeof *gc);
    if (!gc)
        die("out of memory");
    memset(gc, 0, sizeof *gc);
    gc->gate = g;
    gc->exchange = x;
    gc->out = out;
    gc->call = (struct call){.whole = whole,
                             .arena = run,
                             .now = clock_now(),
                             .gate = gc,
                             .service = g->config.service,
                             .http = http_exchange_request(x)};
    gc->call.request_id = random_hex(whole, 4);
    gc->call.who.address = arena_str(whole, gc->call.http->peer);
    /* What came through a proxy is not from here, whatever the proxy's own address is (keyturn-api 2.4). */
    bool came_by_proxy = str_is_set(http_header_get(gc->call.http, S("X-Forwarded-For")));
    gc->call.who.is_loopback = gc->call.http->peer_is_loopback && !came_by_proxy;
    return gc;
}

void gate_call_free(struct gate_call *gc)
{
    struct gate *g = gc->gate;
    arena_reset(gc->call.whole);
    arena_reset(gc->call.arena);
    if (gc->out.capacity > REPLY_KEPT) {
        buf_free(&gc->out);
        buf_init(&gc->out, HTTP_REPLY_MAX);
    } else if (gc->out.p) {
        buf_clear(&gc->out);
    } else {
        buf_init(&gc->out, HTTP_REPLY_MAX);
    }
    pthread_mutex_lock(&g->lock);
    gc->next = g->free_calls;
    g->free_calls = gc;
    pthread_mutex_unlock(&g->lock);
}

void call_reset_run(struct gate_call *gc, struct db *db)
{
    struct call *c = &gc->call;
    arena_reset(c->arena);
    buf_clear(&gc->out);
    c->db = db;
    gc->writer = (struct json_writer){.out = &gc->out};
    gc->lent = STR_ABSENT;
    gc->status = 0;
    gc->content_type = NULL;
    gc->header_count = 0;
    gc->object = NO_OBJECT;
    gc->account_id = 0;
    gc->detail = STR_ABSENT;
    gc->is_recorded = false;
    gc->after_commit = NULL;
    gc->park_us = 0;
    gc->settled_before = gc->gate->settled_next;
    struct str address = c->who.address;
    bool is_loopback = c->who.is_loopback;
    c->who = (struct caller){.address = address, .is_loopback = is_loopback};
}

result call_id(const struct call *c, size_t i, const char *what, int64_t *ret, struct err *e)
{
    if (i >= c->param_count)
        die("path parameter %zu of %s does not exist", i, c->row->path);
    if (!str_to_int(c->params[i], 0, INT64_MAX, ret))
        return FAIL(e, NOT_FOUND, "%s not found", what);
    return SUCCESS;
}

result call_body(struct call *c, const void **ret, struct err *e)
{
    struct gate_call *gc = gate_of(c);
    if (!gc->has_body)
        die("%s has no body", c->row->path);
    if (gc->body_err.code != OK) {
        *e = gc->body_err;
        return (result){e->code};
    }
    *ret = gc->body;
    return SUCCESS;
}

result call_query(struct call *c, const void **ret, struct err *e)
{
    struct gate_call *gc = gate_of(c);
    if (!gc->has_query)
        die("%s has no query", c->row->path);
    if (gc->query_err.code != OK) {
        *e = gc->query_err;
        return (result){e->code};
    }
    *ret = gc->query;
    return SUCCESS;
}

struct str call_header(const struct call *c, struct str name)
{
    return http_header_get(c->http, name);
}

void call_object(struct call *c, const char *kind, int64_t id, struct str name)
{
    gate_of(c)->object = (struct audit_object){kind, id, arena_str(c->arena, name)};
}

void call_account(struct call *c, int64_t account_id)
{
    gate_of(c)->account_id = account_id;
}

void call_detail(struct call *c, struct str detail)
{
    gate_of(c)->detail = detail;
}

void call_is_recorded(struct call *c)
{
    gate_of(c)->is_recorded = true;
}

void call_after_commit(struct call *c, void (*then)(void *argument), void *argument)
{
    gate_of(c)->after_commit = then;
    gate_of(c)->after_commit_argument = argument;
}

result call_park(struct call *c, int64_t job_id, int64_t wait_us)
{
    c->job_id = job_id;
    gate_of(c)->park_us = wait_us > 0 ? wait_us : 1;
    return SUCCESS;
}
