/* identity/caller.c: what a user holds at this moment, and his roles on smart rules. */
#include "identity/caller.h"

#include "identity/holding.h"

void rights_read(const struct rows *rows, const struct rights_wanted *wanted, struct rights *ret)
{
    struct rights found = {0};
    for (size_t i = 0; i < rows->n; i++) {
        int64_t face = row_int(rows, i, HOLDING_FACE), number = row_int(rows, i, HOLDING_NUMBER);
        if (!(face == FACE_CONTROLROOM ? wanted->controlroom : wanted->passwordsafe))
            continue;
        if (!wanted->inactive_too && !row_flag(rows, i, HOLDING_IS_ACTIVE))
            continue;
        if (face == FACE_CONTROLROOM && number == ROLE_NUMBER_AAE_ADMIN)
            found.is_aae_admin = true;
        if (face == FACE_PASSWORDSAFE && number == GROUP_NUMBER_ADMINISTRATORS)
            found.is_administrator = true;
        const struct right_fact *fact = right_fact((enum right)row_int(rows, i, HOLDING_RIGHT));
        /* A row that names a right of the other face gives nothing. */
        if (fact && (int64_t)fact->face == face)
            rights_raise(&found, fact->right, (enum level)row_int(rows, i, HOLDING_LEVEL));
    }
    rights_expand(&found);
    *ret = found;
}

RESULT rights_of_user(struct db *db, struct arena *a, int64_t user_id, bool controlroom, bool passwordsafe,
                      struct rights *ret, struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a,
                 SQL("SELECT " HOLDING_COLUMNS " FROM role_members m JOIN roles r ON r.id = m.role_id"
                     " LEFT JOIN role_rights x ON x.role_id = r.id WHERE m.user_id = $1 AND r.face IN ($2, $3)",
                     P_INT(user_id), P_INT(controlroom ? FACE_CONTROLROOM : 0),
                     P_INT(passwordsafe ? FACE_PASSWORDSAFE : 0)),
                 &rows, e));
    rights_read(&rows, &(struct rights_wanted){.controlroom = controlroom, .passwordsafe = passwordsafe}, ret);
    if (controlroom)
        rights_raise(ret, MANAGE_CREDENTIALS, LEVEL_WRITE);
    return SUCCESS;
}

/* " … AND q.rule_role IN (…)" is all that differs: over the rules r of the groups that the caller is in. */
static void build_rule_roles(struct builder *b, struct arena *a, const struct caller *who, const enum rule_role *roles)
{
    builder_init(b, a);
    builder_add(b, "SELECT 1 FROM role_members m JOIN roles g ON g.id = m.role_id AND g.face = 2 AND g.is_active = 1"
                   " JOIN rule_access x ON x.role_id = g.id AND x.level >= 1"
                   " JOIN rule_roles q ON q.role_id = x.role_id AND q.rule_id = x.rule_id"
                   " JOIN smart_rules r ON r.id = x.rule_id WHERE m.user_id =");
    builder_param(b, P_INT(who->user_id));
    size_t n = 0;
    while (roles[n] != ROLE_NONE)
        n++;
    int64_t *numbers = arena_array(a, int64_t, n);
    for (size_t i = 0; i < n; i++)
        numbers[i] = roles[i];
    builder_add(b, " AND ");
    builder_in(b, "q.rule_role", numbers, n);
}

static RESULT has_rows(struct db *db, struct arena *a, struct builder *b, bool *ret, struct err *e)
{
    struct rows rows;
    builder_add(b, " LIMIT 1");
    TRY(db_query(db, a, builder_sql(b), &rows, e));
    *ret = rows.n > 0;
    return SUCCESS;
}

RESULT rule_role_anywhere(struct db *db, struct arena *a, const struct caller *who, const enum rule_role *roles,
                          bool *ret, struct err *e)
{
    if (who->rights.is_administrator || !who->carries_passwordsafe) {
        *ret = who->rights.is_administrator;
        return SUCCESS;
    }
    struct builder b;
    build_rule_roles(&b, a, who, roles);
    return has_rows(db, a, &b, ret, e);
}

RESULT rule_role_on_account(struct db *db, struct arena *a, const struct caller *who, const enum rule_role *roles,
                            int64_t account_id, bool *ret, struct err *e)
{
    if (who->rights.is_administrator || !who->carries_passwordsafe) {
        *ret = who->rights.is_administrator;
        return SUCCESS;
    }
    struct builder b;
    build_rule_roles(&b, a, who, roles);
    builder_add(&b, " AND ((r.rule_type = 'ManagedAccount' AND (r.kind = 'all' OR EXISTS (SELECT 1"
                    " FROM smart_rule_members t WHERE t.rule_id = r.id AND t.member_id =");
    builder_param(&b, P_INT(account_id));
    builder_add(&b, "))) OR (r.rule_type = 'ManagedSystem' AND (r.kind = 'all' OR EXISTS (SELECT 1"
                    " FROM smart_rule_members t JOIN managed_accounts c ON c.system_id = t.member_id"
                    " WHERE t.rule_id = r.id AND c.id =");
    builder_param(&b, P_INT(account_id));
    builder_add(&b, "))))");
    return has_rows(db, a, &b, ret, e);
}
