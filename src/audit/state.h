/* audit/state.h: what stands behind struct audit. For this folder only. */
#pragma once

#include <pthread.h>

#include "audit/audit.h"
#include "audit/chain.h"

enum { REFUSALS_MAX = 1000, REFUSAL_ROWS_PER_SECOND = 100 };

struct refusal { /* counted since its last row */
    uint64_t key;
    struct audit_actor actor;
    struct str what, reason;
    int64_t count;
    int64_t written_at; /* monotonic; 0: never */
};

struct refusals { /* any thread, under the lock */
    pthread_mutex_t lock;
    struct arena *arena; /* the texts of `at`; made anew by each flush */
    struct refusal *at;
    size_t n;
    int64_t unlisted;   /* counted, without names */
    int64_t flushed_at; /* monotonic */
    bool is_under_way;  /* a flush waits for the writer */
};

struct audit { /* the writer's thread, except `refusals` and what `seen_lock` guards */
    struct db *db;
    const struct keyring *keys;
    struct str server; /* in `whole` */
    struct arena *whole, *group;
    struct audit_actor actor;
    struct record *records; /* of the open group; in `group` */
    size_t n, capacity;
    struct chain_end end, next_end; /* next: when COMMIT returns */
    int64_t sealed_number, next_sealed_number;
    int64_t last_at, next_last_at;
    bool was_checked;          /* since the keyring opened */
    const char *broken;        /* what the check found; NULL: nothing */
    pthread_mutex_t seen_lock; /* only the writer changes what follows; others read it */
    struct audit_head *seen;   /* the heads of all chains when we last looked; in `seen_arena` */
    size_t seen_n;
    struct arena *seen_arena;
    bool is_contact_in_doubt, has_stood; /* the last contact's own COMMIT; the group before it */
    int64_t complained_at;               /* that the store was moved away; monotonic */
    audit_rewound rewound;
    void *rewound_context;
    struct refusals refusals;
};

DEFINE_AUTOFREE(audit)

/* Once per opening of the keyring: is the chain the one that the seal names? INTERNAL, from then on always, when it is
 * not. */
RESULT audit_check_seal(struct audit *a, struct db *db, struct err *e);
void audit_begin_group(struct audit *a); /* empty, by the server itself */
/* Remember these heads as the least that the store has to have from now on. */
void audit_remember_heads(struct audit *a, const struct audit_head *heads, size_t n);
RESULT audit_before_commit(struct db *db, void *context, struct err *e);
void audit_after_commit(struct db *db, void *context);
RESULT audit_contact(struct db *db, void *context, bool *ret_stands, struct err *e);

void refusals_init(struct refusals *r);
void refusals_free(struct refusals *r);
