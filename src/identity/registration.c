/* identity/registration.c: reading API registrations, who may use one, and from where. */
#include "identity/registration.h"

#include "identity/address.h"
#include "identity/gather.h"
#include "identity/keyed.h"

enum { KEY_BYTES_MAX = 256 };

#define REGISTRATION_COLUMNS                                                                                           \
    "g.id, g.name, g.type, g.is_active, g.is_visible, g.user_password_required, g.token_minutes, g.key_version"

static struct registration registration_of_row(const struct rows *r, size_t i)
{
    return (struct registration){
        .id = row_int(r, i, 0),
        .name = row_text(r, i, 1),
        .type = row_text(r, i, 2),
        .is_active = row_flag(r, i, 3),
        .is_visible = row_flag(r, i, 4),
        .user_password_required = row_flag(r, i, 5),
        .token_minutes = row_int(r, i, 6),
        .key_version = row_int(r, i, 7),
    };
}

static struct list rules_of(struct arena *a, const struct rows *rows, int64_t registration_id)
{
    struct span s = rows_of_owner(rows, registration_id);
    struct registration_rule *rules = arena_array(a, struct registration_rule, s.n);
    for (size_t i = 0; i < s.n; i++)
        rules[i] = (struct registration_rule){
            .id = row_int(rows, s.from + i, 1),
            .type = row_text(rows, s.from + i, 2),
            .value = row_text(rows, s.from + i, 3),
            .description = row_text(rows, s.from + i, 4),
            .created_at = row_int(rows, s.from + i, 5),
        };
    return (struct list){.at = rules, .n = s.n, .is_set = true};
}

static RESULT registrations_of_rows(struct db *db, struct arena *a, const struct rows *rows, struct registration **ret,
                                    size_t *ret_n, struct err *e)
{
    struct registration *found = arena_array(a, struct registration, rows->n);
    int64_t *ids = arena_array(a, int64_t, rows->n);
    struct rows rules;
    for (size_t i = 0; i < rows->n; i++) {
        found[i] = registration_of_row(rows, i);
        ids[i] = found[i].id;
    }
    for (size_t start = 0; start < rows->n; start += GATHER_MAX) {
        size_t n = rows->n - start < GATHER_MAX ? rows->n - start : GATHER_MAX;
        TRY(gather(db, a,
                   "SELECT r.registration_id, r.id, r.type, r.value, r.description, r.created_at"
                   " FROM registration_rules r",
                   "r.registration_id", ids + start, n, " ORDER BY r.registration_id, r.id", &rules, e));
        for (size_t i = start; i < start + n; i++)
            found[i].rules = rules_of(a, &rules, found[i].id);
    }
    *ret = found;
    *ret_n = rows->n;
    return SUCCESS;
}

RESULT registration_get(struct db *db, struct arena *a, int64_t id, struct registration *ret, struct err *e)
{
    struct rows rows;
    struct registration *found;
    size_t n;
    TRY(db_query_one(db, a, SQL("SELECT " REGISTRATION_COLUMNS " FROM registrations g WHERE g.id = $1", P_INT(id)),
                     "API Registration", &rows, e));
    TRY(registrations_of_rows(db, a, &rows, &found, &n, e));
    *ret = found[0];
    return SUCCESS;
}

RESULT registration_list(struct db *db, struct arena *a, struct registration **ret, size_t *ret_n, struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a, SQL("SELECT " REGISTRATION_COLUMNS " FROM registrations g ORDER BY g.id"), &rows, e));
    return registrations_of_rows(db, a, &rows, ret, ret_n, e);
}

RESULT registration_by_key(struct db *db, struct arena *a, struct str key, struct registration *ret, struct err *e)
{
    struct rows rows = {0};
    struct str hash;
    if (key.n > 0 && key.n <= KEY_BYTES_MAX) {
        TRY(keyed_hash_of_str(db, a, key, &hash, e));
        TRY(db_query(db, a,
                     SQL("SELECT id FROM registrations WHERE key_hash = $1 AND is_active = 1"
                         " AND type = 'apikeypolicy'",
                         P_BLOB(hash)),
                     &rows, e));
    }
    if (rows.n == 0)
        return FAIL(e, UNAUTHENTICATED, "Invalid credentials");
    return registration_get(db, a, row_int(&rows, 0, 0), ret, e);
}

RESULT registration_has_user(struct db *db, struct arena *a, int64_t registration_id, int64_t user_id, bool *ret,
                             struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a,
                 SQL("SELECT g.id FROM registrations g WHERE g.id = $1 AND ((g.type = 'apikeypolicy' AND EXISTS"
                     " (SELECT 1 FROM role_members m JOIN roles r ON r.id = m.role_id AND r.face = 2"
                     " AND r.is_active = 1 JOIN role_registrations x ON x.role_id = r.id"
                     " WHERE m.user_id = $2 AND x.registration_id = g.id))"
                     " OR (g.type = 'apiaccesspolicy' AND EXISTS (SELECT 1 FROM users u"
                     " JOIN role_members m ON m.user_id = u.id JOIN roles r ON r.id = m.role_id AND r.face = 2"
                     " AND r.is_active = 1 WHERE u.id = $2 AND u.user_type = 'Application'"
                     " AND u.access_policy_id = g.id)))",
                     P_INT(registration_id), P_INT(user_id)),
                 &rows, e));
    *ret = rows.n > 0;
    return SUCCESS;
}

/* ---- from where ---- */

/* Call `use` for each range of the rule until it says stop. False: the rule is not well-formed. */
static bool each_range(struct str type, struct str value, bool (*use)(const struct address_range *r, void *context),
                       void *context)
{
    struct address_range r;
    bool (*parse)(struct str text, struct address_range * ret) = str_equal(type, S("SingleIP"))  ? range_parse_single
                                                                 : str_equal(type, S("IPRange")) ? range_parse_pair
                                                                 : str_equal(type, S("CIDR"))    ? range_parse_cidr
                                                                                                 : NULL;
    if (parse)
        return parse(value, &r) && (use(&r, context), true);
    if (!str_equal(type, S("IPList")))
        return false;
    do {
        if (!range_parse_single(str_cut(&value, ','), &r))
            return false;
        if (!use(&r, context))
            return true;
    } while (str_is_set(value));
    return true;
}

static bool keep_looking(const struct address_range *r, void *context)
{
    (void)r;
    (void)context;
    return true;
}

RESULT registration_rule_check(struct str type, struct str value, struct err *e)
{
    if (each_range(type, value, keep_looking, NULL))
        return SUCCESS;
    return FAIL(e, INVALID, "IPAuthenticationRules: %.*s \"%.*s\" is not well-formed", STR_ARG(type), STR_ARG(value));
}

struct search {
    struct address wanted;
    bool is_found;
};

static bool is_still_missing(const struct address_range *r, void *context)
{
    struct search *s = context;
    s->is_found = s->is_found || range_holds(r, &s->wanted);
    return !s->is_found;
}

bool registration_allows(const struct registration *r, struct str address, bool is_loopback)
{
    struct search s = {0};
    const struct registration_rule *rule = r->rules.at;
    if (r->rules.n == 0)
        return is_loopback;
    if (!address_parse(address, &s.wanted) || (address_is_loopback(&s.wanted) && !is_loopback))
        return false;
    for (size_t i = 0; i < r->rules.n && !s.is_found; i++)
        (void)each_range(rule[i].type, rule[i].value, is_still_missing, &s); /* a broken rule matches nothing */
    return s.is_found;
}
