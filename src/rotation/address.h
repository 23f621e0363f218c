/* rotation/address.h: which address is dialled (passwordsafe-api 8.5): resolved once per job; the checked address is
 * the one dialled. */
#pragma once

#include "base/arena.h"
#include "base/result.h"

/* Where this server, or the database that its store is in, takes connections. */
struct own_place {
    struct str host; /* an address, a name, or "": a socket on this machine */
    int64_t port;
    bool is_store; /* nobody tells us which addresses a database listens on: of this machine it may be all */
};
struct dial_rules {
    bool loopback_allowed;
    const struct own_place *own;
    size_t own_count;
};
/* `name`: an IP address or a host name. *ret_address is numeric. UNREACHABLE with one same text for every address that
 * is refused, so that it tells no port scanner anything: unspecified, multicast, broadcast, link-local, metadata,
 * loopback unless allowed, in every spelling (v4-mapped, NAT64, 6to4). Our own places have a text of their own: names
 * among them are looked up each time their port is wanted, and refused when they cannot be. Blocks in the resolver. */
RESULT address_resolve(struct arena *a, struct str name, int64_t port, const struct dial_rules *rules,
                       struct str *ret_address, struct err *e);
