/* db/writer_group.h: the writer between its queue (writer.c) and its groups (writer_group.c). Internal to this folder.
 */
#pragma once

#include <pthread.h>

#include "base/clock.h"
#include "db/writer.h"

enum { REACH_PAUSE_MS = 200 };

struct queue {
    struct work *first, *last;
};

struct writer {
    struct db *db;
    struct writer_hooks hooks;
    pthread_t thread;
    pthread_mutex_t mutex; /* of everything below */
    pthread_cond_t has_work;
    struct queue steps, others;
    size_t waiting, waiting_bytes;
    size_t wanted; /* how many must wait before the writer is woken */
    bool is_stopping, is_broken;
    uint64_t commits, works, losses, collisions;
    /* The writer's thread alone: */
    size_t company;        /* works that were here when the last group ended */
    int64_t commit_us;     /* what its commit took */
    bool needs_contact;    /* the connection is new, or lost */
    bool is_in_doubt;      /* a COMMIT was under way when it was lost */
    int64_t patient_until; /* monotonic */
    int careful_groups;    /* so many more are written in turn with the other servers */
};

/* ---- the queue, for the writer's thread ---- */

struct work *writer_take_next(struct writer *w); /* NULL: none waits */
/* Until `wanted` works wait, or a step, or until that time of the monotonic clock. False when none waits then. */
bool writer_wait_for_company(struct writer *w, size_t wanted, int64_t until);

/* ---- groups ---- */

/* Take what waits, write it, and tell everybody. */
void writer_write_group(struct writer *w);
void writer_finish_with(struct work *work, enum code code, const char *text);
/* After an I/O error nothing is written any more. */
void writer_give_up_if_device_failed(struct writer *w);
