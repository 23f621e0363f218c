/* accounts/rule.c: reading smart rules, and the caller's access to them. */
#include "accounts/rule.h"

#include "accounts/check.h"
#include "base/text.h"
#include "identity/role.h"

#define RULE_COLUMNS "r.id, r.processed_at, r.title, r.description, r.category, r.rule_type, r.kind"
/* The highest level that any active group of a user has on rule r: the user's number stands between the two. */
#define LEVEL_OF_USER                                                                                                  \
    "COALESCE((SELECT MAX(x.level) FROM role_members k JOIN roles g ON g.id = k.role_id AND g.face = 2"                \
    " AND g.is_active = 1 JOIN rule_access x ON x.role_id = g.id AND x.rule_id = r.id WHERE k.user_id = "
#define LEVEL_END "), 0)"

static struct smart_rule rule_of(const struct rows *r, size_t i)
{
    return (struct smart_rule){.id = row_int(r, i, 0),
                               .processed_at = row_int(r, i, 1),
                               .title = row_text(r, i, 2),
                               .description = row_text(r, i, 3),
                               .category = row_text(r, i, 4),
                               .rule_type = row_text(r, i, 5),
                               .kind = row_text(r, i, 6),
                               .level = r->columns > 7 ? row_int(r, i, 7) : 0};
}

static void rules_of(struct arena *a, const struct rows *r, struct smart_rule **ret, size_t *ret_n)
{
    *ret = arena_array(a, struct smart_rule, r->n);
    for (size_t i = 0; i < r->n; i++)
        (*ret)[i] = rule_of(r, i);
    *ret_n = r->n;
}

result rule_get(struct db *db, struct arena *a, int64_t id, struct smart_rule *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT " RULE_COLUMNS " FROM smart_rules r WHERE r.id = $1", P_INT(id)), "Smart Rule",
                     &r, e));
    *ret = rule_of(&r, 0);
    return SUCCESS;
}

result rule_by_title(struct db *db, struct arena *a, struct str title, struct smart_rule *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a,
                     SQL("SELECT " RULE_COLUMNS " FROM smart_rules r WHERE r.title_key = $1",
                         P_TEXT(text_key(a, text_or_empty(title)))),
                     "Smart Rule", &r, e));
    *ret = rule_of(&r, 0);
    return SUCCESS;
}

result rule_level(struct db *db, struct arena *a, const struct caller *who, int64_t rule_id, enum level *ret,
                  struct err *e)
{
    struct rows r;
    if (who->rights.is_administrator || !who->carries_passwordsafe) {
        *ret = who->rights.is_administrator ? LEVEL_WRITE : LEVEL_NONE;
        return SUCCESS;
    }
    TRY(db_query_one(db, a,
                     SQL("SELECT " LEVEL_OF_USER "$1" LEVEL_END " FROM smart_rules r WHERE r.id = $2",
                         P_INT(who->user_id), P_INT(rule_id)),
                     "Smart Rule", &r, e));
    *ret = (enum level)row_int(&r, 0, 0);
    return SUCCESS;
}

result rule_list(struct db *db, struct arena *a, const struct caller *who, struct str rule_type,
                 struct smart_rule **ret, size_t *ret_n, struct err *e)
{
    struct rows r = {0};
    struct builder b;
    builder_init(&b, a);
    builder_add(&b, "SELECT * FROM (SELECT " RULE_COLUMNS ", CASE WHEN 1 =");
    builder_param(&b, P_INT(who->rights.is_administrator));
    builder_add(&b, "THEN 3 ELSE " LEVEL_OF_USER);
    builder_param(&b, P_INT(who->user_id));
    builder_add(&b, LEVEL_END " END AS level FROM smart_rules r WHERE r.id > 0");
    if (str_is_set(rule_type)) {
        builder_add(&b, " AND r.rule_type =");
        builder_param(&b, P_TEXT(rule_type));
    }
    builder_add(&b, ") l WHERE l.level >= 1 ORDER BY l.id");
    if (who->rights.is_administrator || who->carries_passwordsafe)
        TRY(db_query(db, a, builder_sql(&b), &r, e));
    rules_of(a, &r, ret, ret_n);
    return SUCCESS;
}

result quick_rule_list(struct db *db, struct arena *a, bool of_accounts, bool of_systems, struct smart_rule **ret,
                       size_t *ret_n, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT " RULE_COLUMNS " FROM smart_rules r WHERE r.kind = 'quick'"
                     " AND ((r.rule_type = 'ManagedAccount' AND 1 = $1) OR (r.rule_type = 'ManagedSystem' AND 1 = $2))"
                     " ORDER BY r.id",
                     P_INT(of_accounts), P_INT(of_systems)),
                 &r, e));
    rules_of(a, &r, ret, ret_n);
    return SUCCESS;
}

result rule_list_of_group(struct db *db, struct arena *a, int64_t group_number, struct smart_rule **ret, size_t *ret_n,
                          struct err *e)
{
    int64_t group;
    struct rows r;
    TRY(group_row(db, a, group_number, &group, e));
    /* Administrators have every rule by being what they are. */
    TRY(db_query(db, a,
                 SQL("SELECT r.id, r.processed_at, r.title, r.description, r.category, r.rule_type, r.kind, "
                     "CASE WHEN $2 = 1 THEN 3 ELSE x.level END FROM smart_rules r LEFT JOIN rule_access x "
                     "ON x.rule_id = r.id AND x.role_id = $1 WHERE $2 = 1 OR x.level >= 1 ORDER BY r.id",
                     P_INT(group), P_INT(group_number == GROUP_NUMBER_ADMINISTRATORS)),
                 &r, e));
    rules_of(a, &r, ret, ret_n);
    return SUCCESS;
}
