/* rotation/whole.c: a change of all accounts of a system: its plan, its canary, its stop. */
#include "rotation/whole.h"

#include <stdlib.h>

#include "accounts/account.h"
#include "audit/audit.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/text.h"
#include "identity/gather.h"
#include "rotation/change.h"
#include "rotation/own.h"

enum { REFUSALS_MAX = 3, LINES_BYTES_MAX = 1 << 18, LAST_LINE_MAX = 64 };
DEFINE_AUTOFREE(arena)

/* ---- who was left out ---- */

struct lines { /* as many as fit; the others are counted */
    struct buf *text;
    size_t more;
};

static void lines_add(struct lines *l, struct str name, struct str why)
{
    if (l->text->n + name.n + why.n > LINES_BYTES_MAX)
        l->more++;
    else
        buf_printf(l->text, "%.*s: %.*s\n", STR_ARG(name), STR_ARG(why));
}

static struct str lines_end(struct lines *l)
{
    if (l->more)
        buf_printf(l->text, "and %zu more\n", l->more);
    return buf_str(l->text);
}

static struct lines lines_in(struct buf *text)
{
    buf_init(text, LINES_BYTES_MAX + LAST_LINE_MAX);
    return (struct lines){.text = text};
}

/* ---- the plan ---- */

struct planned {
    const struct managed_account *account;
    int64_t links, turns_functional;
};

struct plan {
    struct job parent;
    struct planned *in_turn;
    size_t n;
    struct lines *skipped;
};

static int by_links(const void *one, const void *other)
{
    const struct planned *a = one, *b = other;
    if (!a->turns_functional != !b->turns_functional)
        return a->turns_functional ? 1 : -1;
    if (a->links != b->links)
        return a->links < b->links ? -1 : 1;
    return a->account->id < b->account->id ? -1 : 1;
}

static int64_t links_of(const struct rows *r, int64_t account_id)
{
    struct span found = rows_of_owner(r, account_id);
    return found.n ? row_int(r, found.from, 1) : 0;
}

/* *ret NULL: it is not left out. */
static result why_left_out(struct db *db, struct arena *a, const struct managed_account *m, const struct own *own,
                           const char **ret, struct err *e)
{
    struct job open;
    struct err why;
    TRY(job_open_change(db, a, m->id, &open, e));
    *ret = !m->auto_management    ? "AutoManagementFlag is false"
           : m->parent_account_id ? "it takes the password of another account"
           : own->is_unsure       ? "it may be the system's own functional account"
           : own->others          ? "it is the functional account of other systems too"
           : open.id              ? "a change is queued or under way"
                                  : NULL;
    if (*ret)
        return SUCCESS;
    result possible = change_is_possible(db, a, m, &why);
    if (is_ok(possible))
        return possible;
    if (possible.code != INVALID) {
        *e = why;
        return possible;
    }
    *ret = arena_cstr(a, str_of(why.text));
    return SUCCESS;
}

static result plan_account(struct db *db, struct arena *a, const struct managed_account *m, const struct rows *links,
                           struct plan *plan, struct err *e)
{
    struct own own;
    const char *why;
    TRY(own_find(db, a, m, &own, e));
    TRY(why_left_out(db, a, m, &own, &why, e));
    if (why)
        lines_add(plan->skipped, m->name, str_of(why));
    else
        plan->in_turn[plan->n++] = (struct planned){m, links_of(links, m->id), own.functional_id};
    return SUCCESS;
}

static result make_plan(struct db *db, struct arena *a, int64_t system_id, int64_t now, struct plan *plan,
                        struct err *e)
{
    struct managed_account *accounts;
    struct rows links;
    size_t n;
    int64_t total;
    struct account_filter f = {.system_id = system_id, .limit = -1};
    TRY(account_list(db, a, &f, now, &accounts, &n, &total, e));
    TRY(db_query(db, a,
                 SQL("SELECT l.account_id, COUNT(*) FROM links l JOIN managed_accounts m ON m.id = l.account_id WHERE "
                     "m.system_id = $1 GROUP BY l.account_id ORDER BY l.account_id",
                     P_INT(system_id)),
                 &links, e));
    plan->in_turn = arena_array(a, struct planned, n);
    for (size_t i = 0; i < n; i++)
        TRY(plan_account(db, a, &accounts[i], &links, plan, e));
    if (plan->n)
        qsort(plan->in_turn, plan->n, sizeof *plan->in_turn, by_links);
    return SUCCESS;
}

static result make_jobs(struct db *db, const struct plan *plan, int64_t now, struct err *e)
{
    for (size_t i = 0; i < plan->n; i++) {
        const struct managed_account *m = plan->in_turn[i].account;
        struct job j = {.kind = S("change"),
                        .state = S("queued"),
                        .trigger = S("caller"),
                        .is_queued = true,
                        .is_held = true,
                        .account_id = m->id,
                        .system_id = m->system_id,
                        .parent_id = plan->parent.id,
                        .made_by = plan->parent.made_by,
                        .turns_functional = plan->in_turn[i].turns_functional,
                        .parts = m->dss_auto_management ? S("password key generated") : S("password generated")};
        TRY(job_insert(db, &j, now, &j.id, e));
    }
    return SUCCESS;
}

result change_ask_system(struct db *db, struct arena *a, const struct keyring *keys, int64_t system_id, int64_t by,
                         int64_t now, int64_t *ret_job, struct err *e)
{
    (void)keys;
    struct managed_system system;
    AUTOBUF text;
    struct lines skipped = lines_in(&text);
    TRY(system_get(db, a, system_id, &system, e));
    struct plan plan = {.parent = {.kind = S("system"),
                                   .state = S("queued"),
                                   .trigger = S("caller"),
                                   .is_queued = true,
                                   .system_id = system_id,
                                   .made_by = by},
                        .skipped = &skipped};
    TRY(make_plan(db, a, system_id, now, &plan, e));
    plan.parent.skipped = lines_end(&skipped);
    TRY(job_insert(db, &plan.parent, now, &plan.parent.id, e));
    TRY(make_jobs(db, &plan, now, e));
    audit_note(db, "system.change.intent", true, (struct audit_object){"system", system_id, system.name}, 0,
               arena_printf(a, "job %" PRId64 ", %zu accounts queued; skipped: %.*s", plan.parent.id, plan.n,
                            STR_ARG(plan.parent.skipped.n ? text_start(plan.parent.skipped, 1500) : S("none"))));
    *ret_job = plan.parent.id;
    return whole_child_moved(db, plan.parent.id, now, e);
}

/* ---- the stop ---- */

#define UNTRIED "parent_id = $1 AND is_open = 1 AND sent_at = 0 AND refusals = 0"

static result drop_untried(struct db *db, int64_t parent_id, struct str why, int64_t now, struct err *e)
{
    TRY(db_run(db,
               SQL("UPDATE versions SET standing = 'retired' WHERE standing = 'pending' AND (account_id, number) IN "
                   "(SELECT account_id, version FROM jobs WHERE " UNTRIED ")",
                   P_INT(parent_id)),
               e));
    /* The epoch moves too: a worker that has one of them in hand can no longer enter APPLYING. */
    return db_run(db,
                  SQL("UPDATE jobs SET state = 'dropped', is_open = 0, epoch = epoch + 1, leased_until = 0, settled_at "
                      "= $2, reason_code = 'dropped', reason = $3 WHERE " UNTRIED,
                      P_INT(parent_id), P_INT(now), P_TEXT(why)),
                  e);
}

static result stop(struct db *db, struct arena *a, int64_t parent_id, struct str why, int64_t now, struct err *e)
{
    struct rows r;
    struct job parent;
    AUTOBUF text;
    struct lines lines = lines_in(&text);
    TRY(db_query(db, a,
                 SQL("SELECT COALESCE(m.name, '') FROM jobs LEFT JOIN managed_accounts m ON m.id = jobs.account_id "
                     "WHERE " UNTRIED " ORDER BY jobs.id",
                     P_INT(parent_id)),
                 &r, e));
    if (r.n == 0)
        return SUCCESS;
    TRY(drop_untried(db, parent_id, why, now, e));
    struct str dropped = arena_printf(a, "dropped: %.*s", STR_ARG(why));
    for (size_t i = 0; i < r.n; i++)
        lines_add(&lines, row_text(&r, i, 0), dropped);
    TRY(db_run(db,
               SQL("UPDATE jobs SET skipped = skipped || $2, reason_code = 'stopped', reason = $3 WHERE id = $1",
                   P_INT(parent_id), P_TEXT(lines_end(&lines)), P_TEXT(why)),
               e));
    TRY(job_get(db, a, parent_id, &parent, e));
    audit_note(db, "system.change.stopped", false,
               (struct audit_object){"system", parent.system_id, parent.system_name}, 0,
               arena_printf(a, "job %" PRId64 ", %zu accounts dropped: %.*s", parent_id, r.n, STR_ARG(why)));
    log_warning("the change of all accounts of %.*s was stopped: %.*s; %zu were not tried (job %" PRId64 ")",
                STR_ARG(parent.system_name), STR_ARG(why), r.n, parent_id);
    return SUCCESS;
}

/* ---- what becomes of the others ---- */

struct standing {
    int64_t unknown, refusals, held, trying, others, open, done; /* others, open, done: but the functional account */
};

static result count(struct db *db, struct arena *a, int64_t parent_id, struct standing *ret, struct err *e)
{
    struct rows r;
    TRY(db_query(
        db, a,
        SQL("SELECT SUM(CASE WHEN state IN ('resolving', 'drift', 'abandoned') THEN 1 ELSE 0 END), CAST(SUM(refusals + "
            "CASE WHEN state = 'refused' THEN 1 ELSE 0 END) AS "
            "bigint), SUM(CASE WHEN is_open = 1 AND is_held = 1 AND turns_functional = 0 THEN 1 ELSE 0 END), SUM(CASE "
            "WHEN is_open = 1 AND is_held = 0 AND refusals = 0 THEN 1 ELSE 0 END), SUM(CASE WHEN turns_functional = 0 "
            "AND state <> 'dropped' THEN 1 ELSE 0 END), SUM(CASE WHEN turns_functional = 0 AND is_open = 1 THEN 1 "
            "ELSE 0 END), SUM(CASE WHEN turns_functional = 0 AND success = 1 THEN 1 ELSE 0 END) FROM jobs "
            "WHERE parent_id = $1",
            P_INT(parent_id)),
        &r, e));
    *ret = (struct standing){.unknown = row_int(&r, 0, 0),
                             .refusals = row_int(&r, 0, 1),
                             .held = row_int(&r, 0, 2),
                             .trying = row_int(&r, 0, 3),
                             .others = row_int(&r, 0, 4),
                             .open = row_int(&r, 0, 5),
                             .done = row_int(&r, 0, 6)};
    return SUCCESS;
}

static result let_go_one(struct db *db, int64_t parent_id, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE jobs SET is_held = 0 WHERE id = (SELECT MIN(id) FROM jobs WHERE parent_id = $1 AND "
                      "is_open = 1 AND is_held = 1 AND turns_functional = 0)",
                      P_INT(parent_id)),
                  e);
}

/* The functional account itself, once nobody is left who would wait for it, or sign in with its old password; nor is it
 * the first to be tried where there are others. */
static result let_go_functional(struct db *db, int64_t parent_id, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE jobs SET is_held = 0 WHERE parent_id = $1 AND is_open = 1 AND is_held = 1 AND "
                      "turns_functional > 0",
                      P_INT(parent_id)),
                  e);
}

static result let_go_last(struct db *db, int64_t parent_id, const struct standing *s, struct err *e)
{
    bool are_at_rest = s->held == 0 && s->trying == 0 && (s->others == 0 || s->done > 0);
    return are_at_rest ? let_go_functional(db, parent_id, e) : SUCCESS;
}

result whole_child_done(struct db *db, int64_t parent_id, struct err *e)
{
    if (!parent_id)
        return SUCCESS;
    AUTOFREE(arena) a = arena_new();
    struct standing s;
    struct rows held;
    TRY(db_run(db,
               SQL("UPDATE jobs SET is_held = 0 WHERE parent_id = $1 AND is_open = 1 AND is_held = 1 AND "
                   "turns_functional = 0",
                   P_INT(parent_id)),
               e));
    TRY(db_query(
        db, a,
        SQL("SELECT id FROM jobs WHERE parent_id = $1 AND is_open = 1 AND is_held = 1 LIMIT 1", P_INT(parent_id)),
        &held, e));
    if (held.n == 0)
        return SUCCESS; /* as nearly always, and without a look at every account of the system */
    TRY(count(db, a, parent_id, &s, e));
    return let_go_last(db, parent_id, &s, e);
}

result whole_child_moved(struct db *db, int64_t parent_id, int64_t now, struct err *e)
{
    if (!parent_id)
        return SUCCESS;
    AUTOFREE(arena) a = arena_new();
    struct standing s;
    TRY(count(db, a, parent_id, &s, e));
    if (s.unknown)
        return stop(db, a, parent_id, S("what became of one account is not known"), now, e);
    if (s.refusals >= REFUSALS_MAX)
        return stop(db, a, parent_id, S("three changes were refused"), now, e);
    if (s.others > 0 && s.open == 0 && s.done == 0)
        return stop(db, a, parent_id, S("no other change succeeded"), now, e);
    return s.held && !s.trying ? let_go_one(db, parent_id, e) : let_go_last(db, parent_id, &s, e);
}

result whole_child_left(struct db *db, int64_t parent_id, struct str account_name, int64_t now, struct err *e)
{
    TRY(db_run(db,
               SQL("UPDATE jobs SET skipped = skipped || $2 || ': somebody has queued a change of it\n' WHERE id = $1",
                   P_INT(parent_id), P_TEXT(account_name)),
               e));
    return whole_child_moved(db, parent_id, now, e);
}

/* ---- its end ---- */

struct outcome {
    int64_t parent_id, accounts, changed, lost;
    bool is_stopped;
};

static struct str reason_of(struct arena *a, const struct outcome *o)
{
    int64_t others = o->accounts - o->changed;
    if (others == 0)
        return S("");
    struct str lost = o->lost ? arena_printf(a, "; in drift or abandoned: %" PRId64, o->lost) : S("");
    return arena_printf(a, "%" PRId64 " of %" PRId64 " accounts %s not changed%.*s", others, o->accounts,
                        others == 1 ? "was" : "were", STR_ARG(lost));
}

/* One that was stopped says why already. */
static result settle_one(struct db *db, struct arena *a, const struct outcome *o, int64_t now, struct err *e)
{
    bool is_refused = o->accounts > 0 && o->changed == 0;
    if (o->is_stopped)
        return db_run(db,
                      SQL("UPDATE jobs SET is_open = 0, state = 'dropped', success = 0, settled_at = $2 WHERE id = $1",
                          P_INT(o->parent_id), P_INT(now)),
                      e);
    return db_run(db,
                  SQL("UPDATE jobs SET is_open = 0, state = $2, success = $3, reason_code = $4, reason = $5, "
                      "settled_at = $6 WHERE id = $1",
                      P_INT(o->parent_id), P_TEXT(is_refused ? S("refused") : S("done")), P_INT(!is_refused),
                      P_TEXT(is_refused ? S("refused") : S("")), P_TEXT(reason_of(a, o)), P_INT(now)),
                  e);
}

result whole_settle(struct db *db, struct arena *a, int64_t now, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT p.id, CASE WHEN p.reason_code = 'stopped' THEN 1 ELSE 0 END, "
                     "(SELECT COUNT(*) FROM jobs c WHERE c.parent_id = p.id), "
                     "(SELECT COUNT(*) FROM jobs c WHERE c.parent_id = p.id AND c.success = 1), "
                     "(SELECT COUNT(*) FROM jobs c WHERE c.parent_id = p.id AND c.state IN ('drift', 'abandoned')) "
                     "FROM jobs p WHERE p.kind = 'system' AND p.is_open = 1 AND NOT EXISTS (SELECT 1 FROM jobs c WHERE "
                     "c.parent_id = p.id AND c.is_open = 1)"),
                 &r, e));
    for (size_t i = 0; i < r.n; i++) {
        struct outcome o = {.parent_id = row_int(&r, i, 0),
                            .is_stopped = row_int(&r, i, 1) != 0,
                            .accounts = row_int(&r, i, 2),
                            .changed = row_int(&r, i, 3),
                            .lost = row_int(&r, i, 4)};
        TRY(settle_one(db, a, &o, now, e));
    }
    return SUCCESS;
}
