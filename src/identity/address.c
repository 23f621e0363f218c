/* identity/address.c: IP addresses and what they match. */
#include "identity/address.h"

#include <arpa/inet.h>
#include <string.h>

static const unsigned char mapped[12] = {[10] = 0xFF, [11] = 0xFF};

bool address_parse(struct str text, struct address *ret)
{
    char terminated[INET6_ADDRSTRLEN];
    struct address a = {0};
    text = str_trim(text);
    if (text.n == 0 || text.n >= sizeof terminated || str_find_char(text, '\0') >= 0)
        return false;
    memcpy(terminated, text.p, text.n);
    terminated[text.n] = '\0';
    if (inet_pton(AF_INET, terminated, a.bytes) == 1)
        a.n = 4;
    else if (inet_pton(AF_INET6, terminated, a.bytes) == 1)
        a.n = 16;
    else
        return false;
    if (a.n == 16 && memcmp(a.bytes, mapped, sizeof mapped) == 0) {
        struct address v4 = {.n = 4};
        memcpy(v4.bytes, a.bytes + sizeof mapped, 4);
        a = v4;
    }
    *ret = a;
    return true;
}

bool address_is_loopback(const struct address *a)
{
    static const unsigned char one[16] = {[15] = 1};
    return a->n == 4 ? a->bytes[0] == 127 : memcmp(a->bytes, one, sizeof one) == 0;
}

int address_compare(const struct address *a, const struct address *b)
{
    return memcmp(a->bytes, b->bytes, a->n);
}

struct address_range range_around(const struct address *a, unsigned prefix_bits)
{
    struct address_range r = {*a, *a};
    for (unsigned bit = prefix_bits; bit < 8 * a->n; bit++) {
        unsigned char mask = (unsigned char)(0x80U >> bit % 8);
        r.first.bytes[bit / 8] &= (unsigned char)~mask;
        r.last.bytes[bit / 8] |= mask;
    }
    return r;
}

bool range_parse_single(struct str text, struct address_range *ret)
{
    struct address a;
    if (!address_parse(text, &a))
        return false;
    *ret = (struct address_range){a, a};
    return true;
}

bool range_parse_pair(struct str text, struct address_range *ret)
{
    struct address_range r;
    struct str rest = text, first = str_cut(&rest, '-');
    if (!str_is_set(rest) || !address_parse(first, &r.first) || !address_parse(rest, &r.last) ||
        r.first.n != r.last.n || address_compare(&r.first, &r.last) > 0)
        return false;
    *ret = r;
    return true;
}

/* A prefix of a v4-mapped address counts from the 96 bits before it; a shorter one would hold IPv4 and IPv6 at once. */
bool range_parse_cidr(struct str text, struct address_range *ret)
{
    struct address a;
    int64_t bits;
    struct str rest = str_trim(text), base = str_cut(&rest, '/');
    if (!str_is_set(rest) || !address_parse(base, &a))
        return false;
    bool is_mapped = a.n == 4 && str_find_char(base, ':') >= 0;
    if (!str_to_int(rest, is_mapped ? 96 : 0, is_mapped ? 128 : (int64_t)(8 * a.n), &bits))
        return false;
    *ret = range_around(&a, (unsigned)(is_mapped ? bits - 96 : bits));
    return true;
}

bool range_holds(const struct address_range *r, const struct address *a)
{
    return r->first.n == a->n && address_compare(&r->first, a) <= 0 && address_compare(a, &r->last) <= 0;
}
