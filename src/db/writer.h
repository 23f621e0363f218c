/* db/writer.h: the one writer. A thread takes what waits (at most 64 works or 5 ms), steps of jobs first, then first
 * come first served, each in a savepoint, and commits once: one fsync; answers leave after it (design 3.4).
 * When fewer wait than were here when the last group ended, it gives them as long as a commit takes to come back.
 *
 * When COMMIT fails, or the store has rolled the whole group back by itself (a full disk, a collision with another
 * server), nothing of the group stands: each work is run again alone, and one that fails again gets the store's error;
 * a collision is tried three times.
 *
 * When the connection is lost the group waits some seconds for the store to come back; whoever keeps the audit's chain
 * then says whether a COMMIT that was under way stands. After that, until the store is back, every work is refused. */
#pragma once

#include "db/db.h"

struct writer;

struct work {
    /* In a savepoint, which stands when this succeeds. May be called again from the start after a loss: keep no state
     * outside the transaction that a second call would trip over. */
    result (*run)(struct db *db, struct work *w, struct err *e);
    /* `run` failed and its savepoint is gone: what to keep all the same (the record of the refusal). May be NULL. */
    result (*refuse)(struct db *db, struct work *w, const struct err *why, struct err *e);
    /* Durable, or failed for good; on the writer's thread, must not block. `outcome` is run's, or the store's. */
    void (*done)(struct work *w, result outcome, const struct err *why);
    /* Still wanted? Asked once, before the first run. May be NULL. A dropped work gets done() with BUSY. */
    bool (*is_wanted)(struct work *w);
    bool is_step;      /* of a running job: goes first */
    size_t bytes;      /* counts against the queue's 32 MiB */
    struct work *next; /* the writer's */
    result outcome;    /* the writer's */
    struct err why;    /* the writer's */
};

struct writer_hooks { /* the audit's: all may be NULL */
    void *context;
    size_t (*mark)(struct db *db, void *context);                         /* before each work */
    void (*cut)(struct db *db, size_t mark, void *context);               /* its savepoint was rolled back */
    result (*before_commit)(struct db *db, void *context, struct err *e); /* number, chain and insert the records */
    void (*after_commit)(struct db *db, void *context);                   /* the head moves */
    void (*after_loss)(struct db *db, void *context);                     /* nothing of the group stands */
    void (*device_failed)(void *context);                                 /* an I/O error: the process must stop */
    /* A new connection, before anything else happens on it; outside a transaction. Did the group that was in doubt
     * (its before_commit was called, its after_commit or after_loss not) come through? When this fails it is asked
     * again. */
    result (*contact)(struct db *db, void *context, bool *ret_stands, struct err *e);
};

/* Starts the thread; takes over `db` (a DB_WRITER) until writer_free. */
RESULT writer_new(struct db *db, const struct writer_hooks *hooks, struct writer **ret, struct err *e);
void writer_free(struct writer *w); /* finishes what waits, joins; the db is the caller's again */
/* BUSY at once when 4,096 works or 32 MiB wait. Any thread. The work stays the caller's memory until done(). */
RESULT writer_submit(struct writer *w, struct work *work, struct err *e);
/* Submit a step and wait for it. Not from a loop and not from the writer's thread. */
RESULT writer_do(struct writer *w, result (*run)(struct db *db, void *argument, struct err *e), void *argument,
                 struct err *e);

struct writer_stats {
    uint64_t commits, works, losses, collisions; /* collisions: of the losses, those with another server's changes */
    size_t waiting;
};
struct writer_stats writer_stats(struct writer *w);
