/* rotation/told.c: set again, adopt, abandon. */
#include "rotation/told.h"

#include "audit/audit.h"
#include "rotation/change.h"
#include "rotation/engine.h"
#include "rotation/owed.h"
#include "rotation/turn.h"

enum { COMPARED_MAX = 32 };
#define AGAIN "again"

static bool is_in_drift(const struct job *j)
{
    return str_equal(j->kind, S("change")) && str_equal(j->state, S("drift"));
}

static result check_running(struct db *db, struct arena *a, struct err *e)
{
    struct err why;
    result r = engine_must_run(db, a, &why);
    if (r.code == REFUSED)
        return FAIL(e, CONFLICT, "%s", why.text);
    if (!is_ok(r))
        *e = why;
    return r;
}

/* Only the last word on an account is open to more: what a later change has settled is not undone by an old job. */
static result check_last(struct db *db, struct arena *a, const struct job *j, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT id FROM jobs WHERE account_id = $1 AND kind = 'change' AND id > $2 AND (is_open = 1 OR "
                     "state IN ('done', 'drift', 'abandoned')) ORDER BY id DESC LIMIT 1",
                     P_INT(j->account_id), P_INT(j->id)),
                 &r, e));
    if (r.n)
        return FAIL(e, CONFLICT, "Job %" PRId64 " came after it", row_int(&r, 0, 0));
    return SUCCESS;
}

static result check_told(struct db *db, struct arena *a, const struct job *j, struct err *e)
{
    if (!is_in_drift(j))
        return FAIL(e, CONFLICT, "Job %" PRId64 " is not in drift, but %.*s", j->id, STR_ARG(j->state));
    TRY(check_last(db, a, j, e));
    return check_running(db, a, e);
}

static result reopen(struct db *db, struct arena *a, const struct job *j, struct str told, int64_t version, int64_t now,
                     struct err *e)
{
    int64_t changed = 0;
    TRY(db_run_counting(
        db,
        SQL("UPDATE jobs SET state = 'prepared', is_open = 1, told = $2, told_version = $3, epoch = epoch + 1, "
            "leased_until = 0, next_try_at = $4, settled_at = 0, server = $5 WHERE id = $1 AND state = 'drift' AND "
            "is_open = 0",
            P_INT(j->id), P_TEXT(told), P_INT(version), P_INT(now), P_TEXT(db_server(db))),
        &changed, e));
    if (changed != 1)
        return FAIL(e, CONFLICT, "Job %" PRId64 " is not in drift any more", j->id);
    return job_note(db, a, j, str_equal(told, S(AGAIN)) ? "set again" : "adopt", true, STR_ABSENT, now, e);
}

/* ---- set again ---- */

static result check_may_be_set(struct db *db, struct arena *a, const struct job *j, int64_t now, struct err *e)
{
    struct managed_account account;
    struct managed_system system;
    TRY(account_get(db, a, j->account_id, now, &account, e));
    bool is_parents = j->parent_version && j->parent_version == account.sync_wanted;
    if (account.parent_account_id && !is_parents)
        return FAIL(e, CONFLICT, "This account takes the password of account %" PRId64 " by now; change that one",
                    account.parent_account_id);
    TRY(system_get(db, a, account.system_id, &system, e));
    if (account.use_own_credentials || !system.functional_account_id.is_set)
        return FAIL(e, CONFLICT, "There is no functional account that could set it again");
    return SUCCESS;
}

result told_set_again(struct db *db, struct arena *a, const struct job *j, int64_t now, int64_t *ret_wait_us,
                      struct err *e)
{
    *ret_wait_us = 0;
    bool is_asked = str_equal(j->told, S(AGAIN));
    if (is_asked && (j->is_open || str_equal(j->state, S("done"))))
        return j->is_open ? change_wait(db, a, j->account_id, ret_wait_us, e) : SUCCESS;
    TRY(check_told(db, a, j, e));
    TRY(check_may_be_set(db, a, j, now, e));
    TRY(reopen(db, a, j, S(AGAIN), 0, now, e));
    return change_wait(db, a, j->account_id, ret_wait_us, e);
}

/* ---- adopt ---- */

static bool is_typed(const struct adoption *with, const struct login_secret *version)
{
    return (!with->password || secret_equal(with->password, version->password)) &&
           (!with->private_key || (secret_equal(with->private_key, version->private_key) &&
                                   (!with->key_is_encrypted || secret_equal(with->passphrase, version->passphrase))));
}

/* A version is adopted whole, and only what was typed is proved: the rest of it has to be what is current. */
static bool is_else_the_same(const struct adoption *with, const struct login_secret *version,
                             const struct login_secret *current)
{
    return (with->password || secret_equal(version->password, current->password)) &&
           (with->private_key || (secret_equal(version->private_key, current->private_key) &&
                                  secret_equal(version->passphrase, current->passphrase)));
}

/* Whoever types the same again adds no version. */
static result find_version(struct db *db, struct arena *a, const struct keyring *keys,
                           const struct managed_account *account, const struct adoption *with, int64_t *ret,
                           struct err *e)
{
    struct version *versions;
    struct login_secret current = {0}, opened;
    size_t n;
    *ret = 0;
    if (account->current_version)
        TRY(version_open(db, a, keys, account->id, account->current_version, &current, e));
    TRY(version_list(db, a, account->id, &versions, &n, e));
    for (size_t i = 0; i < n && i < COMPARED_MAX && !*ret; i++) {
        TRY(version_open(db, a, keys, account->id, versions[i].number, &opened, e));
        if (is_typed(with, &opened) && is_else_the_same(with, &opened, &current))
            *ret = versions[i].number;
    }
    return SUCCESS;
}

static result version_of_typed(struct db *db, struct arena *a, const struct keyring *keys, const struct job *j,
                               const struct adoption *with, int64_t now, int64_t *ret, struct err *e)
{
    struct managed_account account;
    TRY(account_get(db, a, j->account_id, now, &account, e));
    TRY(find_version(db, a, keys, &account, with, ret, e));
    if (*ret)
        return SUCCESS;
    struct version_secret typed = {.password = with->password,
                                   .private_key = with->private_key,
                                   .passphrase = with->key_is_encrypted ? with->passphrase : NULL,
                                   .public_key = with->public_key};
    return version_make(db, a, keys, j->account_id, &typed, with->by, now, ret, e);
}

static result check_typed(const struct adoption *with, struct err *e)
{
    if (!with->password && !with->private_key)
        return FAIL(e, INVALID, "password: type the password, or the privateKey, that is live on the system");
    if (with->password && secret_has_any(with->password, "\0\r\n", 3))
        return FAIL(e, INVALID, "password: control characters are not allowed");
    return SUCCESS;
}

/* It is under way, or done, already: with the same words. */
static result is_joined(struct db *db, struct arena *a, const struct keyring *keys, const struct job *j,
                        const struct adoption *with, bool *ret, struct err *e)
{
    *ret = false;
    bool is_there = job_is_adopting(j) && (j->is_open || str_equal(j->state, S("done")));
    if (!is_there)
        return SUCCESS;
    struct login_secret opened;
    TRY(version_open(db, a, keys, j->account_id, j->told_version, &opened, e));
    *ret = is_typed(with, &opened);
    return SUCCESS;
}

result told_adopt(struct db *db, struct arena *a, const struct keyring *keys, const struct job *j,
                  const struct adoption *with, int64_t now, int64_t *ret_wait_us, struct err *e)
{
    int64_t version;
    bool joins;
    *ret_wait_us = 0;
    TRY(check_typed(with, e));
    TRY(is_joined(db, a, keys, j, with, &joins, e));
    if (joins)
        return j->is_open ? change_wait(db, a, j->account_id, ret_wait_us, e) : SUCCESS;
    TRY(check_told(db, a, j, e));
    TRY(version_of_typed(db, a, keys, j, with, now, &version, e));
    struct str told = arena_printf(a, "adopt%s%s", with->password ? " password" : "", with->private_key ? " key" : "");
    TRY(reopen(db, a, j, told, version, now, e));
    audit_note(db, "job.adopt.intent", true, (struct audit_object){"job", j->id, STR_ABSENT}, j->account_id,
               arena_printf(a, "version %" PRId64, version));
    return change_wait(db, a, j->account_id, ret_wait_us, e);
}

result told_adopt_answer(const struct job *j, struct err *e)
{
    if (!is_in_drift(j))
        return SUCCESS;
    if (str_equal(j->reason_code, S("mismatch")))
        return FAIL(e, INVALID, "What was typed does not match the system");
    if (str_equal(j->reason_code, S("budget")))
        return FAIL(e, CONFLICT, "%.*s", STR_ARG(j->reason));
    return FAIL(e, REFUSED, "Not adopted: %.*s", STR_ARG(j->reason));
}

/* ---- abandon ---- */

result told_abandon(struct db *db, struct arena *a, const struct job *j, struct str reason, int64_t now, struct err *e)
{
    int64_t changed = 0;
    if (str_equal(j->state, S("abandoned")))
        return SUCCESS;
    TRY(check_last(db, a, j, e));
    TRY(db_run_counting(
        db,
        SQL("UPDATE jobs SET state = 'abandoned', is_open = 0, epoch = epoch + 1, leased_until = 0, success = 0, "
            "settled_at = $2, reason_code = 'abandoned', reason = $3 WHERE id = $1 AND kind = 'change' AND state IN "
            "('resolving', 'drift')",
            P_INT(j->id), P_INT(now), P_TEXT(reason)),
        &changed, e));
    if (changed != 1)
        return FAIL(e, CONFLICT, "Job %" PRId64 " is neither resolving nor in drift, but %.*s", j->id,
                    STR_ARG(j->state));
    TRY(db_run(db,
               SQL("UPDATE versions SET standing = 'retired' WHERE account_id = $1 AND number = $2 AND standing = "
                   "'pending'",
                   P_INT(j->account_id), P_INT(j->version)),
               e));
    TRY(turn_mark_unverified(db, j->account_id, e));
    TRY(owed_given_up(db, j, e));
    TRY(job_tell_settled(db, j, e));
    return job_note(db, a, j, "abandoned", true, reason, now, e);
}
