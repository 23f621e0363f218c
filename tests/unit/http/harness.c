/* http/harness.c: the server and the clients of these tests. */
#include "harness.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/clock.h"

enum { HELD_MAX = 16, LARGE_BYTES = 8 * 1024 * 1024, LENT_BYTES = 300000, PATIENCE_MS = 10000 };

struct harness {
    struct http_server *server;
    struct arena *arena;
    pthread_t thread;
    int port;
    atomic_uint requests, refusals, idles;
    pthread_mutex_t lock; /* guards held */
    struct http_exchange *held[HELD_MAX];
    size_t held_count;
};

static struct http_reply reply_of(int status, struct str body)
{
    struct http_reply reply = {.status = status, .content_type = "text/plain"};

    buf_init(&reply.body, HTTP_REPLY_MAX);
    buf_add(&reply.body, body);
    return reply;
}

static void *answer_later(void *exchange)
{
    struct http_reply reply = reply_of(200, S("later"));

    usleep(20000);
    http_exchange_reply(exchange, &reply);
    return NULL;
}

static void hold(struct harness *h, struct http_exchange *x)
{
    pthread_mutex_lock(&h->lock);
    assert_true(h->held_count < HELD_MAX);
    h->held[h->held_count++] = x;
    pthread_mutex_unlock(&h->lock);
}

struct str harness_lent(void)
{
    static char bytes[LENT_BYTES];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)('a' + i % 23);
    return (struct str){bytes, sizeof(bytes)};
}

static void add_headers(struct http_reply *reply)
{
    reply->extra[reply->extra_count++] = (struct http_header){S("X-Good"), S("good")};
    reply->extra[reply->extra_count++] = (struct http_header){S("X-Bad"), S("a\r\nSet-Cookie: evil=1")};
    reply->extra[reply->extra_count++] = (struct http_header){S("X-Worse"), S("a\nSet-Cookie: evil=2")};
    reply->extra[reply->extra_count++] = (struct http_header){S("X-Name\r\nSet-Cookie"), S("evil=3")};
}

static void on_request(struct http_exchange *x, void *context)
{
    struct harness *h = context;
    struct http_request *r = http_exchange_request(x);
    struct http_reply reply = {.status = 404};
    pthread_t thread;

    atomic_fetch_add(&h->requests, 1);
    if (str_equal(r->path, S("/later"))) {
        assert_int_equal(pthread_create(&thread, NULL, answer_later, x), 0);
        pthread_detach(thread);
        return;
    }
    if (str_equal(r->path, S("/held"))) {
        hold(h, x);
        return;
    }
    if (str_equal(r->path, S("/hello")))
        reply = reply_of(200, S("hello"));
    if (str_equal(r->path, S("/echo")) || str_equal(r->path, S("/large-body")))
        reply = reply_of(200, buf_str(&r->body));
    if (str_equal(r->path, S("/peer")))
        reply = reply_of(200, r->peer_is_loopback ? r->peer : S("not loopback"));
    if (str_equal(r->path, S("/empty")))
        reply = (struct http_reply){.status = 204};
    if (str_equal(r->path, S("/large"))) {
        reply = reply_of(200, S(""));
        while (reply.body.n < LARGE_BYTES)
            buf_add(&reply.body, S("0123456789abcdef"));
    }
    if (str_equal(r->path, S("/lent")))
        reply = (struct http_reply){.status = 200, .content_type = "text/plain", .lent = harness_lent()};
    if (str_equal(r->path, S("/headers")))
        add_headers(&reply);
    reply.must_close = str_equal(r->query, S("close"));
    http_exchange_reply(x, &reply);
}

static size_t body_limit(const struct http_request *head, void *context)
{
    (void)context;
    return str_equal(head->path, S("/large-body")) ? 1024 * 1024 : 1000;
}

static void on_refusal(struct str path, int status, const char *why, struct http_reply *reply, void *context)
{
    struct harness *h = context;

    atomic_fetch_add(&h->refusals, 1);
    *reply = reply_of(status, S("refused: "));
    buf_add(&reply->body, str_of(why));
    buf_printf(&reply->body, " (path %.*s)", STR_ARG(str_is_set(path) ? path : S("unknown")));
}

static void on_idle(unsigned loop, void *context)
{
    struct harness *h = context;

    (void)loop;
    atomic_fetch_add(&h->idles, 1);
}

static void *run(void *server)
{
    http_server_run(server);
    return NULL;
}

static struct harness *start(struct http_config config, const char *url, const char *certificate, const char *key)
{
    struct harness *h = calloc(1, sizeof(*h));
    struct err e = {0};
    struct str real;

    config.context = h;
    config.on_request = on_request;
    config.body_limit = body_limit;
    config.on_refusal = on_refusal;
    config.on_idle = on_idle;
    h->arena = arena_new();
    pthread_mutex_init(&h->lock, NULL);
    if (!is_ok(http_server_new(&config, &h->server, &e)) ||
        !is_ok(http_server_listen(h->server, str_of(url), certificate, key, h->arena, &real, &e)))
        fail_msg("%s", e.text);
    while (str_is_set(real) && str_find_char(real, ':') >= 0)
        str_cut(&real, ':');
    int64_t port = 0;
    assert_true(str_to_int(real, 1, 65535, &port));
    h->port = (int)port;
    assert_int_equal(pthread_create(&h->thread, NULL, run, h->server), 0);
    return h;
}

struct harness *harness_start(struct http_config config)
{
    return start(config, "http://127.0.0.1:0", NULL, NULL);
}

static void make_certificate(const char *certificate_file, const char *key_file)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    FILE *file;

    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_non_null(file = fopen(certificate_file, "w"));
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    fclose(file);
    assert_non_null(file = fopen(key_file, "w"));
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

struct harness *harness_start_tls(struct http_config config)
{
    char folder[] = "/tmp/keyturn-http-XXXXXX", certificate[64], key[64];
    struct harness *h;

    assert_non_null(mkdtemp(folder));
    snprintf(certificate, sizeof(certificate), "%s/certificate.pem", folder);
    snprintf(key, sizeof(key), "%s/key.pem", folder);
    make_certificate(certificate, key);
    h = start(config, "https://127.0.0.1:0", certificate, key);
    unlink(certificate);
    unlink(key);
    rmdir(folder);
    return h;
}

void harness_stop(struct harness *h)
{
    http_server_stop(h->server, 0);
    pthread_join(h->thread, NULL);
    http_server_free(h->server);
    harness_answer_held(h);
    arena_free(h->arena);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

int harness_port(const struct harness *h)
{
    return h->port;
}

struct http_server *harness_server(struct harness *h)
{
    return h->server;
}

unsigned harness_requests(const struct harness *h)
{
    return atomic_load(&h->requests);
}

unsigned harness_idles(const struct harness *h)
{
    return atomic_load(&h->idles);
}

void harness_wait_for_requests(const struct harness *h, unsigned n)
{
    int64_t end = clock_monotonic() + PATIENCE_MS * INT64_C(1000);

    while (harness_requests(h) < n && clock_monotonic() < end)
        usleep(1000);
    assert_int_equal(harness_requests(h), n);
}

bool harness_held_is_gone(struct harness *h)
{
    bool is_gone;

    pthread_mutex_lock(&h->lock);
    assert_int_equal(h->held_count, 1);
    is_gone = http_exchange_is_gone(h->held[0]);
    pthread_mutex_unlock(&h->lock);
    return is_gone;
}

void harness_answer_held(struct harness *h)
{
    pthread_mutex_lock(&h->lock);
    while (h->held_count > 0) {
        struct http_reply reply = reply_of(200, S("held"));
        http_exchange_reply(h->held[--h->held_count], &reply);
    }
    pthread_mutex_unlock(&h->lock);
}

int client_connect(const struct harness *h)
{
    return client_connect_narrowly(h, 0);
}

int client_connect_narrowly(const struct harness *h, int room_bytes)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)h->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (room_bytes)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room_bytes, sizeof(room_bytes));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

void client_send(int fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server may have refused already; the reply tells */
        bytes = str_sub(bytes, (size_t)n, bytes.n);
    }
}

/* False: the end. */
static bool read_some(int fd, struct buf *into)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char room[16384];
    ssize_t n;

    assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
    n = read(fd, room, sizeof(room));
    if (n < 0)
        fail_msg("the connection was reset");
    buf_add_bytes(into, room, (size_t)n);
    return n > 0;
}

void client_read_all(int fd, struct buf *ret)
{
    while (read_some(fd, ret))
        assert_false(ret->has_failed);
}

void client_read_until(int fd, struct buf *into, struct str text)
{
    while (str_find(buf_str(into), text) < 0)
        if (!read_some(fd, into))
            fail_msg("the connection ended; so far: %.*s", STR_ARG(buf_str(into)));
}

void client_exchange(const struct harness *h, struct str bytes, struct buf *ret)
{
    int fd = client_connect(h);

    buf_clear(ret);
    client_send(fd, bytes);
    client_read_all(fd, ret);
    close(fd);
}

/* Not by str_find: sanitizers check all that is left of the text at each call. */
unsigned count_of(const struct buf *b, struct str part)
{
    unsigned n = 0;

    for (size_t at = 0; at + part.n <= b->n; at++)
        if (b->p[at] == part.p[0] && memcmp(b->p + at, part.p, part.n) == 0) {
            n++;
            at += part.n - 1;
        }
    return n;
}
