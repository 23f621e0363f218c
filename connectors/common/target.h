/* common/target.h: the one target that a process serves: where it is, which keys it may show, how to reach it. */
#pragma once

#include "base/field.h"
#include "base/scope.h"
#include "common/serve.h"

struct target_address {
    struct str name, address;
    struct str instance, domain; /* absent where the kind has no such row */
    int64_t port, timeout_s;
};

struct target {
    struct arena *arena; /* lives as long as the process */
    bool is_set;         /* a check has named it */
    struct target_address address;
    const struct host_key *keys;
    size_t key_count;
    struct host_key session_key; /* what it showed when the functional session was opened */
};

/* The rows of a check's `target` that every kind has. */
#define TARGET_ROWS(default_port)                                                                                      \
    TEXT("name", struct target_address, name, .max = 255, .or_text = ""),                                              \
        TEXT("address", struct target_address, address, .required = true, .max = 64),                                  \
        INT("port", struct target_address, port, .min = 1, .max = 65535, .or_int = (default_port)),                    \
        INT("timeout_s", struct target_address, timeout_s, .min = 1, .max = 300, .or_int = 30)
/* The rows of a check that say where to go. */
#define CHECK_TARGET_ROWS(request, address_fields)                                                                     \
    OBJECT("target", request, target, struct target_address, address_fields, .required = true),                        \
        LIST("host_keys", request, host_keys, struct host_key, target_key_fields, .max = 64)
extern const struct field target_key_fields[];

/* Take target and keys of a check over. *ret_is_same (may be NULL): both are exactly those of the check before.
 * Code: bad_request, for a process serves one target in its life. */
RESULT target_keep(struct target *t, const struct target_address *to, const struct list *keys, bool *ret_is_same,
                   struct err *e);

/* How to connect. Zero is: to the target's own port, as long as the watchdog lets us, and without blocking after it. */
struct dial {
    int64_t port;
    int wait_ms;
    bool blocks;     /* the socket blocks: at the deadline the watchdog's shutdown wakes whoever waits */
    bool names_port; /* in the text of a failure */
};
/* Connect to the numeric address. Codes: unreachable; bad_request (it is not numeric). */
RESULT target_dial(const struct target_address *to, const struct dial *how, struct arena *a, int *ret, struct err *e);
