/* rotation/own_connect.c: signing in as the functional account whose own password was sent: the new one and the old
 * one in turn, never more than one failed login at a time. */
#include "rotation/attempt.h"
#include "rotation/fence.h"

#define NEW_LET_IN "new"
#define OLD_LET_IN "old"
#define NEW_DENIED "new denied"
#define OLD_DENIED "old denied"

/* What worked last is tried first; else the one that was not denied. */
static bool starts_with_new(const struct attempt *t, enum own_guess guess)
{
    if (guess != OWN_AS_KNOWN)
        return guess == OWN_NEW;
    return !str_equal(t->job.signs_in, S(OLD_LET_IN)) && !str_equal(t->job.signs_in, S(NEW_DENIED));
}

static result write_contact(struct db *db, void *argument, struct err *e)
{
    struct attempt *t = argument;
    if (t->is_refunded)
        TRY(budget_refund(db, t->functional_budget, e));
    return db_run(db,
                  SQL("UPDATE jobs SET signs_in = $3 WHERE id = $1 AND epoch = $2", P_INT(t->job.id),
                      P_INT(t->job.epoch), P_TEXT(t->job.signs_in)),
                  e);
}

/* That this password is wrong: of an account that is locked or expired it may be the right one. By a key, it is asked
 * for where sudo wants it. */
static bool is_denied(const struct attempt *t, result connected, const struct err *why)
{
    bool is_by_key = t->functional.secret.private_key != NULL;
    if (!is_ok(connected))
        return !is_by_key && attempt_has_word(why, "functional_denied") && t->check.denies_password;
    return is_by_key && t->has_password_part && !t->check.can_change;
}

/* A connector that died, or was never answered, may have been denied, and who is locked may be so for longer: what was
 * spent for it stays spent. */
static result note_contact(struct attempt *t, bool is_new, result connected, const struct err *why, struct err *e)
{
    bool was_asked = attempt_has_word(why, "functional_denied") ||
                     (t->line && (line_is_broken(t->line) || line_has_guessed(t->line)));
    t->was_denied = is_denied(t, connected, why);
    t->is_refunded = t->has_spent && !t->was_denied && (is_ok(connected) || !was_asked);
    t->was_both_denied = t->was_denied && str_equal(t->job.signs_in, is_new ? S(OLD_DENIED) : S(NEW_DENIED));
    if (t->was_denied)
        t->job.signs_in = is_new ? S(NEW_DENIED) : S(OLD_DENIED);
    else if (is_ok(connected))
        t->job.signs_in = is_new ? S(NEW_LET_IN) : S(OLD_LET_IN);
    return attempt_write(t, write_contact, e);
}

result own_connect(struct attempt *t, enum own_guess guess, struct err *e)
{
    struct err why = {0};
    bool is_new = starts_with_new(t, guess);
    t->functional.secret.password = is_new ? t->candidate.password : t->own_present;
    t->is_guessing = true;
    t->has_spent = t->was_denied = t->was_both_denied = false;
    result connected = attempt_connect(t, &why);
    t->is_guessing = false;
    if (is_ok(connected) || t->has_spent)
        TRY(note_contact(t, is_new, connected, &why, e));
    if (!is_ok(connected)) {
        *e = why;
        return connected;
    }
    if (t->was_denied)
        return FAIL_AS(e, UNREACHABLE, "functional_denied", "sudo does not take the functional account's password");
    return SUCCESS;
}

/* A session that is not ended yet has no longest life: the new one, denied a moment ago, may be the live one by now. */
bool own_is_lost(const struct attempt *t)
{
    struct str token;
    return t->was_both_denied && (str_equal(t->job.signs_in, S(NEW_DENIED)) || !fence_is_session(t->job.fence, &token));
}

bool own_old_let_in(const struct attempt *t)
{
    return t->own.functional_id && t->functional.is_set && !t->functional.secret.private_key &&
           str_equal(t->job.signs_in, S(OLD_LET_IN));
}
