/* identity/grant.c: comparing what a change results in with what the caller holds. */
#include "identity/grant.h"

#include <inttypes.h>

#include "audit/audit.h"
#include "identity/holding.h"

struct rule_held {
    int64_t rule_id;
    enum rule_role role;
    bool covers_type; /* the built-in rule that holds everything of its type */
    struct str rule_type;
};

/* What stands before the comparison: a user or a role with what it holds. */
struct holder {
    struct audit_object object;
    bool is_own; /* the caller, or a role that he is in */
    struct rights rights;
    const struct rule_held *rules;
    size_t rule_count;
};

#define RULE_COLUMNS "q.rule_id, q.rule_role, CASE WHEN s.kind = 'all' THEN 1 ELSE 0 END, s.rule_type"

/* Requestor/Approver is both, on either side of the comparison. */
static RESULT read_rules(struct db *db, struct arena *a, struct sql sql, const struct rule_held **ret, size_t *ret_n,
                         struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a, sql, &rows, e));
    struct rule_held *rules = arena_array(a, struct rule_held, 2 * rows.n);
    size_t n = 0;
    for (size_t i = 0; i < rows.n; i++) {
        enum rule_role role = (enum rule_role)row_int(&rows, i, 1);
        bool is_both = role == ROLE_REQUESTOR_APPROVER;
        rules[n++] = (struct rule_held){.rule_id = row_int(&rows, i, 0),
                                        .role = is_both ? ROLE_REQUESTOR : role,
                                        .covers_type = row_flag(&rows, i, 2),
                                        .rule_type = row_text(&rows, i, 3)};
        if (is_both) {
            rules[n] = rules[n - 1];
            rules[n++].role = ROLE_APPROVER;
        }
    }
    *ret = rules;
    *ret_n = n;
    return SUCCESS;
}

RESULT grant_begin(struct db *db, struct arena *a, const struct caller *who, struct grant *ret, struct err *e)
{
    struct grant g = {.who = who};
    if (who && who->carries_passwordsafe && !who->rights.is_administrator)
        TRY(read_rules(db, a,
                       SQL("SELECT DISTINCT " RULE_COLUMNS " FROM role_members m"
                           " JOIN roles g ON g.id = m.role_id AND g.is_active = 1"
                           " JOIN rule_access x ON x.role_id = g.id AND x.level >= 1"
                           " JOIN rule_roles q ON q.role_id = x.role_id AND q.rule_id = x.rule_id"
                           " JOIN smart_rules s ON s.id = q.rule_id WHERE m.user_id = $1",
                           P_INT(who->user_id)),
                       &g.held, &g.held_count, e));
    *ret = g;
    return SUCCESS;
}

static RESULT load_user(struct db *db, struct arena *a, const struct grant *g, int64_t user_id, struct holder *ret,
                        struct err *e)
{
    struct rows user, rights;
    TRY(db_query_one(db, a, SQL("SELECT name FROM users WHERE id = $1 AND is_deleted = 0", P_INT(user_id)), "User",
                     &user, e));
    TRY(db_query(db, a,
                 SQL("SELECT " HOLDING_COLUMNS " FROM role_members m JOIN roles r ON r.id = m.role_id"
                     " LEFT JOIN role_rights x ON x.role_id = r.id WHERE m.user_id = $1",
                     P_INT(user_id)),
                 &rights, e));
    struct holder h = {.object = {"user", user_id, row_text(&user, 0, 0)}, .is_own = g->who->user_id == user_id};
    rights_read(&rights, &(struct rights_wanted){true, true, .inactive_too = true}, &h.rights);
    TRY(read_rules(db, a,
                   SQL("SELECT DISTINCT " RULE_COLUMNS " FROM role_members m JOIN rule_roles q ON q.role_id = m.role_id"
                       " JOIN smart_rules s ON s.id = q.rule_id WHERE m.user_id = $1",
                       P_INT(user_id)),
                   &h.rules, &h.rule_count, e));
    *ret = h;
    return SUCCESS;
}

static RESULT load_role(struct db *db, struct arena *a, const struct grant *g, int64_t role_id, struct holder *ret,
                        struct err *e)
{
    struct rows role, rights;
    TRY(db_query_one(db, a,
                     SQL("SELECT r.name, CASE WHEN EXISTS (SELECT 1 FROM role_members m WHERE m.role_id = r.id"
                         " AND m.user_id = $2) THEN 1 ELSE 0 END FROM roles r WHERE r.id = $1",
                         P_INT(role_id), P_INT(g->who->user_id)),
                     "Role", &role, e));
    TRY(db_query(db, a,
                 SQL("SELECT " HOLDING_COLUMNS " FROM roles r LEFT JOIN role_rights x ON x.role_id = r.id"
                     " WHERE r.id = $1",
                     P_INT(role_id)),
                 &rights, e));
    struct holder h = {.object = {"role", role_id, row_text(&role, 0, 0)}, .is_own = row_flag(&role, 0, 1)};
    rights_read(&rights, &(struct rights_wanted){true, true, .inactive_too = true}, &h.rights);
    TRY(read_rules(db, a,
                   SQL("SELECT " RULE_COLUMNS " FROM rule_roles q JOIN smart_rules s ON s.id = q.rule_id"
                       " WHERE q.role_id = $1",
                       P_INT(role_id)),
                   &h.rules, &h.rule_count, e));
    *ret = h;
    return SUCCESS;
}

/* Nobody holds the reserved rights at first, so whoever stands at the top of a face may give them to others. */
static bool may_give_reserved(const struct caller *who, const struct right_fact *fact, bool is_own)
{
    if (!fact->is_reserved || is_own)
        return false;
    return fact->face == FACE_CONTROLROOM ? who->rights.is_aae_admin : who->rights.is_administrator;
}

/* Everybody has the first; the second opens nothing by itself (a locker is consumed through the roles it names). */
static bool gives_nothing(enum right right)
{
    return right == MANAGE_CREDENTIALS || right == LOCKER_CONSUME;
}

static bool holds_rule(const struct grant *g, const struct rule_held *wanted)
{
    for (size_t i = 0; i < g->held_count; i++) {
        const struct rule_held *held = &g->held[i];
        if (held->role == wanted->role &&
            (held->rule_id == wanted->rule_id || (held->covers_type && str_equal(held->rule_type, wanted->rule_type))))
            return true;
    }
    return false;
}

static RESULT compare(struct arena *a, const struct grant *g, const struct holder *h, struct str *ret_reserved,
                      struct err *e)
{
    const struct rights *have = &g->who->rights;
    struct str reserved = STR_ABSENT;
    for (size_t i = 0; i < right_fact_count; i++) {
        const struct right_fact *fact = &right_facts[i];
        if (gives_nothing(fact->right) || have->level[fact->right] >= h->rights.level[fact->right])
            continue;
        if (!may_give_reserved(g->who, fact, h->is_own))
            return FAIL(e, DENIED, "%.*s holds a right that you do not hold: %s", STR_ARG(h->object.name), fact->name);
        reserved =
            str_is_set(reserved) ? arena_printf(a, "%.*s, %s", STR_ARG(reserved), fact->name) : str_of(fact->name);
    }
    if (h->rights.is_aae_admin && !have->is_aae_admin)
        return FAIL(e, DENIED, "%.*s holds a role that you do not hold: AAE_Admin", STR_ARG(h->object.name));
    if (h->rights.is_administrator && !have->is_administrator)
        return FAIL(e, DENIED, "%.*s is in a group that you are not in: Administrators", STR_ARG(h->object.name));
    for (size_t i = 0; i < h->rule_count && !have->is_administrator; i++)
        if (!holds_rule(g, &h->rules[i]))
            return FAIL(e, DENIED, "%.*s has a role on smart rule %" PRId64 " that you do not have",
                        STR_ARG(h->object.name), h->rules[i].rule_id);
    *ret_reserved = reserved;
    return SUCCESS;
}

typedef result (*loader)(struct db *db, struct arena *a, const struct grant *g, int64_t id, struct holder *ret,
                         struct err *e);

static RESULT check(struct db *db, struct arena *a, const struct grant *g, loader load, int64_t id, bool is_result,
                    struct err *e)
{
    struct holder h;
    struct str reserved;
    if (!g->who)
        return SUCCESS;
    TRY(load(db, a, g, id, &h, e));
    TRY(compare(a, g, &h, &reserved, e));
    if (is_result && str_is_set(reserved))
        audit_note(db, "right.granted", true, h.object, 0, reserved);
    return SUCCESS;
}

RESULT grant_may_change_user(struct db *db, struct arena *a, const struct grant *g, int64_t user_id, struct err *e)
{
    return check(db, a, g, load_user, user_id, false, e);
}

RESULT grant_may_change_role(struct db *db, struct arena *a, const struct grant *g, int64_t role_id, struct err *e)
{
    return check(db, a, g, load_role, role_id, false, e);
}

RESULT grant_check_user(struct db *db, struct arena *a, const struct grant *g, int64_t user_id, struct err *e)
{
    return check(db, a, g, load_user, user_id, true, e);
}

RESULT grant_check_role(struct db *db, struct arena *a, const struct grant *g, int64_t role_id, struct err *e)
{
    return check(db, a, g, load_role, role_id, true, e);
}

/* What such a session carries: the Password Safe groups of those users (keyturn-api 2.1). */
RESULT grant_may_change_registration(struct db *db, struct arena *a, const struct grant *g, int64_t registration_id,
                                     struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a,
                 SQL("SELECT DISTINCT r.id FROM users u JOIN role_members o ON o.user_id = u.id JOIN roles r ON r.id ="
                     " o.role_id AND r.face = $2 WHERE u.is_deleted = 0 AND (u.access_policy_id = $1 OR EXISTS"
                     " (SELECT 1 FROM role_members m JOIN role_registrations x ON x.role_id = m.role_id"
                     " WHERE m.user_id = u.id AND x.registration_id = $1)) ORDER BY r.id",
                     P_INT(registration_id), P_INT(FACE_PASSWORDSAFE)),
                 &rows, e));
    for (size_t i = 0; i < rows.n; i++)
        TRY(grant_may_change_role(db, a, g, row_int(&rows, i, 0), e));
    return SUCCESS;
}
