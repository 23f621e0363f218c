/* rotation/own.c: accounts that are their system's own functional account: which they are, how both rows turn, who
 * waits for whom. */
#include "rotation/own.h"

#include "accounts/functional.h"
#include "audit/audit.h"
#include "base/text.h"
#include "rotation/attempt.h"
#include "rotation/principal.h"

enum { COMPARED_MAX = 32 };
/* Longer than a change takes, and its resolver where it reaches the system. */
#define STALLS_AT_MOST (10 * MINUTES)
#define STANDS_ASIDE   (10 * SECONDS)

/* ---- which they are ---- */

/* "func" and "func@%" may be one row of MariaDB or two; a domain that is not this directory's may be another one, or a
 * suffix of its own. */
static bool is_unsure(const struct functional_account *f, struct str who, struct str domain, struct str net_bios)
{
    struct str name = f->account_name, of = f->domain_name;
    ptrdiff_t at = str_find_char(name, '@'), back = str_find_char(name, '\\');
    if (f->platform_id == PLATFORM_MYSQL)
        return !str_equal(name, who);
    if (f->platform_id != PLATFORM_ACTIVE_DIRECTORY || str_find_char(name, '=') >= 0)
        return false;
    if (back >= 0)
        of = str_sub(name, 0, (size_t)back);
    else if (at >= 0)
        of = str_sub(name, (size_t)at + 1, name.n);
    return of.n && !str_equal_fold(of, domain) && !str_equal_fold(of, net_bios);
}

static result count_others(struct db *db, const struct managed_account *account, int64_t platform_id, struct str name,
                           struct own *o, struct err *e)
{
    return db_insert(db,
                     SQL("SELECT COUNT(*) FROM managed_systems WHERE functional_account_id = $1 AND id <> $2 AND "
                         "NOT ($3 = 1 AND name_key = $4)",
                         P_INT(o->functional_id), P_INT(account->system_id), P_INT(platform_is_directory(platform_id)),
                         P_TEXT(name)),
                     &o->others, "no count", e);
}

result own_find(struct db *db, struct arena *a, const struct managed_account *account, struct own *ret, struct err *e)
{
    struct rows r;
    *ret = (struct own){0};
    TRY(db_query(db, a,
                 SQL("SELECT f.id, f.platform_id, f.account_name, f.domain_name, s.name_key, s.name, "
                     "COALESCE(y.net_bios_name, '') FROM managed_systems s LEFT JOIN directories y ON y.place_id = "
                     "s.asset_id JOIN "
                     "functional_accounts f ON f.id = s.functional_account_id WHERE s.id = $1 AND f.password IS NOT "
                     "NULL",
                     P_INT(account->system_id)),
                 &r, e));
    if (r.n == 0)
        return SUCCESS;
    struct functional_account f = {.id = row_int(&r, 0, 0),
                                   .platform_id = row_int(&r, 0, 1),
                                   .account_name = row_text(&r, 0, 2),
                                   .domain_name = row_text(&r, 0, 3)};
    struct target_account who = principal_of_account(account);
    if (!principal_is_functional(a, &who, principal_of_functional(a, &f), account->platform_id))
        return SUCCESS;
    ret->functional_id = f.id;
    ret->is_unsure = is_unsure(&f, who.name, row_text(&r, 0, 5), row_text(&r, 0, 6));
    return count_others(db, account, f.platform_id, row_text(&r, 0, 4), ret, e);
}

result own_check_alone(const struct own *o, struct err *e)
{
    if (o->functional_id && o->is_unsure)
        return FAIL(e, INVALID,
                    "this account may be the system's own functional account; give both the same host or domain");
    if (!o->functional_id || o->others == 0)
        return SUCCESS;
    return FAIL(e, INVALID,
                "this account is the functional account of %" PRId64
                " managed systems; a change here would lock the vault out of the others: give each its own",
                o->others + 1);
}

result own_check_told(const struct attempt *t, struct err *e)
{
    bool is_own = t->own.functional_id != 0;
    struct opt_bool told = t->check.is_functional;
    if (!told.is_set || told.value == is_own || !t->functional.secret.password)
        return SUCCESS;
    if (told.value)
        return FAIL_AS(e, REFUSED, "functional_shared",
                       "this account is the system's own functional account, under another name: give both the same "
                       "DistinguishedName");
    return FAIL_AS(e, REFUSED, "functional_shared",
                   "this account is not the system's own functional account, only named like it: give the functional "
                   "account by its DistinguishedName");
}

/* ---- turning ---- */

struct turning {
    const struct keyring *keys;
    const struct managed_account *account;
    int64_t functional_id, now;
    const struct secret *before; /* what the vault has signed in with */
};

static result is_kept(struct db *db, struct arena *a, const struct turning *t, bool *ret, struct err *e)
{
    struct version *versions;
    size_t n;
    *ret = false;
    TRY(version_list(db, a, t->account->id, &versions, &n, e));
    for (size_t i = 0; i < n && i < COMPARED_MAX && !*ret; i++) {
        struct login_secret opened;
        TRY(version_open(db, a, t->keys, t->account->id, versions[i].number, &opened, e));
        *ret = opened.password && secret_equal(opened.password, t->before);
    }
    return SUCCESS;
}

/* Nothing has proved the new one: what may be the live password stays a version (I2). */
static result keep_former(struct db *db, struct arena *a, const struct turning *t, struct err *e)
{
    bool is_there;
    int64_t number;
    TRY(is_kept(db, a, t, &is_there, e));
    if (is_there)
        return SUCCESS;
    struct version_secret former = {.password = secret_copy(a, t->before)};
    TRY(version_make(db, a, t->keys, t->account->id, &former, 0, t->now, &number, e));
    return db_run(db,
                  SQL("UPDATE versions SET standing = 'retired' WHERE account_id = $1 AND number = $2",
                      P_INT(t->account->id), P_INT(number)),
                  e);
}

static result turn_functional(struct db *db, struct arena *a, const struct turning *t, struct secret *password,
                              int64_t number, struct err *e)
{
    struct functional_account f;
    TRY(functional_get(db, a, t->functional_id, &f, e));
    TRY(functional_turn(db, a, t->keys, t->functional_id, password, e));
    audit_note(db, "functional.turned", true,
               (struct audit_object){"functional account", t->functional_id, f.display_name}, t->account->id,
               arena_printf(a, "with version %" PRId64 " of account %" PRId64, number, t->account->id));
    return SUCCESS;
}

result own_turn(struct db *db, struct arena *a, const struct keyring *keys, const struct managed_account *account,
                int64_t number, enum turn_proof proof, int64_t now, struct err *e)
{
    struct own o;
    struct login_secret version;
    struct functional_secret functional;
    bool is_first = proof == TURN_STORED_ONLY && account->current_version == 0;
    TRY(own_find(db, a, account, &o, e));
    if (!o.functional_id || o.is_unsure || o.others || is_first)
        return SUCCESS;
    TRY(version_open(db, a, keys, account->id, number, &version, e));
    TRY(functional_open(db, a, keys, o.functional_id, &functional, e));
    if (!version.password || secret_equal(version.password, functional.password))
        return SUCCESS;
    struct turning t = {keys, account, o.functional_id, now, functional.password};
    if (proof == TURN_STORED_ONLY)
        TRY(keep_former(db, a, &t, e));
    return turn_functional(db, a, &t, version.password, number, e);
}

/* ---- who waits for whom ---- */

/* One that is sent; or that compares what is stored with the system, when the store has lost what it knew; or that
 * waits for others itself and would never find them all at rest. */
static result find_own_change(struct db *db, struct attempt *t, int64_t now, struct rows *ret, struct err *e)
{
    return db_query(db, t->arena,
                    SQL("SELECT id, system_id, sent_at FROM jobs WHERE turns_functional = $1 AND turns_functional > 0 "
                        "AND is_open = 1 AND id <> $2 AND (sent_at > 0 OR (($4 = 0 OR id < $2) AND (kind = 'audit' OR "
                        "(reason_code = '" OWN_WAITS "' AND next_try_at > $3)))) ORDER BY sent_at DESC, id LIMIT 1",
                        P_INT(t->system.functional_account_id.value), P_INT(t->job.id), P_INT(now - STANDS_ASIDE),
                        P_INT(t->own.functional_id != 0)),
                    ret, e);
}

/* Where a directory's other system is dead, its own change may last: the others then try what is stored, as long as no
 * failed login was spent; the rest of the budget is the resolver's. */
static result may_go_past(struct db *db, struct attempt *t, const struct rows *own_change, int64_t now, bool *ret,
                          struct err *e)
{
    struct login_budget b;
    *ret = false;
    if (row_int(own_change, 0, 1) == t->system.id || row_int(own_change, 0, 2) + STALLS_AT_MOST > now)
        return SUCCESS;
    TRY(budget_get(db, t->arena, t->functional_budget, now, &b, e));
    *ret = b.until == 0;
    return SUCCESS;
}

static result note_handed(struct db *db, const struct attempt *t, int64_t now, struct err *e)
{
    int64_t changed = 0;
    TRY(db_run_counting(
        db,
        SQL("UPDATE jobs SET handed_at = $3, turns_functional = $4 WHERE id = $1 AND epoch = $2 AND is_open = 1",
            P_INT(t->job.id), P_INT(t->job.epoch), P_INT(now), P_INT(t->own.functional_id)),
        &changed, e));
    if (changed != 1)
        return FAIL(e, CONFLICT, "job %" PRId64 " is no longer this worker's", t->job.id);
    return SUCCESS;
}

result own_let_hand_over(struct db *db, struct attempt *t, struct err *e)
{
    struct rows r;
    bool may_pass = true;
    int64_t now = clock_now();
    if (t->functional.is_set) {
        TRY(find_own_change(db, t, now, &r, e));
        if (r.n)
            TRY(may_go_past(db, t, &r, now, &may_pass, e));
        if (!may_pass)
            return FAIL_AS(e, BUSY, OWN_WAITS, "the functional account's own password is being changed: job %" PRId64,
                           row_int(&r, 0, 0));
    }
    return note_handed(db, t, now, e);
}

static result put_off(struct db *db, void *argument, struct err *e)
{
    const struct attempt *t = argument;
    return job_try_later(db, &t->job, clock_now() + 2 * SECONDS, OWN_WAITS, t->waits_for, e);
}

result own_waited(struct attempt *t, result came_to, struct err *e)
{
    if (came_to.code != BUSY || !attempt_has_word(e, OWN_WAITS))
        return came_to;
    t->waits_for = arena_str(t->arena, str_of(e->text));
    return attempt_write(t, put_off, e);
}

result own_let_apply(struct db *db, struct attempt *t, struct err *e)
{
    struct rows r;
    struct own o;
    struct err shared;
    TRY(own_find(db, t->arena, &t->account, &o, e));
    if (o.functional_id != t->own.functional_id)
        return FAIL(e, BUSY, "the functional account of %.*s has changed meanwhile", STR_ARG(t->system.name));
    if (!o.functional_id)
        return SUCCESS;
    if (!is_ok(own_check_alone(&o, &shared)))
        return FAIL_AS(e, REFUSED, "functional_shared", "%s", shared.text);
    TRY(db_query(db, t->arena,
                 SQL("SELECT j.id FROM jobs j JOIN managed_systems s ON s.id = j.system_id WHERE j.is_open = 1 AND "
                     "j.leased_until > $2 AND j.handed_at > 0 AND j.id <> $3 AND s.functional_account_id = $1 "
                     "ORDER BY j.id LIMIT 1",
                     P_INT(o.functional_id), P_INT(clock_now()), P_INT(t->job.id)),
                 &r, e));
    if (r.n)
        return FAIL_AS(e, BUSY, OWN_WAITS,
                       "it is the functional account that job %" PRId64 " is signed in with; that one ends first",
                       row_int(&r, 0, 0));
    return SUCCESS;
}

result own_mark_audits(struct db *db, struct arena *a, struct err *e)
{
    struct rows r;
    TRY(db_query(
        db, a,
        SQL("SELECT j.id, f.id, f.platform_id, f.account_name, f.domain_name, m.name, m.distinguished_name, "
            "m.sam_account_name FROM jobs j JOIN managed_accounts m ON m.id = j.account_id JOIN managed_systems s ON "
            "s.id = m.system_id JOIN functional_accounts f ON f.id = s.functional_account_id WHERE j.is_open = 1 AND "
            "j.kind = 'audit' AND f.password IS NOT NULL ORDER BY s.id, j.id"),
        &r, e));
    for (size_t i = 0; i < r.n; i++) {
        struct functional_account f = {
            .platform_id = row_int(&r, i, 2), .account_name = row_text(&r, i, 3), .domain_name = row_text(&r, i, 4)};
        struct managed_account m = {.platform_id = f.platform_id,
                                    .name = row_text(&r, i, 5),
                                    .distinguished_name = row_text(&r, i, 6),
                                    .sam_account_name = row_text(&r, i, 7)};
        struct target_account who = principal_of_account(&m);
        if (principal_is_functional(a, &who, principal_of_functional(a, &f), f.platform_id))
            TRY(db_run(db,
                       SQL("UPDATE jobs SET turns_functional = $2 WHERE id = $1", P_INT(row_int(&r, i, 0)),
                           P_INT(row_int(&r, i, 1))),
                       e));
    }
    return SUCCESS;
}
