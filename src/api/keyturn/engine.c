/* api/keyturn/engine.c: the stop of the whole queue, and how often a refused change is tried again. */
#include "rotation/engine.h"

#include "api/keyturn/face.h"
#include "rotation/rotation.h"

struct engine_view {
    struct engine_rules rules;
};
static const struct field view_fields[] = {
    FLAG("stopped", struct engine_view, rules.is_stopped),
    TEXT("reason", struct engine_view, rules.reason, .null_when_empty = true),
    ID("by", struct engine_view, rules.stopped_by, .null_when_empty = true),
    TIME("at", struct engine_view, rules.stopped_at, .format = TIME_Z_MILLI),
    INT("retryMinutes", struct engine_view, rules.retry_minutes),
    INT("retries", struct engine_view, rules.retries, .doc = "0: without end"),
    FIELD_END,
};

static result show(struct call *c, struct err *e)
{
    struct engine_view v;
    TRY(engine_rules_get(c->db, c->arena, &v.rules, e));
    reply_object(c, view_fields, &v);
    return SUCCESS;
}

struct engine_body {
    struct opt_bool stopped;
    struct str reason;
    struct opt_int retry_minutes, retries;
};
static const struct field body_fields[] = {
    OPT_FLAG("stopped", struct engine_body, stopped,
             .doc = "True: nothing new is begun; what was sent is settled all the same"),
    TEXT("reason", struct engine_body, reason, .max = ENGINE_REASON_MAX, .doc = "Required to stop it",
         .example = "firewall work"),
    OPT_INT("retryMinutes", struct engine_body, retry_minutes, .doc = "1 to 1440: after a refusal; 15"),
    OPT_INT("retries", struct engine_body, retries, .doc = "0 to 1000: of a queued change; 0: without end; 5"),
    FIELD_END,
};
static const struct body engine_body =
    BODY(struct engine_body, body_fields, .example = "{\"stopped\":true,\"reason\":\"firewall work\"}");

static result take_retries(struct call *c, const struct engine_body *in, struct err *e)
{
    struct engine_rules rules;
    if (!in->retry_minutes.is_set && !in->retries.is_set)
        return SUCCESS;
    TRY(engine_rules_get(c->db, c->arena, &rules, e));
    int64_t minutes = in->retry_minutes.is_set ? in->retry_minutes.value : rules.retry_minutes;
    int64_t retries = in->retries.is_set ? in->retries.value : rules.retries;
    if (minutes < 1 || minutes > 1440)
        return FAIL(e, INVALID, "retryMinutes: 1 to 1440");
    if (retries < 0 || retries > 1000)
        return FAIL(e, INVALID, "retries: 0 to 1000");
    return engine_set_retries(c->db, minutes, retries, e);
}

static result take_stop(struct call *c, const struct engine_body *in, struct err *e)
{
    if (!in->stopped.is_set)
        return in->reason.n ? FAIL(e, INVALID, "reason: only together with stopped") : SUCCESS;
    if (in->stopped.value && !in->reason.n)
        return FAIL(e, INVALID, "reason: is required to stop the engine");
    TRY(engine_stop(c->db, in->stopped.value ? in->reason : STR_ABSENT, c->who.user_id, c->now, e));
    if (!in->stopped.value)
        call_after_commit(c, rotation_wake, c->service->rotation);
    call_detail(c, in->stopped.value ? arena_printf(c->arena, "stopped: %.*s", STR_ARG(in->reason)) : S("goes on"));
    return SUCCESS;
}

static result set(struct call *c, struct err *e)
{
    const void *body;
    TRY(call_body(c, &body, e));
    TRY(take_retries(c, body, e));
    TRY(take_stop(c, body, e));
    return show(c, e);
}

const struct endpoint engine_endpoints[] = {
    {HTTP_GET, "/engine", MAY_READ(ACCOUNT_MANAGEMENT), READS, UNRECORDED,
     "Is the queue stopped, and how often is a refused change tried again?", NO_BODY, show, .reply = view_fields},
    {HTTP_PUT, "/engine", MAY(ACCOUNT_MANAGEMENT), WRITES, "engine.set",
     "Stop the whole queue, or let it go on; what is left out stays", &engine_body, set, .reply = view_fields},
    {0},
};
