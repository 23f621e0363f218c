/* identity/address.h: IP addresses and what they match; for this folder only. */
#pragma once

#include "base/arena.h"

enum { ADDRESS_BYTES_MAX = 16 };

struct address {
    size_t n; /* 4 or 16 bytes; a v4-mapped address is kept as IPv4 */
    unsigned char bytes[ADDRESS_BYTES_MAX];
};
bool address_parse(struct str text, struct address *ret); /* blanks around it are fine, a zone is not */
bool address_is_loopback(const struct address *a);
int address_compare(const struct address *a, const struct address *b); /* of one length */

/* The addresses from first to last: what each kind of rule comes down to. */
struct address_range {
    struct address first, last;
};
bool range_parse_single(struct str text, struct address_range *ret);
bool range_parse_pair(struct str text, struct address_range *ret); /* "a-b" */
bool range_parse_cidr(struct str text, struct address_range *ret); /* "10.0.0.0/8"; host bits are ignored */
bool range_holds(const struct address_range *r, const struct address *a);
struct address_range range_around(const struct address *a, unsigned prefix_bits);
