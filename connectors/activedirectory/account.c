/* activedirectory/account.c: finding an account, its state, and its password. */
#include "activedirectory/account.h"

#include <errno.h>
#include <string.h>

#include "activedirectory/ldap_text.h"
#include "activedirectory/quoted_password.h"
#include "base/text.h"

enum { FLAG_DISABLED = 0x2, COMPUTED_LOCKED = 0x10 };
enum { PROBLEM_POLICY = 0x52d, PROBLEM_WRONG_OLD = 0x56 };

const char account_other_password[] = "refused";

static const char *const attributes[] = {
    "sAMAccountName",        "userAccountControl", "msDS-User-Account-Control-Computed",
    "lockoutTime",           "accountExpires",     "pwdLastSet",
    "msDS-KeyVersionNumber", "objectSid",          NULL};
enum { A_NAME, A_CONTROL, A_COMPUTED, A_LOCKOUT, A_EXPIRES, A_CHANGED, A_KEY_VERSION, A_SID };

static bool has_flag(struct str number, int64_t flag)
{
    return (ldap_text_number(number) & flag) != 0;
}

/* The computed flag knows when a lock has run out; not every domain controller shows it. */
static bool is_locked(const struct str *values)
{
    if (str_is_set(values[A_COMPUTED]))
        return has_flag(values[A_COMPUTED], COMPUTED_LOCKED);
    return ldap_text_number(values[A_LOCKOUT]) != 0;
}

RESULT account_find(struct directory *d, struct str name, struct str dn, struct arena *a, struct account *ret,
                    struct err *e)
{
    struct str escaped = ldap_text_in_filter(a, name);
    struct directory_search search = {d->base, LDAP_SCOPE_SUBTREE,
                                      arena_printf(a, "(&(objectClass=user)(sAMAccountName=%.*s))", STR_ARG(escaped)),
                                      attributes};
    if (dn.n > 0) {
        search.base = dn;
        search.scope = LDAP_SCOPE_BASE;
        search.filter = S("(objectClass=user)");
    }
    struct directory_entry entry = {0};
    TRY(directory_find(d, &search, a, &entry, e));
    if (entry.n == 0)
        return FAIL_AS(e, REFUSED, "no_account", "the domain has no such account, or does not show it");
    const struct str *values = entry.values;
    if (!str_equal(text_key(a, values[A_NAME]), text_key(a, name)))
        return FAIL_AS(e, REFUSED, "no_account", "the account at this distinguished name has another sAMAccountName");
    int64_t expires = ldap_text_file_time(values[A_EXPIRES]);
    *ret = (struct account){
        .dn = entry.dn,
        .name = values[A_NAME],
        .sid = values[A_SID],
        .is_disabled = has_flag(values[A_CONTROL], FLAG_DISABLED),
        .is_locked = is_locked(values),
        .is_expired = expires != 0 && expires <= directory_now(d),
        .must_change = str_equal(values[A_CHANGED], S("0")),
        .changed_at = ldap_text_file_time(values[A_CHANGED]),
        .key_version = ldap_text_number(values[A_KEY_VERSION]),
    };
    return SUCCESS;
}

/* ---- changes: each is one modify request, which a domain controller does as a whole or not at all ---- */

static result explain_refusal(const struct directory_reply *reply, bool is_self, struct err *e)
{
    bool is_rule = reply->code == LDAP_CONSTRAINT_VIOLATION || reply->code == LDAP_UNWILLING_TO_PERFORM;
    if (is_rule && reply->problem == PROBLEM_POLICY)
        return FAIL_AS(e, REFUSED, "policy", "the domain's rules refuse this password: %.*s", STR_ARG(reply->text));
    if (reply->code == LDAP_NO_SUCH_OBJECT)
        return FAIL_AS(e, REFUSED, "no_account", "the domain has no such account");
    if (is_self && reply->problem == PROBLEM_WRONG_OLD)
        return FAIL_AS(e, REFUSED, account_other_password, "the account's present password is another one");
    if (reply->code == LDAP_INSUFFICIENT_ACCESS && !is_self)
        return FAIL_AS(e, REFUSED, "refused", "the functional account may not reset this account's password");
    if (ldap_text_is_definite(reply->code))
        return FAIL_AS(e, REFUSED, "refused", "%s: %.*s", ldap_err2string(reply->code), STR_ARG(reply->text));
    return FAIL_AS(e, UNCERTAIN, "unknown", "%s: %.*s", ldap_err2string(reply->code), STR_ARG(reply->text));
}

struct change {
    LDAPMod mod;
    struct berval value, *values[2];
};

static void change_set(struct change *c, int op, const char *attribute, struct str value)
{
    c->value = (struct berval){.bv_len = value.n, .bv_val = (char *)value.p};
    c->values[0] = &c->value;
    c->mod = (LDAPMod){.mod_op = op | LDAP_MOD_BVALUES, .mod_type = (char *)attribute, .mod_bvalues = c->values};
}

RESULT account_set_password(struct directory *d, struct str dn, const struct secret *current,
                            const struct secret *password, struct arena *a, struct err *e)
{
    struct change first = {0}, second = {0};
    LDAPMod *changes[] = {&first.mod, NULL, NULL};
    struct directory_reply reply = {0};
    change_set(&first, LDAP_MOD_REPLACE, "unicodePwd", quoted_password(password, a));
    if (current) {
        change_set(&first, LDAP_MOD_DELETE, "unicodePwd", quoted_password(current, a));
        change_set(&second, LDAP_MOD_ADD, "unicodePwd", quoted_password(password, a));
        changes[1] = &second.mod;
    }
    TRY(directory_modify(d, dn, changes, a, &reply, e));
    return reply.code == LDAP_SUCCESS ? SUCCESS : explain_refusal(&reply, current != NULL, e);
}

RESULT account_may_set_password(struct directory *d, struct str dn, struct arena *a, bool *ret, struct err *e)
{
    struct change probe = {0};
    LDAPMod *changes[] = {&probe.mod, NULL};
    struct directory_reply reply = {0};
    change_set(&probe, LDAP_MOD_REPLACE, "unicodePwd", S("n\0o")); /* without quotes, and half a character */
    result asked = directory_modify(d, dn, changes, a, &reply, e);
    if (!is_ok(asked))
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the domain controller does not say what may be changed");
    *ret = reply.code != LDAP_INSUFFICIENT_ACCESS;
    return SUCCESS;
}

RESULT account_unlock(struct directory *d, struct str dn, struct arena *a, struct err *e)
{
    struct change reset = {0};
    LDAPMod *changes[] = {&reset.mod, NULL};
    struct directory_reply reply = {0};
    change_set(&reset, LDAP_MOD_REPLACE, "lockoutTime", S("0"));
    TRY(directory_modify(d, dn, changes, a, &reply, e));
    return reply.code == LDAP_SUCCESS ? SUCCESS : explain_refusal(&reply, false, e);
}
