/* rotation/resolve.c: the only recovery path. The outcome of a change is unknown: find out what is live; roll forward
 * with the same candidate, so that every repetition and every late arrival is harmless (I3). */
#include "rotation/attempt.h"

enum { FORMER_MAX = 5, UNUSABLE_TRIES = 4 };

/* Wait out the attempt that may still be under way. */
static int64_t fence_ends(const struct attempt *t)
{
    int64_t seconds = t->system.timeout_s;
    (void)str_to_int(t->job.fence, 0, 3600, &seconds);
    return t->job.sent_at + seconds * SECONDS;
}

static int64_t next_try(const struct attempt *t)
{
    int64_t wait = t->job.attempt < 5 ? (2 << t->job.attempt) : 30;
    return clock_now() + (wait > 30 ? 30 : wait) * SECONDS;
}

struct former {
    struct attempt *t;
    struct login_secret secrets[FORMER_MAX];
    size_t n;
};

/* Versions that were live once, newest first, but not the candidate. */
static result load_former(struct former *f, struct err *e)
{
    struct version *versions;
    size_t n;
    struct attempt *t = f->t;
    TRY(version_list(t->db, t->arena, t->account.id, &versions, &n, e));
    for (size_t i = 0; i < n && f->n < FORMER_MAX; i++) {
        if (versions[i].number == t->job.version || !versions[i].has_password)
            continue;
        TRY(version_open(t->db, t->arena, t->config->keys, t->account.id, versions[i].number, &f->secrets[f->n++], e));
    }
    return SUCCESS;
}

static result is_former_live(struct attempt *t, enum seen *ret, struct err *e)
{
    struct former f = {.t = t};
    TRY(db_snapshot(t->db, e));
    result r = load_former(&f, e);
    db_snapshot_end(t->db);
    TRY(r);
    *ret = SEEN_NOT;
    for (size_t i = 0; i < f.n && *ret == SEEN_NOT; i++)
        TRY(probe_compare(t, f.secrets[i].password, ret, e));
    return SUCCESS;
}

/* By the verifier: no login is spent. */
static result resolve_by_compare(struct attempt *t, struct err *why, struct err *e)
{
    enum seen seen;
    result r = probe_candidate(t, &seen, why);
    if (is_ok(r) && seen == SEEN_LIVE)
        return settle_proved(t, e);
    if (is_ok(r) && seen == SEEN_CANNOT_TELL && t->job.attempt >= UNUSABLE_TRIES)
        return settle_drift(t, "the new password stands in the system's verifier, but does not log in", e);
    if (is_ok(r) && seen == SEEN_NOT)
        r = is_former_live(t, &seen, why);
    if (!is_ok(r))
        return settle_unknown(t, why->text, next_try(t), e);
    if (seen == SEEN_NOT)
        return settle_drift(t, "no version that the vault holds is the live one", e);
    return apply_candidate(t, e);
}

/* By logins: the new one first, then the old one, within the budget. */
static result resolve_by_login(struct attempt *t, struct err *why, struct err *e)
{
    enum seen seen;
    enum login_word word;
    result r = probe_candidate(t, &seen, why);
    if (is_ok(r) && seen == SEEN_LIVE)
        return settle_proved(t, e);
    struct login_secret old = {.password = t->current.password};
    if (is_ok(r) && old.password)
        r = probe_login(t, &old, &seen, &word, why);
    if (!is_ok(r))
        return settle_unknown(
            t, why->text,
            why->word && str_equal(str_of(why->word), S("budget")) ? clock_now() + 5 * MINUTES : next_try(t), e);
    if (seen == SEEN_LIVE || (t->functional.is_set && !old.password))
        return apply_candidate(t, e);
    return settle_drift(t, "neither the new nor the old password logs in", e);
}

/* Adding a key again is harmless, and so is adding one that is there. */
static result resolve_key(struct attempt *t, struct err *why, struct err *e)
{
    enum seen seen;
    result r = probe_candidate(t, &seen, why);
    if (!is_ok(r))
        return settle_unknown(t, why->text, next_try(t), e);
    return seen == SEEN_LIVE ? settle_proved(t, e) : apply_candidate(t, e);
}

result run_resolve(struct attempt *t, struct err *e)
{
    struct err why = {0};
    int64_t fence = fence_ends(t);
    if (fence > clock_now())
        return settle_unknown(t, "waiting until the attempt under way is certainly over", fence, e);
    result r = attempt_connect(t, &why);
    if (!is_ok(r))
        return settle_unknown(t, why.text, next_try(t), e);
    if (!t->has_password_part)
        return resolve_key(t, &why, e);
    return t->check.can_compare ? resolve_by_compare(t, &why, e) : resolve_by_login(t, &why, e);
}
