/* rotation/push.c: a job that brings the account's present version to a follower. Tried again for ever; what is pushed
 * is always the version that is current when it is sent, and never one while another may still be on its way. */
#include "rotation/attempt.h"

#include "audit/audit.h"
#include "base/text.h"
#include "rotation/follower.h"

#define LATE_BY        (5 * SECONDS)  /* of a connector's last words, beyond the time that it was given */
#define CONFIRM_AFTER  (10 * SECONDS) /* what the far server had lying about when it came back is done by then */
#define TEXT_BYTES_MAX 400

struct push {
    struct attempt *t;
    struct link_row row;
    struct line_end end;
    struct secret *value;
    int64_t version;
    bool was_unknown; /* the attempt before this one may have arrived, or may still */

    /* how it ended */
    const char *code;
    struct str text;
    bool is_unknown;
    int64_t at;
};

static result load_far(struct push *p, struct err *e)
{
    struct attempt *t = p->t;
    TRY(follower_of_job(t->db, t->arena, t->job.id, &p->row, e));
    if (!p->row.link.id)
        return SUCCESS;
    TRY(system_get(t->db, t->arena, p->row.link.far.system_id, &t->system, e));
    /* Whether the account changes its own password says nothing of who signs in over there. */
    t->account.use_own_credentials = false;
    return attempt_load_functional(t, e);
}

static result load(struct push *p, struct err *e)
{
    TRY(db_snapshot(p->t->db, e));
    result r = load_far(p, e);
    db_snapshot_end(p->t->db);
    return r;
}

/* ---- how it ends ---- */

/* The same trouble again is noted once: it may last for months. */
static result note_failure(struct db *db, struct push *p, int64_t now, struct err *e)
{
    struct attempt *t = p->t;
    bool is_news = !str_equal(p->row.link.far.last_text, p->text);
    TRY(db_run(db,
               SQL("UPDATE followers SET last_try_at = $2, last_text = $3 WHERE id = $1", P_INT(p->row.link.far.id),
                   P_INT(now), P_TEXT(p->text)),
               e));
    return is_news ? job_note(db, t->arena, &t->job, p->is_unknown ? "resolving" : "later", false, p->text, now, e)
                   : SUCCESS;
}

static result write_failed(struct db *db, void *argument, struct err *e)
{
    struct push *p = argument;
    struct job *j = &p->t->job;
    audit_act_as_server(db);
    if (p->is_unknown) {
        TRY(job_set_resolving(db, j, e));
        TRY(job_try_later(db, j, p->at, p->code, p->text, e));
    } else {
        TRY(job_back_to_queue(db, j, p->at, p->code, p->text, e));
    }
    return note_failure(db, p, clock_now(), e);
}

/* `is_unknown`: this attempt, or the one before and nobody has answered since, may have arrived or may still. */
static result failed(struct push *p, const struct err *why, bool is_unknown, struct err *e)
{
    struct attempt *t = p->t;
    if (attempt_is_ours(why)) {
        *e = *why;
        return (result){why->code};
    }
    p->is_unknown = is_unknown;
    p->code = why->word ? why->word : "refused";
    p->text = text_start(arena_str(t->arena, str_of(why->text)), TEXT_BYTES_MAX);
    p->at = clock_now() + (attempt_has_word(why, "budget") ? JOB_LONGEST_PAUSE : job_pause(&t->job));
    return writer_do(t->config->writer, write_failed, p, e);
}

static result write_pushed(struct db *db, void *argument, struct err *e)
{
    struct push *p = argument;
    struct attempt *t = p->t;
    struct managed_account account;
    int64_t now = clock_now();
    audit_act_as_server(db);
    TRY(account_get(db, t->arena, t->account.id, now, &account, e));
    struct err moved;
    bool is_there = is_ok(loaded_system_holds(db, t, &moved));
    bool is_newest = is_there && account.current_version == p->version, is_over = is_newest && !p->was_unknown;
    if (is_over)
        TRY(job_settle(db, &t->job, "done", true, "", S(""), now, e));
    else if (is_newest)
        TRY(job_back_to_queue(db, &t->job, now + CONFIRM_AFTER, "confirm",
                              S("stored there; sent once more, for an earlier attempt may still arrive"), e));
    else
        TRY(job_back_to_queue(db, &t->job, now, "newer",
                              is_there ? S("the account has turned again") : S("the system is another one by now"), e));
    TRY(db_run(db,
               SQL("UPDATE followers SET last_try_at = $2, last_text = '', behind_since = CASE WHEN $3 = 1 THEN 0 ELSE "
                   "behind_since END, job_id = CASE WHEN $4 = 1 THEN 0 ELSE job_id END WHERE id = $1",
                   P_INT(p->row.link.far.id), P_INT(now), P_INT(is_newest), P_INT(is_over)),
               e));
    TRY(db_run(db,
               SQL("UPDATE links SET version = $2, turned_at = $3 WHERE id = $1", P_INT(p->row.link.id),
                   P_INT(p->version), P_INT(now)),
               e));
    return job_note(db, t->arena, &t->job, is_over ? "done" : "pushed", true, S(""), now, e);
}

/* ---- on the way ---- */

/* The last thing before the secret leaves: that it does is durable, and what leaves is what is current now. */
static result write_applying(struct db *db, void *argument, struct err *e)
{
    struct push *p = argument;
    struct attempt *t = p->t;
    struct managed_account account;
    int64_t now = clock_now();
    audit_act_as_server(db);
    TRY(follower_of_job(db, t->arena, t->job.id, &p->row, e));
    if (!p->row.link.id || !str_equal(p->row.link.state, S("active")))
        return FAIL(e, CONFLICT, "the link of job %" PRId64 " is no longer active", t->job.id);
    struct link *l = &p->row.link;
    TRY(link_check_row(t->arena, t->config->keys, &p->row, e));
    TRY(loaded_system_holds(db, t, e));
    TRY(account_get(db, t->arena, t->account.id, now, &account, e));
    TRY(link_part(db, t->arena, t->config->keys, l, account.current_version, &p->value, e));
    p->end = (struct line_end){.user = l->far.user, .credential = l->far.credential, .attribute = l->far.attribute};
    if (l->far.user.n)
        TRY(link_login_name(db, t->arena, l, &p->end.login_name, e));
    p->version = account.current_version;
    t->entered = t->job;
    TRY(job_set_applying(db, &t->entered, S(""), now, e));
    TRY(db_run(db, SQL("UPDATE followers SET last_try_at = $2 WHERE id = $1", P_INT(l->far.id), P_INT(now)), e));
    TRY(db_run(db, SQL("UPDATE links SET last_read_at = $2 WHERE id = $1", P_INT(l->id), P_INT(now)), e));
    struct str detail = arena_printf(t->arena, "version %" PRId64, p->version);
    link_note(db, t->arena, l, "link.push", detail);
    return p->value ? job_note(db, t->arena, &t->job, "applying", true, detail, now, e)
                    : FAIL_AS(e, REFUSED, "no_part", "the account has no %.*s to push", STR_ARG(l->part));
}

static result push_now(struct push *p, struct err *e)
{
    struct attempt *t = p->t;
    struct err why = {0};
    result entered = writer_do(t->config->writer, write_applying, p, &why);
    if (!is_ok(entered) && (attempt_has_word(&why, "link_broken") || entered.code == REFUSED)) {
        why.code = REFUSED;
        return failed(p, &why, p->was_unknown, e);
    }
    if (!is_ok(entered)) {
        *e = why;
        return entered;
    }
    t->job = t->entered;
    result sent = line_push(t->line, &p->end, p->value, &why);
    if (is_ok(sent))
        return writer_do(t->config->writer, write_pushed, p, e);
    return failed(p, &why, sent.code == UNCERTAIN || (p->was_unknown && sent.code != REFUSED), e);
}

static result wait_for_the_last_one(struct push *p, int64_t until, struct err *e)
{
    p->is_unknown = true;
    p->code = "unknown";
    p->text = S("no answer to the last try; waiting until that is certainly over");
    p->at = until;
    return writer_do(p->t->config->writer, write_failed, p, e);
}

result run_push(struct attempt *t, struct err *e)
{
    struct push p = {.t = t};
    struct err why = {0};
    TRY(load(&p, e));
    if (!p.row.link.id)
        return settle_plain(t, false, "dropped", S("the link has ended"), e);
    p.was_unknown = t->job.sent_at > 0;
    int64_t over = t->job.sent_at + t->system.timeout_s * SECONDS + LATE_BY;
    if (p.was_unknown && over > clock_now())
        return wait_for_the_last_one(&p, over, e);
    if (!t->functional.is_set) {
        (void)!is_ok(FAIL_AS(&why, REFUSED, "functional_missing", "the managed system has no functional account"));
        return failed(&p, &why, p.was_unknown, e);
    }
    if (!is_ok(attempt_connect(t, &why)))
        return failed(&p, &why, p.was_unknown, e);
    return push_now(&p, e);
}
