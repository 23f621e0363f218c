/* audit/refusal.c: refusals that nobody waits for: counted in bounded memory, written by the server's tick. */
#include "audit/audit.h"

#include <inttypes.h>
#include <stdlib.h>

#include "audit/state.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

enum { REFUSAL_TEXT_BYTES_MAX = 256 };

struct batch { /* lives in `arena`, with all its texts, until the writer is done with it */
    struct work work;
    struct audit *audit;
    struct arena *arena;
    struct refusal *rows;
    size_t n;
    int64_t total;
};

void refusals_init(struct refusals *r)
{
    pthread_mutex_init(&r->lock, NULL);
    r->arena = arena_new();
    r->at = arena_array(r->arena, struct refusal, REFUSALS_MAX);
}

void refusals_free(struct refusals *r)
{
    arena_free(r->arena);
    pthread_mutex_destroy(&r->lock);
}

static uint64_t key_add(uint64_t key, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        key = (key ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
    return (key ^ 0xFF) * UINT64_C(1099511628211); /* 0xFF is in no UTF-8 text: the end of a part */
}

static uint64_t key_of(const struct refusal *r)
{
    uint64_t key = key_add(UINT64_C(14695981039346656037), r->actor.address);
    return key_add(key_add(key_add(key, r->actor.user_name), r->what), r->reason);
}

static bool is_same(const struct refusal *a, const struct refusal *b)
{
    return a->key == b->key && str_equal(a->actor.address, b->actor.address) &&
           str_equal(a->actor.user_name, b->actor.user_name) && str_equal(a->what, b->what) &&
           str_equal(a->reason, b->reason);
}

static struct refusal copy_of(struct arena *a, const struct refusal *r)
{
    struct refusal copy = *r;
    copy.actor.user_name = arena_str(a, r->actor.user_name);
    copy.actor.address = arena_str(a, r->actor.address);
    copy.actor.request_id = arena_str(a, r->actor.request_id);
    copy.actor.source = arena_str(a, r->actor.source);
    copy.what = arena_str(a, r->what);
    copy.reason = arena_str(a, r->reason);
    return copy;
}

static void count(struct refusals *r, const struct refusal *refusal)
{
    for (size_t i = 0; i < r->n; i++)
        if (is_same(&r->at[i], refusal)) {
            r->at[i].count++;
            return;
        }
    if (r->n < REFUSALS_MAX)
        r->at[r->n++] = copy_of(r->arena, refusal);
    else
        r->unlisted++;
}

void audit_refusal(struct audit *a, struct writer *w, struct audit_actor actor, const char *what, const char *reason)
{
    (void)w; /* the tick's flush brings its own */
    struct refusal refusal = {
        .actor = {.user_id = actor.user_id,
                  .user_name = text_start(actor.user_name, REFUSAL_TEXT_BYTES_MAX),
                  .address = text_start(actor.address, REFUSAL_TEXT_BYTES_MAX),
                  .request_id = text_start(actor.request_id, REFUSAL_TEXT_BYTES_MAX),
                  .source = text_start(actor.source, REFUSAL_TEXT_BYTES_MAX)},
        .what = text_start(str_of(what), REFUSAL_TEXT_BYTES_MAX),
        .reason = text_start(str_of(reason), REFUSAL_TEXT_BYTES_MAX),
        .count = 1,
    };
    refusal.key = key_of(&refusal);
    pthread_mutex_lock(&a->refusals.lock);
    count(&a->refusals, &refusal);
    pthread_mutex_unlock(&a->refusals.lock);
}

/* ---- writing ---- */

static result write_batch(struct db *db, struct work *w, struct err *e)
{
    (void)e;
    struct batch *b = (struct batch *)w;
    for (size_t i = 0; i < b->n; i++) {
        const struct refusal *r = &b->rows[i];
        struct str detail = r->reason;
        if (r->count > 1)
            detail = arena_printf(b->arena, "%.*s, %" PRId64 " times", STR_ARG(r->reason), r->count);
        audit_act(db, r->actor);
        audit_note(db, arena_cstr(b->arena, r->what), false, NO_OBJECT, 0, detail);
    }
    return SUCCESS;
}

static void batch_end(struct batch *b, result outcome)
{
    struct refusals *r = &b->audit->refusals;
    pthread_mutex_lock(&r->lock);
    r->is_under_way = false;
    if (!is_ok(outcome))
        r->unlisted += b->total;
    pthread_mutex_unlock(&r->lock);
    arena_free(b->arena);
}

static void batch_done(struct work *w, result outcome, const struct err *why)
{
    (void)why;
    batch_end((struct batch *)w, outcome);
}

static bool is_due(const struct refusal *r, int64_t now, bool is_last)
{
    return r->count > 0 && (is_last || r->written_at == 0 || now - r->written_at >= MINUTES);
}

static void batch_add(struct batch *b, const struct refusal *r)
{
    b->rows[b->n++] = copy_of(b->arena, r);
    b->total += r->count;
}

/* Move what is due to the batch, as far as the rows reach, and forget who was silent for a minute. What stays goes to a
 * fresh arena, so that a long flood does not pile up texts. */
static void take_due(struct refusals *r, struct batch *b, size_t rows_max, int64_t now, bool is_last)
{
    struct arena *fresh = arena_new();
    struct refusal *stays = arena_array(fresh, struct refusal, REFUSALS_MAX);
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct refusal *at = &r->at[i];
        if (is_due(at, now, is_last) && b->n + 1 < rows_max) {
            batch_add(b, at);
            at->count = 0;
            at->written_at = now;
        } else if (is_due(at, now, is_last)) {
            r->unlisted += at->count;
            continue;
        }
        if (at->count > 0 || now - at->written_at < MINUTES)
            stays[n++] = copy_of(fresh, at);
    }
    arena_free(r->arena);
    r->arena = fresh;
    r->at = stays;
    r->n = n;
    if (r->unlisted == 0)
        return;
    batch_add(b, &(struct refusal){.actor = {.source = S("server")},
                                   .what = S("refusals.counted"),
                                   .reason = S("further refusals, not listed one by one"),
                                   .count = r->unlisted});
    r->unlisted = 0;
}

/* A hundred a second, however often the tick comes. */
static size_t rows_allowed(const struct refusals *r, int64_t now, bool is_last)
{
    int64_t passed = now - r->flushed_at;
    if (is_last || r->flushed_at == 0 || passed >= SECONDS)
        return REFUSAL_ROWS_PER_SECOND;
    return (size_t)(REFUSAL_ROWS_PER_SECOND * passed / SECONDS);
}

static struct batch *batch_new(struct audit *a)
{
    struct arena *arena = arena_new();
    struct batch *b = arena_new_of(arena, struct batch);
    *b = (struct batch){.work = {.run = write_batch, .done = batch_done}, .audit = a, .arena = arena};
    b->rows = arena_array(arena, struct refusal, REFUSAL_ROWS_PER_SECOND);
    return b;
}

static void batch_submit(struct batch *b, struct writer *w)
{
    if (b->n == 0) {
        arena_free(b->arena);
        return;
    }
    struct err e;
    b->work.bytes = arena_bytes(b->arena);
    result submitted = writer_submit(w, &b->work, &e);
    if (!is_ok(submitted)) {
        log_warning("audit: %" PRId64 " refusals stay counted for now: %s", b->total, e.text);
        batch_end(b, submitted);
    }
}

void audit_flush(struct audit *a, struct writer *w, bool is_last)
{
    struct refusals *r = &a->refusals;
    struct batch *b = NULL;
    int64_t now = clock_monotonic();
    pthread_mutex_lock(&r->lock);
    size_t rows_max = rows_allowed(r, now, is_last);
    bool has_any = r->n > 0 || r->unlisted > 0;
    if (has_any && rows_max > 1 && (is_last || !r->is_under_way)) {
        b = batch_new(a);
        take_due(r, b, rows_max, now, is_last);
        if (b->n > 0) {
            r->flushed_at = now;
            r->is_under_way = true;
        }
    }
    pthread_mutex_unlock(&r->lock);
    if (b)
        batch_submit(b, w);
}
