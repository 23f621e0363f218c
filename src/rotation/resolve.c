/* rotation/resolve.c: the only recovery path. The outcome of a change is unknown: find out what is live; roll forward
 * with the same candidate, so that every repetition and every late arrival is harmless (I3). */
#include "crypto/random.h"
#include "rotation/attempt.h"
#include "rotation/fence.h"

enum { FORMER_MAX = 7, UNUSABLE_TRIES = 4 };

/* A quarter of the time since it was sent, from 4 s to half a minute, and not all of them at once. */
static int64_t next_try(const struct attempt *t)
{
    int64_t now = clock_now(), wait = (now - t->job.sent_at) / 4;
    wait = wait < 4 * SECONDS ? 4 * SECONDS : wait > 30 * SECONDS ? 30 * SECONDS : wait;
    return now + wait - (int64_t)random_below((uint32_t)(wait / 8));
}

/* A budget that is spent is not asked for every few seconds. */
static int64_t next_try_after(const struct attempt *t, const struct err *why)
{
    return attempt_has_word(why, "budget") ? clock_now() + 5 * MINUTES : next_try(t);
}

struct former {
    struct attempt *t;
    int64_t numbers[FORMER_MAX];
    const struct secret *passwords[FORMER_MAX];
    size_t n;
};

static result add_former(struct former *f, int64_t number, struct err *e)
{
    struct attempt *t = f->t;
    struct login_secret opened;
    bool is_there = number == 0 || number == t->job.version || f->n == FORMER_MAX;
    for (size_t i = 0; i < f->n; i++)
        is_there = is_there || f->numbers[i] == number;
    if (is_there)
        return SUCCESS;
    TRY(version_open(t->db, t->arena, t->config->keys, t->account.id, number, &opened, e));
    if (!opened.password)
        return SUCCESS;
    f->numbers[f->n] = number;
    f->passwords[f->n++] = opened.password;
    return SUCCESS;
}

/* Versions that may be live, but not the candidate: the current one and the last proved first, for any number of
 * candidates that no system has may have come after them. */
static result load_former(struct former *f, struct err *e)
{
    struct version *versions;
    size_t n;
    int64_t proved;
    struct attempt *t = f->t;
    TRY(version_last_proved(t->db, t->arena, t->account.id, &proved, e));
    TRY(version_list(t->db, t->arena, t->account.id, &versions, &n, e));
    if (t->own_present) {
        f->numbers[f->n] = -1; /* what the vault signs in with, whether it is a version or not */
        f->passwords[f->n++] = t->own_present;
    }
    TRY(add_former(f, t->account.current_version, e));
    TRY(add_former(f, proved, e));
    for (size_t i = 0; i < n; i++)
        TRY(add_former(f, versions[i].number, e));
    return SUCCESS;
}

static result is_former_live(struct attempt *t, enum seen *ret, struct err *e)
{
    struct former f = {.t = t};
    TRY(db_snapshot(t->db, e));
    result r = load_former(&f, e);
    db_snapshot_end(t->db);
    TRY(r);
    *ret = f.n ? SEEN_NOT : SEEN_CANNOT_TELL; /* of an account that had a key alone */
    for (size_t i = 0; i < f.n && *ret == SEEN_NOT; i++)
        TRY(probe_compare(t, f.passwords[i], ret, e));
    return SUCCESS;
}

/* The candidate is not live. Where it was refused the last time it was sent, that is the end: it was not. */
static result apply_again(struct attempt *t, struct err *e)
{
    struct err why = {0};
    if (!str_equal(t->job.reason_code, S(REFUSED_AGAIN)))
        return apply_candidate(t, e);
    (void)!is_ok(FAIL_AS(&why, REFUSED, "refused", "%.*s", STR_ARG(t->job.reason)));
    return settle_refused(t, &why, e);
}

static result settle_unusable(struct attempt *t, struct err *e)
{
    if (t->job.attempt >= UNUSABLE_TRIES)
        return settle_drift(t, "the new credential is on the system, but does not log in", e);
    return apply_candidate(t, e);
}

/* By the verifier: no login is spent. */
static result resolve_by_compare(struct attempt *t, struct err *why, struct err *e)
{
    enum seen seen;
    result r = probe_candidate(t, &seen, why);
    if (is_ok(r) && seen == SEEN_LIVE)
        return settle_proved(t, e);
    if (is_ok(r) && seen == SEEN_CANNOT_TELL)
        return settle_unusable(t, e);
    if (is_ok(r))
        r = is_former_live(t, &seen, why);
    if (!is_ok(r))
        return settle_unknown(t, why->text, next_try(t), e);
    /* Where nothing was ever stored, it is no wonder that nothing is live. */
    if (seen != SEEN_NOT || !t->account.current_version)
        return apply_again(t, e);
    r = probe_candidate(t, &seen, why); /* it may have arrived between the two looks */
    if (!is_ok(r))
        return settle_unknown(t, why->text, next_try(t), e);
    if (seen != SEEN_NOT)
        return seen == SEEN_LIVE ? settle_proved(t, e) : settle_unusable(t, e);
    return settle_drift(t, "no version that the vault holds is the live one", e);
}

/* The candidate is denied, and the old one may be live or not: sending the same candidate again harms neither, and
 * lifts many a lock. Who changes himself cannot. */
static result old_cannot_tell(struct attempt *t, enum login_word word, struct err *e)
{
    struct err why = {0};
    if (t->functional.is_set)
        return apply_candidate(t, e);
    (void)!is_ok(probe_cannot_tell(word, &why));
    return settle_unknown(t, why.text, next_try(t), e);
}

/* By logins: the new one first, then the old one, within the budget. */
static result resolve_by_login(struct attempt *t, struct err *why, struct err *e)
{
    enum seen seen;
    enum login_word word = LOGIN_DENIED; /* to the old one */
    result r = probe_candidate(t, &seen, why);
    if (is_ok(r) && seen == SEEN_LIVE)
        return settle_proved(t, e);
    if (is_ok(r) && seen == SEEN_CANNOT_TELL)
        return settle_unusable(t, e);
    struct login_secret old = {.password = t->current.password};
    if (is_ok(r) && old.password)
        r = probe_login(t, &old, &seen, &word, why);
    if (!is_ok(r))
        return settle_unknown(t, why->text, next_try_after(t, why), e);
    if (seen == SEEN_LIVE || (t->functional.is_set && !old.password))
        return apply_again(t, e);
    if (probe_is_unusable(word))
        return old_cannot_tell(t, word, e);
    return settle_drift(t, "neither the new nor the old password logs in", e);
}

/* Adding a key again is harmless, and so is adding one that is there. */
static result resolve_key(struct attempt *t, struct err *why, struct err *e)
{
    enum seen seen;
    result r = probe_candidate(t, &seen, why);
    if (!is_ok(r))
        return settle_unknown(t, why->text, next_try(t), e);
    return seen == SEEN_LIVE ? settle_proved(t, e) : settle_unusable(t, e);
}

/* The attempt under way is ended through a session of our own. *ret_wait_until: nothing on the target is looked at
 * before; a session that may still be alive, stopped as it is, has no longest life. 0: it is over. */
static result end_session(struct attempt *t, int64_t *ret_wait_until, struct err *e)
{
    struct err why = {0};
    struct str token;
    *ret_wait_until = 0;
    if (!fence_is_session(t->job.fence, &token) || !t->functional.is_set)
        return SUCCESS;
    result ended = line_fence(t->line, token, &why);
    TRY(attempt_step(t, "fenced", is_ok(ended), is_ok(ended) ? S("") : str_of(why.text), e));
    if (is_ok(ended))
        return SUCCESS;
    bool may_live = ended.code == UNREACHABLE && !attempt_has_word(&why, "elevation_denied");
    int64_t left = attempt_fence_left(t);
    *ret_wait_until = may_live ? next_try(t) : left ? clock_now() + left : 0;
    return SUCCESS;
}

/* Which of the two lets the functional account in, says which one is live. */
static result resolve_own_by_login(struct attempt *t, struct err *why, struct err *e)
{
    return own_old_let_in(t) ? apply_again(t, e) : resolve_by_login(t, why, e);
}

static result not_connected(struct attempt *t, const struct err *why, struct err *e)
{
    bool is_own = t->own.functional_id && t->functional.is_set;
    if (attempt_has_word(why, OWN_WAITS)) {
        *e = *why;
        return (result){why->code};
    }
    if (!is_own || !t->was_denied)
        return settle_unknown(t, why->text, next_try_after(t, why), e);
    if (own_is_lost(t))
        return settle_drift(t, "neither the new nor the old password signs the functional account in", e);
    return settle_unknown(t, why->text, clock_now() + 1 * SECONDS, e);
}

result run_resolve(struct attempt *t, struct err *e)
{
    struct err why = {0};
    struct str token;
    int64_t left = attempt_fence_left(t), wait_until;
    bool may_end_it = fence_is_session(t->job.fence, &token) && t->functional.is_set;
    if (left && !may_end_it)
        return settle_unknown(t, "waiting until the attempt under way is certainly over", clock_now() + left, e);
    bool is_own = t->own.functional_id && t->functional.is_set;
    result r = is_own ? own_connect(t, OWN_AS_KNOWN, &why) : attempt_connect(t, &why);
    if (!is_ok(r))
        return not_connected(t, &why, e);
    TRY(end_session(t, &wait_until, e));
    if (wait_until)
        return settle_unknown(t, "the attempt under way is not ended yet", wait_until, e);
    if (t->proof == PROOF_COMPARE && !t->check.can_compare)
        return settle_unknown(t,
                              "only its verifier can prove this account, and the functional account cannot read it now",
                              next_try(t), e);
    if (!t->has_password_part)
        return resolve_key(t, &why, e);
    return t->check.can_compare ? resolve_by_compare(t, &why, e) : resolve_own_by_login(t, &why, e);
}
