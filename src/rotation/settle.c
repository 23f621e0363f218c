/* rotation/settle.c: how a job ends, or when it is tried next. Each ending is one transaction with all that it moves.
 */
#include "rotation/attempt.h"

#include "audit/audit.h"
#include "base/log.h"
#include "crypto/random.h"
#include "rotation/agent.h"
#include "rotation/engine.h"
#include "rotation/owed.h"
#include "rotation/synced.h"

struct ending {
    struct attempt *t;
    const char *state, *code;
    struct str reason;
    bool success;
    int64_t at;
    bool is_news;    /* to be told, once it stands */
    int64_t refused; /* so often, and not tried again; 0: it is */
};

#define UNKNOWN_LONG (10 * MINUTES)

/* What no later try mends by itself. */
static const struct {
    const char *code, *cure;
} cures[] = {
    {"host_key_changed", "look whether the host was set up anew, and accept its key then"},
    {"host_key_unknown", "approve the host's key: POST /api/v1/managed-systems/{id}/host-keys"},
    {"functional_denied", "give the managed system a functional account that may sign in, with its live password"},
    {"functional_missing", "give the managed system a FunctionalAccountID"},
    {"own_denied", "store its live password, or set what is stored on the system; then have it changed"},
};

/* NULL: it may pass by itself. */
static const char *cure_of(const char *code)
{
    for (size_t i = 0; i < sizeof cures / sizeof cures[0]; i++)
        if (str_equal(str_of(cures[i].code), str_of(code)))
            return cures[i].cure;
    return NULL;
}

/* Noted with what it came to: a commit of its own would be for people who watch only. */
static result note_verifying(struct db *db, struct attempt *t, struct err *e)
{
    return t->verifying_at ? job_note(db, t->arena, &t->job, "verifying", true, S(""), t->verifying_at, e) : SUCCESS;
}

/* With the end of this one: a commit less, and no waiting for the dispatcher. A lane that may have been lent claims
 * nothing; nor does one of several servers, whose claims collide: that would be the turn's collision too. */
static result claim_next(struct db *db, struct attempt *t, struct err *e)
{
    size_t n = 0;
    t->next = (struct job){0};
    if (clock_monotonic() >= t->next_until || store_is_shared(t->config->store))
        return SUCCESS;
    return job_claim(db, t->arena, clock_now(), 1, t->config->per_system, &t->next, &n, e);
}

static result write_proved(struct db *db, void *argument, struct err *e)
{
    struct ending *x = argument;
    struct attempt *t = x->t;
    int64_t now = clock_now();
    audit_act_as_server(db);
    TRY(job_settle(db, &t->job, "done", true, "", S(""), now, e));
    if (t->has_key_part)
        TRY(version_key_is_ours(db, t->account.id, t->job.version, e));
    TRY(turn_account(db, t->arena, t->config->keys, t->account.id, t->job.version, t->proved_how, t->job.made_by, now,
                     e));
    TRY(owed_paid(db, t->account.id, t->job.version, e));
    if (t->owes_login)
        TRY(budget_refund(db, t->account.id, e));
    TRY(synced_proved(db, t->arena, t->config->keys, &t->job, now, e));
    TRY(note_verifying(db, t, e));
    TRY(job_note(db, t->arena, &t->job, "done", true, S(""), now, e));
    return claim_next(db, t, e);
}

result settle_proved(struct attempt *t, struct err *e)
{
    struct ending x = {.t = t};
    result written = writer_do(t->config->writer, write_proved, &x, e);
    if (!is_ok(written)) {
        t->next = (struct job){0}; /* its claim does not stand either */
        return written;
    }
    t->stale_us = t->acknowledged_at ? clock_monotonic() - t->acknowledged_at : clock_now() - t->job.sent_at;
    old_keys_remove(t);
    return SUCCESS;
}

static result write_ending(struct db *db, void *argument, struct err *e)
{
    struct ending *x = argument;
    int64_t now = clock_now();
    audit_act_as_server(db);
    TRY(job_settle(db, &x->t->job, x->state, x->success, x->code, x->reason, now, e));
    if (str_equal(str_of(x->state), S("refused")) && x->t->job.version)
        TRY(db_run(db,
                   SQL("UPDATE versions SET standing = 'retired' WHERE account_id = $1 AND number = $2 AND standing = "
                       "'pending'",
                       P_INT(x->t->account.id), P_INT(x->t->job.version)),
                   e));
    if (str_equal(str_of(x->state), S("drift")))
        TRY(turn_mark_lost(db, x->t->account.id, x->t->account.current_version, true, e));
    if (str_equal(x->t->job.kind, S("change")))
        TRY(owed_given_up(db, &x->t->job, e));
    return job_note(db, x->t->arena, &x->t->job, x->state, x->success, x->reason, now, e);
}

static result write_later(struct db *db, void *argument, struct err *e)
{
    struct ending *x = argument;
    audit_act_as_server(db);
    TRY(job_back_to_queue(db, &x->t->job, x->at, x->code, x->reason, e));
    return job_note(db, x->t->arena, &x->t->job, "later", false, x->reason, clock_now(), e);
}

static int64_t with_jitter(int64_t wait)
{
    return wait - wait / 8 + (int64_t)random_below((uint32_t)(wait / 4 / 1000 + 1)) * 1000;
}

/* As configured (passwordsafe-api 8.4); a synced account follows until it is there. What a login has shown to be wrong
 * is not tried again by the server: the next try would be answered alike, without one. */
static result write_refused(struct db *db, void *argument, struct err *e)
{
    struct ending *x = argument;
    const struct job *j = &x->t->job;
    struct engine_rules rules;
    TRY(engine_rules_get(db, x->t->arena, &rules, e));
    bool is_denied = x->t->is_denied, is_spent = rules.retries && j->refusals + 1 >= rules.retries;
    bool is_last = (is_spent || is_denied) && !j->parent_version;
    if (is_denied) {
        TRY(loaded_still_holds(db, x->t, e));
        TRY(turn_mark_lost(db, x->t->account.id, x->t->account.current_version, false, e));
    }
    x->refused = j->is_queued && is_last ? j->refusals + 1 : 0;
    /* Not at each try, as long as it is refused for the same. */
    x->is_news = j->is_queued && (cure_of(x->code) || is_denied) && !str_equal(j->reason_code, str_of(x->code));
    if (!j->is_queued || is_last)
        return write_ending(db, x, e);
    x->at = clock_now() + with_jitter(rules.retry_minutes * MINUTES);
    return write_later(db, x, e);
}

static void tell_refused(const struct ending *x)
{
    const struct attempt *t = x->t;
    const char *cure = cure_of(x->code);
    struct str again = x->refused && t->is_denied ? S("and is not tried again by the server itself")
                       : x->refused ? arena_printf(t->arena, "%" PRId64 " times, and is not tried again", x->refused)
                                    : S("and is tried again in vain until this is mended");
    log_warning("account %.*s/%.*s: its change was refused %.*s: %.*s%s%s (job %" PRId64 ")", STR_ARG(t->system.name),
                STR_ARG(t->account.name), STR_ARG(again), STR_ARG(x->reason), cure ? "; " : "", cure ? cure : "",
                t->job.id);
}

result settle_refused(struct attempt *t, const struct err *why, struct err *e)
{
    struct ending x = {.t = t,
                       .state = "refused",
                       .code = why->word ? why->word : "refused",
                       .reason = arena_str(t->arena, str_of(why->text))};
    TRY(writer_do(t->config->writer, write_refused, &x, e));
    if (x.refused || x.is_news)
        tell_refused(&x);
    return SUCCESS;
}

result settle_drift(struct attempt *t, const char *why, struct err *e)
{
    log_error("account %.*s/%.*s is in drift: %s (job %" PRId64 "); see /api/v1/jobs?state=drift",
              STR_ARG(t->system.name), STR_ARG(t->account.name), why, t->job.id);
    struct ending x = {.t = t, .state = "drift", .code = "drift", .reason = str_of(why)};
    return writer_do(t->config->writer, write_ending, &x, e);
}

/* The same as the last time is no step: a host may be away for weeks. */
static result is_told_already(struct db *db, const struct ending *x, bool *ret, struct err *e)
{
    struct rows r;
    TRY(db_query(
        db, x->t->arena,
        SQL("SELECT step, text FROM job_steps WHERE job_id = $1 ORDER BY id DESC LIMIT 1", P_INT(x->t->job.id)), &r,
        e));
    *ret = r.n && str_equal(row_text(&r, 0, 0), S("resolving")) && str_equal(row_text(&r, 0, 1), x->reason);
    return SUCCESS;
}

/* The first look after that time is the one that tells: those before were too early, and a later one finds its step. */
static result find_long_unknown(struct db *db, struct ending *x, int64_t now, struct err *e)
{
    struct rows r;
    TRY(db_query(db, x->t->arena,
                 SQL("SELECT COALESCE(MIN(CASE WHEN step = 'applying' THEN at END), 0), "
                     "COALESCE(MAX(CASE WHEN step = 'resolving' THEN at END), 0) FROM job_steps WHERE job_id = $1 AND "
                     "id > (SELECT COALESCE(MAX(id), 0) FROM job_steps WHERE job_id = $1 AND step IN ('later', "
                     "'drift'))",
                     P_INT(x->t->job.id)),
                 &r, e));
    int64_t long_since = row_int(&r, 0, 0) + UNKNOWN_LONG;
    x->is_news = row_int(&r, 0, 0) > 0 && long_since <= now && row_int(&r, 0, 1) < long_since;
    return SUCCESS;
}

static result write_unknown(struct db *db, void *argument, struct err *e)
{
    struct ending *x = argument;
    int64_t now = clock_now();
    bool is_told;
    audit_act_as_server(db);
    TRY(find_long_unknown(db, x, now, e));
    TRY(job_set_resolving(db, &x->t->job, e));
    TRY(job_try_later(db, &x->t->job, x->at, x->code, x->reason, e));
    TRY(note_verifying(db, x->t, e));
    TRY(is_told_already(db, x, &is_told, e));
    if (is_told && !x->is_news)
        return SUCCESS;
    return job_note(db, x->t->arena, &x->t->job, "resolving", false, x->reason, now, e);
}

static result stay_unknown(struct ending *x, struct err *e)
{
    const struct attempt *t = x->t;
    TRY(writer_do(t->config->writer, write_unknown, x, e));
    if (x->is_news)
        log_warning("account %.*s/%.*s: for 10 minutes it has not been known whether its change came to anything: "
                    "%.*s; both credentials are kept, and it is settled once the system answers (job %" PRId64 ")",
                    STR_ARG(t->system.name), STR_ARG(t->account.name), STR_ARG(x->reason), t->job.id);
    return SUCCESS;
}

result settle_unknown(struct attempt *t, const char *why, int64_t at, struct err *e)
{
    struct ending x = {.t = t, .at = at, .code = "unknown", .reason = arena_str(t->arena, str_of(why))};
    return stay_unknown(&x, e);
}

result settle_refused_again(struct attempt *t, const char *why, int64_t at, struct err *e)
{
    struct ending x = {.t = t, .at = at, .code = REFUSED_AGAIN, .reason = arena_str(t->arena, str_of(why))};
    return stay_unknown(&x, e);
}

result settle_plain(struct attempt *t, bool success, const char *code, struct str reason, struct err *e)
{
    struct ending x = {.t = t, .state = "done", .success = success, .code = code, .reason = reason};
    return writer_do(t->config->writer, write_ending, &x, e);
}

/* A version that was only stored is proved for the first time. */
static result mark_proved(struct db *db, struct attempt *t, int64_t now, struct err *e)
{
    struct version v;
    int64_t number = t->account.current_version;
    TRY(version_get(db, t->arena, t->account.id, number, &v, e));
    TRY(turn_mark_proved(db, t->arena, t->account.id, number, t->proved_how, now, e));
    bool is_news = !v.is_last_proved && str_equal(v.standing, S("current"));
    return is_news ? synced_tested(db, t->arena, t->config->keys, t->account.id, number, now, e) : SUCCESS;
}

static bool is_known_lost(struct str state)
{
    return str_equal(state, S("mismatch")) || str_equal(state, S("drift"));
}

/* It is news once, not at every test until somebody has mended it. */
static result write_mismatch(struct db *db, struct ending *x, int64_t now, struct err *e)
{
    struct managed_account account;
    struct attempt *t = x->t;
    TRY(account_get(db, t->arena, t->account.id, now, &account, e));
    x->is_news = account.current_version == t->account.current_version && !is_known_lost(account.state);
    return turn_mark_lost(db, t->account.id, t->account.current_version, false, e);
}

static void tell_mismatch(const struct attempt *t)
{
    log_warning("account %.*s/%.*s: a test has found that the stored credential is not the live one (job %" PRId64
                "); unless ResetPasswordOnMismatchFlag changes it, do so: POST ManagedAccounts/%" PRId64
                "/Credentials/Change, or store the live one: PUT ManagedAccounts/%" PRId64
                "/Credentials with UpdateSystem false",
                STR_ARG(t->system.name), STR_ARG(t->account.name), t->job.id, t->account.id, t->account.id);
}

/* One transaction: what a test found after its job was dropped, or its lease had run out, is not written. */
static result write_tested(struct db *db, void *argument, struct err *e)
{
    struct ending *x = argument;
    struct attempt *t = x->t;
    int64_t now = clock_now();
    audit_act_as_server(db);
    TRY(loaded_still_holds(db, t, e));
    TRY(job_settle(db, &t->job, x->state, x->success, x->code, x->reason, now, e));
    if (x->success)
        TRY(mark_proved(db, t, now, e));
    else
        TRY(write_mismatch(db, x, now, e));
    TRY(agent_tested(db, t, x->success, now, e));
    return job_note(db, t->arena, &t->job, x->state, x->success, x->reason, now, e);
}

result settle_tested(struct attempt *t, bool is_live, enum turn_proof how, struct err *e)
{
    struct ending x = {.t = t,
                       .state = "done",
                       .success = is_live,
                       .code = is_live ? "" : "mismatch",
                       .reason = is_live ? S("") : S("the stored credential is not the live one")};
    t->proved_how = how;
    TRY(writer_do(t->config->writer, write_tested, &x, e));
    if (x.is_news)
        tell_mismatch(t);
    return SUCCESS;
}
