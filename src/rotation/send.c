/* rotation/send.c: what goes to the target of a change: the key first, for beside the old one it harms nobody; and back
 * again when the password that comes with it does not get there. */
#include "rotation/attempt.h"

static bool is_self(const struct attempt *t)
{
    return t->account.use_own_credentials;
}

static struct secret *self_secret(const struct attempt *t)
{
    return is_self(t) ? t->current.password : NULL;
}

static struct change_request with_key(const struct attempt *t, enum change_part part)
{
    return (struct change_request){.account = t->who,
                                   .part = part,
                                   .public_key = t->candidate_public,
                                   .current = self_secret(t),
                                   .current_key = is_self(t) ? t->current.private_key : NULL,
                                   .current_passphrase = is_self(t) ? t->current.passphrase : NULL};
}

static result send_key(struct attempt *t, struct err *e)
{
    struct change_request r = with_key(t, CHANGE_ADD_KEY);
    return line_change(t->line, &r, e);
}

static result send_password(struct attempt *t, struct err *e)
{
    struct change_request r = {
        .account = t->who, .part = CHANGE_PASSWORD, .password = t->candidate.password, .current = self_secret(t)};
    return line_change(t->line, &r, e);
}

/* Who changes himself has nobody to look for him; a key that is let in is there, and one that is not costs nothing. */
static bool is_let_in(struct attempt *t)
{
    struct login_secret key = {.private_key = t->candidate.private_key, .passphrase = t->candidate.passphrase};
    enum login_word word = LOGIN_DENIED;
    struct err ignored;
    return !is_ok(line_login(t->line, t->who, &key, &word, &ignored)) || word != LOGIN_DENIED;
}

/* Where it cannot be told, the key counts as one that was there. */
static bool is_key_there(struct attempt *t)
{
    bool is_there = true, is_locked;
    struct err ignored;
    if (is_self(t))
        return is_let_in(t);
    result r = line_compare(t->line, t->who, NULL, t->candidate_public, &is_there, &is_locked, &ignored);
    return !is_ok(r) || is_there;
}

void send_look_for_key(struct attempt *t)
{
    if (t->has_key_part && t->has_password_part && !t->key_is_ours)
        t->key_is_ours = !is_key_there(t);
}

static result check_is_ours(struct db *db, void *argument, struct err *e)
{
    const struct attempt *t = argument;
    return job_check_is_ours(db, &t->job, e);
}

/* Else a key would be let in that no version is current with. Who has the job by now may have proved this very key. */
static result take_key_back(struct attempt *t, result came_to, struct err *e)
{
    struct change_request undo = with_key(t, CHANGE_REMOVE_KEY);
    struct err why = {0}, not_sent = *e;
    TRY(attempt_write(t, check_is_ours, e));
    if (is_ok(line_change(t->line, &undo, &why)))
        return came_to;
    return FAIL_AS(e, UNCERTAIN, "unknown", "%s; and the new key, already there, could not be removed: %s",
                   not_sent.text, why.text);
}

result send_candidate(struct attempt *t, struct err *e)
{
    if (t->has_key_part)
        TRY(send_key(t, e));
    if (!t->has_password_part)
        return SUCCESS;
    result r = send_password(t, e);
    bool is_key_alone = t->has_key_part && t->key_is_ours && !is_ok(r) && r.code != UNCERTAIN;
    return is_key_alone ? take_key_back(t, r, e) : r;
}
