/* rotation/compare.c: jobs of kind 'audit': the store has lost what it knew, so which version is live on the system?
 * Nothing is changed there. */
#include "rotation/attempt.h"

#include "audit/audit.h"
#include "rotation/synced.h"

enum { VERSIONS_MAX = 32, LOGINS_MAX = 2 };

struct candidates { /* in the order in which they are tried */
    int64_t numbers[VERSIONS_MAX];
    struct login_secret secrets[VERSIONS_MAX];
    size_t n;
};

static result add(struct attempt *t, struct candidates *c, int64_t number, struct err *e)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->numbers[i] == number)
            return SUCCESS;
    if (c->n == VERSIONS_MAX)
        return SUCCESS;
    TRY(version_open(t->db, t->arena, t->config->keys, t->account.id, number, &c->secrets[c->n], e));
    if (c->secrets[c->n].password)
        c->numbers[c->n++] = number;
    return SUCCESS;
}

/* The current one is the likeliest; what was lost is among the newest. */
static result load(struct attempt *t, struct candidates *c, struct err *e)
{
    struct version *versions;
    size_t n;
    TRY(add(t, c, t->account.current_version, e));
    TRY(version_list(t->db, t->arena, t->account.id, &versions, &n, e));
    for (size_t i = 0; i < n; i++)
        TRY(add(t, c, versions[i].number, e));
    return SUCCESS;
}

/* A version that came after the current one was put back: its turn, and that of the functional account, may be what was
 * lost. */
static result connect(struct attempt *t, const struct candidates *c, struct err *e)
{
    t->candidate.password = NULL;
    for (size_t i = 0; i < c->n && t->own_present && !t->candidate.password; i++)
        if (c->numbers[i] > t->account.current_version && !secret_equal(c->secrets[i].password, t->own_present))
            t->candidate.password = c->secrets[i].password;
    return t->candidate.password ? own_connect(t, OWN_AS_KNOWN, e) : attempt_connect(t, e);
}

/* When what could not be looked at is looked at again. */
static int64_t next_look(const struct attempt *t, const struct err *why)
{
    bool has_another = t->was_denied && !own_is_lost(t);
    int64_t wait = has_another ? 1 * SECONDS : attempt_has_word(why, "budget") ? 5 * MINUTES : 30 * SECONDS;
    return clock_now() + wait;
}

/* *ret: the place of the live one among them; c->n: none of those that could be tried. */
static result find_live(struct attempt *t, const struct candidates *c, size_t *ret, struct err *e)
{
    size_t tried = t->check.can_compare ? c->n : c->n < LOGINS_MAX ? c->n : LOGINS_MAX;
    t->proved_how = t->check.can_compare ? TURN_BY_COMPARE : TURN_BY_LOGIN;
    for (*ret = 0; *ret < tried; (*ret)++) {
        enum seen seen;
        enum login_word word = LOGIN_DENIED;
        TRY(t->check.can_compare ? probe_compare(t, c->secrets[*ret].password, &seen, e)
                                 : probe_login(t, &c->secrets[*ret], &seen, &word, e));
        if (seen == SEEN_LIVE)
            return SUCCESS;
        if (probe_is_unusable(word))
            return probe_cannot_tell(word, e);
    }
    *ret = c->n;
    return SUCCESS;
}

/* Of a synced account and its parent one may have lost more than the other: they are to be equal again. */
static result keep_in_step(struct db *db, struct attempt *t, int64_t now, struct err *e)
{
    struct managed_account m;
    bool is_equal, is_made;
    TRY(account_get(db, t->arena, t->account.id, now, &m, e));
    if (!m.parent_account_id)
        return synced_proved(db, t->arena, t->config->keys, &t->job, now, e);
    TRY(synced_is_equal(db, t->arena, t->config->keys, &m, &is_equal, e));
    return is_equal ? SUCCESS : synced_again(db, t->arena, t->config->keys, &m, "mismatch", now, &is_made, e);
}

static result write_adopted(struct db *db, void *argument, struct err *e)
{
    struct attempt *t = argument;
    int64_t now = clock_now();
    struct str text = arena_printf(t->arena, "version %" PRId64 " is the live one", t->job.version);
    TRY(loaded_still_holds(db, t, e));
    TRY(job_settle(db, &t->job, "done", true, "", text, now, e));
    TRY(turn_account(db, t->arena, t->config->keys, t->account.id, t->job.version, t->proved_how, 0, now, e));
    audit_note(db, "account.adopt", true, (struct audit_object){"account", t->account.id, t->account.name},
               t->account.id, text);
    TRY(keep_in_step(db, t, now, e));
    return job_note(db, t->arena, &t->job, "done", true, text, now, e);
}

static result look(struct attempt *t, size_t *ret_live, struct candidates *c, struct err *e)
{
    TRY(db_snapshot(t->db, e));
    result loaded = load(t, c, e);
    db_snapshot_end(t->db);
    TRY(loaded);
    TRY(connect(t, c, e));
    return find_live(t, c, ret_live, e);
}

result run_audit(struct attempt *t, struct err *e)
{
    struct candidates c = {.n = 0};
    struct err why = {0};
    size_t live = 0;
    const struct platform *p = platform_by_id(t->system.platform_id);
    if (!p || !p->connector || (!t->functional.is_set && !t->current.password))
        return settle_plain(t, false, "unsupported", S("nothing to look with: no connector, or no password"), e);
    result r = look(t, &live, &c, &why);
    if (!is_ok(r) && attempt_is_ours(&why)) {
        *e = why;
        return r;
    }
    if (!is_ok(r))
        return settle_unknown(t, why.text, next_look(t, &why), e);
    if (live == c.n)
        return settle_tested(t, false, t->proved_how, e);
    if (c.numbers[live] == t->account.current_version)
        return settle_tested(t, true, t->proved_how, e);
    t->job.version = c.numbers[live];
    return attempt_write(t, write_adopted, e);
}
