/* db/writer_group.c: a group of works in one transaction, and what becomes of it when the store loses it. */
#include <unistd.h>

#include "db/writer_group.h"

enum { GROUP_WORKS_MAX = 64, GROUP_US_MAX = 5000, TRIES = 3 };
enum { CAREFUL_GROUPS = 256, TURN_TRIES = 20, TURN_PAUSE_MS = 1 };
#define PATIENCE (10 * SECONDS) /* a group waits so long for a lost store, from its beginning on */

/* What the writer's thread has in hand. */
struct group {
    struct work *works[GROUP_WORKS_MAX];
    size_t n;
    int64_t ends_at;          /* monotonic */
    int64_t patience_ends_at; /* 0: it has not waited for anybody yet */
};

/* ---- one work ---- */

static void finish(struct work *work)
{
    work->done(work, work->outcome, &work->why);
}

void writer_finish_with(struct work *work, enum code code, const char *text)
{
    work->outcome = FAIL(&work->why, code, "%s", text);
    finish(work);
}

static size_t mark(struct writer *w)
{
    return w->hooks.mark ? w->hooks.mark(w->db, w->hooks.context) : 0;
}

static void cut(struct writer *w, size_t mark)
{
    if (w->hooks.cut)
        w->hooks.cut(w->db, mark, w->hooks.context);
}

/* The savepoint is gone afterwards, one way or the other. A statement that failed unnoticed may have cost the
 * transaction. */
static result end_savepoint(struct writer *w, result r, size_t mark, struct err *why)
{
    struct err ignored;
    if (is_ok(r))
        r = db_release(w->db, why);
    if (!is_ok(r) && db_is_in_transaction(w->db)) {
        if (is_ok(db_rollback_to(w->db, &ignored)))
            cut(w, mark);
        else
            db_rollback(w->db);
    }
    return r;
}

/* Leaves the work's outcome behind. When the transaction is lost, db_is_in_transaction() is false. */
static void run_in_savepoint(struct writer *w, struct work *work)
{
    size_t start = mark(w);
    struct err why;
    work->why = (struct err){0};
    work->outcome = db_savepoint(w->db, &work->why);
    if (!is_ok(work->outcome))
        return;
    work->outcome = end_savepoint(w, work->run(w->db, work, &work->why), start, &work->why);
    if (is_ok(work->outcome) || !work->refuse || !db_is_in_transaction(w->db))
        return;
    why = (struct err){0};
    result r = db_savepoint(w->db, &why);
    if (is_ok(r))
        r = end_savepoint(w, work->refuse(w->db, work, &work->why, &why), start, &why);
    if (!is_ok(r)) { /* a refusal that cannot be recorded is not given */
        work->outcome = r;
        work->why = why;
    }
}

/* ---- one group ---- */

void writer_give_up_if_device_failed(struct writer *w)
{
    if (!db_has_device_failed(w->db))
        return;
    pthread_mutex_lock(&w->mutex);
    bool was_broken = w->is_broken;
    w->is_broken = true;
    pthread_mutex_unlock(&w->mutex);
    if (!was_broken && w->hooks.device_failed)
        w->hooks.device_failed(w->hooks.context);
}

static void count_loss(struct writer *w)
{
    pthread_mutex_lock(&w->mutex);
    w->losses++;
    w->collisions += db_has_collided(w->db);
    pthread_mutex_unlock(&w->mutex);
    writer_give_up_if_device_failed(w);
}

static void note_loss(struct writer *w)
{
    if (db_has_collided(w->db))
        w->careful_groups = CAREFUL_GROUPS;
    db_rollback(w->db);
    if (w->hooks.after_loss)
        w->hooks.after_loss(w->db, w->hooks.context);
    count_loss(w);
}

/* Nothing happens on a new connection before the audit has looked at it. *ret_stands: of the group in doubt. */
static result make_contact(struct writer *w, bool *ret_stands, struct err *e)
{
    *ret_stands = false;
    TRY(db_reach(w->db, e));
    if (w->hooks.contact)
        TRY(w->hooks.contact(w->db, w->hooks.context, ret_stands, e));
    w->needs_contact = false;
    return SUCCESS;
}

/* The store was lost in the middle of a group. True: its COMMIT had come through. False: nothing of it stands, and the
 * store is back (needs_contact is false) or not. */
static bool outlast_loss(struct writer *w)
{
    struct err ignored;
    bool stands = false;
    db_rollback(w->db);
    w->needs_contact = true;
    w->is_in_doubt = db_is_in_doubt(w->db);
    while (!is_ok(make_contact(w, &stands, &ignored)) && clock_monotonic() < w->patient_until)
        usleep(REACH_PAUSE_MS * 1000);
    return !w->needs_contact && w->is_in_doubt && stands;
}

static result commit(struct writer *w, struct err *e)
{
    if (w->hooks.before_commit)
        TRY(w->hooks.before_commit(w->db, w->hooks.context, e));
    TRY(db_commit(w->db, e));
    if (w->hooks.after_commit)
        w->hooks.after_commit(w->db, w->hooks.context);
    return SUCCESS;
}

/* Whoever has just collided takes turns for a while with those that have, too. Nobody waits long for a server that has
 * stopped in the middle of a group. */
static result begin(struct writer *w, struct err *e)
{
    bool is_turn = true;
    if (w->careful_groups > 0)
        w->careful_groups--;
    else
        return db_begin(w->db, e);
    for (int tries = 0; tries < TURN_TRIES; tries++) {
        result r = db_begin_in_turn(w->db, &is_turn, e);
        if (is_ok(r) && is_turn)
            return r;
        db_rollback(w->db);
        if (!is_ok(r))
            return r;
        usleep(TURN_PAUSE_MS * 1000);
    }
    return db_begin(w->db, e);
}

/* How many works were here: those done and those waiting. */
static size_t count_commit(struct writer *w, size_t works)
{
    pthread_mutex_lock(&w->mutex);
    w->commits++;
    w->works += works;
    size_t company = works + w->waiting;
    pthread_mutex_unlock(&w->mutex);
    return company < GROUP_WORKS_MAX ? company : GROUP_WORKS_MAX;
}

static void refuse_unreached(struct writer *w, struct work *work)
{
    if (w->is_in_doubt)
        writer_finish_with(
            work, BUSY,
            "the store was lost while this was being written, and whether it stands is not known yet: look "
            "before you ask again");
    else
        writer_finish_with(work, BUSY, "the store cannot be reached");
}

/* One more try, in a group of its own. */
static result try_alone(struct writer *w, struct work *work, struct err *why)
{
    TRY(begin(w, why));
    run_in_savepoint(w, work);
    /* Its own error says more than that of the COMMIT that cannot be. */
    if (db_is_in_transaction(w->db))
        return commit(w, why);
    *why = work->why;
    return is_ok(work->outcome) ? FAIL(why, INTERNAL, "the store has rolled the transaction back") : work->outcome;
}

/* After a loss. What fails now has failed for good, unless it was a collision. */
static void run_alone(struct writer *w, struct work *work)
{
    for (int tries = 1; !w->is_broken && !w->needs_contact; tries++) {
        struct err why = {0};
        result r = try_alone(w, work, &why);
        bool is_lost = db_is_lost(w->db), has_collided = db_has_collided(w->db);
        if (!is_ok(r) && is_lost && outlast_loss(w))
            r = SUCCESS;
        if (is_ok(r)) {
            count_commit(w, 1);
            finish(work);
            return;
        }
        if (is_lost)
            count_loss(w);
        else
            note_loss(w);
        if (w->is_broken || (tries < TRIES && (has_collided || is_lost)))
            continue;
        work->outcome = r;
        work->why = why;
        finish(work);
        return;
    }
    if (w->is_broken)
        writer_finish_with(work, INTERNAL, "the store's device has failed");
    else
        refuse_unreached(w, work);
}

/* Whoever was here when the last group ended soon comes again, and waiting for him saves a commit: a group does it for
 * as long as a commit takes, once. Alone, nobody waits. */
static bool has_more(struct writer *w, struct group *g)
{
    if (g->n == 0 || g->n >= w->company)
        return false;
    if (g->patience_ends_at == 0) {
        int64_t ends_at = clock_monotonic() + w->commit_us;
        g->patience_ends_at = ends_at < g->ends_at ? ends_at : g->ends_at;
    }
    return writer_wait_for_company(w, w->company - g->n, g->patience_ends_at);
}

/* False: nothing of the group stands. */
static bool run_group(struct writer *w, struct group *g)
{
    struct err ignored;
    g->ends_at = clock_monotonic() + GROUP_US_MAX;
    w->patient_until = clock_monotonic() + PATIENCE;
    while (g->n < GROUP_WORKS_MAX && (g->n == 0 || clock_monotonic() < g->ends_at)) {
        struct work *work = writer_take_next(w);
        if (!work && has_more(w, g))
            continue;
        if (!work)
            break;
        if (work->is_wanted && !work->is_wanted(work)) {
            writer_finish_with(work, BUSY, "nobody waits for it any more");
            continue;
        }
        g->works[g->n++] = work;
        run_in_savepoint(w, work);
        if (!db_is_in_transaction(w->db) || db_has_device_failed(w->db))
            return false;
    }
    int64_t start = clock_monotonic();
    result r = commit(w, &ignored);
    w->commit_us = clock_monotonic() - start;
    return is_ok(r);
}

/* After a collision: a commit each would cost them more than it did. False: nothing of the group stands. */
static bool run_together(struct writer *w, struct group *g)
{
    struct err ignored;
    if (!is_ok(begin(w, &ignored)))
        return false;
    for (size_t i = 0; i < g->n; i++) {
        run_in_savepoint(w, g->works[i]);
        if (!db_is_in_transaction(w->db))
            return false;
    }
    return is_ok(commit(w, &ignored));
}

static result begin_group(struct writer *w, struct err *why)
{
    bool stands; /* its works have been told already that it was not known */
    if (w->needs_contact)
        TRY(make_contact(w, &stands, why));
    return begin(w, why);
}

/* All that wait now: each has waited as long as the attempt to reach the store took. */
static void refuse_waiting(struct writer *w, enum code code, const char *text)
{
    struct work *work;
    pthread_mutex_lock(&w->mutex);
    size_t left = w->waiting;
    pthread_mutex_unlock(&w->mutex);
    while (left-- > 0 && (work = writer_take_next(w)))
        writer_finish_with(work, code, text);
}

static void refuse_group(struct writer *w, const struct err *why)
{
    w->needs_contact = w->needs_contact || db_is_lost(w->db);
    writer_give_up_if_device_failed(w);
    refuse_waiting(w, why->code, why->text);
}

static void finish_group(struct writer *w, struct group *g)
{
    w->company = count_commit(w, g->n);
    for (size_t i = 0; i < g->n; i++)
        finish(g->works[i]);
}

void writer_write_group(struct writer *w)
{
    struct group g = {0};
    struct err why = {0};
    if (!is_ok(begin_group(w, &why))) {
        refuse_group(w, &why);
        return;
    }
    if (run_group(w, &g)) {
        finish_group(w, &g);
        return;
    }
    for (int tries = 1; g.n > 1 && tries < TRIES && db_has_collided(w->db); tries++) {
        note_loss(w);
        if (run_together(w, &g)) {
            finish_group(w, &g);
            return;
        }
    }
    bool is_lost = db_is_lost(w->db);
    if (is_lost && outlast_loss(w)) {
        finish_group(w, &g);
        return;
    }
    if (is_lost)
        count_loss(w);
    else
        note_loss(w);
    for (size_t i = 0; i < g.n; i++)
        run_alone(w, g.works[i]);
    if (w->needs_contact)
        refuse_waiting(w, BUSY, "the store cannot be reached");
}
