/* audit/report.h: what a verification has found so far. For this folder only. */
#pragma once

#include "audit/audit.h"
#include "audit/chain.h"

struct chain_check {
    struct audit_chain c;
    struct head head;
    struct str why; /* of first_bad */
};

struct verification {
    struct db *db;
    const struct keyring *keys; /* may be NULL */
    struct arena *arena;
    struct chain_check *chains;
    size_t n;
    bool has_keys;
    struct str own_key; /* absent without keys */
    int64_t last_checkpoint;
    int64_t bad_checkpoints, foreign_checkpoints;
    struct str bad_checkpoint; /* about the first */
};

/* The chain is not what it was from row `number` on; the lowest number counts. */
void report_bad(struct verification *v, struct chain_check *c, int64_t number, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Something that nobody else could have made names this row, and the row is that one. */
void report_vouch(struct chain_check *c, int64_t number);
void report_bad_checkpoint(struct verification *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
void report_finish(struct verification *v, struct audit_report *ret);
