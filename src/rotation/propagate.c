/* rotation/propagate.c: a job that runs an account's propagation actions on one system: services are restarted, so that
 * they read what the account has now. The account's change stands, whatever becomes of it. */
#include "rotation/attempt.h"

#include "accounts/propagation.h"
#include "audit/audit.h"
#include "base/log.h"
#include "base/text.h"
#include "rotation/engine.h"

enum { TEXT_BYTES_MAX = 400 };

struct propagation {
    struct attempt *t;
    struct propagation_action action; /* the one in hand; id 0: the account does not have it any more */

    /* what stopped it, or its last action that failed */
    const char *code;
    struct str text;
    bool was_tried; /* the host has answered, or may have restarted it: tries are counted */
    bool is_over;   /* no more tries */
    int64_t at;
};

/* ---- loading ---- */

/* NOT_FOUND: the account or the system has been deleted. */
static result load(struct attempt *t, struct err *e)
{
    TRY(account_get(t->db, t->arena, t->job.account_id, clock_now(), &t->account, e));
    TRY(system_get(t->db, t->arena, t->job.system_id, &t->system, e));
    /* Whether the account changes its own password says nothing of who signs in over there. */
    t->account.use_own_credentials = false;
    return attempt_load_functional(t, e);
}

static result load_in_snapshot(struct attempt *t, struct err *e)
{
    TRY(db_snapshot(t->db, e));
    result r = load(t, e);
    db_snapshot_end(t->db);
    return r;
}

/* ---- how it ends ---- */

static result write_dropped(struct db *db, void *argument, struct err *e)
{
    struct propagation *p = argument;
    int64_t now = clock_now();
    audit_act_as_server(db);
    TRY(job_settle(db, &p->t->job, "dropped", false, "dropped", p->text, now, e));
    return job_note(db, p->t->arena, &p->t->job, "dropped", false, p->text, now, e);
}

static result drop(struct propagation *p, const char *why, struct err *e)
{
    p->text = str_of(why);
    return writer_do(p->t->config->writer, write_dropped, p, e);
}

/* What was never tried there is tried for ever, as a push is; a restart that fails is not begun again without end. */
static result write_failed(struct db *db, void *argument, struct err *e)
{
    struct propagation *p = argument;
    struct job *j = &p->t->job;
    struct engine_rules rules;
    int64_t now = clock_now();
    bool is_news = !str_equal(j->reason, p->text);
    audit_act_as_server(db);
    TRY(engine_rules_get(db, p->t->arena, &rules, e));
    p->is_over = p->was_tried && rules.retries && j->attempt >= rules.retries;
    if (p->is_over)
        TRY(job_settle(db, j, "refused", false, p->code, p->text, now, e));
    else
        TRY(job_back_to_queue(db, j, p->at, p->code, p->text, e));
    if (!is_news && !p->is_over)
        return SUCCESS;
    return job_note(db, p->t->arena, j, p->is_over ? "refused" : "later", false, p->text, now, e);
}

static result failed(struct propagation *p, struct err *e)
{
    struct attempt *t = p->t;
    bool is_budget = str_equal(str_of(p->code), S("budget"));
    p->at = clock_now() + (is_budget ? JOB_LONGEST_PAUSE : job_pause(&t->job));
    TRY(writer_do(t->config->writer, write_failed, p, e));
    if (p->is_over)
        log_warning("job %" PRId64 ": %.*s: %.*s; not tried again before the account's next turn", t->job.id,
                    STR_ARG(t->system.name), STR_ARG(p->text));
    return SUCCESS;
}

static void keep_why(struct propagation *p, const struct err *why)
{
    p->code = why->word ? why->word : "refused";
    p->text =
        text_start(arena_printf(p->t->arena, "%.*s%s%s", STR_ARG(p->action.name), p->action.id ? ": " : "", why->text),
                   TEXT_BYTES_MAX);
}

static result write_done(struct db *db, void *argument, struct err *e)
{
    struct propagation *p = argument;
    int64_t now = clock_now();
    audit_act_as_server(db);
    TRY(job_settle(db, &p->t->job, "done", true, "", S(""), now, e));
    return job_note(db, p->t->arena, &p->t->job, "done", true, S(""), now, e);
}

/* ---- one action after the other ---- */

static result write_applying(struct db *db, void *argument, struct err *e)
{
    struct propagation *p = argument;
    struct attempt *t = p->t;
    int64_t now = clock_now();
    audit_act_as_server(db);
    t->entered = t->job;
    TRY(job_set_applying(db, &t->entered, S(""), now, e));
    return job_note(db, t->arena, &t->job, "applying", true, S(""), now, e);
}

static struct str without(struct arena *a, struct str numbers, int64_t number)
{
    struct str left = S("");
    while (str_is_set(numbers) && numbers.n) {
        struct str word = str_cut(&numbers, ' ');
        int64_t one = 0;
        if (str_to_int(word, 1, INT64_MAX, &one) && one != number)
            left = arena_printf(a, "%.*s%s%.*s", STR_ARG(left), left.n ? " " : "", STR_ARG(word));
    }
    return left;
}

/* It is not to be done again in this turn. Compares the epoch: a newer turn has a job of its own. */
static result write_action_over(struct db *db, struct propagation *p, int64_t action_id, const char *step,
                                struct str text, struct err *e)
{
    struct job *j = &p->t->job;
    int64_t changed = 0;
    struct str left = without(p->t->arena, j->parts, action_id);
    audit_act_as_server(db);
    TRY(db_run_counting(db,
                        SQL("UPDATE jobs SET parts = $3 WHERE id = $1 AND epoch = $2 AND is_open = 1", P_INT(j->id),
                            P_INT(j->epoch), P_TEXT(left)),
                        &changed, e));
    if (changed != 1)
        return FAIL(e, CONFLICT, "job %" PRId64 " is no longer this worker's", j->id);
    return job_note(db, p->t->arena, j, step, true, text, clock_now(), e);
}

struct action_over {
    struct propagation *p;
    int64_t id;
    const char *step;
    struct str text;
};

static result run_action_over(struct db *db, void *argument, struct err *e)
{
    const struct action_over *o = argument;
    return write_action_over(db, o->p, o->id, o->step, o->text, e);
}

static result action_over(struct propagation *p, int64_t id, const char *step, struct str text, struct err *e)
{
    struct action_over o = {p, id, step, text};
    TRY(writer_do(p->t->config->writer, run_action_over, &o, e));
    p->t->job.parts = without(p->t->arena, p->t->job.parts, id);
    return SUCCESS;
}

static result find_action(struct propagation *p, int64_t id, struct err *e)
{
    struct attempt *t = p->t;
    TRY(db_snapshot(t->db, e));
    result r = propagation_find(t->db, t->arena, t->job.account_id, id, &p->action, e);
    db_snapshot_end(t->db);
    return r;
}

/* *ret_goes_on false: the line is of no use any more, or this job is over. */
static result run_action(struct propagation *p, int64_t id, bool *ret_goes_on, struct err *e)
{
    struct attempt *t = p->t;
    struct err why = {0};
    *ret_goes_on = true;
    TRY(find_action(p, id, e));
    if (!p->action.id)
        return action_over(p, id, "skipped",
                           arena_printf(t->arena, "action %" PRId64 " is not the account's any more", id), e);
    result restarted = line_restart(t->line, p->action.service, &why);
    TRY(attempt_count_denied(t, e));
    if (is_ok(restarted))
        return action_over(p, id, "restarted", p->action.service, e);
    if (attempt_is_ours(&why)) {
        *e = why;
        return restarted;
    }
    keep_why(p, &why);
    bool is_denied = attempt_has_word(&why, "elevation_denied");
    *ret_goes_on = restarted.code == REFUSED || restarted.code == INVALID || is_denied;
    p->was_tried = p->was_tried || restarted.code != UNREACHABLE || is_denied;
    return SUCCESS;
}

static result run_actions(struct propagation *p, struct err *e)
{
    struct attempt *t = p->t;
    bool goes_on = true;
    TRY(writer_do(t->config->writer, write_applying, p, e));
    t->job = t->entered;
    struct str rest = t->job.parts;
    while (goes_on && str_is_set(rest) && rest.n) {
        int64_t id = 0;
        if (str_to_int(str_cut(&rest, ' '), 1, INT64_MAX, &id))
            TRY(run_action(p, id, &goes_on, e));
    }
    return p->code ? failed(p, e) : writer_do(t->config->writer, write_done, p, e);
}

result run_propagate(struct attempt *t, struct err *e)
{
    struct propagation p = {.t = t};
    struct err why = {0};
    result loaded = load_in_snapshot(t, &why);
    if (loaded.code == NOT_FOUND)
        return drop(&p, "the account or the system was deleted", e);
    if (!is_ok(loaded)) {
        *e = why;
        return loaded;
    }
    if (!t->functional.is_set) {
        (void)!is_ok(FAIL_AS(&why, REFUSED, "functional_missing", "the managed system has no functional account"));
        keep_why(&p, &why);
        return failed(&p, e);
    }
    result connected = attempt_connect(t, &why);
    if (is_ok(connected))
        return run_actions(&p, e);
    if (attempt_is_ours(&why)) {
        *e = why;
        return connected;
    }
    keep_why(&p, &why);
    return failed(&p, e);
}
