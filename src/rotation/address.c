/* rotation/address.c: which address is dialled; the same words for every one that is not (SSRF). */
#include "rotation/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
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

/* ---- our own places ---- */

/* One spelling for each address: an IPv4 one is v4-mapped. */
static struct in6_addr plain(const struct sockaddr *s)
{
    struct in6_addr ret = {0};
    uint32_t v4 = 0;
    if (s->sa_family == AF_INET6)
        ret = ((const struct sockaddr_in6 *)(const void *)s)->sin6_addr;
    else
        v4 = ntohl(((const struct sockaddr_in *)(const void *)s)->sin_addr.s_addr);
    if (s->sa_family == AF_INET6 && !embedded_v4(ret.s6_addr, &v4))
        return ret;
    const unsigned char mapped[16] = {
        [10] = 0xff,      0xff, (unsigned char)(v4 >> 24), (unsigned char)(v4 >> 16), (unsigned char)(v4 >> 8),
        (unsigned char)v4};
    memcpy(ret.s6_addr, mapped, sizeof mapped);
    return ret;
}

static bool is_same(const struct in6_addr *a, const struct in6_addr *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static bool is_unspecified(const struct in6_addr *a)
{
    return IN6_IS_ADDR_UNSPECIFIED(a) || (IN6_IS_ADDR_V4MAPPED(a) && read_v4(a->s6_addr + 12) == 0);
}

static bool is_this_machine(const struct in6_addr *a)
{
    struct ifaddrs *all = NULL;
    if (is_unspecified(a) || IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127))
        return true;
    if (getifaddrs(&all) != 0)
        return true;
    bool is_found = false;
    for (const struct ifaddrs *i = all; i && !is_found; i = i->ifa_next)
        if (i->ifa_addr && (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6)) {
            struct in6_addr ours = plain(i->ifa_addr);
            is_found = is_same(&ours, a);
        }
    freeifaddrs(all);
    return is_found;
}

static bool hears(struct arena *a, const struct own_place *own, const struct in6_addr *dialled)
{
    struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM};
    if (own->host.n == 0)
        return is_this_machine(dialled);
    if (getaddrinfo(arena_cstr(a, own->host), NULL, &hints, &found) != 0)
        return true;
    bool is_hit = false;
    for (const struct addrinfo *i = found; i && !is_hit; i = i->ai_next) {
        struct in6_addr ours = plain(i->ai_addr);
        bool is_on_all = is_unspecified(&ours) || (own->is_store && is_this_machine(&ours));
        is_hit = is_same(&ours, dialled) || (is_on_all && is_this_machine(dialled));
    }
    freeaddrinfo(found);
    return is_hit;
}

static bool is_own(struct arena *a, const struct sockaddr *s, int64_t port, const struct dial_rules *rules)
{
    struct in6_addr dialled = plain(s);
    for (size_t i = 0; i < rules->own_count; i++)
        if (rules->own[i].port == port && hears(a, &rules->own[i], &dialled))
            return true;
    return false;
}

static result refuse(struct err *e)
{
    return FAIL_AS(e, UNREACHABLE, "address", "the system's address is not known, or not one that may be dialled");
}

result address_resolve(struct arena *a, struct str name, int64_t port, const struct dial_rules *rules,
                       struct str *ret_address, struct err *e)
{
    struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    if (name.n == 0 || name.n > 255 || getaddrinfo(arena_cstr(a, name), NULL, &hints, &found) != 0)
        return refuse(e);
    char text[NI_MAXHOST];
    bool is_fine = !sockaddr_is_refused(found->ai_addr, rules->loopback_allowed) &&
                   getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0;
    bool is_ours = is_fine && is_own(a, found->ai_addr, port, rules);
    freeaddrinfo(found);
    if (is_ours)
        return FAIL_AS(e, UNREACHABLE, "address",
                       "the system's address and port are Keyturn's own, or those of its database");
    if (!is_fine)
        return refuse(e);
    *ret_address = arena_str(a, str_of(text));
    return SUCCESS;
}
