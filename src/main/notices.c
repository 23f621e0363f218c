/* main/notices.c: what the servers on one store tell each other: jobs that ended, token keys that were made. */
#include <inttypes.h>

#include "base/log.h"
#include "main/server.h"

enum { PARKED_AT_ONCE = 256 };

static bool reach_reader(struct server *s)
{
    struct err e;
    if (!s->notices_db && !is_ok(db_open(s->store, DB_READER, &s->notices_db, &e)))
        return false;
    return is_ok(db_snapshot(s->notices_db, &e));
}

static void reload_tokens(struct server *s)
{
    struct err e = {0};
    if (!reach_reader(s))
        return;
    if (!is_ok(tokens_reload(s->tokens, s->notices_db, clock_now(), &e)))
        log_warning("token keys: %s; tried again within a minute", e.text);
    db_snapshot_end(s->notices_db);
}

/* Somebody may wait for a job whose end was told while nobody listened. */
static void look_after_parked(struct server *s)
{
    int64_t ids[PARKED_AT_ONCE];
    size_t n = gate_parked_jobs(s->gate, ids, PARKED_AT_ONCE);
    if (n == 0 || !reach_reader(s))
        return;
    struct arena *a = arena_new();
    struct rows r = {0};
    struct err e;
    struct builder b;
    builder_init(&b, a);
    builder_add(&b, "SELECT id FROM jobs WHERE is_open = 0 AND ");
    builder_in(&b, "id", ids, n);
    result got = db_query(s->notices_db, a, builder_sql(&b), &r, &e);
    db_snapshot_end(s->notices_db);
    for (size_t i = 0; is_ok(got) && i < r.n; i++)
        gate_job_settled(s->gate, row_int(&r, i, 0));
    arena_free(a);
}

static void on_notice(void *context, struct str text)
{
    struct server *s = context;
    int64_t job;
    bool may_have_missed = text.n == 0;
    if (may_have_missed || str_equal(text, S("tokens")))
        reload_tokens(s);
    if (may_have_missed)
        look_after_parked(s);
    if (str_starts(text, S("job ")) && str_to_int(str_sub(text, 4, text.n), 1, INT64_MAX, &job))
        gate_job_settled(s->gate, job);
}

result server_start_listening(struct server *s, struct err *e)
{
    return store_listen(s->store, on_notice, s, &s->listener, e);
}

void server_stop_listening(struct server *s)
{
    listener_free(s->listener);
    db_free(s->notices_db);
}
