/* api/keyturn/server_state.h: how the server is, as health and metrics tell it. For this folder only. */
#pragma once

#include "api/keyturn/face.h"
#include "cluster/node.h"
#include "rotation/engine.h"
#include "rotation/rotation.h"

struct server_state {
    bool is_sealed, is_ready, has_plain_http;
    struct writer_stats writer;
    struct rotation_stats rotation; /* all zero where no engine runs */
    double disk_free;               /* 0 to 1; -1: unknown */
    int64_t audit_rows, checkpoint_at /* 0: none yet */;
    const struct node *nodes; /* the servers on the store, where several may share it */
    size_t node_count;
    struct engine_rules engine;
    int64_t drifted, mismatched; /* accounts in these states */
    int64_t unknown_since;       /* the oldest change that is being resolved; 0: none */
    int64_t compared_next;       /* accounts that wait to be compared since the store lost commits */
};
RESULT server_state(struct call *c, struct server_state *ret, struct err *e);
