/* rotation/rotation.c: the engine: a dispatcher that claims what is due, and its start and stop. The workers: worker.c.
 */
#include "rotation/rotation.h"

#include "audit/audit.h"
#include "base/log.h"
#include "rotation/engine.h"
#include "rotation/job_row.h"
#include "rotation/line.h"
#include "rotation/line_pool.h"
#include "rotation/rotation_internal.h"

enum { WORKERS_DEFAULT = 8, PER_SYSTEM_DEFAULT = 2, QUIET_DEFAULT_S = 60 };
enum { LENT_TIMES = 4 };    /* so many threads for each lane */
enum { KEY_WAIT_MS = 100 }; /* for another's key: most take ten */

struct claim {
    struct rotation *r;
    struct arena *a;
    struct job jobs[WORKERS_MAX];
    size_t n, max;
};

static result claim_due(struct db *db, void *argument, struct err *e)
{
    struct claim *c = argument;
    return job_claim(db, c->a, clock_now(), c->max, c->r->config.per_system, c->jobs, &c->n, e);
}

/* A job that takes long waits for its target, which may be dead: its lane is lent to another meanwhile. */
static size_t room_of(const struct rotation *r)
{
    int64_t now = clock_monotonic();
    size_t taken = r->waiting_count, threads = r->waiting_count + r->running_count;
    for (size_t i = 0; i < r->running_count; i++)
        taken += r->since[i] + LENT_AFTER > now;
    size_t most = LENT_TIMES * r->lanes < WORKERS_MAX ? LENT_TIMES * r->lanes : WORKERS_MAX;
    size_t lanes = r->lanes > taken ? r->lanes - taken : 0;
    return threads >= most ? 0 : lanes < most - threads ? lanes : most - threads;
}

/* The lock is held. */
static void start_worker(struct rotation *r)
{
    if (pthread_create(&r->workers[r->worker_count], NULL, worker_main, r) != 0)
        die("cannot start a worker thread");
    r->worker_count++;
}

static struct timespec after_ms(long ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return until;
}

static size_t wait_for_room(struct rotation *r)
{
    const struct timespec until = after_ms(LOOK_AGAIN_MS);
    pthread_mutex_lock(&r->lock);
    while (!r->is_stopping && !(r->is_woken && room_of(r) > 0))
        if (pthread_cond_timedwait(&r->wake, &r->lock, &until) != 0)
            break;
    r->is_woken = false;
    size_t room = room_of(r);
    pthread_mutex_unlock(&r->lock);
    return room;
}

static void hand_out(struct rotation *r, const struct claim *c)
{
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < c->n; i++)
        r->waiting[r->waiting_count++] = job_bare(&c->jobs[i]);
    r->is_woken = r->is_woken || c->n > 0;
    while (r->worker_count < r->running_count + r->waiting_count)
        start_worker(r);
    pthread_cond_broadcast(&r->work);
    pthread_mutex_unlock(&r->lock);
}

/* Is anything due at all? Asked of a reader, so that an idle engine never troubles the writer. */
static bool is_anything_due(struct db *db, struct arena *a)
{
    struct rows rows = {0};
    struct err e;
    int64_t now = clock_now();
    if (!is_ok(db_snapshot(db, &e)))
        return false;
    result r =
        db_query(db, a,
                 SQL("SELECT j.id FROM jobs j WHERE j.is_open = 1 AND j.next_try_at <= $1 AND j.leased_until <= $1 "
                     "AND j.kind IN " KINDS_RUN " AND " ENGINE_MAY_RUN_J " LIMIT 1",
                     P_INT(now)),
                 &rows, &e);
    db_snapshot_end(db);
    return is_ok(r) && rows.n > 0;
}

static void *dispatcher_main(void *argument)
{
    struct rotation *r = argument;
    struct arena *a = arena_new();
    struct db *db = NULL;
    struct err e;
    if (!is_ok(db_open(r->config.store, DB_READER, &db, &e)))
        die("rotation: cannot open a reader: %s", e.text);
    while (!r->is_stopping) {
        size_t room = wait_for_room(r);
        arena_reset(a);
        line_pool_tidy(r->config.lines);
        if (room == 0 || r->is_stopping || !is_anything_due(db, a))
            continue;
        struct claim c = {.r = r, .a = a, .max = room};
        if (is_ok(writer_do(r->config.writer, claim_due, &c, &e)))
            hand_out(r, &c);
        else
            log_warning("rotation: cannot claim jobs: %s", e.text);
    }
    db_free(db);
    arena_free(a);
    return NULL;
}

result rotation_renew(struct rotation *r, struct db *db, struct arena *a, int64_t now, struct err *e)
{
    int64_t ids[2 * WORKERS_MAX];
    size_t n = 0;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->running_count; i++)
        ids[n++] = r->running[i];
    for (size_t i = 0; i < r->waiting_count; i++)
        ids[n++] = r->waiting[i].id;
    pthread_mutex_unlock(&r->lock);
    return n ? jobs_renew(db, a, ids, n, now, e) : SUCCESS;
}

/* ---- start, stop ---- */

static result recover(struct db *db, void *argument, struct err *e)
{
    audit_act_as_server(db);
    return jobs_recover(db, argument, clock_now(), e);
}

static void init_wake(struct rotation *r)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC); /* half a second stays one when the clock is put back */
    pthread_cond_init(&r->wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

result rotation_start(const struct rotation_config *config, struct rotation **ret, struct err *e)
{
    struct arena *a = arena_new();
    result recovered = writer_do(config->writer, recover, a, e);
    arena_free(a);
    TRY(recovered);
    struct rotation *r = calloc(1, sizeof *r);
    if (!r)
        die("out of memory");
    r->config = *config;
    r->config.per_system = config->per_system ? config->per_system : PER_SYSTEM_DEFAULT;
    r->config.quiet_s = config->quiet_s ? config->quiet_s : QUIET_DEFAULT_S;
    r->config.lines = line_pool_new();
    r->lanes = config->workers ? config->workers : WORKERS_DEFAULT;
    if (r->lanes > WORKERS_MAX)
        r->lanes = WORKERS_MAX;
    pthread_mutex_init(&r->lock, NULL);
    pthread_mutex_init(&r->looking_at_key, NULL);
    init_wake(r);
    pthread_cond_init(&r->work, NULL);
    while (r->worker_count < r->lanes)
        start_worker(r);
    if (pthread_create(&r->dispatcher, NULL, dispatcher_main, r) != 0)
        die("cannot start the dispatcher thread");
    *ret = r;
    return SUCCESS;
}

void rotation_wake(void *rotation)
{
    struct rotation *r = rotation;
    pthread_mutex_lock(&r->lock);
    r->is_woken = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

void rotation_stop(struct rotation *r, unsigned grace_ms)
{
    int64_t until = clock_monotonic() + (int64_t)grace_ms * 1000;
    pthread_mutex_lock(&r->lock);
    r->is_stopping = true;
    pthread_cond_broadcast(&r->work);
    pthread_cond_broadcast(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->dispatcher, NULL);
    for (unsigned i = 0; i < r->worker_count; i++) {
        int64_t left = until - clock_monotonic();
        struct timespec at;
        clock_gettime(CLOCK_REALTIME, &at);
        at.tv_sec += left > 0 ? left / 1000000 + 1 : 0;
        if (pthread_timedjoin_np(r->workers[i], NULL, &at) == 0)
            continue;
        launcher_kill_all(r->config.launcher);
        pthread_join(r->workers[i], NULL);
    }
    line_pool_free(r->config.lines);
}

void rotation_free(struct rotation *r)
{
    if (!r)
        return;
    pthread_cond_destroy(&r->wake);
    pthread_cond_destroy(&r->work);
    pthread_mutex_destroy(&r->looking_at_key);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

result rotation_inspect_key(struct rotation *r, const struct secret *private_key, const struct secret *passphrase,
                            struct arena *a, struct str *ret_public, bool *ret_is_encrypted, struct err *e)
{
    struct line *line = NULL;
    const struct timespec until = after_ms(KEY_WAIT_MS);
    if (pthread_mutex_clocklock(&r->looking_at_key, CLOCK_MONOTONIC, &until) != 0)
        return FAIL(e, BUSY, "another key is being looked at; try again");
    result inspected = line_open(r->config.launcher, "ssh", &line, e);
    if (is_ok(inspected))
        inspected = line_inspect_key(line, private_key, passphrase, a, ret_public, ret_is_encrypted, e);
    line_close(line);
    pthread_mutex_unlock(&r->looking_at_key);
    return inspected;
}

struct rotation_stats rotation_stats(struct rotation *r)
{
    pthread_mutex_lock(&r->lock);
    struct rotation_stats stats = r->stats;
    pthread_mutex_unlock(&r->lock);
    return stats;
}
