/* accounts/requestable.c: what a requestor can see (passwordsafe-api 6.10.1). */
#include "accounts/account_row.h"
#include "accounts/check.h"
#include "base/text.h"

/* The rules through which the caller has a role, ready to be asked about account m. */
struct reach {
    bool holds_all;
    int64_t *account_rules, *system_rules;
    size_t account_count, system_count;
};

static result load_rules(struct db *db, struct arena *a, const struct caller *who, const char *roles, struct rows *ret,
                         struct err *e)
{
    struct builder b;
    builder_init(&b, a);
    builder_add(&b, "SELECT DISTINCT r.id, r.rule_type, r.kind FROM role_members m"
                    " JOIN roles g ON g.id = m.role_id AND g.face = 2 AND g.is_active = 1"
                    " JOIN rule_access x ON x.role_id = g.id AND x.level >= 1"
                    " JOIN rule_roles q ON q.role_id = x.role_id AND q.rule_id = x.rule_id"
                    " JOIN smart_rules r ON r.id = x.rule_id AND r.rule_type IN ('ManagedAccount', 'ManagedSystem')"
                    " WHERE m.user_id =");
    builder_param(&b, P_INT(who->user_id));
    builder_add(&b, roles);
    builder_add(&b, " ORDER BY r.id");
    return db_query(db, a, builder_sql(&b), ret, e);
}

static result load_reach(struct db *db, struct arena *a, const struct caller *who, const char *roles, struct reach *ret,
                         struct err *e)
{
    struct rows r = {0};
    if (who->carries_passwordsafe)
        TRY(load_rules(db, a, who, roles, &r, e));
    struct reach found = {.account_rules = arena_array(a, int64_t, r.n), .system_rules = arena_array(a, int64_t, r.n)};
    for (size_t i = 0; i < r.n; i++) {
        if (str_equal(row_text(&r, i, 2), S("all")))
            found.holds_all = true;
        else if (str_equal(row_text(&r, i, 1), S("ManagedAccount")))
            found.account_rules[found.account_count++] = row_int(&r, i, 0);
        else
            found.system_rules[found.system_count++] = row_int(&r, i, 0);
    }
    *ret = found;
    return SUCCESS;
}

static void add_reach(struct builder *b, const struct reach *reach)
{
    if (reach->holds_all) {
        builder_add(b, " 1 = 1 ");
        return;
    }
    builder_add(b, " (m.id IN (SELECT t.member_id FROM smart_rule_members t WHERE ");
    builder_in(b, "t.rule_id", reach->account_rules, reach->account_count);
    builder_add(b, ") OR m.system_id IN (SELECT t.member_id FROM smart_rule_members t WHERE ");
    builder_in(b, "t.rule_id", reach->system_rules, reach->system_count);
    builder_add(b, ")) ");
}

/* "DOMAIN\name", or a name that has a backslash of its own. */
static bool is_qualified(struct str name, struct str *ret_domain, struct str *ret_name)
{
    ptrdiff_t at = str_find_char(name, '\\');
    if (at <= 0)
        return false;
    *ret_domain = str_sub(name, 0, (size_t)at);
    *ret_name = str_sub(name, (size_t)at + 1, name.n);
    return ret_name->n > 0;
}

static void add_names(struct builder *b, const struct requestable_filter *f)
{
    struct str domain, name;
    if (f->system_name.n) {
        builder_add(b, " AND s.name_key =");
        builder_param(b, P_TEXT(text_key(b->arena, f->system_name)));
    }
    if (f->account_name.n) {
        builder_add(b, " AND (m.name_key =");
        builder_param(b, P_TEXT(text_key(b->arena, f->account_name)));
        if (is_qualified(f->account_name, &domain, &name)) {
            builder_add(b, "OR m.name_key =");
            builder_param(b, P_TEXT(text_key(b->arena, name)));
        }
        builder_add(b, ")");
    }
    if (f->workgroup_name.n) {
        builder_add(b, " AND s.workgroup_id IN (SELECT w.id FROM workgroups w WHERE w.name_key =");
        builder_param(b, P_TEXT(text_key(b->arena, f->workgroup_name)));
        builder_add(b, ")");
    }
    if (f->system_id) {
        builder_add(b, " AND m.system_id =");
        builder_param(b, P_INT(f->system_id));
    }
    if (f->entity_type) {
        builder_add(b, " AND ");
        add_platforms_of(b, "s.platform_id", f->entity_type);
    }
}

/* A domain has no key column: the few accounts of one name are told apart here. */
static bool is_of_domain(struct arena *a, const struct managed_account *m, struct str account_name)
{
    struct str domain, name;
    if (!is_qualified(account_name, &domain, &name) || str_equal(text_key(a, m->name), text_key(a, account_name)))
        return true;
    return str_equal(text_key(a, m->domain_name), text_key(a, domain));
}

static void collect(struct arena *a, const struct rows *r, const struct requestable_filter *f, bool pages_here,
                    int64_t now, struct requestable **ret, size_t *ret_n)
{
    struct requestable *found = arena_array(a, struct requestable, r->n);
    int64_t skip = pages_here && f->offset > 0 ? f->offset : 0;
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct managed_account m = account_of(r, i, now);
        if (!is_of_domain(a, &m, f->account_name) || skip-- > 0)
            continue;
        if (pages_here && f->limit >= 0 && n == (size_t)f->limit)
            break;
        found[n++] = (struct requestable){.account = m,
                                          .platform_id = m.platform_id,
                                          .max_release_duration = m.max_release_duration,
                                          .release_duration = m.release_duration,
                                          .is_isa_access = row_flag(r, i, ACCOUNT_COLUMN_COUNT)};
    }
    *ret = found;
    *ret_n = n;
}

result account_requestable(struct db *db, struct arena *a, const struct caller *who, const struct requestable_filter *f,
                           int64_t now, struct requestable **ret, size_t *ret_n, struct err *e)
{
    struct reach any, isa;
    struct rows r;
    struct builder b;
    struct str domain, name;
    bool pages_here = is_qualified(f->account_name, &domain, &name);
    TRY(load_reach(db, a, who, " AND q.rule_role IN (1, 3, 4)", &any, e));
    TRY(load_reach(db, a, who, " AND q.rule_role = 4", &isa, e));
    any.holds_all = any.holds_all || who->rights.is_administrator;
    builder_init(&b, a);
    builder_add(&b, "SELECT " ACCOUNT_COLUMNS ", CASE WHEN");
    add_reach(&b, &isa);
    builder_add(&b, "THEN 1 ELSE 0 END " ACCOUNT_FROM " AND m.api_enabled = 1 AND");
    add_reach(&b, &any);
    add_names(&b, f);
    builder_add(&b, " ORDER BY m.id");
    if (!pages_here)
        add_page(&b, f->limit, f->offset);
    TRY(db_query(db, a, builder_sql(&b), &r, e));
    collect(a, &r, f, pages_here, now, ret, ret_n);
    return SUCCESS;
}
