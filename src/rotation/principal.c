/* rotation/principal.c: what accounts are called on their targets. */
#include "rotation/principal.h"

#include <string.h>

#include "accounts/platform.h"
#include "base/text.h"

/* "DOMAIN\name" is how people write it; the target's name is the last part. */
static struct str without_domain(struct str name)
{
    ptrdiff_t at = str_find_char(name, '\\');
    return at < 0 ? name : str_sub(name, (size_t)at + 1, name.n);
}

struct target_account principal_of_account(const struct managed_account *m)
{
    struct target_account who = {.name = m->name, .dn = S("")};
    if (platform_is_directory(m->platform_id))
        who.dn = m->distinguished_name;
    if (m->platform_id == PLATFORM_ACTIVE_DIRECTORY)
        who.name = m->sam_account_name.n ? m->sam_account_name : without_domain(m->name);
    return who;
}

const char *principal_renamed(const struct managed_account *before, const struct managed_account *after)
{
    return !str_equal(after->name, before->name)                                 ? "AccountName"
           : !str_equal(after->domain_name, before->domain_name)                 ? "DomainName"
           : !str_equal(after->distinguished_name, before->distinguished_name)   ? "DistinguishedName"
           : !str_equal(after->user_principal_name, before->user_principal_name) ? "UserPrincipalName"
           : !str_equal(after->sam_account_name, before->sam_account_name)       ? "SAMAccountName"
                                                                                 : NULL;
}

const char *principal_changed(const struct managed_account *before, const struct managed_account *after)
{
    const char *renamed = principal_renamed(before, after);
    bool is_other_way = after->use_own_credentials != before->use_own_credentials;
    return renamed ? renamed : is_other_way ? "UseOwnCredentials" : NULL;
}

struct str principal_of_functional(struct arena *a, const struct functional_account *f)
{
    struct str name = f->account_name, domain = f->domain_name;
    bool is_whole = str_find_char(name, '\\') >= 0 || str_find_char(name, '@') >= 0 || str_find_char(name, '=') >= 0;
    if (f->platform_id != PLATFORM_ACTIVE_DIRECTORY || domain.n == 0 || is_whole)
        return name;
    if (str_find_char(domain, '.') >= 0)
        return arena_printf(a, "%.*s@%.*s", STR_ARG(name), STR_ARG(domain));
    return arena_printf(a, "%.*s\\%.*s", STR_ARG(domain), STR_ARG(name));
}

/* Without the host of MariaDB, or the domain in front of or behind it. */
static struct str plain_name(struct str name)
{
    struct str rest = without_domain(name);
    const char *at = rest.n ? memrchr(rest.p, '@', rest.n) : NULL;
    return at ? str_sub(rest, 0, (size_t)(at - rest.p)) : rest;
}

/* "CN=a, DC=b" and "cn=a,dc=b" are the same. */
static struct str dn_key(struct arena *a, struct str dn)
{
    struct str key = text_key(a, dn);
    char *out = arena_alloc(a, key.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < key.n; i++)
        if (key.p[i] != ' ')
            out[n++] = key.p[i];
    return (struct str){out, n};
}

bool principal_is_functional(struct arena *a, const struct target_account *who, struct str functional,
                             int64_t platform_id)
{
    bool is_directory = platform_id == PLATFORM_ACTIVE_DIRECTORY || platform_id == PLATFORM_LDAP;
    if (is_directory && str_find_char(functional, '=') >= 0)
        return who->dn.n && str_equal(dn_key(a, functional), dn_key(a, who->dn));
    if (platform_id == PLATFORM_ACTIVE_DIRECTORY)
        return str_equal(text_key(a, plain_name(functional)), text_key(a, plain_name(who->name)));
    if (platform_id == PLATFORM_LDAP)
        return str_equal(text_key(a, functional), text_key(a, who->name));
    if (platform_id == PLATFORM_MYSQL)
        return str_equal(plain_name(functional), plain_name(who->name));
    return str_equal(functional, who->name);
}
