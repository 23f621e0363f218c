/* db/errand.c: a step for the writer, and whoever submits it waits for it. */
#include <pthread.h>

#include "db/writer.h"

struct errand {
    struct work work;
    result (*run)(struct db *db, void *argument, struct err *e);
    void *argument;
    pthread_mutex_t mutex;
    pthread_cond_t has_ended;
    bool is_done;
};

static result errand_run(struct db *db, struct work *work, struct err *e)
{
    struct errand *errand = (struct errand *)work;
    return errand->run(db, errand->argument, e);
}

static void errand_done(struct work *work, result outcome, const struct err *why)
{
    struct errand *errand = (struct errand *)work;
    (void)outcome;
    (void)why;
    pthread_mutex_lock(&errand->mutex);
    errand->is_done = true;
    pthread_cond_signal(&errand->has_ended);
    pthread_mutex_unlock(&errand->mutex);
}

result writer_do(struct writer *w, result (*run)(struct db *db, void *argument, struct err *e), void *argument,
                 struct err *e)
{
    struct errand errand = {.work = {.run = errand_run, .done = errand_done, .is_step = true},
                            .run = run,
                            .argument = argument,
                            .mutex = PTHREAD_MUTEX_INITIALIZER,
                            .has_ended = PTHREAD_COND_INITIALIZER};
    TRY(writer_submit(w, &errand.work, e));
    pthread_mutex_lock(&errand.mutex);
    while (!errand.is_done)
        pthread_cond_wait(&errand.has_ended, &errand.mutex);
    pthread_mutex_unlock(&errand.mutex);
    pthread_cond_destroy(&errand.has_ended);
    pthread_mutex_destroy(&errand.mutex);
    if (!is_ok(errand.work.outcome) && e)
        *e = errand.work.why;
    return errand.work.outcome;
}
