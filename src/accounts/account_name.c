/* accounts/account_name.c: the names that accounts have on the platforms that this server has connectors for
 * (docs/connector-protocol.md). */
#include "accounts/account.h"
#include "accounts/check.h"
#include "base/text.h"

enum { ROLE_BYTES_MAX = 63, NAME_BYTES_MAX = 246 };

/* "DOMAIN\\name" stands for its last part. */
static struct str without_domain(struct str name)
{
    ptrdiff_t at = str_find_char(name, '\\');
    return at < 0 ? name : str_sub(name, (size_t)at + 1, name.n);
}

static bool has_any(struct str s, const char *characters)
{
    for (const char *c = characters; *c; c++)
        if (str_find_char(s, *c) >= 0)
            return true;
    return false;
}

/* The part of a user principal name before the @ may be another account's sAMAccountName. */
static void check_windows(struct str name, const struct managed_account *m, struct err *found)
{
    struct str plain = m->sam_account_name.n ? m->sam_account_name : without_domain(name);
    if (!m->sam_account_name.n && str_find_char(name, '@') >= 0)
        err_add_line(found, "SAMAccountName: is required where AccountName is a user principal name");
    else if (plain.n == 0 || has_any(plain, "\"/\\[]:;|=,+*?<>@"))
        err_add_line(found, "%s: is no name of an account in a domain",
                     m->sam_account_name.n ? "SAMAccountName" : "AccountName");
}

static void check_ldap(const struct managed_account *m, struct err *found)
{
    if (m->distinguished_name.n == 0)
        err_add_line(found, "DistinguishedName: is required for LDAP");
    else if (str_find_char(m->distinguished_name, '=') <= 0)
        err_add_line(found, "DistinguishedName: is no distinguished name");
}

void check_account_name(int64_t platform_id, struct str name, const struct managed_account *managed, struct err *found)
{
    const struct platform *p = platform_by_id(platform_id);
    if (!p || !p->connector)
        return;
    if (platform_id == PLATFORM_POSTGRESQL && name.n > ROLE_BYTES_MAX)
        err_add_line(found, "AccountName: a role of PostgreSQL has at most %d bytes", ROLE_BYTES_MAX);
    else if (name.n > NAME_BYTES_MAX)
        err_add_line(found, "AccountName: must have at most %d bytes", NAME_BYTES_MAX);
    if (!managed)
        return;
    check_no_control("DistinguishedName", managed->distinguished_name, found);
    check_no_control("SAMAccountName", managed->sam_account_name, found);
    if (platform_id == PLATFORM_ACTIVE_DIRECTORY)
        check_windows(name, managed, found);
    if (platform_id == PLATFORM_LDAP)
        check_ldap(managed, found);
}
