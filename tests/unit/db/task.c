/* db/task.c: works for the writer that a test can hold up, look into and wait for. */
#include "task.h"

#include <stdlib.h>
#include <sys/random.h>

result write_row(struct db *db, int64_t number, size_t bytes, struct err *e)
{
    struct arena *a = arena_new();
    char *hash = arena_alloc(a, bytes);
    assert_int_equal(getrandom(hash, bytes < 200 ? bytes : 200, 0), bytes < 200 ? bytes : 200);
    result r = db_run(db,
                      SQL("INSERT INTO ended_tokens (hash, ends_at) VALUES ($1, $2)",
                          P_BLOB(((struct str){hash, bytes})), P_INT(number)),
                      e);
    arena_free(a);
    return r;
}

static result task_run(struct db *db, struct work *work, struct err *e)
{
    struct task *t = (struct task *)work;
    struct scene *s = t->scene;
    pthread_mutex_lock(&s->mutex);
    if (t->runs++ == 0)
        s->order[s->order_count++] = t->number;
    s->is_holding = t == &s->holder;
    pthread_cond_broadcast(&s->has_changed);
    while (t == &s->holder && s->is_held)
        pthread_cond_wait(&s->has_changed, &s->mutex);
    pthread_mutex_unlock(&s->mutex);
    result r = write_row(db, t->number, t->bytes, e);
    if (t->ignores)
        return write_row(db, t->number, 16, e);
    TRY(r);
    return t->fails == OK ? SUCCESS : FAIL(e, t->fails, "as it was told");
}

static void task_done(struct work *work, result outcome, const struct err *why)
{
    struct task *t = (struct task *)work;
    pthread_mutex_lock(&t->scene->mutex);
    t->outcome = outcome.code;
    t->why = *why;
    t->commits = store_commits(t->scene->fixture->store);
    t->is_done = true;
    t->scene->done_count++;
    pthread_cond_broadcast(&t->scene->has_changed);
    pthread_mutex_unlock(&t->scene->mutex);
}

void task_init(struct task *t, struct scene *s, int64_t number)
{
    *t = (struct task){.work = {.run = task_run, .done = task_done}, .scene = s, .number = number, .bytes = 16};
}

void task_submit(struct task *t)
{
    MUST(writer_submit(t->scene->writer, &t->work, &error));
}

void task_wait(struct task *t)
{
    pthread_mutex_lock(&t->scene->mutex);
    while (!t->is_done)
        pthread_cond_wait(&t->scene->has_changed, &t->scene->mutex);
    pthread_mutex_unlock(&t->scene->mutex);
}

struct scene *scene_new(struct fixture *f, const struct writer_hooks *hooks)
{
    struct scene *s = calloc(1, sizeof(*s));
    s->fixture = f;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->has_changed, NULL);
    MUST(writer_new(f->writer, hooks, &s->writer, &error));
    return s;
}

void scene_free(struct scene *s)
{
    writer_free(s->writer);
    pthread_cond_destroy(&s->has_changed);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

void scene_hold(struct scene *s)
{
    s->is_held = true;
    task_init(&s->holder, s, 0);
    task_submit(&s->holder);
    pthread_mutex_lock(&s->mutex);
    while (!s->is_holding)
        pthread_cond_wait(&s->has_changed, &s->mutex);
    pthread_mutex_unlock(&s->mutex);
}

void scene_release(struct scene *s)
{
    pthread_mutex_lock(&s->mutex);
    s->is_held = false;
    pthread_cond_broadcast(&s->has_changed);
    pthread_mutex_unlock(&s->mutex);
    task_wait(&s->holder);
}

int64_t rows_of(struct scene *s, int64_t number_wanted)
{
    return number(s->fixture->reader,
                  SQL("SELECT count(*) FROM ended_tokens WHERE ends_at = $1", P_INT(number_wanted)));
}
