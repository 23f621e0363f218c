/* common/serve.h: what every connector shares: the loop over descriptor 3 (docs/connector-protocol.md). */
#pragma once

#include "base/field.h"

struct host_key {
    struct str type, sha256;
};

/* What an operation may add to its answer. */
struct answer {
    struct json_writer *writer; /* members of a good answer; dropped when the operation fails */
    struct host_key host_key;   /* when set: in a good and in a failed answer */
    const char *denied_as;      /* when set: `result` of a failed one (common/check.h) */
};

/* One row per operation; the table ends with a row without a name. `size` is that of the request's struct, which starts
 * zeroed and lives as long as the arena. On failure err.word is the protocol's code ("unsent" when it is NULL). */
struct operation {
    const char *name;
    const struct field *fields;
    size_t size;
    result (*run)(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);
};

/* Serve until `bye`, the end of the stream, 30 s of silence or 1,000 requests. Texts of failures are made printable
 * and left out when they hold any secret of any request so far. Returns the exit status. */
int serve(const char *kind, const struct operation *operations, void *state);
