/* gate/gate.h: the life of a request (design 3): endpoint rows, who calls, may they, in which mode, in which
 * transaction, with which record. Routing, decoding, validation, permission, audit, wiping, the OpenAPI document and
 * the generated authorisation tests all come from the rows. */
#pragma once

#include "audit/audit.h"
#include "base/field.h"
#include "db/writer.h"
#include "http/http.h"
#include "identity/caller.h"

struct call;
struct service; /* whatever the handlers need besides the store: set by main, see gate/service.h */

/* ---- one row per endpoint; zero in a mandatory column means "forgotten" and stops the start ---- */

enum who {
    WHO_FORGOTTEN = 0,
    WHO_PUBLIC,        /* nobody need be named */
    WHO_SIGNED_IN,     /* anybody who is */
    WHO_HOLDS,         /* any_of[]: one of these rights at its level, or one of roles[] on any smart rule */
    WHO_AAE_ADMIN,     /* membership in Control Room role 1 */
    WHO_ADMINISTRATOR, /* AAE_Admin or Administrators (keyturn-api 0) */
    WHO_DEVICE,        /* a device key (keyturn-api 2.1) */
};
struct may {
    enum who who;
    struct {
        enum right right;
        enum level level;
    } any_of[3];
    enum rule_role roles[5]; /* zero-terminated */
    bool password_needed; /* keyturn-api 2.1: a session without a checked password is refused with password.required */
};
#define PUBLIC                 ((struct may){.who = WHO_PUBLIC})
#define SIGNED_IN              ((struct may){.who = WHO_SIGNED_IN})
#define MAY(r)                 ((struct may){.who = WHO_HOLDS, .any_of = {{(r), LEVEL_WRITE}}})
#define MAY_READ(r)            ((struct may){.who = WHO_HOLDS, .any_of = {{(r), LEVEL_READ}}})
#define MAY_READ_EITHER(r, s)  ((struct may){.who = WHO_HOLDS, .any_of = {{(r), LEVEL_READ}, {(s), LEVEL_READ}}})
#define MAY_EITHER(r, s)       ((struct may){.who = WHO_HOLDS, .any_of = {{(r), LEVEL_WRITE}, {(s), LEVEL_WRITE}}})
#define MAY_OR_ROLE(r, l, ...) ((struct may){.who = WHO_HOLDS, .any_of = {{(r), (l)}}, .roles = {__VA_ARGS__}})
#define HAS_ROLE(...)          ((struct may){.who = WHO_HOLDS, .roles = {__VA_ARGS__}})
#define AAE_ADMIN              ((struct may){.who = WHO_AAE_ADMIN})
#define ADMINISTRATOR          ((struct may){.who = WHO_ADMINISTRATOR})
#define DEVICE                 ((struct may){.who = WHO_DEVICE})

enum mode {
    MODE_FORGOTTEN = 0,
    READS,    /* on the loop, in a snapshot: point reads */
    SEARCHES, /* reader pool; after 2 s a clear refusal */
    WRITES,   /* on the writer, in a savepoint of the group */
    REVEALS,  /* as WRITES: what it reads is what is current when its record commits; the only mode that may write a
                 secret */
    TARGETS,  /* on the writer to make the job, then parked until the job reports, then `answer` on the writer */
};
#define UNRECORDED "-" /* plain reads; the gate refuses it for WRITES, REVEALS and TARGETS */

struct body {
    const struct field *fields;
    size_t size;         /* of the struct that the rows fill */
    const char *example; /* an absent body, and `null`, are {}. JSON with real field names, for the swagger page */
    /* For bodies that rows cannot say (filters): decode by hand into *into. NULL: by rows. */
    result (*decode)(struct call *c, struct json *j, void *into, struct err *e);
};
extern const struct body no_body; /* read and dropped */
#define NO_BODY                      (&no_body)
#define BODY(struct_type, rows, ...) ((const struct body){.fields = (rows), .size = sizeof(struct_type), __VA_ARGS__})

typedef result (*handler)(struct call *c, struct err *e);

struct endpoint {
    enum http_method method;
    const char *path; /* under the face's base: "/v2/credentialvault/lockers/{id}" */
    struct may may;
    enum mode mode;
    const char *audit; /* "locker.create", or UNRECORDED */
    const char *doc;   /* one line */
    const struct body *body;
    handler handle;
    /* optional */
    int status;                /* success; 0: 200 */
    const char *also;          /* a second path with the same row ("/v1/…") */
    handler prepare;           /* CPU work before the handler, on the pool, with a reader's db: fills c->prepared */
    handler refused;           /* on the writer, when the handler failed: what to keep all the same (a failed guess) */
    handler answer;            /* TARGETS and parked calls: when the job has reported, or the wait is over */
    const struct field *query; /* query parameters, decoded into call_query() */
    size_t query_size;
    const struct field *reply;                        /* rows of the answer's object, for the OpenAPI document */
    bool reply_is_list, reply_is_page, reply_is_text; /* bare array; envelope; JSON string */
    bool reply_is_any;    /* by the query: one object, an array of them, or {"TotalCount":…,"Data":[…]}
                             (passwordsafe-api 3.4) */
    bool reply_is_number; /* a bare JSON number */
    bool opens_secrets;   /* 503 while the vault is sealed */
    const char *object;   /* kind of the object that {id} names, for refusals: "credential" */
};

/* ---- a face ---- */

enum body_rule {
    BODY_ALWAYS_JSON,  /* whatever the Content-Type says (controlroom-api 0.2) */
    BODY_JSON_OR_FORM, /* by Content-Type, or by the first byte (passwordsafe-api 1.9, 1.10) */
    BODY_JSON_ONLY,    /* a body needs application/json (keyturn-api 1) */
};
struct face_rules {
    enum face face;
    const char *name;         /* "controlroom" */
    const char *json_type;    /* Content-Type of JSON answers; NULL: application/json */
    const char *const *bases; /* path prefixes, NULL-terminated: "/BeyondTrust/api/public/v3", … ; "" for the root */
    bool folds_path;          /* literal segments ignore case */
    enum body_rule body_rule;
    unsigned json_flags;
    bool refuses_unknown_query; /* an unknown query word is an error (keyturn-api 1) */
    size_t body_max;
    const struct endpoint *const *tables; /* NULL-terminated list of tables, each ended by a row without path */
    /* Cheap look at who calls, on the loop, no store: is a well-formed credential there at all? UNAUTHENTICATED if not.
     */
    result (*look)(struct call *c, struct err *e);
    /* look() found on the call what can be guessed (c->needs_verifying): verify it on the pool, or clear the flag
     * when something else on the call names its caller; and count a wrong one, on the writer. Both may be NULL. */
    result (*verify)(struct call *c, struct err *e);
    result (*count_failure)(struct call *c, struct err *e);
    /* Who calls, by the store, in this transaction: fills *ret. UNAUTHENTICATED, DENIED (cross-site). */
    result (*identify)(struct call *c, struct caller *ret, struct err *e);
    /* Write the error in the face's own form. */
    void (*write_error)(struct call *c, const struct err *why, struct http_reply *reply);
    /* The same for a request that never became a call (framing, 413, 404, 405). `code` and text only. */
    void (*write_plain_error)(int status, const struct err *why, struct http_reply *reply);
    struct err not_permitted;      /* what a caller without the row's right is told: DENIED, word, text */
    const struct modules *modules; /* its OpenAPI documents */
};
struct modules {
    const char *name; /* "credentialvault": /swagger/credentialvault.json */
    const char *title;
    const struct endpoint *const *tables;
};

/* ---- one call ---- */

struct call {
    struct db *db;       /* of this run; not in prepare-less loops before the mode is known */
    struct arena *arena; /* of this run: reset when the handler is run again */
    struct arena *whole; /* lives as long as the call: decoded body, path, query, prepared */
    int64_t now;         /* µs; taken once per request */
    const struct endpoint *row;
    const struct face_rules *face;
    const struct http_request *http;
    struct caller who;
    struct str params[4]; /* path parameters, decoded, in order */
    size_t param_count;
    void *prepared; /* by prepare, in `whole` */
    struct service *service;
    bool needs_verifying;   /* set by the face's look() */
    struct str proof;       /* set by the face's verify(), in `whole`: what identify() compares, after the wait, too */
    int64_t job_id;         /* parked on */
    int64_t job_mark;       /* what the handler keeps of that job over the wait */
    bool was_parked;        /* this run is after the wait */
    bool has_timed_out;     /* … which ended without a report */
    struct str request_id;  /* 8 hex digits */
    struct gate_call *gate; /* the gate's own */
};

/* Path parameter i as an id. Not a number: NOT_FOUND "<what> not found". */
RESULT call_id(const struct call *c, size_t i, const char *what, int64_t *ret, struct err *e);
/* The decoded body (a struct of row->body->size in c->whole): the error of decoding, if any, comes out here, so that a
 * handler decides when it is told (404 and 403 before 400). */
RESULT call_body(struct call *c, const void **ret, struct err *e);
/* The decoded query: as call_body. */
RESULT call_query(struct call *c, const void **ret, struct err *e);
struct str call_header(const struct call *c, struct str name);

/* What the record of this call names. Call it as soon as the object is known, so that refusals name it too. */
void call_object(struct call *c, const char *kind, int64_t id, struct str name);
void call_account(struct call *c, int64_t account_id);
void call_detail(struct call *c, struct str detail);
/* This call recorded itself (or has nothing to record): the gate adds no row on success. */
void call_is_recorded(struct call *c);

/* Call this once the transaction of this run is durable ("wake the workers"); not when it is lost. */
void call_after_commit(struct call *c, void (*then)(void *argument), void *argument);

/* Wait without a thread or a transaction until rotation reports that the job has settled, at most wait_us; then
 * row->answer is run (on the writer for TARGETS, else in the row's mode). `return call_park(c, job, wait);` Job 0: only
 * the time. */
RESULT call_park(struct call *c, int64_t job_id, int64_t wait_us);

/* ---- replies; all go to the call's buffer, which the gate sends when the mode's transaction stands ---- */

void reply_status(struct call *c, int status); /* else row->status */
void reply_header(struct call *c, const char *name, struct str value);
/* Set-Cookie: name=value; attributes. For the id of a session just made. */
void reply_cookie(struct call *c, const char *name, const struct secret *value, const char *attributes);
struct json_writer *reply_json(struct call *c); /* write it yourself */
void reply_object(struct call *c, const struct field *rows, const void *object);
void reply_array(struct call *c, const struct field *rows, const void *items, size_t item_size, size_t n); /* […] */
/* SECRET rows are written in clear, a NULL one as "". Stops the process unless the row's mode is REVEALS. */
void reply_revealing(struct call *c, const struct field *rows, const void *object);
void reply_secret(struct call *c, const struct secret *s);                    /* a bare JSON string; REVEALS only */
void reply_text(struct call *c, struct str json_string_content);              /* a bare JSON string */
void reply_none(struct call *c, int status);                                  /* no body */
void reply_bytes(struct call *c, const char *content_type, struct str bytes); /* copies them */
void reply_lent(struct call *c, const char *content_type, struct str bytes);  /* the same while the server runs */

/* ---- the gate ---- */

struct gate;
struct gate_config {
    struct store *store;
    struct writer *writer;
    struct audit *audit;
    struct service *service;
    const struct face_rules *const *faces; /* NULL-terminated */
    const struct keyring *keys;
    unsigned loops;
};
/* Checks every row (INTERNAL names the first that forgot something), builds the router, opens a reader per loop, starts
 * the pools. */
RESULT gate_new(const struct gate_config *config, struct gate **ret, struct err *e);
/* Finish what the pools have; from here on only the writer may still hold calls. Before writer_free, which is before
 * gate_free. */
void gate_drain(struct gate *g);
void gate_free(struct gate *g);
/* http_config callbacks; context is the gate. */
void gate_on_request(struct http_exchange *x, void *gate);
size_t gate_body_limit(const struct http_request *head, void *gate);
void gate_on_refusal(struct str path, int status, const char *why, struct http_reply *reply, void *gate);
void gate_on_idle(unsigned loop, void *gate);
/* The job has settled: run the answers of the calls parked on it. Any thread. */
void gate_job_settled(struct gate *g, int64_t job_id);
/* Jobs that somebody is parked for, at most `max`: to be looked up where notices may have been missed. */
size_t gate_parked_jobs(struct gate *g, int64_t *ret_ids, size_t max);
/* Once a tenth of a second: ends waits that are over. Any one thread. */
void gate_tick(struct gate *g);
/* From now on nobody is parked, and who is gets BUSY with the job's number. What still arrives on open connections is
 * answered; http sees to it that these end. */
void gate_stop(struct gate *g);
/* The OpenAPI 3 document of one module of one face. */
RESULT gate_openapi(const struct face_rules *face, const struct modules *module, struct buf *out, struct err *e);
/* Every row of every face as JSON lines: for the generated tests (keyturn rows). */
void gate_describe(const struct face_rules *const *faces, struct buf *out);

/* gate/status.c: the HTTP status of a code; every face uses it. */
int status_of(enum code code);
