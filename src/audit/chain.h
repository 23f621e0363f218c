/* audit/chain.h: one row of a chain, its hash, and walking over the stored rows. For this folder only. */
#pragma once

#include "base/scope.h"
#include "crypto/keyring.h"
#include "crypto/password.h"
#include "db/db.h"

DEFINE_AUTOFREE(arena)

enum { WALK_SLICE_ROWS = 1000 };

struct record { /* a row of audit_rows without id and hash; no text is absent */
    struct str server;
    int64_t number, at;
    struct str what;
    bool is_success;
    int64_t user_id;
    struct str user_name, user_name_key, address, source, request_id, object_kind;
    int64_t object_id;
    struct str object_name, object_name_key;
    int64_t account_id;
    struct str detail;
};

struct chain_end {      /* zeroed: before the first row */
    int64_t number, id; /* id: while walking only */
    unsigned char hash[HASH_BYTES];
};

static inline struct str hash_str(const unsigned char hash[HASH_BYTES])
{
    return (struct str){(const char *)hash, HASH_BYTES};
}

/* BLAKE2b-256 over the previous hash, server, number, at and every further column in the table's order. */
void record_hash(const unsigned char previous[HASH_BYTES], const struct record *r, unsigned char ret[HASH_BYTES]);
/* Number and hash the record as the next one of the chain, insert it and move `end`. */
RESULT chain_append(struct db *db, struct chain_end *end, struct record *r, struct err *e);
/* Recompute the rows after `end` up to number `last` and move `end`. *ret_bad is the number of the first row that is
 * missing or wrong, 0 when none is. */
RESULT chain_walk(struct db *db, struct str server, int64_t last, struct chain_end *end, int64_t *ret_bad,
                  struct err *e);
/* The stored hash of one row; absent when there is no such row. */
RESULT chain_hash_at(struct db *db, struct arena *a, struct str server, int64_t number, struct str *ret, struct err *e);

struct head { /* a row of audit_heads */
    bool is_there;
    int64_t number, sealed_number;
    struct str hash, sealed; /* sealed: absent when it was never sealed */
};
RESULT head_read(struct db *db, struct arena *a, struct str server, struct head *ret, struct err *e);
/* Write the head; seal it too while the keyring is open, else (and with NULL) keep the seal that stands. */
RESULT head_write(struct db *db, const struct keyring *keys, struct str server, const struct chain_end *end, int64_t at,
                  int64_t *ret_sealed_number, struct err *e);
/* Does the seal name this hash at head->sealed_number? Errors: SEALED. */
RESULT head_matches(const struct keyring *keys, const struct head *head, struct str hash, bool *ret, struct err *e);
