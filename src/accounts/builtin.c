/* accounts/builtin.c: the rows that every installation has (passwordsafe-api, appendix A). */
#include "accounts/rule.h"
#include "base/text.h"
#include "crypto/random.h"

enum { POLICY_AUTO_APPROVE = 5000, GUID_BYTES = 16 };

/* RFC 9562, version 4. */
static struct str random_guid(struct arena *a)
{
    unsigned char b[GUID_BYTES];
    random_bytes(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
    struct str hex = hex_encode(a, (struct str){(const char *)b, sizeof b});
    return arena_printf(a, "%.8s-%.4s-%.4s-%.4s-%.12s", hex.p, hex.p + 8, hex.p + 12, hex.p + 16, hex.p + 20);
}

static result make_rule(struct db *db, struct arena *a, struct str title, struct str category, struct str rule_type,
                        int64_t now, struct err *e)
{
    return db_run(db,
                  SQL("INSERT INTO smart_rules (title, title_key, category, rule_type, kind, processed_at) "
                      "VALUES ($1, $2, $3, $4, 'all', $5) ON CONFLICT DO NOTHING",
                      P_TEXT(title), P_TEXT(text_key(a, title)), P_TEXT(category), P_TEXT(rule_type), P_INT(now)),
                  e);
}

static result make_policy(struct db *db, struct arena *a, struct err *e)
{
    struct str name = S("Default Auto-Approve Access Policy");
    return db_run(db,
                  SQL("INSERT INTO access_policies (id, name, name_key, min_approvers, max_concurrent) "
                      "VALUES ($1, $2, $3, 0, 1) ON CONFLICT DO NOTHING",
                      P_INT(POLICY_AUTO_APPROVE), P_TEXT(name), P_TEXT(text_key(a, name))),
                  e);
}

static result make_password_rule(struct db *db, struct arena *a, struct err *e)
{
    struct str name = S("Default Password Policy");
    return db_run(db,
                  SQL("INSERT INTO password_rules (id, name, name_key, min_length, max_length, first, lowercase, "
                      "uppercase, numeric, symbol, enabled_products) VALUES (0, $1, $2, 12, 20, 'C', 'R', 'R', 'R', "
                      "'P', 3) ON CONFLICT DO NOTHING",
                      P_TEXT(name), P_TEXT(text_key(a, name))),
                  e);
}

static result make_workgroup(struct db *db, struct arena *a, struct err *e)
{
    struct str name = S("Default Workgroup");
    return db_run(db,
                  SQL("INSERT INTO workgroups (name, name_key) VALUES ($1, $2) ON CONFLICT DO NOTHING", P_TEXT(name),
                      P_TEXT(text_key(a, name))),
                  e);
}

result accounts_make_builtins(struct db *db, struct arena *a, int64_t now, struct err *e)
{
    TRY(db_run(db,
               SQL("INSERT INTO settings (name, value) VALUES ('organization', $1) ON CONFLICT DO NOTHING",
                   P_TEXT(random_guid(a))),
               e));
    TRY(make_workgroup(db, a, e));
    TRY(make_password_rule(db, a, e));
    TRY(make_policy(db, a, e));
    TRY(make_rule(db, a, S("All Managed Accounts"), S("Managed Accounts"), S("ManagedAccount"), now, e));
    TRY(make_rule(db, a, S("All Managed Systems"), S("Managed Systems"), S("ManagedSystem"), now, e));
    return make_rule(db, a, S("All Assets"), S("Assets"), S("Asset"), now, e);
}
