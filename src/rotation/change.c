/* rotation/change.c: what a caller may ask of an account, in his transaction: states, candidates, jobs. */
#include "rotation/change.h"

#include "accounts/password_rule.h"
#include "audit/audit.h"
#include "rotation/engine.h"
#include "rotation/link.h"
#include "rotation/owed.h"
#include "rotation/own.h"
#include "rotation/synced.h"
#include "rotation/told.h"
#include "rotation/turn.h"
#include "rotation/whole.h"

enum { PASSWORD_MAX = 1024 };

struct asked { /* what a wish is about, loaded once */
    const struct change_wish *wish;
    struct managed_account account;
    struct managed_system system;
    struct job job; /* the unfinished change; id 0: none */
    int64_t links;
};

static result load(struct db *db, struct arena *a, const struct change_wish *wish, int64_t now, struct asked *ret,
                   struct err *e)
{
    ret->wish = wish;
    TRY(account_get(db, a, wish->account_id, now, &ret->account, e));
    TRY(system_get(db, a, ret->account.system_id, &ret->system, e));
    TRY(link_count(db, a, wish->account_id, &ret->links, e));
    return job_open_change(db, a, wish->account_id, &ret->job, e);
}

static result check_secret(const struct secret *s, const char *field, struct err *e)
{
    if (!s)
        return SUCCESS;
    if (secret_length(s) > PASSWORD_MAX)
        return FAIL(e, INVALID, "%s: more than %d bytes", field, PASSWORD_MAX);
    if (secret_has_any(s, "\0\r\n", 3))
        return FAIL(e, INVALID, "%s: control characters are not allowed", field);
    return SUCCESS;
}

/* The two first words of an authorized_keys line: type and key. */
static struct str key_words(struct str line)
{
    struct str rest = str_trim(line), type = str_cut(&rest, ' ');
    struct str key = str_trim(str_is_set(rest) ? rest : S(""));
    ptrdiff_t end = str_find_char(key, ' ');
    size_t n = (size_t)(key.p - type.p) + (end >= 0 ? (size_t)end : key.n);
    return key.n ? (struct str){type.p, n} : type;
}

static result check_key(const struct asked *q, struct err *e)
{
    const struct change_wish *w = q->wish;
    if (!w->private_key)
        return SUCCESS;
    const struct platform *p = platform_by_id(q->system.platform_id);
    if (!p || !p->can_store_keys)
        return FAIL(e, INVALID, "PrivateKey: this platform takes no keys");
    if (w->update_system && w->public_key.n == 0)
        return FAIL(e, INVALID, "PublicKey: is required with PrivateKey when UpdateSystem is true");
    if (w->public_key.n && !str_equal(key_words(w->public_key), key_words(w->derived_public)))
        return FAIL(e, INVALID, "PublicKey: does not belong to the PrivateKey");
    return SUCCESS;
}

/* May the server change this account on its system at all? */
static result check_reachable(struct db *db, struct arena *a, const struct managed_account *account,
                              const struct managed_system *system, struct err *e)
{
    struct own own;
    struct err shared;
    const struct platform *p = platform_by_id(system->platform_id);
    if (!p || !p->connector)
        return FAIL(e, INVALID,
                    "Credential not changed: there is no connector for this platform yet; use UpdateSystem=false");
    TRY(own_find(db, a, account, &own, e));
    if (!is_ok(own_check_alone(&own, &shared)))
        return FAIL(e, INVALID, "Credential not changed: %s", shared.text);
    if (account->use_own_credentials)
        return SUCCESS;
    if (!system->functional_account_id.is_set)
        return FAIL(e, INVALID,
                    "Credential not changed: the managed system has no FunctionalAccountID, and the account has no "
                    "UseOwnCredentials");
    return SUCCESS;
}

result change_is_possible(struct db *db, struct arena *a, const struct managed_account *account, struct err *e)
{
    struct managed_system system;
    TRY(system_get(db, a, account->system_id, &system, e));
    return check_reachable(db, a, account, &system, e);
}

static result make_password(struct db *db, struct arena *a, const struct keyring *keys,
                            const struct managed_account *account, struct secret **ret, struct err *e)
{
    struct password_rule rule;
    struct login_secret current = {0};
    TRY(password_rule_get(db, a, account->password_rule_id, &rule, e));
    if (account->current_version)
        TRY(version_open(db, a, keys, account->id, account->current_version, &current, e));
    return password_generate(&rule, current.password, a, ret, e);
}

result change_make_candidate(struct db *db, struct arena *a, const struct keyring *keys, const struct change_wish *w,
                             int64_t now, int64_t *ret_number, struct err *e)
{
    struct managed_account account;
    TRY(account_get(db, a, w->account_id, now, &account, e));
    struct version_secret with = {.password = w->password,
                                  .private_key = w->private_key,
                                  .passphrase = w->key_is_encrypted ? w->passphrase : NULL,
                                  .public_key = str_is_set(w->derived_public) ? w->derived_public : w->public_key};
    bool is_key_only = w->private_key && !w->update_system;
    if (!with.password && !is_key_only)
        TRY(make_password(db, a, keys, &account, &with.password, e));
    return version_make(db, a, keys, w->account_id, &with, w->by, now, ret_number, e);
}

static struct audit_object account_object(struct arena *a, const struct asked *q)
{
    return (struct audit_object){"account", q->account.id,
                                 arena_printf(a, "%.*s/%.*s", STR_ARG(q->system.name), STR_ARG(q->account.name))};
}

static result refuse_running(const struct asked *q, struct err *e)
{
    return FAIL(e, CONFLICT, "This account has an unfinished job: %" PRId64, q->job.id);
}

static result drop_queued(struct db *db, const struct asked *q, int64_t now, struct err *e)
{
    bool was_dropped = true;
    if (q->job.id)
        TRY(job_drop_unsent(db, q->job.id, "an explicit change came first", now, &was_dropped, e));
    return was_dropped ? SUCCESS : refuse_running(q, e);
}

static bool is_only_waiting(const struct asked *q)
{
    return q->job.id && str_equal(q->job.state, S("queued")) && q->job.is_queued;
}

static result store_only(struct db *db, struct arena *a, const struct keyring *keys, const struct asked *q, int64_t now,
                         struct err *e)
{
    if (q->job.id && !is_only_waiting(q))
        return refuse_running(q, e);
    if (q->links && !q->wish->password && !q->wish->private_key)
        return FAIL(e, INVALID,
                    "Password: would store a password that no system has; %" PRId64 " linked values would receive it",
                    q->links);
    TRY(drop_queued(db, q, now, e));
    int64_t number;
    TRY(change_make_candidate(db, a, keys, q->wish, now, &number, e));
    TRY(turn_account(db, a, keys, q->account.id, number, TURN_STORED_ONLY, q->wish->by, now, e));
    return owed_paid(db, q->account.id, number, e);
}

/* The same PUT by the same user while its job is under way joins it. */
static result is_same_wish(struct db *db, struct arena *a, const struct keyring *keys, const struct asked *q, bool *ret,
                           struct err *e)
{
    const struct change_wish *w = q->wish;
    *ret = false;
    if (q->job.made_by != w->by || w->is_queued || q->job.is_queued || q->job.version == 0 || job_is_adopting(&q->job))
        return SUCCESS;
    bool was_generated = str_find(q->job.parts, S("generated")) >= 0;
    if (was_generated != (w->password == NULL))
        return SUCCESS;
    struct login_secret candidate;
    TRY(version_open(db, a, keys, q->account.id, q->job.version, &candidate, e));
    bool same_password = was_generated || secret_equal(candidate.password, w->password);
    bool has_key_part = str_find(q->job.parts, S("key")) >= 0;
    bool same_key = w->private_key ? has_key_part && secret_equal(candidate.private_key, w->private_key)
                                   : has_key_part == (was_generated && q->account.dss_auto_management);
    *ret = same_password && same_key;
    return SUCCESS;
}

/* What a user asks for is his from then on: it goes before what the server has queued, and stays when that is dropped.
 */
static result take_over(struct db *db, struct arena *a, const struct asked *q, int64_t now, struct err *e)
{
    bool was_taken = false;
    if (str_equal(str_of(q->wish->trigger), S("caller")))
        TRY(job_take_over(db, q->job.id, q->wish->by, now, &was_taken, e));
    if (was_taken && q->job.parent_id)
        TRY(whole_child_left(db, q->job.parent_id, q->account.name, now, e));
    if (was_taken)
        audit_note(db, "account.change.intent", true, account_object(a, q), q->account.id,
                   arena_printf(a, "job %" PRId64 ", asked for while it waited", q->job.id));
    return SUCCESS;
}

/* It was queued before the account's keys were the server's to make. */
static bool is_without_key(const struct asked *q)
{
    return q->account.dss_auto_management && is_only_waiting(q) && str_find(q->job.parts, S("key")) < 0;
}

static result while_unfinished(struct db *db, struct arena *a, const struct keyring *keys, const struct asked *q,
                               int64_t now, int64_t *ret_job, bool *ret_is_done, struct err *e)
{
    *ret_is_done = true;
    if (q->wish->is_queued && !q->wish->password && !q->wish->private_key && !is_without_key(q)) {
        *ret_job = q->job.id;
        return is_only_waiting(q) ? take_over(db, a, q, now, e) : SUCCESS;
    }
    if (is_only_waiting(q)) {
        *ret_is_done = false;
        return drop_queued(db, q, now, e);
    }
    bool is_same;
    TRY(is_same_wish(db, a, keys, q, &is_same, e));
    if (!is_same)
        return refuse_running(q, e);
    *ret_job = q->job.id;
    return SUCCESS;
}

static result make_job(struct db *db, struct arena *a, const struct keyring *keys, const struct asked *q, int64_t now,
                       int64_t *ret_job, struct err *e)
{
    const struct change_wish *w = q->wish;
    bool worker_makes_it = !w->password && !w->private_key && (w->is_queued || q->account.dss_auto_management);
    bool is_key_made = q->account.dss_auto_management && !w->private_key && !w->password;
    struct job j = {.kind = S("change"),
                    .state = w->is_queued || worker_makes_it ? S("queued") : S("prepared"),
                    .trigger = str_of(w->trigger),
                    .is_queued = w->is_queued,
                    .account_id = q->account.id,
                    .system_id = q->system.id,
                    .made_by = w->by};
    j.parts =
        arena_printf(a, "password%s%s", w->private_key || is_key_made ? " key" : "", w->password ? "" : " generated");
    if (!worker_makes_it)
        TRY(change_make_candidate(db, a, keys, w, now, &j.version, e));
    TRY(job_insert(db, &j, now, ret_job, e));
    j.id = *ret_job;
    TRY(job_note(db, a, &j, w->is_queued ? "queued" : "prepared", true, STR_ABSENT, now, e));
    audit_note(db, "account.change.intent", true, account_object(a, q), q->account.id,
               arena_printf(a, "job %" PRId64 ", %s", j.id, w->trigger));
    return SUCCESS;
}

result change_ask(struct db *db, struct arena *a, const struct keyring *keys, const struct change_wish *wish,
                  int64_t now, int64_t *ret_job, struct err *e)
{
    struct asked q;
    *ret_job = 0;
    TRY(load(db, a, wish, now, &q, e));
    TRY(synced_refuse(&q.account, e));
    TRY(check_secret(wish->password, "Password", e));
    TRY(check_key(&q, e));
    if (!wish->update_system)
        return store_only(db, a, keys, &q, now, e);
    TRY(check_reachable(db, a, &q.account, &q.system, e));
    if (q.job.id) {
        bool is_done;
        TRY(while_unfinished(db, a, keys, &q, now, ret_job, &is_done, e));
        if (is_done)
            return SUCCESS;
    }
    if (!wish->is_queued)
        TRY(engine_is_awaited(db, a, "Credential not changed", e));
    TRY(turn_check_links(db, a, keys, q.account.id, 0, e));
    return make_job(db, a, keys, &q, now, ret_job, e);
}

result change_store_first(struct db *db, struct arena *a, const struct keyring *keys, const struct change_wish *wish,
                          int64_t now, struct err *e)
{
    struct asked q;
    TRY(load(db, a, wish, now, &q, e));
    TRY(check_secret(wish->password, "Password", e));
    TRY(check_key(&q, e));
    struct version_secret with = {.password = wish->password,
                                  .private_key = wish->private_key,
                                  .passphrase = wish->key_is_encrypted ? wish->passphrase : NULL,
                                  .public_key = wish->derived_public};
    int64_t number;
    TRY(version_make(db, a, keys, wish->account_id, &with, wish->by, now, &number, e));
    return turn_account(db, a, keys, wish->account_id, number, TURN_STORED_ONLY, wish->by, now, e);
}
