/* api/keyturn/server_state.h: how the server is, as health and metrics tell it. For this folder only. */
#pragma once

#include "api/keyturn/face.h"
#include "rotation/rotation.h"

struct server_state {
    bool is_sealed, is_ready, has_plain_http;
    struct writer_stats writer;
    struct rotation_stats rotation; /* all zero where no engine runs */
    double disk_free;               /* 0 to 1; -1: unknown */
    int64_t audit_rows, checkpoint_at /* 0: none yet */;
};
RESULT server_state(struct call *c, struct server_state *ret, struct err *e);
