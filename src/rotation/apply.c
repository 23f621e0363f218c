/* rotation/apply.c: a change from PREPARED to its end (design 4). */
#include "rotation/attempt.h"

#include "audit/audit.h"
#include "rotation/engine.h"
#include "rotation/fence.h"
#include "rotation/keepsake.h"
#include "rotation/told.h"

/* By the kind of connector; the last one is for those that nothing can be compared with. */
static const struct {
    const char *connector, *cure;
} cures[] = {
    {"ssh", "let the functional account run `sudo getent shadow NAME`, or allow the account to log in"},
    {"postgresql", "let the functional account read rolname and rolpassword of pg_authid, or allow the role to log in"},
    {"mysql", "let the functional account read mysql.global_priv, or allow the account to log in"},
    {"ldap", "let the functional account read userPassword, or allow the account to sign in"},
    {NULL, "set the password that is live on the target, or allow the account to sign in"},
};

static result no_proof(const struct attempt *t, struct err *e)
{
    const char *connector = platform_by_id(t->system.platform_id)->connector;
    size_t i = 0;
    while (cures[i].connector && !str_equal(str_of(cures[i].connector), str_of(connector)))
        i++;
    return FAIL_AS(e, REFUSED, "no_proof",
                   "no proof possible: the functional account cannot read the account's verifier, and its stored "
                   "password does not log in. Either %s",
                   cures[i].cure);
}

/* ---- the candidate of a queued change ---- */

result write_candidate(struct db *db, struct attempt *t, struct err *e)
{
    int64_t now = clock_now();
    struct change_wish w = {.account_id = t->account.id,
                            .private_key = t->wish.private_key,
                            .public_key = t->wish.public_key,
                            .derived_public = t->wish.public_key,
                            .update_system = true,
                            .by = t->job.made_by};
    TRY(change_make_candidate(db, t->arena, t->config->keys, &w, now, &t->wish.number, e));
    TRY(job_set_candidate(db, &t->job, t->wish.number, e));
    return job_note(db, t->arena, &t->job, "prepared", true, S(""), now, e);
}

static result wish_for_candidate(struct attempt *t, struct err *e)
{
    if (t->has_key_part) {
        struct line *maker = NULL;
        TRY(line_open(t->config->launcher, platform_by_id(t->system.platform_id)->connector, &maker, e));
        result r = line_make_key(maker, S("ed25519"), 0, t->arena, &t->wish.private_key, &t->wish.public_key, e);
        line_close(maker);
        TRY(r);
    }
    t->wish.is_wanted = true;
    return SUCCESS;
}

/* ---- APPLYING ---- */

/* What the resolver needs to end this attempt: the seconds after which it is over by itself, or the session that it is
 * made in. A change that the account makes itself has a session of its own, which no token names. */
static struct str fence_of(const struct attempt *t)
{
    if (t->check.has_fence)
        return arena_printf(t->arena, "%" PRId64, t->check.fence_s);
    if (t->check.fence_token.n && !t->account.use_own_credentials)
        return arena_printf(t->arena, FENCE_SESSION "%.*s", STR_ARG(t->check.fence_token));
    return S("");
}

/* Before it is known whether the change has come to anything: only where a comparison will tell, so that after a crash
 * no login is spent on the wrong password. Else the budget would be short of one. */
static bool may_pay_ahead(const struct attempt *t)
{
    return t->check.can_compare;
}

static result pay_for_proof(struct db *db, void *argument, struct err *e)
{
    return probe_pay_login(db, argument, e);
}

static struct str what_was_checked(const struct attempt *t)
{
    if (t->just_read.n == 0)
        return t->check.text;
    return arena_printf(t->arena, "%.*s%s%.*s", STR_ARG(t->check.text), t->check.text.n ? "; " : "",
                        STR_ARG(t->just_read));
}

/* Run again from the start after a collision: `job` changes when it stands. The login that is going to prove the change
 * is paid for at the same time where it may be: a commit less. */
static result write_applying(struct db *db, void *argument, struct err *e)
{
    struct attempt *t = argument;
    t->entered = t->job;
    if (t->job.sent_at == 0 || t->is_told)
        TRY(engine_must_run(db, t->arena, e));
    int64_t number = t->job.sent_at == 0 ? t->job.version : 0; /* what may be live has to be taken */
    TRY(turn_check_links(db, t->arena, t->config->keys, t->account.id, number, e));
    TRY(own_let_apply(db, t, e));
    TRY(loaded_still_holds(db, t, e));
    if (t->key_is_ours)
        TRY(version_key_is_ours(db, t->account.id, t->job.version, e));
    struct str fence = fence_text(t->arena, t->config->boot, fence_of(t));
    TRY(job_set_applying(db, &t->entered, fence, clock_now(), e));
    TRY(job_note(db, t->arena, &t->job, "checked", true, what_was_checked(t), clock_now(), e));
    TRY(job_note(db, t->arena, &t->job, "applying", true, S(""), clock_now(), e));
    return may_pay_ahead(t) ? probe_pay_login(db, t, e) : SUCCESS;
}

static int64_t after_fence(const struct attempt *t)
{
    struct str token;
    return clock_now() + (fence_is_session(t->job.fence, &token) ? 0 : attempt_fence_left(t));
}

/* An earlier attempt of which nothing is known may still arrive, or be what this one was refused for ("unchanged"). */
static result refused_again(struct attempt *t, enum code code, const struct err *why, struct err *e)
{
    if (code == REFUSED || code == INVALID)
        return settle_refused_again(t, why->text, after_fence(t), e);
    return settle_unknown(t, why->text, after_fence(t), e);
}

static result wait_for_the_engine(struct db *db, void *argument, struct err *e)
{
    struct attempt *t = argument;
    return job_try_later(db, &t->job, t->job.next_try_at, ENGINE_STOPPED, S("the engine is stopped"), e);
}

/* Nothing of this attempt was sent. */
static result not_entered(struct attempt *t, bool was_sent, const struct err *why, struct err *e)
{
    if (t->is_told)
        return told_failed(t, why, e);
    if (was_sent)
        return settle_unknown(t, why->text, clock_now() + 30 * SECONDS, e);
    if (t->job.is_queued && attempt_has_word(why, ENGINE_STOPPED))
        return attempt_write(t, wait_for_the_engine, e);
    return settle_refused(t, why, e);
}

static bool is_not_entered(const struct err *why)
{
    return attempt_has_word(why, "link_broken") || attempt_has_word(why, "link_refuses") ||
           attempt_has_word(why, ENGINE_STOPPED) || attempt_has_word(why, "functional_shared");
}

/* No login has proved it. */
static result not_proved(struct attempt *t, enum code sent, bool was_sent, const struct err *why, struct err *e)
{
    TRY(probe_pay_back(t, e));
    if (sent == REFUSED || sent == UNREACHABLE || sent == INVALID)
        return t->is_told ? told_failed(t, why, e)
               : was_sent ? refused_again(t, sent, why, e)
                          : settle_refused(t, why, e);
    return settle_unknown(t, why->text, after_fence(t), e);
}

/* The session that has made the change still holds the old password; from here on the new one signs in. */
static result prove_candidate(struct attempt *t, enum seen *ret, struct err *e)
{
    if (t->own.functional_id && t->functional.is_set)
        TRY(own_connect(t, OWN_NEW, e));
    return probe_candidate(t, ret, e);
}

result apply_candidate(struct attempt *t, struct err *e)
{
    struct err why = {0};
    bool was_sent = t->job.sent_at > 0;
    send_look_for_key(t);
    result entered = attempt_write(t, write_applying, &why);
    if (!is_ok(entered) && is_not_entered(&why))
        return not_entered(t, was_sent, &why, e);
    if (!is_ok(entered)) {
        *e = why;
        return entered;
    }
    t->job = t->entered;
    keepsakes_keep(t->config->keepsakes, t->config->keys, t->account.id, t->job.version, &t->candidate,
                   t->candidate_public);
    result sent = send_candidate(t, &why);
    TRY(attempt_count_denied(t, e));
    if (!is_ok(sent))
        return not_proved(t, sent.code, was_sent, &why, e);
    t->acknowledged_at = clock_monotonic();
    t->verifying_at = clock_now();
    if (!may_pay_ahead(t))
        TRY(attempt_write(t, pay_for_proof, e));
    enum seen seen;
    result probed = prove_candidate(t, &seen, &why);
    if (is_ok(probed) && seen == SEEN_LIVE)
        return settle_proved(t, e);
    if (is_ok(probed))
        err_set(&why, UNREACHABLE, NULL, "acknowledged, but not proved");
    return not_proved(t, INTERNAL, was_sent, &why, e);
}

/* ---- quiet: what the server starts by itself keeps away from whoever has just read the password (8.4) ---- */

#define QUIET_AT_MOST (60 * MINUTES)

static result last_clear_read(struct attempt *t, int64_t *ret, struct err *e)
{
    struct rows r;
    TRY(db_query(t->db, t->arena,
                 SQL("SELECT COALESCE(MAX(last_read_at), 0) FROM links WHERE account_id = $1", P_INT(t->account.id)),
                 &r, e));
    *ret = row_int(&r, 0, 0);
    TRY(db_query(t->db, t->arena,
                 SQL("SELECT id FROM requests WHERE account_id = $1 AND status = 'Active' AND kind = 'request' AND "
                     "was_released = 1 ORDER BY id LIMIT 1",
                     P_INT(t->account.id)),
                 &r, e));
    if (r.n && t->account.max_concurrent_requests == 1 && t->account.last_read_at > *ret)
        *ret = t->account.last_read_at;
    return SUCCESS;
}

static result put_off(struct db *db, void *argument, struct err *e)
{
    struct attempt *t = argument;
    return job_try_later(db, &t->job, t->job.next_try_at, "quiet", S("somebody has just read the password"), e);
}

/* *ret_wait: put off; the lease is given back. An hour at most in all. What a caller wants at once does not wait, and
 * says so in its steps. */
static result keep_quiet(struct attempt *t, bool *ret_wait, struct err *e)
{
    int64_t read_at = 0, now = clock_now(), quiet = t->config->quiet_s * SECONDS;
    *ret_wait = false;
    TRY(db_snapshot(t->db, e));
    result r = last_clear_read(t, &read_at, e);
    db_snapshot_end(t->db);
    TRY(r);
    int64_t since = t->job.put_off_since ? t->job.put_off_since : now;
    read_at = read_at > now ? now : read_at; /* a clock that was ahead has written it */
    if (read_at + quiet <= now)
        return SUCCESS;
    t->just_read = arena_printf(t->arena, "the password was read %" PRId64 " s ago", (now - read_at) / SECONDS);
    if (!t->job.is_queued || now - since >= QUIET_AT_MOST)
        return SUCCESS;
    *ret_wait = true;
    t->job.put_off_since = since;
    t->job.next_try_at = read_at + quiet < since + QUIET_AT_MOST ? read_at + quiet : since + QUIET_AT_MOST;
    return attempt_write(t, put_off, e);
}

/* Nothing was sent: the old credential is current, and stays it. A queued change does not wait for its next retry when
 * it was our own connector that did not start; who waits for the answer is told. */
static result give_up_unsent(struct attempt *t, const struct err *why, struct err *e)
{
    if (attempt_is_ours(why) || (t->job.is_queued && attempt_has_word(why, NO_CONNECTOR))) {
        *e = *why;
        return (result){why->code};
    }
    return settle_refused(t, why, e);
}

/* Who changes his own password signs in with it: tried first within the budget, for the change itself asks nobody. */
static result sign_in_as_itself(struct attempt *t, struct err *e)
{
    enum seen seen;
    enum login_word word;
    if (!t->account.use_own_credentials || !t->current.password)
        return SUCCESS;
    TRY(probe_current(t, &seen, &word, e));
    if (seen == SEEN_LIVE)
        return SUCCESS;
    if (probe_is_unusable(word))
        return probe_cannot_tell(word, e);
    return FAIL_AS(e, REFUSED, "own_denied", "the stored password does not log in, and the account changes its own");
}

static result check_rights(const struct attempt *t, struct err *e)
{
    if (!t->functional.is_set)
        return SUCCESS;
    if (t->has_password_part && !t->check.can_change)
        return FAIL_AS(e, REFUSED, "elevation_denied",
                       "the functional account may not change this account's password%s%.*s",
                       t->check.text.n ? ": " : "", STR_ARG(t->check.text));
    if (t->has_key_part && !t->check.can_install_keys)
        return FAIL_AS(e, REFUSED, "elevation_denied",
                       "the functional account may not write this account's authorized_keys");
    return SUCCESS;
}

/* All that can be known before a byte of the change goes out. */
static result preflight(struct attempt *t, struct err *e)
{
    if (!t->functional.is_set && !t->account.use_own_credentials)
        return FAIL_AS(e, REFUSED, "functional_missing", "the managed system has no functional account");
    struct err shared;
    if (!is_ok(own_check_alone(&t->own, &shared)))
        return FAIL_AS(e, REFUSED, "functional_shared", "%s", shared.text);
    if (!t->job.version)
        TRY(wish_for_candidate(t, e));
    TRY(attempt_connect(t, e));
    TRY(own_check_told(t, e));
    TRY(check_rights(t, e));
    if (!t->has_password_part)
        return SUCCESS;
    TRY(probe_find_proof(t, e));
    if (t->proof == PROOF_NONE)
        return no_proof(t, e);
    return sign_in_as_itself(t, e);
}

result run_change(struct attempt *t, struct err *e)
{
    struct err why = {0};
    if (job_is_told(&t->job))
        return run_told(t, e);
    if (t->job.sent_at)
        return run_resolve(t, e);
    bool is_put_off;
    TRY(keep_quiet(t, &is_put_off, e));
    if (is_put_off)
        return SUCCESS;
    if (!is_ok(preflight(t, &why)))
        return give_up_unsent(t, &why, e);
    return apply_candidate(t, e);
}
