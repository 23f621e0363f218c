/* http/http.h: listener, TLS, framing checks. Knows requests and replies, nothing of what they mean.
 *
 * libuv, one loop per core, one listening socket per address; the accepting loop hands connections on round-robin.
 * One request per connection is under way at a time. Design 8 "Framing" and `tests/unit/http/framing.c` say what is
 * refused before anybody sees it. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/result.h"

enum http_method { HTTP_GET = 1, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_HEAD, HTTP_OTHER };

enum {
    HTTP_HEAD_MAX = 16 * 1024, /* bytes of request line and headers */
    HTTP_FIELDS_MAX = 64,
    HTTP_REPLY_MAX = 64 * 1024 * 1024,
};

struct http_header {
    struct str name, value;
};

struct http_request {
    enum http_method method;
    struct str method_name;
    struct str path;  /* raw, percent-encoded, begins with '/', without the query */
    struct str query; /* raw, without '?'; absent when there was none */
    struct http_header headers[HTTP_FIELDS_MAX];
    size_t header_count;
    struct buf body; /* writable: decoders wipe secrets in place */
    struct str peer; /* the client's address as text, without port or brackets */
    bool peer_is_loopback;
    bool is_tls;
};

/* The first header of that name (ASCII case ignored), else absent. */
struct str http_header_get(const struct http_request *r, struct str name);

struct http_reply {
    int status;
    const char *content_type; /* static; NULL: no body type */
    /* Borrowed until http_exchange_reply returns. One with a CR, LF or NUL, or over 8 KiB, is left out and logged. */
    struct http_header extra[6];
    size_t extra_count;
    struct buf body; /* handed over, wiped after sending */
    struct str lent; /* instead of `body`: nobody's secret, and the same until the server is freed */
    bool must_close;
};

/* One request that waits for its reply. Made by the server, ends with http_exchange_reply. */
struct http_exchange;

struct http_request *http_exchange_request(struct http_exchange *x); /* lives until the reply is given */
unsigned http_exchange_loop(const struct http_exchange *x);          /* 0 .. loops-1 */
bool http_exchange_is_gone(const struct http_exchange *x);           /* the client has hung up; any thread */
/* Give the reply; any thread, once per exchange; takes the body. Adds Date, Content-Length, Cache-Control: no-store,
 * X-Content-Type-Options: nosniff, and over TLS Strict-Transport-Security. A client that is gone is fine. */
void http_exchange_reply(struct http_exchange *x, struct http_reply *reply);

struct http_config {
    unsigned loops;            /* 0: one per core */
    unsigned head_deadline_ms; /* total, from the first byte (0: 10000) */
    unsigned body_deadline_ms; /* total, head and body (0: 30000) */
    /* A client takes a reply at least this fast, after a first body_deadline_ms, and is never silent for as long. */
    unsigned reply_bytes_per_s; /* (0: 16384) */
    unsigned idle_ms;           /* a kept-alive connection without a request (0: 75000) */
    size_t connections_max;     /* 0: 4096; more are closed at once */
    size_t held_max;            /* bytes of bodies and of replies that are not sent yet (0: 512 MiB); beyond, 503 */
    void *context;
    /* A whole request is there. On its loop's thread; must not block. */
    void (*on_request)(struct http_exchange *x, void *context);
    /* The head is there: how many bytes of body may follow (more: on_refusal with 413). */
    size_t (*body_limit)(const struct http_request *head, void *context);
    /* The request broke a rule of framing or size (400, 405, 413, 417, 431, 501, 505, 408), or the server holds all
     * that it may (503): fill a reply in the face's own form. The connection closes after it. `path` may be absent. */
    void (*on_refusal)(struct str path, int status, const char *why, struct http_reply *reply, void *context);
    /* The loop is about to wait: end read snapshots. On the loop's thread. */
    void (*on_idle)(unsigned loop, void *context);
};

struct http_server;

RESULT http_server_new(const struct http_config *config, struct http_server **ret, struct err *e);
/* "http://127.0.0.1:8080", "https://[::1]:8443"; port 0 picks one. With https, PEM files. *ret_url is the real one, in
 * `a`. Fails when the port is taken (no SO_REUSEPORT). Before http_server_run only. */
RESULT http_server_listen(struct http_server *s, struct str url, const char *certificate_file, const char *key_file,
                          struct arena *a, struct str *ret_url, struct err *e);
/* Is every listener on a loopback address? */
bool http_server_is_loopback_only(const struct http_server *s);
/* Serve until http_server_stop; runs the loops (the calling thread is one) and joins them. */
void http_server_run(struct http_server *s);
/* Stop accepting, let exchanges under way be answered for at most grace_ms, then return from run. Any thread. */
void http_server_stop(struct http_server *s, unsigned grace_ms);
/* After run has returned, or without it. Exchanges that still wait may be answered later; nothing is sent. */
void http_server_free(struct http_server *s);

/* Parse a listen URL: scheme, host, port. INVALID on anything else. */
struct http_url {
    bool is_tls, is_loopback;
    struct str host; /* without brackets */
    int port;
};
RESULT http_url_parse(struct str url, struct http_url *ret, struct err *e);
