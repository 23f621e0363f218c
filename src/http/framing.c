/* http/framing.c: the table of what is refused in a head. */
#include "http/framing.h"

#define FINE                ((struct refusal){0})
#define REFUSE(status, why) ((struct refusal){(status), (why)})

enum known { HOST, TRANSFER_ENCODING, CONTENT_LENGTH, CONNECTION, EXPECT, KNOWN_OTHERS };

/* Fields of which a second one is refused: two readers of one request must not take different ones. */
static const struct {
    struct str name;
    const char *why_not_twice; /* NULL: may be repeated */
} known_fields[] = {
    [HOST] = {S("Host"), "a second Host"},
    [TRANSFER_ENCODING] = {S("Transfer-Encoding"), "a second Transfer-Encoding"},
    [CONTENT_LENGTH] = {S("Content-Length"), "a second Content-Length"},
    [CONNECTION] = {S("Connection"), NULL},
    [EXPECT] = {S("Expect"), NULL},
    [KNOWN_OTHERS] = {S("Authorization"), "a second Authorization"},
    {S("X-Authorization"), "a second X-Authorization"},
    {S("Content-Type"), "a second Content-Type"},
    {S("Cookie"), "a second Cookie"},
    {S("Origin"), "a second Origin"},
    {S("Sec-Fetch-Site"), "a second Sec-Fetch-Site"},
};
enum { KNOWN_COUNT = sizeof(known_fields) / sizeof(known_fields[0]) };

struct checker {
    struct http_request *request;
    struct framing *framing;
    struct str known[KNOWN_COUNT]; /* the value of the first one; absent when there was none */
    bool has_close, has_keep_alive;
};

static const bool token_chars[256] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['!'] = true, ['#'] = true, ['$'] = true,
    ['%'] = true,         ['&'] = true,         ['\''] = true,        ['*'] = true, ['+'] = true, ['-'] = true,
    ['.'] = true,         ['^'] = true,         ['_'] = true,         ['`'] = true, ['|'] = true, ['~'] = true,
};

enum framing_scan framing_find_end(struct str bytes, size_t *at, size_t *ret_head_bytes)
{
    size_t i = *at;

    for (; i < bytes.n; i++) {
        char c = bytes.p[i];
        if (c > '\r' || (c != '\r' && c != '\n' && c != 0))
            continue;
        if (c != '\r' || i == 0)
            return FRAMING_BROKEN;
        if (i + 1 == bytes.n)
            break;
        if (bytes.p[i + 1] != '\n')
            return FRAMING_BROKEN;
        if (bytes.p[i - 1] == '\n') {
            *ret_head_bytes = i + 2;
            return FRAMING_COMPLETE;
        }
        i++;
    }
    *at = i;
    return FRAMING_MORE;
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!token_chars[(unsigned char)s.p[i]])
            return false;
    return s.n > 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct refusal check_version(struct str version, struct framing *ret)
{
    if (version.n != 8 || memcmp(version.p, "HTTP/", 5) != 0 || !is_digit(version.p[5]) || version.p[6] != '.' ||
        !is_digit(version.p[7]))
        return REFUSE(400, "the request line does not end with an HTTP version");
    if (version.p[5] != '1' || version.p[7] > '1')
        return REFUSE(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    ret->minor = (unsigned)(version.p[7] - '0');
    return FINE;
}

static struct refusal check_method(struct str name, struct http_request *ret)
{
    static const struct {
        struct str name;
        enum http_method method;
    } ours[] = {
        {S("GET"), HTTP_GET},       {S("POST"), HTTP_POST}, {S("PUT"), HTTP_PUT},
        {S("DELETE"), HTTP_DELETE}, {S("HEAD"), HTTP_HEAD},
    };
    /* Whoever knows the path names the methods that it takes: a 405 comes with Allow (RFC 9110, 15.5.6). */
    static const struct str others[] = {S("OPTIONS"), S("PATCH"), S("TRACE")};

    if (!is_token(name))
        return REFUSE(400, "the method is not a word");
    ret->method_name = name;
    ret->method = HTTP_OTHER;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (name.n == ours[i].name.n && memcmp(name.p, ours[i].name.p, name.n) == 0) {
            ret->method = ours[i].method;
            return FINE;
        }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (str_equal(name, others[i]))
            return FINE;
    return str_equal(name, S("CONNECT")) ? REFUSE(405, "this method is not offered here")
                                         : REFUSE(501, "unknown method");
}

static struct refusal check_target(struct str target, struct http_request *ret)
{
    const char *question = NULL;

    if (target.n == 0 || target.p[0] != '/')
        return REFUSE(400, "the target must begin with '/'");
    for (size_t i = 0; i < target.n; i++) {
        if (target.p[i] <= ' ' || target.p[i] > '~' || target.p[i] == '#')
            return REFUSE(400, "the target holds a character that must be percent-encoded");
        if (target.p[i] == '?' && !question)
            question = target.p + i;
    }
    ret->path = target;
    if (question) {
        ret->path.n = (size_t)(question - target.p);
        ret->query = (struct str){question + 1, target.n - ret->path.n - 1};
    }
    return FINE;
}

static struct refusal check_request_line(struct str line, struct checker *k)
{
    struct str rest = line, method, target;
    struct refusal refusal;

    method = str_cut(&rest, ' ');
    target = str_cut(&rest, ' ');
    if (!str_is_set(rest))
        return REFUSE(400, "the request line needs a method, a target and a version, one blank between them");
    refusal = check_version(rest, k->framing);
    if (refusal.status == 0)
        refusal = check_method(method, k->request);
    if (refusal.status == 0)
        refusal = check_target(target, k->request);
    return refusal;
}

/* host[:port]; the host a name, an IPv4 address or a bracketed IPv6 address. */
static bool is_host(struct str s)
{
    bool is_bracketed = s.n > 0 && s.p[0] == '[';
    size_t i = is_bracketed ? 1 : 0, start = i;
    int64_t port;

    for (; i < s.n; i++) {
        char c = s.p[i];
        bool is_hex = is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        bool is_name = is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
        if (!(c == '.' || (is_bracketed ? is_hex || c == ':' : is_name)))
            break;
    }
    if (i == start)
        return false;
    if (is_bracketed && (i == s.n || s.p[i++] != ']'))
        return false;
    if (i == s.n)
        return true;
    return s.p[i] == ':' && s.n - i <= 6 && str_to_int(str_sub(s, i + 1, s.n), 0, 65535, &port);
}

static bool parse_content_length(struct str s, uint64_t *ret)
{
    uint64_t n = 0;

    if (s.n == 0 || s.n > 15 || (s.n > 1 && s.p[0] == '0'))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i]))
            return false;
        n = n * 10 + (uint64_t)(s.p[i] - '0');
    }
    *ret = n;
    return true;
}

static void take_connection(struct str value, struct checker *k)
{
    while (str_is_set(value)) {
        struct str word = str_trim(str_cut(&value, ','));
        k->has_close |= str_equal_fold(word, S("close"));
        k->has_keep_alive |= str_equal_fold(word, S("keep-alive"));
    }
}

static struct refusal take_known(struct http_header h, struct checker *k)
{
    size_t which = 0;

    while (which < KNOWN_COUNT &&
           (known_fields[which].name.n != h.name.n || !str_equal_fold(known_fields[which].name, h.name)))
        which++;
    if (which == KNOWN_COUNT)
        return FINE;
    if (str_is_set(k->known[which]) && known_fields[which].why_not_twice)
        return REFUSE(400, known_fields[which].why_not_twice);
    k->known[which] = h.value;
    if (which == CONNECTION)
        take_connection(h.value, k);
    if (which == EXPECT && !str_equal_fold(h.value, S("100-continue")))
        return REFUSE(417, "the only expectation met here is 100-continue");
    return FINE;
}

static struct refusal check_field(struct str line, struct checker *k)
{
    struct http_header h = {.value = line};

    if (line.n == 0 || line.p[0] == ' ' || line.p[0] == '\t' || line.p[0] == ':')
        return REFUSE(400, "a header line begins with a blank, a TAB or a colon");
    h.name = str_cut(&h.value, ':');
    if (!str_is_set(h.value) || !is_token(h.name))
        return REFUSE(400, "a header's name is not a word followed by a colon");
    for (size_t i = 0; i < h.value.n; i++) {
        unsigned char c = (unsigned char)h.value.p[i];
        if ((c < ' ' && c != '\t') || c == 127)
            return REFUSE(400, "a header's value holds a control character");
    }
    h.value = str_trim(h.value);
    if (k->request->header_count == HTTP_FIELDS_MAX)
        return REFUSE(431, "too many header fields");
    k->request->headers[k->request->header_count++] = h;
    return take_known(h, k);
}

static struct refusal check_body_framing(struct checker *k)
{
    struct framing *f = k->framing;
    struct str encoding = k->known[TRANSFER_ENCODING], length = k->known[CONTENT_LENGTH];

    if (str_is_set(encoding)) {
        if (f->minor == 0)
            return REFUSE(400, "Transfer-Encoding in HTTP/1.0");
        if (str_is_set(length))
            return REFUSE(400, "both Transfer-Encoding and Content-Length");
        if (!str_equal_fold(encoding, S("chunked")))
            return REFUSE(400, "the only Transfer-Encoding taken here is chunked");
        f->is_chunked = true;
    }
    if (str_is_set(length) && !parse_content_length(length, &f->content_length))
        return REFUSE(400, "Content-Length is not a number");
    return FINE;
}

static struct refusal check_whole(struct checker *k)
{
    struct framing *f = k->framing;
    struct str host = k->known[HOST];

    if (f->minor == 1 && !str_is_set(host))
        return REFUSE(400, "no Host");
    if (str_is_set(host) && !is_host(host))
        return REFUSE(400, "Host is not a name or an address with an optional port");
    f->keeps_alive = f->minor == 1 ? !k->has_close : k->has_keep_alive && !k->has_close;
    f->expects_continue = f->minor == 1 && str_is_set(k->known[EXPECT]);
    return check_body_framing(k);
}

struct refusal framing_check(struct str head, struct http_request *ret_request, struct framing *ret)
{
    struct checker k = {.request = ret_request, .framing = ret};
    struct str rest = head;
    struct refusal refusal = FINE;
    bool is_first = true;

    ret_request->method = HTTP_OTHER;
    ret_request->method_name = ret_request->path = ret_request->query = STR_ABSENT;
    ret_request->header_count = 0;
    *ret = (struct framing){0};
    while (refusal.status == 0) {
        const char *cr = memchr(rest.p, '\r', rest.n);
        if (!cr || rest.n < (size_t)(cr - rest.p) + 2)
            return REFUSE(400, "the head has no end");
        struct str line = {rest.p, (size_t)(cr - rest.p)};
        if (line.n == 0 && !is_first)
            return check_whole(&k);
        rest = (struct str){cr + 2, rest.n - line.n - 2};
        refusal = is_first ? check_request_line(line, &k) : check_field(line, &k);
        is_first = false;
    }
    return refusal;
}

struct str http_header_get(const struct http_request *r, struct str name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (r->headers[i].name.n == name.n && str_equal_fold(r->headers[i].name, name))
            return r->headers[i].value;
    return STR_ABSENT;
}
