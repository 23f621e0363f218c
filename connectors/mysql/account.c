/* mysql/account.c: names, and rows of mysql.global_priv, which keeps an account as a JSON text. */
#include "mysql/account.h"

#include <mysqld_error.h>

#include "base/text.h"
#include "mysql/verifier.h"

enum { NAME_BYTES_MAX = 246, PLUGIN_MAX = 64, VERIFIER_MAX = 4096 };

struct account_name account_name_split(struct str s)
{
    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == '@')
            return (struct account_name){str_sub(s, 0, i - 1), str_sub(s, i, s.n)};
    return (struct account_name){.user = s};
}

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           str_find_char(S(".-_%:/"), c) >= 0;
}

const char *account_name_check(struct str s)
{
    if (s.n > NAME_BYTES_MAX)
        return "too long for the name of an account";
    struct account_name name = account_name_split(s);
    if (!text_is_utf8(s) || text_has_control(s) || name.user.n == 0 || text_trim(name.user).n != name.user.n)
        return "not a name of an account";
    if (!str_is_set(name.host))
        return NULL;
    for (size_t i = 0; i < name.host.n; i++)
        if (!is_host_char(name.host.p[i]))
            return "not a host of an account";
    return name.host.n == 0 ? "not a host of an account" : NULL;
}

/* Priv is {"plugin":…,"authentication_string":…,"auth_or":[{"plugin":…},{}],…}: the empty one in the list stands for
 * the two outside of it; without a list they are all. */
struct privileges {
    struct str plugin, text;
    bool is_locked, is_role;
    struct list methods;
};
static const struct field method_fields[] = {
    TEXT("plugin", struct auth_method, plugin, .max = PLUGIN_MAX),
    TEXT("authentication_string", struct auth_method, text, .max = VERIFIER_MAX, .keeps_blanks = true, .or_text = ""),
    FIELD_END,
};
static const struct field privilege_fields[] = {
    TEXT("plugin", struct privileges, plugin, .max = PLUGIN_MAX),
    TEXT("authentication_string", struct privileges, text, .max = VERIFIER_MAX, .keeps_blanks = true, .or_text = ""),
    FLAG("account_locked", struct privileges, is_locked),
    FLAG("is_role", struct privileges, is_role),
    LIST("auth_or", struct privileges, methods, struct auth_method, method_fields, .max = 16),
    FIELD_END,
};

static void look_for_password(struct account *found)
{
    found->password_methods = 0;
    for (size_t i = 0; i < found->method_count; i++)
        if (scheme_of_plugin(found->methods[i].plugin) != SCHEME_NONE) {
            found->password_at = i;
            found->password_methods++;
        }
}

static struct auth_method outer_method(const struct privileges *p)
{
    bool has_plugin = str_is_set(p->plugin) && p->plugin.n > 0;
    return (struct auth_method){has_plugin ? p->plugin : S("mysql_native_password"), p->text};
}

static RESULT read_row(const struct str *cells, struct arena *a, struct account *ret, bool *ret_is_role, struct err *e)
{
    struct privileges p = {0};
    struct json j;
    json_init(&j, cells[2], 0, a);
    fields_default(privilege_fields, &p);
    if (!is_ok(fields_decode(privilege_fields, &j, &p, NULL)))
        return FAIL_AS(e, UNREACHABLE, "unreadable", "the account's row has a form that is unknown here");
    struct account found = {.user = cells[0], .host = cells[1], .is_read = true, .is_locked = p.is_locked};
    found.method_count = p.methods.n > 0 ? p.methods.n : 1;
    found.methods = arena_array(a, struct auth_method, found.method_count);
    for (size_t i = 0; i < found.method_count; i++) {
        const struct auth_method *inner = p.methods.n > 0 ? (const struct auth_method *)p.methods.at + i : NULL;
        bool is_outer = !inner || !str_is_set(inner->plugin) || inner->plugin.n == 0;
        found.methods[i] = is_outer ? outer_method(&p) : *inner;
    }
    look_for_password(&found);
    *ret_is_role = p.is_role;
    *ret = found;
    return SUCCESS;
}

static void assume(struct account_name name, struct arena *a, struct account *ret)
{
    *ret = (struct account){.user = arena_str(a, name.user),
                            .host = str_is_set(name.host) ? arena_str(a, name.host) : S("%"),
                            .method_count = 1};
    ret->methods = arena_array(a, struct auth_method, 1);
    ret->methods[0] = (struct auth_method){S("mysql_native_password"), S("")};
    look_for_password(ret);
}

/* The server compares names without regard to blanks at their ends, so the rows are compared again. */
static RESULT choose(const struct table *t, struct account_name name, struct arena *a, struct account *ret,
                     struct err *e)
{
    size_t matches = 0;
    for (size_t i = 0; i < t->rows; i++) {
        const struct str *cells = t->cells + i * t->columns;
        bool is_other_host = str_is_set(name.host) && !str_equal_fold(cells[1], name.host);
        struct account row = {0};
        bool is_role = false;
        if (!str_equal(cells[0], name.user) || is_other_host)
            continue;
        TRY(read_row(cells, a, &row, &is_role, e));
        if (is_role)
            continue;
        *ret = row;
        matches++;
    }
    if (matches == 0)
        return FAIL_AS(e, REFUSED, "no_account", "the server knows no such account");
    if (matches > 1)
        return FAIL_AS(e, REFUSED, "refused", "there are %zu accounts of this user: name one as user@host", matches);
    return SUCCESS;
}

static bool is_no_right(unsigned error)
{
    return error == ER_TABLEACCESS_DENIED_ERROR || error == ER_COLUMNACCESS_DENIED_ERROR ||
           error == ER_DBACCESS_DENIED_ERROR || error == ER_NO_SUCH_TABLE;
}

/* The table's key begins with the host: without it all rows are read, once a check. */
static struct str rows_statement(struct server *s, struct str full_name, struct str user, struct arena *a)
{
    struct str quoted = session_quote(s->session, user, a);
    if (!str_equal(s->found_name, full_name))
        return arena_printf(a, "SELECT User, Host, Priv FROM mysql.global_priv WHERE User = %.*s", STR_ARG(quoted));
    struct str host = session_quote(s->session, s->found_host, a);
    return arena_printf(a, "SELECT User, Host, Priv FROM mysql.global_priv WHERE Host = %.*s AND User = %.*s",
                        STR_ARG(host), STR_ARG(quoted));
}

result account_find(struct server *s, struct str full_name, struct arena *a, struct account *ret, struct err *e)
{
    struct account_name name = account_name_split(full_name);
    struct table t = {0};
    result asked = session_query(s->session, rows_statement(s, full_name, name.user, a), a, &t, e);
    if (is_ok(asked) && t.columns != 3)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the server's answer is out of step");
    if (is_ok(asked))
        TRY(choose(&t, name, a, ret, e));
    else if (is_no_right(mysql_errno(s->session)))
        assume(name, a, ret);
    else
        return asked;
    s->found_name = arena_str(s->target.arena, full_name);
    s->found_host = arena_str(s->target.arena, ret->host);
    return SUCCESS;
}

result account_check_current(struct server *s, MYSQL *m, struct str full_name, struct arena *a, bool *ret_must_change,
                             struct err *e)
{
    struct account_name name = account_name_split(full_name);
    struct table t = {0};
    result asked = session_query(m, S("SELECT CURRENT_USER()"), a, &t, e);
    *ret_must_change = !is_ok(asked) && mysql_errno(m) == ER_MUST_CHANGE_PASSWORD;
    if (*ret_must_change)
        return SUCCESS;
    TRY(asked);
    struct account_name is = account_name_split(table_first(&t));
    struct str host = name.host;
    if (!str_is_set(host) && str_equal(s->found_name, full_name))
        host = s->found_host;
    if (str_equal(is.user, name.user) && (!str_is_set(host) || str_equal_fold(is.host, host)))
        return SUCCESS;
    return FAIL_AS(e, REFUSED, "refused", "from this address the server takes this user for the account %.*s@%.*s",
                   STR_ARG(is.user), STR_ARG(is.host));
}
