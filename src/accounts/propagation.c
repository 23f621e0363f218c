/* accounts/propagation.c: propagation actions, and the accounts that have them (passwordsafe-api 7.11). */
#include "accounts/propagation.h"

#include <stdlib.h>

#include "accounts/check.h"
#include "accounts/platform.h"
#include "base/text.h"

#define ACTION_COLUMNS "p.id, p.type_id, p.name, p.description, p.service"

static struct propagation_action action_of(const struct rows *r, size_t i)
{
    return (struct propagation_action){.id = row_int(r, i, 0),
                                       .type_id = row_int(r, i, 1),
                                       .name = row_text(r, i, 2),
                                       .description = row_text(r, i, 3),
                                       .service = row_text(r, i, 4)};
}

result propagation_get(struct db *db, struct arena *a, int64_t id, struct propagation_action *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT " ACTION_COLUMNS " FROM propagation_actions p WHERE p.id = $1", P_INT(id)),
                     "Propagation Action", &r, e));
    *ret = action_of(&r, 0);
    return SUCCESS;
}

result propagation_list(struct db *db, struct arena *a, struct propagation_action **ret, size_t *ret_n, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a, SQL("SELECT " ACTION_COLUMNS " FROM propagation_actions p ORDER BY p.id"), &r, e));
    *ret = arena_array(a, struct propagation_action, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = action_of(&r, i);
    *ret_n = r.n;
    return SUCCESS;
}

/* It ends up on a command line of the host: docs/connector-protocol.md, restart. */
static bool is_service_name(struct str s)
{
    enum { SERVICE_BYTES_MAX = 128 };
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool is_inner = c == '.' || c == '-';
        if (!is_alnum && c != '_' && c != '@' && c != ':' && !(is_inner && i > 0))
            return false;
    }
    return s.n > 0 && s.n <= SERVICE_BYTES_MAX;
}

static result check(struct propagation_action *w, struct err *e)
{
    struct err found = {0};
    w->name = text_trim(text_or_empty(w->name));
    w->description = text_or_empty(w->description);
    if (w->type_id != PROPAGATION_SERVICES)
        err_add_line(&found, "typeId: must be %d (Services)", PROPAGATION_SERVICES);
    if (w->name.n == 0)
        err_add_line(&found, "name: is required");
    check_no_control("name", w->name, &found);
    check_no_control("description", w->description, &found);
    if (!is_service_name(w->service))
        err_add_line(&found, "service: letters, digits and _ . @ : -, at most 128, beginning with neither . nor -");
    return check_end(&found, e);
}

result propagation_create(struct db *db, struct arena *a, const struct propagation_action *with, int64_t *ret_id,
                          struct err *e)
{
    struct propagation_action w = *with;
    struct rows r;
    TRY(check(&w, e));
    TRY(db_query(db, a,
                 SQL("INSERT INTO propagation_actions (type_id, name, name_key, description, service) VALUES "
                     "($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id",
                     P_INT(w.type_id), P_TEXT(w.name), P_TEXT(text_key(a, w.name)), P_TEXT(w.description),
                     P_TEXT(w.service)),
                 &r, e));
    if (r.n == 0)
        return name_taken("A Propagation Action", w.name, e);
    *ret_id = row_int(&r, 0, 0);
    return SUCCESS;
}

result propagation_update(struct db *db, struct arena *a, const struct propagation_action *with, struct err *e)
{
    struct propagation_action w = *with;
    bool is_taken;
    TRY(check(&w, e));
    TRY(has_row(db, a,
                SQL("SELECT 1 FROM propagation_actions WHERE name_key = $1 AND id <> $2", P_TEXT(text_key(a, w.name)),
                    P_INT(w.id)),
                &is_taken, e));
    if (is_taken)
        return name_taken("A Propagation Action", w.name, e);
    return db_run(db,
                  SQL("UPDATE propagation_actions SET type_id = $2, name = $3, name_key = $4, description = $5, "
                      "service = $6 WHERE id = $1",
                      P_INT(w.id), P_INT(w.type_id), P_TEXT(w.name), P_TEXT(text_key(a, w.name)), P_TEXT(w.description),
                      P_TEXT(w.service)),
                  e);
}

result propagation_delete(struct db *db, struct arena *a, int64_t id, struct err *e)
{
    bool is_used;
    TRY(has_row(db, a, SQL("SELECT 1 FROM account_propagations WHERE action_id = $1 LIMIT 1", P_INT(id)), &is_used, e));
    if (is_used)
        return FAIL(e, CONFLICT, "Managed accounts have this Propagation Action; unassign it first");
    return db_run(db, SQL("DELETE FROM propagation_actions WHERE id = $1", P_INT(id)), e);
}

/* ---- who has which ---- */

result propagation_find(struct db *db, struct arena *a, int64_t account_id, int64_t action_id,
                        struct propagation_action *ret, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT " ACTION_COLUMNS " FROM account_propagations x JOIN propagation_actions p ON "
                     "p.id = x.action_id WHERE x.account_id = $1 AND x.action_id = $2",
                     P_INT(account_id), P_INT(action_id)),
                 &r, e));
    *ret = r.n ? action_of(&r, 0) : (struct propagation_action){0};
    return SUCCESS;
}

result propagation_assigned(struct db *db, struct arena *a, int64_t account_id, struct assigned_action **ret,
                            size_t *ret_n, struct err *e)
{
    enum { IS_OWN_SYSTEM = 5 };
    struct rows r, rules;
    TRY(db_query(db, a,
                 SQL("SELECT " ACTION_COLUMNS ", x.is_own_system FROM account_propagations x JOIN propagation_actions "
                     "p ON p.id = x.action_id WHERE x.account_id = $1 ORDER BY x.action_id",
                     P_INT(account_id)),
                 &r, e));
    TRY(db_query(db, a,
                 SQL("SELECT x.action_id, t.rule_id FROM account_propagations x JOIN account_propagation_rules t ON "
                     "t.propagation_id = x.id WHERE x.account_id = $1 ORDER BY x.action_id, t.rule_id",
                     P_INT(account_id)),
                 &rules, e));
    *ret = arena_array(a, struct assigned_action, r.n);
    for (size_t i = 0, k = 0; i < r.n; i++) {
        struct assigned_action *x = &(*ret)[i];
        *x = (struct assigned_action){.is = action_of(&r, i),
                                      .rules = row_flag(&r, i, IS_OWN_SYSTEM) ? STR_ABSENT : S("")};
        for (; k < rules.n && row_int(&rules, k, 0) == x->is.id; k++)
            x->rules =
                arena_printf(a, "%.*s%s%" PRId64, STR_ARG(x->rules), x->rules.n ? "," : "", row_int(&rules, k, 1));
    }
    *ret_n = r.n;
    return SUCCESS;
}

static result insert_rules(struct db *db, int64_t propagation_id, const struct list *rules, struct err *e)
{
    for (size_t i = 0; i < rules->n; i++)
        TRY(db_run(db,
                   SQL("INSERT INTO account_propagation_rules (propagation_id, rule_id) VALUES ($1, $2) ON CONFLICT DO "
                       "NOTHING",
                       P_INT(propagation_id), P_INT(((const int64_t *)rules->at)[i])),
                   e));
    return SUCCESS;
}

static result runs_somewhere(struct db *db, struct arena *a, int64_t account_id, const struct list *rules,
                             struct err *e)
{
    struct propagation_target *targets;
    size_t n;
    bool is_linux;
    TRY(has_row(db, a,
                SQL("SELECT 1 FROM managed_accounts m JOIN managed_systems s ON s.id = m.system_id WHERE m.id = $1 AND "
                    "s.platform_id = $2",
                    P_INT(account_id), P_INT(PLATFORM_LINUX)),
                &is_linux, e));
    if (rules->n == 0 && !is_linux)
        return FAIL(e, INVALID,
                    "SmartRuleIDs: services are restarted on Linux hosts, and this account's own system is none; give "
                    "rules of managed systems");
    TRY(propagation_targets(db, a, account_id, &targets, &n, e));
    if (n > PROPAGATION_SYSTEMS_MAX)
        return FAIL(e, INVALID, "SmartRuleIDs: an account's actions run on at most %d systems",
                    PROPAGATION_SYSTEMS_MAX);
    return SUCCESS;
}

result propagation_assign(struct db *db, struct arena *a, int64_t account_id, int64_t action_id,
                          const struct list *rules, bool *ret_is_new, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("INSERT INTO account_propagations (account_id, action_id, is_own_system) VALUES ($1, $2, $3) ON "
                     "CONFLICT DO NOTHING RETURNING id",
                     P_INT(account_id), P_INT(action_id), P_INT(rules->n == 0)),
                 &r, e));
    *ret_is_new = r.n > 0;
    if (!r.n)
        TRY(db_query_one(db, a,
                         SQL("UPDATE account_propagations SET is_own_system = $3 WHERE account_id = $1 AND action_id "
                             "= $2 RETURNING id",
                             P_INT(account_id), P_INT(action_id), P_INT(rules->n == 0)),
                         "Propagation Action", &r, e));
    int64_t id = row_int(&r, 0, 0);
    TRY(db_run(db, SQL("DELETE FROM account_propagation_rules WHERE propagation_id = $1", P_INT(id)), e));
    TRY(insert_rules(db, id, rules, e));
    return runs_somewhere(db, a, account_id, rules, e);
}

result propagation_unassign(struct db *db, int64_t account_id, int64_t action_id, struct err *e)
{
    int64_t deleted;
    TRY(db_run_counting(db,
                        SQL("DELETE FROM account_propagations WHERE account_id = $1 AND action_id = $2",
                            P_INT(account_id), P_INT(action_id)),
                        &deleted, e));
    return deleted ? SUCCESS : FAIL(e, NOT_FOUND, "This account does not have this Propagation Action");
}

result propagation_unassign_all(struct db *db, int64_t account_id, struct err *e)
{
    return db_run(db, SQL("DELETE FROM account_propagations WHERE account_id = $1", P_INT(account_id)), e);
}

/* ---- where they run ---- */

struct errand {
    int64_t system_id, action_id;
};
struct errands {
    struct arena *arena;
    struct errand *at;
    size_t n, room;
};

static void add(struct errands *p, int64_t system_id, int64_t action_id)
{
    if (p->n == p->room) {
        struct errand *before = p->at;
        p->room = p->room ? 2 * p->room : 64;
        p->at = arena_array(p->arena, struct errand, p->room);
        for (size_t i = 0; i < p->n; i++)
            p->at[i] = before[i];
    }
    p->at[p->n++] = (struct errand){system_id, action_id};
}

static int compare_errands(const void *x, const void *y)
{
    const struct errand *a = x, *b = y;
    if (a->system_id != b->system_id)
        return a->system_id < b->system_id ? -1 : 1;
    return (a->action_id > b->action_id) - (a->action_id < b->action_id);
}

/* The account's own system, and the members of quick rules. */
static result add_named(struct db *db, int64_t account_id, struct errands *p, struct err *e)
{
    struct rows r;
    TRY(db_query(db, p->arena,
                 SQL("SELECT s.id, x.action_id FROM account_propagations x JOIN managed_accounts m ON m.id = "
                     "x.account_id JOIN managed_systems s ON s.id = m.system_id WHERE x.account_id = $1 AND "
                     "x.is_own_system = 1 AND s.platform_id = $2",
                     P_INT(account_id), P_INT(PLATFORM_LINUX)),
                 &r, e));
    for (size_t i = 0; i < r.n; i++)
        add(p, row_int(&r, i, 0), row_int(&r, i, 1));
    TRY(db_query(db, p->arena,
                 SQL("SELECT s.id, x.action_id FROM account_propagations x JOIN account_propagation_rules t ON "
                     "t.propagation_id = x.id JOIN smart_rules r ON r.id = t.rule_id JOIN smart_rule_members q ON "
                     "q.rule_id = r.id JOIN managed_systems s ON s.id = q.member_id WHERE x.account_id = $1 AND "
                     "r.kind = 'quick' AND r.rule_type = 'ManagedSystem' AND s.platform_id = $2",
                     P_INT(account_id), P_INT(PLATFORM_LINUX)),
                 &r, e));
    for (size_t i = 0; i < r.n; i++)
        add(p, row_int(&r, i, 0), row_int(&r, i, 1));
    return SUCCESS;
}

/* The rules that hold every system, or every asset and so the system on it. */
static result add_all(struct db *db, int64_t account_id, struct errands *p, struct err *e)
{
    struct rows actions, systems;
    TRY(db_query(db, p->arena,
                 SQL("SELECT DISTINCT x.action_id FROM account_propagations x JOIN account_propagation_rules t ON "
                     "t.propagation_id = x.id JOIN smart_rules r ON r.id = t.rule_id WHERE x.account_id = $1 AND "
                     "r.kind = 'all' AND r.rule_type IN ('ManagedSystem', 'Asset')",
                     P_INT(account_id)),
                 &actions, e));
    if (actions.n == 0)
        return SUCCESS;
    TRY(db_query(db, p->arena,
                 SQL("SELECT s.id FROM managed_systems s WHERE s.platform_id = $1 ORDER BY s.id LIMIT $2",
                     P_INT(PLATFORM_LINUX), P_INT(PROPAGATION_SYSTEMS_MAX + 1)),
                 &systems, e));
    for (size_t i = 0; i < systems.n; i++)
        for (size_t k = 0; k < actions.n; k++)
            add(p, row_int(&systems, i, 0), row_int(&actions, k, 0));
    return SUCCESS;
}

result propagation_targets(struct db *db, struct arena *a, int64_t account_id, struct propagation_target **ret,
                           size_t *ret_n, struct err *e)
{
    struct errands p = {.arena = a};
    TRY(add_named(db, account_id, &p, e));
    TRY(add_all(db, account_id, &p, e));
    if (p.n)
        qsort(p.at, p.n, sizeof *p.at, compare_errands);
    *ret = arena_array(a, struct propagation_target, p.n);
    *ret_n = 0;
    for (size_t i = 0; i < p.n; i++) {
        bool is_same_system = i > 0 && p.at[i].system_id == p.at[i - 1].system_id;
        if (is_same_system && p.at[i].action_id == p.at[i - 1].action_id)
            continue;
        struct propagation_target *t = &(*ret)[is_same_system ? *ret_n - 1 : (*ret_n)++];
        t->system_id = p.at[i].system_id;
        t->actions = arena_printf(a, "%.*s%s%" PRId64, STR_ARG(t->actions), t->actions.n ? " " : "", p.at[i].action_id);
    }
    return SUCCESS;
}
