/* rotation/probe.c: what is live on the target? The verifier is compared before any login is spent (I4). */
#include "rotation/attempt.h"

/* A functional account has one, by whichever way it signs in. */
static int64_t budget_row(const struct attempt *t)
{
    return t->own.functional_id ? t->functional_budget : t->account.id;
}

static result spend(struct db *db, void *argument, struct err *e)
{
    struct attempt *t = argument;
    return budget_spend(db, t->arena, budget_row(t), clock_now(), e);
}

static result refund(struct db *db, void *argument, struct err *e)
{
    struct attempt *t = argument;
    return budget_refund(db, budget_row(t), e);
}

result probe_compare(struct attempt *t, const struct secret *password, enum seen *ret, struct err *e)
{
    *ret = SEEN_CANNOT_TELL;
    if (!t->check.can_compare || !password)
        return SUCCESS;
    bool matches;
    TRY(line_compare(t->line, t->who, password, STR_ABSENT, &matches, &t->has_kept_lock, e));
    *ret = matches ? SEEN_LIVE : SEEN_NOT;
    return SUCCESS;
}

static bool is_right(enum login_word word)
{
    return word == LOGIN_ACCEPTED || word == LOGIN_MUST_CHANGE;
}

bool probe_is_unusable(enum login_word word)
{
    return word == LOGIN_LOCKED || word == LOGIN_EXPIRED;
}

result probe_cannot_tell(enum login_word word, struct err *e)
{
    return FAIL_AS(e, UNREACHABLE, "unusable", "the account is %s, so that no login tells which password is live",
                   word == LOGIN_LOCKED ? "locked" : "expired");
}

/* A key that is refused counts against no lock-out; a password does. */
result probe_login(struct attempt *t, const struct login_secret *secret, enum seen *ret, enum login_word *ret_word,
                   struct err *e)
{
    bool costs = !secret->private_key, is_paid = t->is_login_paid;
    if (costs && !is_paid)
        TRY(attempt_write(t, spend, e));
    if (costs)
        t->is_login_paid = false; /* one that was never answered may have failed: it stays spent */
    TRY(line_login(t->line, t->who, secret, ret_word, e));
    *ret = is_right(*ret_word) ? SEEN_LIVE : SEEN_NOT;
    if (costs && is_paid)
        t->owes_login = *ret == SEEN_LIVE;
    else if (costs && *ret == SEEN_LIVE)
        TRY(attempt_write(t, refund, e));
    return SUCCESS;
}

result probe_pay_login(struct db *db, struct attempt *t, struct err *e)
{
    t->is_login_paid = false;
    if (!t->has_password_part || t->proof != PROOF_LOGIN || t->own.functional_id)
        return SUCCESS;
    struct err why = {0};
    result paid = budget_spend(db, t->arena, t->account.id, clock_now(), &why);
    t->is_login_paid = is_ok(paid);
    if (is_ok(paid) || attempt_has_word(&why, "budget"))
        return SUCCESS;
    *e = why;
    return paid;
}

result probe_pay_back(struct attempt *t, struct err *e)
{
    if (!t->is_login_paid && !t->owes_login)
        return SUCCESS;
    t->is_login_paid = t->owes_login = false;
    return attempt_write(t, refund, e);
}

static result store_proof(struct db *db, void *argument, struct err *e)
{
    struct attempt *t = argument;
    static const char *const words[] = {"", "login", "compare", "none"};
    return db_run(db,
                  SQL("UPDATE managed_accounts SET proof = $2 WHERE id = $1", P_INT(t->account.id),
                      P_TEXT(str_of(words[t->proof]))),
                  e);
}

result probe_set_proof(struct attempt *t, enum proof proof, struct err *e)
{
    if (t->proof == proof && proof != PROOF_NONE)
        return SUCCESS;
    t->proof = proof;
    return attempt_write(t, store_proof, e);
}

/* Of its own functional account the current password is what the vault signs in with, whatever the state says. */
result probe_current(struct attempt *t, enum seen *ret, enum login_word *ret_word, struct err *e)
{
    struct login_secret known = {.password = t->current.password};
    bool is_lost = str_equal(t->account.state, S("mismatch")) || str_equal(t->account.state, S("drift"));
    *ret = SEEN_NOT;
    *ret_word = LOGIN_DENIED;
    if (!is_lost || t->own.functional_id || job_is_asked_for(&t->job))
        TRY(probe_login(t, &known, ret, ret_word, e));
    t->is_denied = *ret_word == LOGIN_DENIED && !t->own.functional_id;
    return SUCCESS;
}

/* A lock may pass, and a change lifts many: the change's own proof will tell. Not of who changes his own password. */
static result proof_of_unusable(const struct attempt *t, enum login_word word, struct err *e)
{
    return t->account.use_own_credentials ? probe_cannot_tell(word, e) : SUCCESS;
}

/* No verifier can be read. Where one has been the proof, a wrong password and no way in look alike: that stays its
 * proof, for when it can be read again, and no login is spent unless somebody asks. */
static result find_by_login(struct attempt *t, struct err *e)
{
    enum seen seen = SEEN_NOT;
    enum login_word word = LOGIN_DENIED;
    bool is_compared = str_equal(t->account.proof, S("compare"));
    if (!is_compared || job_is_asked_for(&t->job))
        TRY(probe_current(t, &seen, &word, e));
    if (seen == SEEN_LIVE)
        return probe_set_proof(t, PROOF_LOGIN, e);
    if (probe_is_unusable(word))
        return proof_of_unusable(t, word, e);
    if (!is_compared)
        return probe_set_proof(t, PROOF_NONE, e);
    t->proof = PROOF_NONE;
    t->is_denied = false;
    return SUCCESS;
}

/* Which proof does the account have? Found out with the stored credential; PROOF_UNKNOWN stays where it cannot be told
 * yet and the change's own proof will tell. */
static result find_by_trying(struct attempt *t, struct err *e)
{
    struct login_secret known = {.password = t->current.password};
    enum seen seen;
    enum login_word word;
    if (!known.password)
        return SUCCESS;
    TRY(probe_compare(t, known.password, &seen, e));
    if (seen == SEEN_NOT)
        return SUCCESS;
    if (seen == SEEN_CANNOT_TELL)
        return find_by_login(t, e);
    TRY(probe_login(t, &known, &seen, &word, e));
    if (probe_is_unusable(word))
        return proof_of_unusable(t, word, e);
    return probe_set_proof(t, seen == SEEN_LIVE ? PROOF_LOGIN : PROOF_COMPARE, e);
}

result probe_find_proof(struct attempt *t, struct err *e)
{
    if (t->proof == PROOF_LOGIN || (t->proof == PROOF_COMPARE && t->check.can_compare))
        return SUCCESS;
    t->proof = PROOF_UNKNOWN;
    return find_by_trying(t, e);
}

static result prove_key(struct attempt *t, enum seen *ret, struct err *e)
{
    struct login_secret key = {.private_key = t->candidate.private_key, .passphrase = t->candidate.passphrase};
    enum login_word word;
    return probe_login(t, &key, ret, &word, e);
}

/* The candidate stands in the verifier, and its login was not let in: is that how it will stay, change or not? */
static bool is_proved_by_compare(const struct attempt *t, enum login_word word)
{
    bool may_pass = word == LOGIN_LOCKED && !t->has_kept_lock; /* too many failed logins */
    return t->proof == PROOF_UNKNOWN && !may_pass;
}

/* Compared, and logged in with where that is possible: a hash alone may be one that the host cannot read. */
static result prove_password(struct attempt *t, enum seen *ret, struct err *e)
{
    struct login_secret password = {.password = t->candidate.password};
    enum login_word word;
    enum seen compared;
    TRY(probe_compare(t, password.password, &compared, e));
    t->proved_how = TURN_BY_COMPARE;
    if (compared == SEEN_NOT || (compared == SEEN_LIVE && t->proof == PROOF_COMPARE)) {
        *ret = compared;
        return SUCCESS;
    }
    TRY(probe_login(t, &password, ret, &word, e));
    if (*ret == SEEN_LIVE) {
        t->proved_how = TURN_BY_LOGIN;
        return probe_set_proof(t, PROOF_LOGIN, e);
    }
    if (compared == SEEN_CANNOT_TELL && probe_is_unusable(word))
        return probe_cannot_tell(word, e);
    if (compared == SEEN_LIVE && (t->proof == PROOF_UNKNOWN || probe_is_unusable(word))) {
        *ret = SEEN_LIVE;
        return is_proved_by_compare(t, word) ? probe_set_proof(t, PROOF_COMPARE, e) : SUCCESS;
    }
    if (compared == SEEN_LIVE)
        *ret = SEEN_CANNOT_TELL; /* it stands in the verifier, but does not log in */
    return SUCCESS;
}

/* The password decides which version is live; a key that is not let in is no reason to doubt it. */
result probe_candidate(struct attempt *t, enum seen *ret, struct err *e)
{
    enum seen key = SEEN_LIVE;
    *ret = SEEN_LIVE;
    t->proved_how = TURN_BY_LOGIN;
    if (t->has_password_part)
        TRY(prove_password(t, ret, e));
    if (t->has_key_part && *ret == SEEN_LIVE)
        TRY(prove_key(t, &key, e));
    if (key != SEEN_LIVE)
        *ret = t->has_password_part ? SEEN_CANNOT_TELL : SEEN_NOT;
    return SUCCESS;
}
