/* gate/gate.c: start, stop, and where each request comes in. */
#include <unistd.h>

#include "base/log.h"
#include "gate/internal.h"

enum { READERS = 8 }; /* on a store that statements wait for */

static void *open_reader(void *context)
{
    struct gate *g = context;
    struct db *db = NULL;
    struct err e;
    if (!is_ok(db_open(g->config.store, DB_READER, &db, &e)))
        die("cannot open a reader: %s", e.text);
    return db;
}

static void close_reader(void *local)
{
    db_free(local);
}

static unsigned core_count(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 1 ? (unsigned)n : 1;
}

static result add_faces(struct gate *g, struct err *e)
{
    while (g->config.faces[g->face_count])
        g->face_count++;
    g->faces = calloc(g->face_count, sizeof *g->faces);
    if (!g->faces)
        die("out of memory");
    for (size_t i = 0; i < g->face_count; i++) {
        g->faces[i].rules = g->config.faces[i];
        TRY(face_check(g->faces[i].rules, e));
        TRY(router_build(g->faces[i].rules, &g->faces[i].router, e));
    }
    return SUCCESS;
}

result gate_new(const struct gate_config *config, struct gate **ret, struct err *e)
{
    struct gate *g = calloc(1, sizeof *g);
    if (!g)
        die("out of memory");
    g->config = *config;
    pthread_mutex_init(&g->lock, NULL);
    result r = add_faces(g, e);
    g->loop_readers = calloc(config->loops, sizeof(struct db *));
    if (!g->loop_readers)
        die("out of memory");
    bool is_shared = store_is_shared(config->store);
    for (unsigned i = 0; is_ok(r) && !is_shared && i < config->loops; i++)
        r = db_open(config->store, DB_READER, &g->loop_readers[i], e);
    if (!is_ok(r)) {
        gate_free(g);
        return r;
    }
    if (is_shared)
        g->read = pool_new("read", READERS, 1024, open_reader, close_reader, g);
    /* Beside a private key that is being looked at, which may take its time, somebody can sign in. */
    unsigned cores = core_count();
    g->prepare = pool_new("prepare", cores > 1 ? cores : 2, 64, open_reader, close_reader, g);
    g->search = pool_new("search", 2, 64, open_reader, close_reader, g);
    *ret = g;
    return SUCCESS;
}

static void free_calls(struct gate *g)
{
    while (g->free_calls) {
        struct gate_call *gc = g->free_calls;
        g->free_calls = gc->next;
        arena_free(gc->call.whole);
        arena_free(gc->call.arena);
        buf_free(&gc->out);
        free(gc);
    }
}

void gate_drain(struct gate *g)
{
    if (g && g->prepare)
        pool_free(g->prepare); /* first: it hands calls on to the others */
    if (g && g->read)
        pool_free(g->read);
    if (g && g->search)
        pool_free(g->search);
    if (g)
        g->read = g->prepare = g->search = NULL;
}

void gate_free(struct gate *g)
{
    if (!g)
        return;
    gate_drain(g);
    for (unsigned i = 0; i < g->config.loops; i++)
        if (g->loop_readers[i])
            db_free(g->loop_readers[i]);
    free(g->loop_readers);
    for (size_t i = 0; i < g->face_count; i++)
        if (g->faces[i].router.root)
            router_free(&g->faces[i].router);
    free(g->faces);
    free_calls(g);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

/* The face with the longest base that owns the path; the last one, which owns everything, speaks for the rest. */
static const struct gate_face *face_of(const struct gate *g, struct str path, struct str *ret_rest)
{
    for (size_t i = 0; i < g->face_count; i++)
        if (face_owns(g->faces[i].rules, path, ret_rest))
            return &g->faces[i];
    *ret_rest = path;
    return &g->faces[g->face_count - 1];
}

static void refuse_plain(struct gate_call *gc, const struct face_rules *face, struct str allow, const struct err *why)
{
    struct http_reply reply = {.status = status_of(why->code)};
    buf_init(&reply.body, HTTP_REPLY_MAX);
    if (str_is_set(allow))
        reply.extra[reply.extra_count++] = (struct http_header){S("Allow"), allow};
    face->write_plain_error(reply.status, why, &reply);
    http_exchange_reply(gc->exchange, &reply);
    gate_call_free(gc);
}

void gate_on_request(struct http_exchange *x, void *context)
{
    struct gate *g = context;
    struct gate_call *gc = gate_call_new(g, x);
    struct call *c = &gc->call;
    struct str rest, allow = STR_ABSENT;
    const struct gate_face *face = face_of(g, c->http->path, &rest);
    c->face = face->rules;
    struct err e;
    if (!is_ok(router_match(&face->router, face->rules, c->http->method, rest, c->whole, c, &allow, &e))) {
        refuse_plain(gc, face->rules, allow, &e);
        return;
    }
    if (c->row->may.who != WHO_PUBLIC && !is_ok(c->face->look(c, &e))) {
        audit_refusal(g->config.audit, g->config.writer, call_actor(c), "refused", "unauthenticated");
        call_finish_with(gc, (result){e.code}, &e);
        return;
    }
    call_decode_query(gc);
    call_dispatch(gc, c->row->handle);
}

size_t gate_body_limit(const struct http_request *head, void *context)
{
    struct str rest;
    return face_of(context, head->path, &rest)->rules->body_max;
}

static enum code code_of_status(int status)
{
    switch (status) {
    case 413:
    case 431:
        return TOO_LARGE;
    case 405:
        return NOT_ALLOWED;
    case 415:
        return UNSUPPORTED;
    case 503:
        return BUSY;
    default:
        return INVALID;
    }
}

void gate_on_refusal(struct str path, int status, const char *why, struct http_reply *reply, void *context)
{
    struct str rest;
    struct err e;
    (void)!is_ok(FAIL(&e, code_of_status(status), "%s", why));
    const struct gate_face *face = face_of(context, str_is_set(path) ? path : S("/"), &rest);
    reply->status = status;
    if (status == 503)
        reply->extra[reply->extra_count++] = (struct http_header){S("Retry-After"), S("5")};
    buf_init(&reply->body, HTTP_REPLY_MAX);
    face->rules->write_plain_error(status, &e, reply);
}

void gate_on_idle(unsigned loop, void *context)
{
    struct gate *g = context;
    if (g->loop_readers[loop])
        db_snapshot_end(g->loop_readers[loop]);
}

void gate_stop(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->is_stopping = true;
    pthread_mutex_unlock(&g->lock);
    park_end_all(g);
}
