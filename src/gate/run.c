/* gate/run.c: a call runs in its row's mode: on the loop, on a reader, on the writer, or parked in between. */
#include "base/log.h"
#include "gate/internal.h"

/* ---- the answer ---- */

static const char *reason_of_retry(const struct gate_call *gc)
{
    return gc->why.code == SEALED ? "30" : gc->why.code == BUSY || gc->why.code == STORE_FULL ? "5" : NULL;
}

static void fill_reply(struct gate_call *gc, struct http_reply *reply)
{
    struct call *c = &gc->call;
    if (gc->outcome.code != OK) {
        buf_init(&reply->body, HTTP_REPLY_MAX);
        reply->status = status_of(gc->why.code);
        const char *retry = reason_of_retry(gc);
        if (retry)
            reply->extra[reply->extra_count++] = (struct http_header){S("Retry-After"), str_of(retry)};
        c->face->write_error(c, &gc->why, reply);
        return;
    }
    reply->status = gc->status ? gc->status : c->row->status ? c->row->status : 200;
    reply->content_type = gc->content_type;
    if (reply->content_type && c->face->json_type && str_equal(str_of(reply->content_type), S("application/json")))
        reply->content_type = c->face->json_type;
    reply->body = gc->out;
    gc->out = (struct buf){0};
    reply->lent = gc->lent;
    for (size_t i = 0; i < gc->header_count; i++)
        reply->extra[reply->extra_count++] = gc->headers[i];
}

void call_finish(struct gate_call *gc)
{
    struct http_reply reply = {0};
    if (gc->outcome.code == OK && gc->out.has_failed)
        gc->outcome = FAIL(&gc->why, TOO_LARGE, "The answer is too large; ask for less at a time");
    if (gc->outcome.code == INTERNAL)
        log_error("%s %s: %s", gc->call.face->name, gc->call.row ? gc->call.row->path : "-", gc->why.text);
    fill_reply(gc, &reply);
    http_exchange_reply(gc->exchange, &reply);
    gate_call_free(gc);
}

void call_finish_with(struct gate_call *gc, result outcome, const struct err *why)
{
    gc->outcome = outcome;
    if (outcome.code != OK && why != &gc->why)
        gc->why = *why;
    call_finish(gc);
}

/* ---- one run of the handler ---- */

static result run_once(struct gate_call *gc, struct db *db, struct err *e)
{
    call_reset_run(gc, db);
    TRY(call_admit(&gc->call, e));
    if (gc->call.row->opens_secrets && !keyring_is_open(gc->gate->config.keys))
        return FAIL(e, SEALED, "The vault is sealed");
    return gc->now_running(&gc->call, e);
}

/* ---- on the writer ---- */

static struct gate_call *of_work(struct work *w)
{
    return (struct gate_call *)((char *)w - offsetof(struct gate_call, work));
}

static result write_run(struct db *db, struct work *w, struct err *e)
{
    struct gate_call *gc = of_work(w);
    call_reset_run(gc, db);
    TRY(call_admit(&gc->call, e));
    audit_act(db, call_actor(&gc->call));
    if (gc->call.row->opens_secrets && !keyring_is_open(gc->gate->config.keys))
        return FAIL(e, SEALED, "The vault is sealed");
    TRY(gc->now_running(&gc->call, e));
    bool is_waiting = gc->park_us > 0;
    if (!is_waiting && !gc->is_recorded && !str_equal(str_of(gc->call.row->audit), S(UNRECORDED)))
        record_outcome(gc, db, true);
    return SUCCESS;
}

static result write_refuse(struct db *db, struct work *w, const struct err *why, struct err *e)
{
    struct gate_call *gc = of_work(w);
    gc->why = *why;
    if (is_refusal_recorded(gc, why->code))
        record_outcome(gc, db, false);
    if (gc->call.row->refused && gc->now_running == gc->call.row->handle) {
        gc->call.db = db;
        audit_act(db, call_actor(&gc->call));
        return gc->call.row->refused(&gc->call, e);
    }
    return SUCCESS;
}

/* Nobody waits for these, and the tick writes them (keyturn-api 2.7). */
static void count_refusal_of_nobody(struct gate_call *gc)
{
    const char *reason = NULL;
    if (gc->outcome.code == UNAUTHENTICATED)
        reason = "unauthenticated";
    else if (gc->outcome.code == DENIED && gc->call.who.user_id == 0)
        reason = "denied";
    if (reason && !gc->call.row->refused)
        audit_refusal(gc->gate->config.audit, gc->gate->config.writer, call_actor(&gc->call), "refused", reason);
}

static void write_done(struct work *w, result outcome, const struct err *why)
{
    struct gate_call *gc = of_work(w);
    gc->outcome = outcome;
    if (outcome.code != OK)
        gc->why = *why;
    count_refusal_of_nobody(gc);
    if (outcome.code == OK && gc->after_commit)
        gc->after_commit(gc->after_commit_argument);
    if (outcome.code == OK && gc->park_us > 0)
        call_park_now(gc);
    else
        call_finish(gc);
}

static bool write_is_wanted(struct work *w)
{
    return !http_exchange_is_gone(of_work(w)->exchange);
}

static void submit_write(struct gate_call *gc, bool can_be_dropped)
{
    gc->work = (struct work){.run = write_run,
                             .refuse = write_refuse,
                             .done = write_done,
                             .is_wanted = can_be_dropped ? write_is_wanted : NULL,
                             .bytes = sizeof *gc + gc->call.http->body.n + 1024};
    struct err e;
    result submitted = writer_submit(gc->gate->config.writer, &gc->work, &e);
    if (!is_ok(submitted))
        call_finish_with(gc, submitted, &e);
}

/* ---- a read that was refused is recorded before it is answered ---- */

static result record_run(struct db *db, struct work *w, struct err *e)
{
    (void)e;
    record_outcome(of_work(w), db, false);
    return SUCCESS;
}

static void record_done(struct work *w, result outcome, const struct err *why)
{
    struct gate_call *gc = of_work(w);
    if (outcome.code == OK)
        call_finish(gc);
    else
        call_finish_with(gc, outcome, why);
}

static void finish_read(struct gate_call *gc)
{
    if (gc->outcome.code == OK && gc->park_us > 0) {
        call_park_now(gc);
        return;
    }
    count_refusal_of_nobody(gc);
    if (gc->outcome.code == OK || !is_refusal_recorded(gc, gc->outcome.code)) {
        call_finish(gc);
        return;
    }
    gc->work = (struct work){.run = record_run, .done = record_done, .bytes = 1024};
    struct err e;
    result submitted = writer_submit(gc->gate->config.writer, &gc->work, &e);
    if (!is_ok(submitted))
        call_finish_with(gc, submitted, &e);
}

/* ---- on a loop and on the readers' pool ---- */

static void run_read(struct gate_call *gc, struct db *db)
{
    gc->outcome = db_snapshot(db, &gc->why);
    if (gc->outcome.code == OK)
        gc->outcome = run_once(gc, db, &gc->why);
    gc->call.db = NULL;
    finish_read(gc);
}

static void search_work(void *argument, void *local)
{
    struct gate_call *gc = argument;
    struct db *db = local;
    db_limit(db, 2000);
    gc->outcome = db_snapshot(db, &gc->why);
    if (gc->outcome.code == OK)
        gc->outcome = run_once(gc, db, &gc->why);
    gc->call.db = NULL;
    db_snapshot_end(db);
    db_limit(db, 0);
    finish_read(gc);
}

static void read_work(void *argument, void *local)
{
    struct gate_call *gc = argument;
    struct db *db = local;
    gc->outcome = db_snapshot(db, &gc->why);
    if (gc->outcome.code == OK)
        gc->outcome = run_once(gc, db, &gc->why);
    gc->call.db = NULL;
    db_snapshot_end(db);
    finish_read(gc);
}

static void submit_pool(struct gate_call *gc, struct pool *pool, void (*work)(void *, void *))
{
    struct err e;
    result submitted = pool_run(pool, work, gc, &e);
    if (!is_ok(submitted))
        call_finish_with(gc, submitted, &e);
}

static void dispatch_mode(struct gate_call *gc, bool is_on_loop)
{
    switch (gc->call.row->mode) {
    case READS:
        if (gc->gate->read)
            submit_pool(gc, gc->gate->read, read_work);
        else if (is_on_loop && !gc->call.was_parked)
            run_read(gc, gc->gate->loop_readers[http_exchange_loop(gc->exchange)]);
        else
            submit_pool(gc, gc->gate->search, search_work);
        return;
    case SEARCHES:
        submit_pool(gc, gc->gate->search, search_work);
        return;
    default:
        submit_write(gc, !gc->call.was_parked);
    }
}

/* ---- CPU work first ---- */

static result count_run(struct db *db, struct work *w, struct err *e)
{
    struct gate_call *gc = of_work(w);
    gc->call.db = db;
    return gc->call.face->count_failure(&gc->call, e);
}

/* A header that can be guessed: verified here, and a wrong one counted before it is answered. */
static bool is_verified(struct gate_call *gc, struct db *db)
{
    if (!gc->call.needs_verifying)
        return true;
    call_reset_run(gc, db);
    gc->outcome = db_snapshot(db, &gc->why);
    if (gc->outcome.code == OK)
        gc->outcome = gc->call.face->verify(&gc->call, &gc->why);
    db_snapshot_end(db);
    gc->call.db = NULL;
    if (gc->outcome.code == OK)
        return true;
    if (gc->outcome.code != UNAUTHENTICATED) {
        call_finish(gc);
        return false;
    }
    gc->work = (struct work){.run = count_run, .done = record_done, .bytes = 1024};
    struct err e;
    result submitted = writer_submit(gc->gate->config.writer, &gc->work, &e);
    if (!is_ok(submitted))
        call_finish_with(gc, submitted, &e);
    return false;
}

static void prepare_work(void *argument, void *local)
{
    struct gate_call *gc = argument;
    if (!is_verified(gc, local))
        return;
    if (gc->call.http->body.n > REPLY_KEPT)
        call_decode_body(gc);
    if (!gc->call.row->prepare) {
        dispatch_mode(gc, false);
        return;
    }
    struct db *db = local;
    handler run = gc->now_running;
    gc->now_running = gc->call.row->prepare;
    gc->outcome = db_snapshot(db, &gc->why);
    if (gc->outcome.code == OK)
        gc->outcome = run_once(gc, db, &gc->why);
    db_snapshot_end(db);
    gc->call.db = NULL;
    gc->now_running = run;
    if (gc->outcome.code == OK && gc->park_us > 0)
        call_park_now(gc);
    else if (gc->outcome.code == OK)
        dispatch_mode(gc, false);
    else
        finish_read(gc);
}

void call_dispatch(struct gate_call *gc, handler run)
{
    gc->now_running = run;
    bool is_first = run == gc->call.row->handle && !gc->call.was_parked;
    bool is_large = gc->call.http->body.n > REPLY_KEPT;
    if (is_first && !is_large)
        call_decode_body(gc);
    if (is_first && (gc->call.row->prepare || is_large || gc->call.needs_verifying))
        submit_pool(gc, gc->gate->prepare, prepare_work);
    else
        dispatch_mode(gc, true);
}
