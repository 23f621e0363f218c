/* http/url.c: the form of a listen URL. */
#include "http/http.h"

#include <arpa/inet.h>

enum { HOST_TEXT_MAX = INET6_ADDRSTRLEN };

/* inet_pton wants a NUL behind the text. */
static bool parse_address(int family, struct str host, void *ret_address)
{
    char text[HOST_TEXT_MAX + 1] = {0};

    if (host.n == 0 || host.n > HOST_TEXT_MAX || memchr(host.p, 0, host.n))
        return false;
    memcpy(text, host.p, host.n);
    return inet_pton(family, text, ret_address) == 1;
}

static RESULT parse_bracketed(struct str *rest, struct http_url *ret, struct err *e)
{
    ptrdiff_t end = str_find_char(*rest, ']');
    struct in6_addr address;

    if (end < 0)
        return FAIL(e, INVALID, "listen: the bracket around the IPv6 address is not closed");
    ret->host = str_sub(*rest, 1, (size_t)end - 1);
    if (!parse_address(AF_INET6, ret->host, &address))
        return FAIL(e, INVALID, "listen: not an IPv6 address: %.*s", STR_ARG(ret->host));
    ret->is_loopback = IN6_IS_ADDR_LOOPBACK(&address);
    *rest = str_sub(*rest, (size_t)end + 1, rest->n);
    return SUCCESS;
}

static RESULT parse_plain(struct str *rest, struct http_url *ret, struct err *e)
{
    ptrdiff_t colon = str_find_char(*rest, ':');
    struct in_addr address;

    ret->host = colon < 0 ? *rest : str_sub(*rest, 0, (size_t)colon);
    if (str_equal(ret->host, S("localhost")))
        ret->host = S("127.0.0.1");
    if (!parse_address(AF_INET, ret->host, &address))
        return FAIL(e, INVALID, "listen: the host must be an IPv4 address, [an IPv6 address] or localhost");
    ret->is_loopback = ntohl(address.s_addr) >> 24 == 127;
    *rest = colon < 0 ? S("") : str_sub(*rest, (size_t)colon, rest->n);
    return SUCCESS;
}

RESULT http_url_parse(struct str url, struct http_url *ret, struct err *e)
{
    struct http_url parsed = {0};
    struct str rest = url;
    int64_t port = 0;

    if (str_starts(url, S("https://")))
        parsed.is_tls = true;
    else if (!str_starts(url, S("http://")))
        return FAIL(e, INVALID, "listen: must begin with http:// or https://");
    rest = str_sub(url, parsed.is_tls ? 8 : 7, url.n);
    if (str_starts(rest, S("[")))
        TRY(parse_bracketed(&rest, &parsed, e));
    else
        TRY(parse_plain(&rest, &parsed, e));
    if (!str_starts(rest, S(":")) || !str_to_int(str_sub(rest, 1, rest.n), 0, 65535, &port))
        return FAIL(e, INVALID, "listen: after the host there must be a colon and a port, and nothing else");
    parsed.port = (int)port;
    *ret = parsed;
    return SUCCESS;
}
