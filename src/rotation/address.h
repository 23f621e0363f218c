/* rotation/address.h: which address is dialled (passwordsafe-api 8.5): resolved once per job; the checked address is
 * the one dialled. */
#pragma once

#include "base/arena.h"
#include "base/result.h"

/* `name`: an IP address or a host name. *ret_address is numeric. UNREACHABLE with one same text for every address that
 * is refused, so that it tells no port scanner anything: unspecified, multicast, broadcast, link-local, metadata,
 * loopback unless allowed, in every spelling (v4-mapped, NAT64, 6to4). Blocks in the resolver. */
RESULT address_resolve(struct arena *a, struct str name, bool loopback_allowed, struct str *ret_address, struct err *e);
/* The same decision for a numeric address. */
bool address_is_refused(struct str numeric, bool loopback_allowed);
