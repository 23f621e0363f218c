/* api/keyturn/audit.c: the audit's heads, and walking its chains now (keyturn-api 10). */
#include "api/keyturn/face.h"

/* ---- heads ---- */

static const struct field head_fields[] = {
    TEXT("server", struct audit_head, server),
    INT("row", struct audit_head, number),
    TEXT("hash", struct audit_head, hash),
    TIME("at", struct audit_head, at, .format = TIME_Z_MILLI),
    FIELD_END,
};
static const struct field checkpoint_fields[] = {
    TIME("at", struct audit_signed_heads, at, .format = TIME_Z_MILLI),
    TEXT("signature", struct audit_signed_heads, signature),
    FIELD_END,
};
struct heads_view {
    struct list chains;
    struct audit_signed_heads *checkpoint;
};
static const struct field heads_fields[] = {
    LIST("chains", struct heads_view, chains, struct audit_head, head_fields),
    OBJECT("checkpoint", struct heads_view, checkpoint, struct audit_signed_heads, checkpoint_fields),
    FIELD_END,
};

static result heads_show(struct call *c, struct err *e)
{
    struct heads_view v = {0};
    struct audit_head *heads;
    struct audit_signed_heads last;
    size_t n;
    TRY(audit_heads(c->db, c->arena, &heads, &n, e));
    TRY(audit_last_checkpoint(c->db, c->arena, &last, e));
    v.chains = (struct list){.at = heads, .n = n};
    v.checkpoint = last.at ? &last : NULL;
    reply_object(c, heads_fields, &v);
    return SUCCESS;
}

/* ---- verification ---- */

struct verify_body {
    struct str head;
};
static const struct field verify_body_fields[] = {
    TEXT("head", struct verify_body, head, .max = 200, .doc = "[SERVER:]N:HASH, kept elsewhere"),
    FIELD_END,
};
static const struct body verify_body = BODY(struct verify_body, verify_body_fields, .example = "{}");

static const struct field chain_fields[] = {
    TEXT("server", struct audit_chain, server),
    INT("from", struct audit_chain, from),
    INT("to", struct audit_chain, to),
    FLAG("ok", struct audit_chain, is_ok),
    INT("firstBad", struct audit_chain, first_bad, .null_when_empty = true),
    INT("vouchedTo", struct audit_chain, vouched_to),
    FIELD_END,
};
struct report_view {
    int64_t started_at, finished_at;
    struct audit_report report;
    struct list chains;
};
static const struct field report_fields[] = {
    TIME("startedAt", struct report_view, started_at, .format = TIME_Z_MILLI),
    TIME("finishedAt", struct report_view, finished_at, .format = TIME_Z_MILLI),
    FLAG("ok", struct report_view, report.is_ok),
    FLAG("headChecked", struct report_view, report.head_was_checked),
    LIST("chains", struct report_view, chains, struct audit_chain, chain_fields),
    FIELD_END,
};

static result verify(struct call *c, struct str head, struct err *e)
{
    struct report_view v = {.started_at = clock_now()};
    struct err why;
    result done = audit_verify(c->db, c->service->keys, head, c->arena, &v.report, &why);
    if (done.code == BUSY)
        return FAIL(e, BUSY, "The audit is too long to be walked within a call; run `keyturn audit verify`");
    if (!is_ok(done))
        *e = why;
    TRY(done);
    v.finished_at = clock_now();
    struct audit_chain *chains = arena_array(c->arena, struct audit_chain, v.report.chain_count);
    for (size_t i = 0; i < v.report.chain_count; i++)
        chains[i] = v.report.chains[i];
    v.chains = (struct list){.at = chains, .n = v.report.chain_count};
    reply_object(c, report_fields, &v);
    return SUCCESS;
}

static result verify_now(struct call *c, struct err *e)
{
    return verify(c, STR_ABSENT, e);
}

static result verify_against(struct call *c, struct err *e)
{
    const void *body;
    TRY(call_body(c, &body, e));
    const struct verify_body *in = body;
    return verify(c, in->head.n ? in->head : STR_ABSENT, e);
}

const struct endpoint keyturn_audit_endpoints[] = {
    {HTTP_GET, "/audit/head", MAY_READ(VIEW_AUDIT), READS, UNRECORDED, "The ends of the audit's chains", NO_BODY,
     heads_show, .reply = heads_fields},
    {HTTP_GET, "/audit/verify", MAY_READ(VIEW_AUDIT), SEARCHES, UNRECORDED, "Walk the audit's chains now", NO_BODY,
     verify_now, .reply = report_fields},
    {HTTP_POST, "/audit/verify", MAY_READ(VIEW_AUDIT), SEARCHES, UNRECORDED,
     "Walk the audit's chains now, against a head that was kept elsewhere", &verify_body, verify_against,
     .reply = report_fields},
    {0},
};
