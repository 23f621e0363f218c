/* db/task.h: works for the writer that a test can hold up, look into and wait for. */
#pragma once

#include <pthread.h>

#include "fixture.h"

struct task {
    struct work work;
    struct scene *scene;
    int64_t number;
    size_t bytes;    /* of the row that it writes into ended_tokens, with `number` */
    enum code fails; /* after it has written; OK: it does not */
    bool ignores;    /* that its own row could not be written, and writes a small one after it */
    int runs;
    bool is_done;
    enum code outcome;
    struct err why;
    uint64_t commits; /* of the store, when done() was called */
};

struct scene {
    struct fixture *fixture;
    struct writer *writer;
    struct task holder; /* while it runs, everything else waits */
    pthread_mutex_t mutex;
    pthread_cond_t has_changed;
    bool is_held, is_holding;
    int64_t order[8192]; /* in which tasks first ran */
    size_t order_count, done_count;
};

struct scene *scene_new(struct fixture *f, const struct writer_hooks *hooks);
void scene_free(struct scene *s);
void scene_hold(struct scene *s); /* submits the holder and returns when it runs */
void scene_release(struct scene *s);
void task_init(struct task *t, struct scene *s, int64_t number);
void task_submit(struct task *t);
void task_wait(struct task *t);
int64_t rows_of(struct scene *s, int64_t number); /* rows with that number, as a reader sees them */
result write_row(struct db *db, int64_t number, size_t bytes, struct err *e);
