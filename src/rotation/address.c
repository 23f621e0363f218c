/* rotation/address.c: which address is dialled; the same words for every one that is not (SSRF). */
#include "rotation/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

static bool v4_is_refused(uint32_t host_order, bool loopback_allowed)
{
    uint32_t a = host_order;
    if ((a >> 24) == 127)
        return !loopback_allowed;
    return (a >> 24) == 0 || (a >> 28) >= 14 || (a >> 16) == 0xA9FE;
}

static uint32_t read_v4(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* IPv6 addresses that carry an IPv4 one: ::ffff:a.b.c.d, ::a.b.c.d, 64:ff9b::/96, 2002::/16. */
static bool embedded_v4(const unsigned char *p, uint32_t *ret)
{
    static const unsigned char zero[12] = {0};
    static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b};
    bool is_mapped = memcmp(p, zero, 10) == 0 && p[10] == 0xff && p[11] == 0xff;
    bool is_compatible = memcmp(p, zero, 12) == 0 && !(p[12] == 0 && p[13] == 0 && p[14] == 0);
    if (is_mapped || is_compatible || memcmp(p, nat64, 12) == 0) {
        *ret = read_v4(p + 12);
        return true;
    }
    if (p[0] == 0x20 && p[1] == 0x02) {
        *ret = read_v4(p + 2);
        return true;
    }
    return false;
}

static bool v6_is_refused(const struct in6_addr *address, bool loopback_allowed)
{
    const unsigned char *p = address->s6_addr;
    uint32_t v4;
    if (IN6_IS_ADDR_LOOPBACK(address))
        return !loopback_allowed;
    if (embedded_v4(p, &v4))
        return v4_is_refused(v4, loopback_allowed);
    bool is_link_local = p[0] == 0xfe && (p[1] & 0xc0) == 0x80;
    bool is_ec2_metadata = p[0] == 0xfd && p[1] == 0x00 && p[2] == 0x0e && p[3] == 0xc2;
    return IN6_IS_ADDR_UNSPECIFIED(address) || p[0] == 0xff || is_link_local || is_ec2_metadata;
}

static bool sockaddr_is_refused(const struct sockaddr *s, bool loopback_allowed)
{
    if (s->sa_family == AF_INET)
        return v4_is_refused(ntohl(((const struct sockaddr_in *)(const void *)s)->sin_addr.s_addr), loopback_allowed);
    if (s->sa_family == AF_INET6)
        return v6_is_refused(&((const struct sockaddr_in6 *)(const void *)s)->sin6_addr, loopback_allowed);
    return true;
}

static result refuse(struct err *e)
{
    return FAIL_AS(e, UNREACHABLE, "address", "the system's address is not known, or not one that may be dialled");
}

result address_resolve(struct arena *a, struct str name, bool loopback_allowed, struct str *ret_address, struct err *e)
{
    struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    if (name.n == 0 || name.n > 255 || getaddrinfo(arena_cstr(a, name), NULL, &hints, &found) != 0)
        return refuse(e);
    char text[NI_MAXHOST];
    bool is_fine = !sockaddr_is_refused(found->ai_addr, loopback_allowed) &&
                   getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0;
    freeaddrinfo(found);
    if (!is_fine)
        return refuse(e);
    *ret_address = arena_str(a, str_of(text));
    return SUCCESS;
}

bool address_is_refused(struct str numeric, bool loopback_allowed)
{
    unsigned char raw[16];
    char text[64];
    if (numeric.n >= sizeof text)
        return true;
    memcpy(text, numeric.p, numeric.n);
    text[numeric.n] = '\0';
    if (inet_pton(AF_INET, text, raw) == 1)
        return v4_is_refused(read_v4(raw), loopback_allowed);
    struct in6_addr v6;
    return inet_pton(AF_INET6, text, &v6) != 1 || v6_is_refused(&v6, loopback_allowed);
}
