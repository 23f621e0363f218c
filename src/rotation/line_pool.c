/* rotation/line_pool.c: a short list of idle lines; what is closed is closed outside the lock. */
#include "rotation/line_pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

enum { KEPT_MAX = 64 };
#define IDLE_MAX (20 * SECONDS)

struct kept {
    struct line *line;
    int64_t since; /* monotonic */
};

struct line_pool {
    pthread_mutex_t lock;
    struct kept lines[KEPT_MAX]; /* the one that waits longest first */
    size_t n;
};

struct line_pool *line_pool_new(void)
{
    struct line_pool *p = calloc(1, sizeof(*p));
    if (!p)
        die("out of memory");
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

/* The lock is held. */
static struct line *remove_at(struct line_pool *p, size_t i)
{
    struct line *l = p->lines[i].line;
    for (p->n--; i < p->n; i++)
        p->lines[i] = p->lines[i + 1];
    return l;
}

void line_pool_free(struct line_pool *p)
{
    if (!p)
        return;
    while (p->n > 0)
        line_close(remove_at(p, p->n - 1));
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* The newest first: its session is the likeliest to be alive. */
static struct line *find(struct line_pool *p, const struct line_setup *setup)
{
    struct line *found = NULL;
    pthread_mutex_lock(&p->lock);
    for (size_t i = p->n; i > 0 && !found; i--)
        if (line_was_set_up(p->lines[i - 1].line, setup))
            found = remove_at(p, i - 1);
    pthread_mutex_unlock(&p->lock);
    return found;
}

struct line *line_pool_take(struct line_pool *p, const struct line_setup *setup)
{
    struct line *found = find(p, setup);
    while (found && !line_may_serve_again(found)) {
        line_close(found);
        found = find(p, setup);
    }
    return found;
}

void line_pool_give(struct line_pool *p, struct line *l)
{
    struct line *too_many = l;
    if (l && line_may_serve_again(l)) {
        pthread_mutex_lock(&p->lock);
        too_many = p->n == KEPT_MAX ? remove_at(p, 0) : NULL;
        p->lines[p->n++] = (struct kept){l, clock_monotonic()};
        pthread_mutex_unlock(&p->lock);
    }
    line_close(too_many);
}

void line_pool_tidy(struct line_pool *p)
{
    struct line *idle;
    do {
        pthread_mutex_lock(&p->lock);
        bool is_idle = p->n > 0 && p->lines[0].since + IDLE_MAX < clock_monotonic();
        idle = is_idle ? remove_at(p, 0) : NULL;
        pthread_mutex_unlock(&p->lock);
        line_close(idle);
    } while (idle);
}
