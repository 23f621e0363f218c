/* rotation/run_told.c: a job in drift, once more: what a person has told the engine to do about it. Where it comes to
 * nothing, the job is in drift again. */
#include "rotation/attempt.h"

#include "audit/audit.h"
#include "rotation/synced.h"
#include "rotation/told.h"

struct failing {
    struct attempt *t;
    const char *code;
    struct str reason;
};

static result write_drift(struct db *db, void *argument, struct err *e)
{
    struct failing *f = argument;
    struct attempt *t = f->t;
    int64_t now = clock_now();
    audit_act_as_server(db);
    TRY(job_settle(db, &t->job, "drift", false, f->code, f->reason, now, e));
    TRY(db_run(db,
               SQL("UPDATE versions SET standing = 'retired' WHERE account_id = $1 AND number = $2 AND standing = "
                   "'pending'",
                   P_INT(t->account.id), P_INT(t->job.told_version)),
               e));
    return job_note(db, t->arena, &t->job, "drift", false, f->reason, now, e);
}

result told_failed(struct attempt *t, const struct err *why, struct err *e)
{
    if (attempt_is_ours(why)) {
        *e = *why;
        return (result){why->code};
    }
    struct failing f = {t, why->word ? why->word : "refused", arena_str(t->arena, str_of(why->text))};
    return writer_do(t->config->writer, write_drift, &f, e);
}

/* ---- set again ---- */

static bool is_own(const struct attempt *t)
{
    return t->own.functional_id && t->functional.is_set;
}

static result look_before(struct attempt *t, struct err *e)
{
    if (!t->functional.is_set)
        return FAIL_AS(e, REFUSED, "functional_missing", "the managed system has no functional account");
    TRY(is_own(t) ? own_connect(t, OWN_AS_KNOWN, e) : attempt_connect(t, e));
    TRY(own_check_told(t, e));
    if ((t->has_password_part && !t->check.can_change) || (t->has_key_part && !t->check.can_install_keys))
        return FAIL_AS(e, REFUSED, "elevation_denied", "the functional account may not change this account");
    return SUCCESS;
}

static result set_again(struct attempt *t, struct err *e)
{
    struct err why = {0};
    if (!is_ok(look_before(t, &why)))
        return told_failed(t, &why, e);
    return apply_candidate(t, e);
}

/* ---- adopt ---- */

static result look_at_password(struct attempt *t, enum seen *ret, struct err *e)
{
    struct login_secret typed = {.password = t->candidate.password};
    enum login_word word;
    t->proved_how = TURN_BY_COMPARE;
    TRY(probe_compare(t, typed.password, ret, e));
    if (*ret != SEEN_CANNOT_TELL)
        return SUCCESS;
    if (t->proof == PROOF_COMPARE)
        return FAIL_AS(e, UNREACHABLE, "no_proof",
                       "only its verifier can prove this account, and the functional account cannot read it now");
    t->proved_how = TURN_BY_LOGIN;
    TRY(probe_login(t, &typed, ret, &word, e));
    if (probe_is_unusable(word))
        return FAIL_AS(e, REFUSED, "unusable", "the account is locked or expired on its system");
    return SUCCESS;
}

static result look_at_key(struct attempt *t, enum seen *ret, struct err *e)
{
    struct login_secret typed = {.private_key = t->candidate.private_key, .passphrase = t->candidate.passphrase};
    enum login_word word;
    t->proved_how = TURN_BY_LOGIN;
    return probe_login(t, &typed, ret, &word, e);
}

/* What was typed signs in itself, or it is refused. */
static result connect_as_typed(struct attempt *t, struct err *e)
{
    bool has_password = str_find(t->job.told, S("password")) >= 0;
    result r = own_connect(t, has_password ? OWN_NEW : OWN_OLD, e);
    if (has_password && t->was_denied)
        return FAIL_AS(e, REFUSED, "mismatch", "what was typed does not match the system");
    return r;
}

/* Each part that was typed is live, and so is the password that the version has besides, or it is refused: what becomes
 * current is called proved. */
static result look_at_typed(struct attempt *t, struct err *e)
{
    enum seen seen = SEEN_LIVE;
    bool is_typed = str_find(t->job.told, S("password")) >= 0;
    TRY(is_own(t) ? connect_as_typed(t, e) : attempt_connect(t, e));
    if (is_typed)
        TRY(look_at_password(t, &seen, e));
    if (seen == SEEN_LIVE && str_find(t->job.told, S("key")) >= 0)
        TRY(look_at_key(t, &seen, e));
    if (seen != SEEN_LIVE)
        return FAIL_AS(e, REFUSED, "mismatch", "what was typed does not match the system");
    if (is_typed || !t->candidate.password)
        return SUCCESS;
    TRY(look_at_password(t, &seen, e));
    if (seen == SEEN_LIVE)
        return SUCCESS;
    return FAIL_AS(e, REFUSED, "other_half",
                   "the key is live, but the stored password is not: type that too, or change it");
}

static result write_adopted(struct db *db, void *argument, struct err *e)
{
    struct attempt *t = argument;
    int64_t now = clock_now();
    struct str text = arena_printf(t->arena, "version %" PRId64 " was adopted", t->job.version);
    TRY(job_settle(db, &t->job, "done", true, "", text, now, e));
    TRY(turn_account(db, t->arena, t->config->keys, t->account.id, t->job.version, t->proved_how, t->job.made_by, now,
                     e));
    if (!t->job.parent_version)
        TRY(synced_proved(db, t->arena, t->config->keys, &t->job, now, e));
    return job_note(db, t->arena, &t->job, "done", true, text, now, e);
}

static result open_typed(struct attempt *t, struct err *e)
{
    t->job.version = t->job.told_version;
    TRY(db_snapshot(t->db, e));
    result r = attempt_open_versions(t, e);
    db_snapshot_end(t->db);
    return r;
}

static result adopt(struct attempt *t, struct err *e)
{
    struct err why = {0};
    TRY(open_typed(t, e));
    if (!is_ok(look_at_typed(t, &why)))
        return told_failed(t, &why, e);
    return attempt_write(t, write_adopted, e);
}

result run_told(struct attempt *t, struct err *e)
{
    t->is_told = true;
    return str_starts(t->job.told, S("adopt")) ? adopt(t, e) : set_again(t, e);
}
