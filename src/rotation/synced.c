/* rotation/synced.c: synced accounts: who follows whom, and the jobs that bring a parent's password. */
#include "rotation/synced.h"

#include "accounts/schedule.h"
#include "audit/audit.h"
#include "rotation/alone.h"
#include "rotation/owed.h"

enum { SLICE = 100 };

result synced_refuse(const struct managed_account *account, struct err *e)
{
    if (!account->parent_account_id)
        return SUCCESS;
    return FAIL(e, INVALID,
                "Credential not changed: this account takes the password of account %" PRId64 "; change that one",
                account->parent_account_id);
}

/* ---- who follows whom ---- */

static struct audit_object object_of(struct arena *a, const struct managed_account *m)
{
    return (struct audit_object){"account", m->id,
                                 arena_printf(a, "%.*s/%.*s", STR_ARG(m->system_name), STR_ARG(m->name))};
}

static result subscribers_of(struct db *db, struct arena *a, int64_t parent_id, int64_t now,
                             struct managed_account **ret, size_t *ret_n, struct err *e)
{
    int64_t total;
    struct account_filter f = {.parent_id = parent_id, .limit = -1};
    return account_list(db, a, &f, now, ret, ret_n, &total, e);
}

/* No chains: who is followed follows nobody. So there is no circle either. */
static result check_pair(struct db *db, struct arena *a, const struct managed_account *parent,
                         const struct managed_account *subscriber, int64_t now, struct err *e)
{
    struct managed_account *found;
    size_t n;
    if (parent->id == subscriber->id)
        return FAIL(e, INVALID, "An account cannot be a synced account of itself");
    if (subscriber->parent_account_id)
        return FAIL(e, CONFLICT, "This account is already synced with account %" PRId64, subscriber->parent_account_id);
    if (parent->parent_account_id)
        return FAIL(e, INVALID, "The parent account is itself a synced account, of account %" PRId64,
                    parent->parent_account_id);
    TRY(subscribers_of(db, a, subscriber->id, now, &found, &n, e));
    if (n)
        return FAIL(e, INVALID, "This account has synced accounts of its own");
    TRY(subscribers_of(db, a, parent->id, now, &found, &n, e));
    if (n >= SYNCED_MAX)
        return FAIL(e, INVALID, "An account has at most %d synced accounts", SYNCED_MAX);
    return SUCCESS;
}

static result drop_waiting(struct db *db, struct arena *a, int64_t account_id, const char *why, int64_t now,
                           bool *ret_is_free, struct err *e)
{
    struct job open;
    *ret_is_free = true;
    TRY(job_open_change(db, a, account_id, &open, e));
    return open.id ? job_drop_unsent(db, open.id, why, now, ret_is_free, e) : SUCCESS;
}

result synced_add(struct db *db, struct arena *a, int64_t parent_id, int64_t subscriber_id, int64_t now, struct err *e)
{
    struct managed_account parent, subscriber;
    bool is_free;
    TRY(account_get(db, a, parent_id, now, &parent, e));
    TRY(account_get(db, a, subscriber_id, now, &subscriber, e));
    TRY(check_pair(db, a, &parent, &subscriber, now, e));
    TRY(change_is_possible(db, a, &subscriber, e));
    TRY(drop_waiting(db, a, subscriber_id, "it became a synced account", now, &is_free, e));
    if (!is_free)
        return FAIL(e, CONFLICT, "This account has an unfinished job");
    TRY(db_run(
        db,
        SQL("UPDATE managed_accounts SET parent_account_id = $2, sync_wanted = 0, sync_made = 0, sync_since = 0, "
            "next_change_at = 0 WHERE id = $1",
            P_INT(subscriber_id), P_INT(parent_id)),
        e));
    TRY(owed_hand_over(db, a, subscriber_id, now, e));
    audit_note(db, "account.sync", true, object_of(a, &subscriber), subscriber_id,
               arena_printf(a, "takes the password of account %" PRId64, parent_id));
    return SUCCESS;
}

static result set_free(struct db *db, struct arena *a, const struct managed_account *m, int64_t now, struct err *e)
{
    bool is_free;
    int64_t next =
        m->auto_management ? schedule_next(m->change_frequency_type, m->change_frequency_days, m->change_time, now) : 0;
    TRY(drop_waiting(db, a, m->id, "it is no synced account any more", now, &is_free, e));
    if (!is_free) /* what was sent is settled like any other change, and given up like one */
        TRY(db_run(db, SQL("UPDATE jobs SET parent_version = 0 WHERE account_id = $1 AND is_open = 1", P_INT(m->id)),
                   e));
    TRY(db_run(db, SQL("UPDATE jobs SET parent_version = 0 WHERE account_id = $1 AND state = 'drift'", P_INT(m->id)),
               e)); /* set again, it is its own */
    TRY(db_run(db,
               SQL("UPDATE managed_accounts SET parent_account_id = 0, sync_wanted = 0, sync_made = 0, sync_since = 0, "
                   "next_change_at = $2 WHERE id = $1",
                   P_INT(m->id), P_INT(next)),
               e));
    audit_note(db, "account.unsync", true, object_of(a, m), m->id,
               arena_printf(a, "no longer takes the password of account %" PRId64, m->parent_account_id));
    return SUCCESS;
}

result synced_remove(struct db *db, struct arena *a, int64_t parent_id, int64_t subscriber_id, int64_t now,
                     struct err *e)
{
    struct managed_account m;
    TRY(account_get(db, a, subscriber_id, now, &m, e));
    if (m.parent_account_id != parent_id)
        return FAIL(e, NOT_FOUND, "Account %" PRId64 " is not a synced account of account %" PRId64, subscriber_id,
                    parent_id);
    return set_free(db, a, &m, now, e);
}

result synced_remove_all(struct db *db, struct arena *a, int64_t parent_id, int64_t now, struct err *e)
{
    struct managed_account *found;
    size_t n;
    TRY(subscribers_of(db, a, parent_id, now, &found, &n, e));
    for (size_t i = 0; i < n; i++)
        TRY(set_free(db, a, &found[i], now, e));
    return SUCCESS;
}

/* ---- following ---- */

struct following { /* one step of a parent: what its subscribers are to get */
    const struct keyring *keys;
    int64_t parent_id, version, by, now;
    struct str trigger;
    const struct secret *password;
    bool is_again;
};

static result note_made(struct db *db, const struct following *f, int64_t subscriber_id, bool is_there, struct err *e)
{
    return db_run(
        db,
        SQL("UPDATE managed_accounts SET sync_made = $2, sync_since = CASE WHEN $3 = 1 THEN 0 ELSE sync_since "
            "END WHERE id = $1",
            P_INT(subscriber_id), P_INT(f->version), P_INT(is_there)),
        e);
}

/* It has this password already, and it was proved to work. */
static result has_password(struct db *db, struct arena *a, const struct following *f,
                           const struct managed_account *subscriber, bool *ret, struct err *e)
{
    struct login_secret own;
    *ret = false;
    if (f->is_again || !subscriber->current_version || !str_equal(subscriber->state, S("proved")))
        return SUCCESS;
    TRY(version_open(db, a, f->keys, subscriber->id, subscriber->current_version, &own, e));
    *ret = own.password && secret_equal(own.password, f->password);
    return SUCCESS;
}

static result insert_job(struct db *db, struct arena *a, const struct following *f,
                         const struct managed_account *subscriber, struct err *e)
{
    struct version_secret with = {.password = secret_copy(a, f->password)};
    struct job j = {.kind = S("change"),
                    .state = S("queued"),
                    .trigger = f->trigger,
                    .parts = S("password"),
                    .is_queued = true,
                    .account_id = subscriber->id,
                    .system_id = subscriber->system_id,
                    .made_by = f->by};
    TRY(version_make(db, a, f->keys, subscriber->id, &with, f->by, f->now, &j.version, e));
    TRY(job_insert(db, &j, f->now, &j.id, e));
    TRY(db_run(db, SQL("UPDATE jobs SET parent_version = $2 WHERE id = $1", P_INT(j.id), P_INT(f->version)), e));
    TRY(job_note(db, a, &j, "queued", true, arena_printf(a, "with the password of account %" PRId64, f->parent_id),
                 f->now, e));
    audit_note(db, "account.change.intent", true, object_of(a, subscriber), subscriber->id,
               arena_printf(a, "job %" PRId64 ", %.*s, with the password of account %" PRId64, j.id,
                            STR_ARG(f->trigger), f->parent_id));
    return note_made(db, f, subscriber->id, false, e);
}

/* One whose change is under way keeps its candidate until that is settled (I3); the clockwork comes back to it. */
static result follow(struct db *db, struct arena *a, const struct following *f,
                     const struct managed_account *subscriber, bool *ret_made, struct err *e)
{
    bool is_free, is_there;
    struct err why;
    *ret_made = false;
    TRY(drop_waiting(db, a, subscriber->id, "the parent account has a newer password", f->now, &is_free, e));
    if (!is_free)
        return SUCCESS;
    TRY(has_password(db, a, f, subscriber, &is_there, e));
    if (is_there)
        return note_made(db, f, subscriber->id, true, e);
    result possible = change_is_possible(db, a, subscriber, &why);
    if (is_ok(possible)) {
        *ret_made = true;
        return insert_job(db, a, f, subscriber, e);
    }
    if (possible.code != INVALID) {
        *e = why;
        return possible;
    }
    audit_note(db, "account.change.skipped", false, object_of(a, subscriber), subscriber->id, str_of(why.text));
    return note_made(db, f, subscriber->id, false, e);
}

static result load_password(struct db *db, struct arena *a, struct following *f, struct err *e)
{
    struct login_secret parents;
    TRY(version_open(db, a, f->keys, f->parent_id, f->version, &parents, e));
    f->password = parents.password;
    return SUCCESS;
}

static result want(struct db *db, const struct following *f, struct err *e)
{
    return db_run(
        db,
        SQL("UPDATE managed_accounts SET sync_wanted = $2, sync_since = CASE WHEN sync_since = 0 THEN $3 ELSE "
            "sync_since END WHERE parent_account_id > 0 AND parent_account_id = $1 AND deleted_at = 0",
            P_INT(f->parent_id), P_INT(f->version), P_INT(f->now)),
        e);
}

struct subscriber_step {
    struct arena *a;
    const struct following *f;
    const struct managed_account *subscriber;
};

static result follow_one(struct db *db, void *argument, struct err *e)
{
    const struct subscriber_step *s = argument;
    bool is_made;
    return follow(db, s->a, s->f, s->subscriber, &is_made, e);
}

/* One that cannot be read holds neither its parent nor the others; the clockwork comes back to it. */
static result follow_all(struct db *db, struct arena *a, struct following *f, struct err *e)
{
    struct managed_account *found;
    size_t n;
    const char *ignored;
    TRY(subscribers_of(db, a, f->parent_id, f->now, &found, &n, e));
    if (n == 0)
        return SUCCESS;
    TRY(load_password(db, a, f, e));
    if (!f->password)
        return SUCCESS;
    TRY(want(db, f, e));
    for (size_t i = 0; i < n; i++) {
        struct subscriber_step step = {a, f, &found[i]};
        TRY(alone_run(db, a, &(struct alone){follow_one, &step, "synced accounts", found[i].id}, &ignored, e));
    }
    return SUCCESS;
}

result synced_proved(struct db *db, struct arena *a, const struct keyring *keys, const struct job *job, int64_t now,
                     struct err *e)
{
    if (job->parent_version)
        return db_run(db,
                      SQL("UPDATE managed_accounts SET sync_since = 0 WHERE id = $1 AND sync_wanted <= $2",
                          P_INT(job->account_id), P_INT(job->parent_version)),
                      e);
    struct following f = {.keys = keys,
                          .parent_id = job->account_id,
                          .version = job->version,
                          .by = job->made_by,
                          .now = now,
                          .trigger = job->trigger};
    return follow_all(db, a, &f, e);
}

result synced_tested(struct db *db, struct arena *a, const struct keyring *keys, int64_t parent_id, int64_t version,
                     int64_t now, struct err *e)
{
    struct following f = {
        .keys = keys, .parent_id = parent_id, .version = version, .now = now, .trigger = S("schedule")};
    return follow_all(db, a, &f, e);
}

struct late {
    struct arena *a;
    const struct keyring *keys;
    int64_t account_id, now;
    bool is_made;
};

static result catch_up_one(struct db *db, void *argument, struct err *e)
{
    struct late *l = argument;
    struct managed_account m;
    TRY(account_get(db, l->a, l->account_id, l->now, &m, e));
    struct following f = {.keys = l->keys,
                          .parent_id = m.parent_account_id,
                          .version = m.sync_wanted,
                          .now = l->now,
                          .trigger = S("schedule")};
    TRY(load_password(db, l->a, &f, e));
    return follow(db, l->a, &f, &m, &l->is_made, e);
}

result synced_catch_up(struct db *db, struct arena *a, const struct keyring *keys, int64_t now, bool *ret_made,
                       struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT m.id FROM managed_accounts m WHERE m.sync_made <> m.sync_wanted AND m.deleted_at = 0 AND "
                     "NOT EXISTS (SELECT 1 FROM jobs j WHERE j.account_id = m.id AND j.is_open = 1 AND j.kind = "
                     "'change') ORDER BY m.id LIMIT $1",
                     P_INT(SLICE)),
                 &r, e));
    for (size_t i = 0; i < r.n; i++) {
        const char *why;
        struct late l = {.a = a, .keys = keys, .account_id = row_int(&r, i, 0), .now = now};
        TRY(alone_run(db, a, &(struct alone){catch_up_one, &l, "synced accounts", l.account_id}, &why, e));
        if (why) /* until the parent's next version */
            TRY(db_run(
                db, SQL("UPDATE managed_accounts SET sync_made = sync_wanted WHERE id = $1", P_INT(l.account_id)), e));
        *ret_made = *ret_made || (l.is_made && !why);
    }
    return SUCCESS;
}

result synced_again(struct db *db, struct arena *a, const struct keyring *keys,
                    const struct managed_account *subscriber, const char *trigger, int64_t now, bool *ret_made,
                    struct err *e)
{
    struct job open;
    int64_t proved;
    *ret_made = false;
    TRY(job_open_change(db, a, subscriber->id, &open, e));
    TRY(version_last_proved(db, a, subscriber->parent_account_id, &proved, e));
    if (open.id || !proved) /* what is only stored is not spread */
        return SUCCESS;
    struct following f = {.keys = keys,
                          .parent_id = subscriber->parent_account_id,
                          .version = proved,
                          .now = now,
                          .trigger = str_of(trigger),
                          .is_again = true};
    TRY(load_password(db, a, &f, e));
    if (!f.password)
        return SUCCESS;
    TRY(db_run(db,
               SQL("UPDATE managed_accounts SET sync_wanted = $2, sync_since = CASE WHEN sync_since = 0 THEN $3 ELSE "
                   "sync_since END WHERE id = $1",
                   P_INT(subscriber->id), P_INT(f.version), P_INT(now)),
               e));
    return follow(db, a, &f, subscriber, ret_made, e);
}

result synced_is_equal(struct db *db, struct arena *a, const struct keyring *keys,
                       const struct managed_account *subscriber, bool *ret, struct err *e)
{
    struct login_secret own = {0}, parents = {0};
    int64_t proved;
    TRY(version_last_proved(db, a, subscriber->parent_account_id, &proved, e));
    if (subscriber->current_version)
        TRY(version_open(db, a, keys, subscriber->id, subscriber->current_version, &own, e));
    if (proved)
        TRY(version_open(db, a, keys, subscriber->parent_account_id, proved, &parents, e));
    *ret = own.password && parents.password && secret_equal(own.password, parents.password);
    return SUCCESS;
}
