/* accounts/password_rule.c: reading the password rules. */
#include "accounts/password_rule.h"

#define RULE_COLUMNS                                                                                                   \
    "id, name, description, min_length, max_length, first, lowercase, uppercase, numeric, symbol, lowercase_set, "     \
    "uppercase_set, symbol_set, enabled_products"

static struct password_rule rule_of(const struct rows *r, size_t i)
{
    return (struct password_rule){.id = row_int(r, i, 0),
                                  .name = row_text(r, i, 1),
                                  .description = row_text(r, i, 2),
                                  .min_length = row_int(r, i, 3),
                                  .max_length = row_int(r, i, 4),
                                  .first = row_text(r, i, 5),
                                  .lowercase = row_text(r, i, 6),
                                  .uppercase = row_text(r, i, 7),
                                  .numeric = row_text(r, i, 8),
                                  .symbol = row_text(r, i, 9),
                                  .lowercase_set = row_text(r, i, 10),
                                  .uppercase_set = row_text(r, i, 11),
                                  .symbol_set = row_text(r, i, 12),
                                  .enabled_products = row_int(r, i, 13)};
}

result password_rule_get(struct db *db, struct arena *a, int64_t id, struct password_rule *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT " RULE_COLUMNS " FROM password_rules WHERE id = $1", P_INT(id)),
                     "Password Rule", &r, e));
    *ret = rule_of(&r, 0);
    return SUCCESS;
}

result password_rule_list(struct db *db, struct arena *a, struct password_rule **ret, size_t *ret_n, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a, SQL("SELECT " RULE_COLUMNS " FROM password_rules ORDER BY id"), &r, e));
    *ret = arena_array(a, struct password_rule, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = rule_of(&r, i);
    *ret_n = r.n;
    return SUCCESS;
}
