/* activedirectory/target.h: where the domain controller is, which keys it may show, and how to reach a port of it. */
#pragma once

#include "base/scope.h"
#include "common/serve.h"

struct address {
    struct str name, address, domain;
    int64_t port, timeout_s;
};

struct target {
    struct address address;
    const struct host_key *keys;
    size_t key_count;
    struct host_key seen; /* what it showed last */
};

/* Connect to a port of the numeric address within wait_ms. Codes: unreachable; bad_request (not numeric). */
RESULT target_dial(const struct address *to, int64_t port, int wait_ms, struct arena *a, int *ret, struct err *e);
