/* controlroom/http.c: one HTTPS request to a numeric address; the pinned key alone is trusted. */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/secret_open.h"
#include "common/tls_pin.h"
#include "common/watchdog.h"
#include "controlroom/far.h"

enum { REPLY_BYTES_MAX = 1024 * 1024, HEAD_BYTES_MAX = 64 * 1024, TOKEN_BYTES_MAX = 8192 };

struct exchange {
    const struct far *far;
    struct line_to *line;
    struct arena *arena;
    struct answer *answer;
    struct http_reply *reply;
    size_t head_bytes;
    bool was_sent, is_pin_wrong;
    struct err pin_error;
};

/* ---- what libcurl calls ---- */

/* Whatever libcurl makes of a name: is it the address that the server has checked? */
static bool is_target(const struct target_address *target, const struct curl_sockaddr *to)
{
    char text[64] = "";
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } where = {.any = {0}};
    struct in6_addr wanted = {0};
    if (to->addrlen > sizeof(where) || target->address.n >= sizeof(text))
        return false;
    memcpy(text, target->address.p, target->address.n);
    memcpy(&where, &to->addr, to->addrlen);
    if (to->family == AF_INET)
        return inet_pton(AF_INET, text, &wanted) == 1 && where.v4.sin_port == htons((uint16_t)target->port) &&
               memcmp(&wanted, &where.v4.sin_addr, sizeof(where.v4.sin_addr)) == 0;
    return to->family == AF_INET6 && inet_pton(AF_INET6, text, &wanted) == 1 &&
           where.v6.sin6_port == htons((uint16_t)target->port) &&
           memcmp(&wanted, &where.v6.sin6_addr, sizeof(wanted)) == 0;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct line_to *l = context;
    (void)purpose;
    if (!is_target(l->target, to))
        return CURL_SOCKET_BAD;
    l->fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    watchdog_guard(l->fd);
    return l->fd < 0 ? CURL_SOCKET_BAD : l->fd;
}

static int close_socket(void *context, curl_socket_t fd)
{
    struct line_to *l = context;
    if (l->fd == fd) {
        l->fd = -1;
        watchdog_guard(-1);
    }
    return close(fd);
}

static RESULT key_of(CURL *curl, struct arena *a, struct host_key *ret, struct err *e)
{
    struct curl_tlssessioninfo *tls = NULL;
    unsigned char *der = NULL;
    if (curl_easy_getinfo(curl, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || !tls || !tls->internals)
        return FAIL(e, INVALID, "no TLS");
    X509 *certificate = SSL_get0_peer_certificate(tls->internals);
    int n = certificate ? i2d_X509(certificate, &der) : -1;
    if (n <= 0)
        return FAIL(e, INVALID, "the target showed no certificate");
    result read = tls_pin_of((struct str){(char *)der, (size_t)n}, a, ret, e);
    OPENSSL_free(der);
    return read;
}

/* Called after the handshake and before the first byte of each request. libcurl would send one again that was lost on a
 * connection kept from before: a sign-in is one guess, and an answer to the second sending says nothing of the first.
 */
static int before_request(void *context, char *to, char *from, int to_port, int from_port)
{
    struct exchange *x = context;
    struct host_key seen = {0};
    (void)to, (void)from, (void)to_port, (void)from_port;
    if (x->was_sent)
        return CURL_PREREQFUNC_ABORT;
    result r = key_of(x->line->curl, x->arena, &seen, &x->pin_error);
    if (is_ok(r)) {
        x->answer->host_key = seen;
        r = tls_pin_check(&seen, x->far->target.keys, x->far->target.key_count, x->answer, &x->pin_error);
    } else {
        x->pin_error.word = "unreachable";
    }
    x->is_pin_wrong = !is_ok(r);
    x->was_sent = is_ok(r);
    return is_ok(r) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static size_t take_head(char *bytes, size_t size, size_t n, void *context)
{
    struct exchange *x = context;
    (void)bytes;
    x->head_bytes += size * n;
    return x->head_bytes <= HEAD_BYTES_MAX ? size * n : 0;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *context)
{
    struct exchange *x = context;
    buf_add_bytes(&x->reply->body, bytes, size * n);
    return x->reply->body.has_failed ? 0 : size * n;
}

/* ---- a line ---- */

/* "127.1", "2130706433" and "0x7f.1" too: libcurl reads an address where the last part is a number. */
static bool ends_in_number(struct str s)
{
    size_t from = s.n;
    while (from > 0 && s.p[from - 1] != '.')
        from--;
    struct str last = str_sub(s, from, s.n);
    bool is_hex = last.n > 1 && last.p[0] == '0' && (last.p[1] == 'x' || last.p[1] == 'X');
    bool is_number = last.n > 0;
    for (size_t i = is_hex ? 2 : 0; i < last.n; i++) {
        char c = last.p[i];
        is_number =
            is_number && ((c >= '0' && c <= '9') || (is_hex && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))));
    }
    return is_number;
}

static bool is_host_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_plain && !((c == '-' || c == '.') && i > 0 && i + 1 < s.n))
            return false;
    }
    return s.n > 0 && s.n <= 253 && !ends_in_number(s);
}

static struct str bracketed(struct arena *a, struct str address)
{
    return str_find_char(address, ':') >= 0 ? arena_printf(a, "[%.*s]", STR_ARG(address)) : address;
}

/* The name is for the server to find itself by (SNI, Host); who is dialled is the address. */
static const char *url_of(const struct far *f, struct arena *a, const char *path)
{
    struct str host =
        is_host_name(f->target.address.name) ? f->target.address.name : bracketed(a, f->target.address.address);
    return arena_printf(a, "https://%.*s:%" PRId64 "%s", STR_ARG(host), f->target.address.port, path).p;
}

static bool configure(const struct line_to *l)
{
    CURL *c = l->curl;
    return curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOPROXY, "*") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_CAINFO, NULL) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_CAPATH, NULL) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSL_SESSIONID_CACHE, 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, l) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_CLOSESOCKETFUNCTION, close_socket) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_CLOSESOCKETDATA, l) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_RESOLVE, l->resolved) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_USERAGENT, "keyturn/" KEYTURN_VERSION) == CURLE_OK;
}

void line_to_free(struct line_to *l)
{
    if (!l)
        return;
    curl_easy_cleanup(l->curl);
    curl_slist_free_all(l->resolved);
    free(l);
}

result line_to_open(const struct far *f, struct line_to **ret, struct err *e)
{
    struct line_to *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    l->fd = -1;
    l->target = &f->target.address;
    l->curl = curl_easy_init();
    struct arena *a = arena_new();
    if (is_host_name(f->target.address.name))
        l->resolved = curl_slist_append(NULL, arena_printf(a, "%.*s:%" PRId64 ":%.*s", STR_ARG(f->target.address.name),
                                                           f->target.address.port,
                                                           STR_ARG(bracketed(a, f->target.address.address)))
                                                  .p);
    arena_free(a);
    if (!l->curl || !configure(l)) {
        line_to_free(l);
        return FAIL_AS(e, INTERNAL, "unsent", "libcurl refused an option");
    }
    *ret = l;
    return SUCCESS;
}

/* ---- an exchange ---- */

static RESULT add_header(struct curl_slist **list, const char *line, struct err *e)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (!longer)
        return FAIL_AS(e, INTERNAL, "unsent", "libcurl refused a header");
    *list = longer;
    return SUCCESS;
}

static RESULT headers_of(const struct http_call *call, struct curl_slist **ret, struct err *e)
{
    TRY(add_header(ret, "Accept: application/json", e));
    TRY(add_header(ret, "Expect:", e));
    if (call->body)
        TRY(add_header(ret, "Content-Type: application/json", e));
    if (!call->token)
        return SUCCESS;
    AUTOBUF line;
    buf_init(&line, TOKEN_BYTES_MAX + 64);
    buf_add(&line, S("X-Authorization: "));
    buf_add(&line, secret_open(call->token));
    buf_add_char(&line, '\0');
    if (line.has_failed)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the token is too long");
    return add_header(ret, line.p, e);
}

static bool set_call(struct exchange *x, const struct http_call *call, struct curl_slist *headers)
{
    CURL *c = x->line->curl;
    bool is_good = curl_easy_setopt(c, CURLOPT_URL, url_of(x->far, x->arena, call->path)) == CURLE_OK &&
                   curl_easy_setopt(c, CURLOPT_HTTPGET, 1L) == CURLE_OK &&
                   curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, call->method) == CURLE_OK &&
                   curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
                   curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, before_request) == CURLE_OK &&
                   curl_easy_setopt(c, CURLOPT_PREREQDATA, x) == CURLE_OK &&
                   curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_head) == CURLE_OK &&
                   curl_easy_setopt(c, CURLOPT_HEADERDATA, x) == CURLE_OK &&
                   curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
                   curl_easy_setopt(c, CURLOPT_WRITEDATA, x) == CURLE_OK &&
                   curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)watchdog_left_ms() + 1) == CURLE_OK;
    if (call->body)
        is_good = is_good && curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)call->body->n) == CURLE_OK &&
                  curl_easy_setopt(c, CURLOPT_POSTFIELDS, call->body->p) == CURLE_OK;
    return is_good;
}

static result broken(const struct exchange *x, CURLcode code, struct err *e)
{
    if (x->is_pin_wrong) {
        *e = x->pin_error;
        return (result){e->code};
    }
    if (code == CURLE_OPERATION_TIMEDOUT || watchdog_has_expired())
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the Control Room did not answer in time");
    if (code == CURLE_COULDNT_CONNECT)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "no connection to the Control Room");
    if (code == CURLE_SSL_CONNECT_ERROR)
        return FAIL_AS(e, UNREACHABLE, "unreachable",
                       "no TLS 1.2 or later there: let the Control Room listen on https, and give that port");
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the Control Room closed the connection without an answer");
    if (code == CURLE_WRITE_ERROR)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the Control Room answered too much");
    return FAIL_AS(e, UNREACHABLE, "unreachable", "the exchange with the Control Room broke: %s",
                   curl_easy_strerror(code));
}

result http_exchange(const struct far *f, struct line_to *l, const struct http_call *call, struct arena *a,
                     struct answer *answer, struct http_reply *ret, bool *ret_sent, struct err *e)
{
    struct exchange x = {.far = f, .line = l, .arena = a, .answer = answer, .reply = ret};
    struct curl_slist *headers = NULL;
    *ret_sent = false;
    buf_free(&ret->body);
    buf_init(&ret->body, REPLY_BYTES_MAX);
    result r = headers_of(call, &headers, e);
    if (is_ok(r) && !set_call(&x, call, headers))
        r = FAIL_AS(e, INTERNAL, "unsent", "libcurl refused an option");
    if (is_ok(r)) {
        watchdog_guard(l->fd);
        CURLcode code = curl_easy_perform(l->curl);
        *ret_sent = x.was_sent;
        curl_easy_getinfo(l->curl, CURLINFO_RESPONSE_CODE, &ret->status);
        if (code != CURLE_OK)
            r = broken(&x, code, e);
    }
    /* The handle outlives what it was just told of. */
    curl_easy_setopt(l->curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(l->curl, CURLOPT_POSTFIELDS, NULL);
    curl_slist_free_all(headers);
    return r;
}

struct refusal {
    struct str code, message;
};
static const struct field refusal_fields[] = {
    TEXT("code", struct refusal, code, .max = 1000, .or_text = ""),
    TEXT("message", struct refusal, message, .max = 10000, .or_text = ""),
    FIELD_END,
};

struct str http_refusal(const struct http_reply *r, struct arena *a)
{
    struct refusal said = {.code = S(""), .message = S("")};
    struct json j;
    json_init(&j, buf_str(&r->body), JSON_LAST_WINS, a);
    if (!is_ok(fields_decode(refusal_fields, &j, &said, NULL)))
        said = (struct refusal){.code = S(""), .message = S("")};
    return arena_printf(a, "%ld%s%.*s%s%.*s", r->status, said.code.n ? " " : "", STR_ARG(said.code),
                        said.message.n ? ": " : "", STR_ARG(said.message));
}
