/* gate/internal.h: what the gate's own files share. */
#pragma once

#include <inttypes.h>
#include <pthread.h>

#include "base/buf.h"
#include "base/pool.h"
#include "gate/gate.h"

enum { CALL_HEADERS_MAX = 4, PARKED_MAX = 4096, SETTLED_RING = 4096, REPLY_KEPT = 64 * 1024 };

struct route_node;
struct router {
    struct route_node *root;
};

struct gate_face {
    const struct face_rules *rules;
    struct router router;
};

/* A call and all that hangs on it; recycled. */
struct gate_call {
    struct call call; /* first: handlers see this */
    struct work work;
    struct gate *gate;
    struct http_exchange *exchange;
    handler now_running; /* handle, or answer */

    bool has_body, has_query; /* decoded, well or badly */
    void *body, *query;
    struct err body_err, query_err;

    struct buf out;
    struct str lent; /* instead of out */
    struct json_writer writer;
    int status;
    const char *content_type;
    struct http_header headers[CALL_HEADERS_MAX];
    size_t header_count;

    struct audit_object object;
    int64_t account_id;
    struct str detail;
    bool is_recorded;
    void (*after_commit)(void *);
    void *after_commit_argument;

    result outcome;
    struct err why;

    int64_t park_us, park_until;
    size_t settled_before;  /* of the gate's, when this run began: a job may settle more than once */
    struct gate_call *next; /* in the free list, or among the parked */
};

struct gate {
    struct gate_config config;
    struct gate_face *faces;
    size_t face_count;
    struct db **loop_readers;
    struct pool *read, *prepare, *search;
    pthread_mutex_t lock; /* free list, parked, settled, stopping */
    struct gate_call *free_calls;
    struct gate_call *parked;
    size_t parked_count;
    int64_t settled[SETTLED_RING];
    _Atomic size_t settled_next;
    _Atomic bool is_stopping;
};

static inline struct gate_call *gate_of(const struct call *c)
{
    return c->gate;
}

/* router.c */
RESULT router_build(const struct face_rules *face, struct router *ret, struct err *e);
void router_free(struct router *r);
/* NOT_FOUND, or NOT_ALLOWED with the methods that exist in *ret_allow. `path` is the part behind the face's base. */
RESULT router_match(const struct router *r, const struct face_rules *face, enum http_method method, struct str path,
                    struct arena *a, struct call *c, struct str *ret_allow, struct err *e);
bool face_owns(const struct face_rules *face, struct str path, struct str *ret_rest);

/* form.c: query and body into structs; the errors are kept for call_query and call_body. */
void call_decode_query(struct gate_call *g);
void call_decode_body(struct gate_call *g);

/* admit.c: who calls, and may they? In the transaction that c->db is in. */
RESULT call_admit(struct call *c, struct err *e);

/* call.c */
struct gate_call *gate_call_new(struct gate *g, struct http_exchange *x);
void gate_call_free(struct gate_call *gc);
void call_reset_run(struct gate_call *gc, struct db *db); /* before each run of a handler */

/* run.c */
void call_dispatch(struct gate_call *gc, handler run);
void call_finish(struct gate_call *gc); /* answers, frees */
void call_finish_with(struct gate_call *gc, result outcome, const struct err *why);

/* record.c */
bool is_refusal_recorded(const struct gate_call *gc, enum code code);
void record_outcome(struct gate_call *gc, struct db *db, bool is_success);
struct audit_actor call_actor(const struct call *c);

/* park.c */
void call_park_now(struct gate_call *gc);
void park_end_all(struct gate *g);

/* check.c */
RESULT face_check(const struct face_rules *face, struct err *e);
