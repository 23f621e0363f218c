/* http/reply.c: how a reply's head is written. */
#include "base/clock.h"
#include "base/log.h"
#include "http/exchange.h"
#include "http/loop.h"

enum {
    EXTRA_MAX = 8 * 1024,  /* one header's name and value */
    SMALL_BODY_MAX = 4096, /* goes out in one piece with the head */
};

static const struct {
    int status;
    struct str line;
} status_lines[] = {
    {200, S("HTTP/1.1 200 OK\r\n")},
    {201, S("HTTP/1.1 201 Created\r\n")},
    {202, S("HTTP/1.1 202 Accepted\r\n")},
    {204, S("HTTP/1.1 204 No Content\r\n")},
    {301, S("HTTP/1.1 301 Moved Permanently\r\n")},
    {302, S("HTTP/1.1 302 Found\r\n")},
    {303, S("HTTP/1.1 303 See Other\r\n")},
    {304, S("HTTP/1.1 304 Not Modified\r\n")},
    {400, S("HTTP/1.1 400 Bad Request\r\n")},
    {401, S("HTTP/1.1 401 Unauthorized\r\n")},
    {403, S("HTTP/1.1 403 Forbidden\r\n")},
    {404, S("HTTP/1.1 404 Not Found\r\n")},
    {405, S("HTTP/1.1 405 Method Not Allowed\r\n")},
    {408, S("HTTP/1.1 408 Request Timeout\r\n")},
    {409, S("HTTP/1.1 409 Conflict\r\n")},
    {412, S("HTTP/1.1 412 Precondition Failed\r\n")},
    {413, S("HTTP/1.1 413 Content Too Large\r\n")},
    {415, S("HTTP/1.1 415 Unsupported Media Type\r\n")},
    {417, S("HTTP/1.1 417 Expectation Failed\r\n")},
    {422, S("HTTP/1.1 422 Unprocessable Content\r\n")},
    {429, S("HTTP/1.1 429 Too Many Requests\r\n")},
    {431, S("HTTP/1.1 431 Request Header Fields Too Large\r\n")},
    {500, S("HTTP/1.1 500 Internal Server Error\r\n")},
    {501, S("HTTP/1.1 501 Not Implemented\r\n")},
    {502, S("HTTP/1.1 502 Bad Gateway\r\n")},
    {503, S("HTTP/1.1 503 Service Unavailable\r\n")},
    {504, S("HTTP/1.1 504 Gateway Timeout\r\n")},
    {505, S("HTTP/1.1 505 HTTP Version Not Supported\r\n")},
};

static void add_status_line(struct buf *out, int status)
{
    for (size_t i = 0; i < sizeof(status_lines) / sizeof(status_lines[0]); i++)
        if (status_lines[i].status == status) {
            buf_add(out, status_lines[i].line);
            return;
        }
    if (status < 200 || status > 599)
        die("http: no handler may answer with status %d", status);
    buf_printf(out, "HTTP/1.1 %d Status\r\n", status);
}

static void add_number(struct buf *out, size_t n)
{
    char digits[20];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    buf_add_bytes(out, digits + at, sizeof(digits) - at);
}

static bool has_line_break(struct str s)
{
    return s.n > 0 && (memchr(s.p, '\r', s.n) || memchr(s.p, '\n', s.n) || memchr(s.p, 0, s.n));
}

static void add_extra(struct buf *out, const struct http_reply *reply)
{
    for (size_t i = 0; i < reply->extra_count; i++) {
        struct http_header h = reply->extra[i];
        if (h.name.n == 0 || has_line_break(h.name) || has_line_break(h.value) || h.name.n + h.value.n > EXTRA_MAX) {
            log_error("http: a reply's header was left out: a line break in it, or over %d bytes", EXTRA_MAX);
            continue;
        }
        buf_add(out, h.name);
        buf_add(out, S(": "));
        buf_add(out, h.value);
        buf_add(out, S("\r\n"));
    }
}

struct str exchange_reply_body(const struct http_exchange *x)
{
    return str_is_set(x->lent) ? x->lent : buf_str(&x->reply_body);
}

void exchange_write_reply(struct http_exchange *x, struct http_reply *reply)
{
    struct buf *out = &x->reply;
    bool has_body = reply->status != 204 && reply->status != 304;

    buf_clear(out);
    add_status_line(out, reply->status);
    buf_add(out, S("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"));
    if (x->request.is_tls)
        buf_add(out, S("Strict-Transport-Security: max-age=31536000\r\n"));
    if (reply->content_type) {
        buf_add(out, S("Content-Type: "));
        buf_add(out, str_of(reply->content_type));
        buf_add(out, S("\r\n"));
    }
    x->reply_body = reply->body;
    x->lent = reply->lent;
    reply->body = (struct buf){0};
    if (has_body) {
        buf_add(out, S("Content-Length: "));
        add_number(out, exchange_reply_body(x).n);
        buf_add(out, S("\r\n"));
    }
    add_extra(out, reply);
    x->must_close = reply->must_close;
    if (!has_body || x->request.method == HTTP_HEAD) {
        buf_free(&x->reply_body);
        x->lent = STR_ABSENT;
    }
}

/* Date changes once a second; the line is kept. */
static struct str date_line(struct loop *loop)
{
    static const char days[][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"}; /* 1970 began on a Thursday */
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t now = clock_now(), second = now / SECONDS;

    if (second != loop->date_second) {
        struct civil c = time_to_civil(now);
        buf_clear(&loop->date);
        buf_printf(&loop->date, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[now / DAYS % 7], c.day,
                   months[c.month - 1], c.year, c.hour, c.minute, c.second);
        loop->date_second = second;
    }
    return buf_str(&loop->date);
}

void exchange_finish_reply(struct http_exchange *x)
{
    struct buf *out = &x->reply;

    x->must_close |= !x->framing.keeps_alive || x->loop->is_stopping;
    buf_add(out, date_line(x->loop));
    if (x->must_close)
        buf_add(out, S("Connection: close\r\n"));
    else if (x->framing.minor == 0)
        buf_add(out, S("Connection: keep-alive\r\n"));
    buf_add(out, S("\r\n"));
    if (x->reply_body.n <= SMALL_BODY_MAX) {
        buf_add(out, buf_str(&x->reply_body));
        buf_free(&x->reply_body);
    }
    if (out->has_failed)
        die("http: a reply's head is too long");
}
