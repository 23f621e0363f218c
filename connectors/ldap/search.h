/* ldap/search.h: looking for entries, within bounds whatever the server sends. */
#pragma once

#include "ldap/session.h"

struct search {
    const char *base, *filter; /* filter NULL: any entry */
    int scope;
    char **attributes;
};
struct found {
    LDAPMessage *entry; /* the first; NULL: none */
    size_t count;       /* 0, 1 or 2: at least two */
};
void found_free(struct found *f);
#define AUTO_FOUND __attribute__((cleanup(found_free))) struct found

/* No such base counts as nothing found. Codes: unreachable, elevation_denied (no right to search), unsent. */
RESULT search_run(LDAP *ld, const struct search *s, struct arena *a, struct found *ret, struct err *e);
/* The first value of an attribute as text; absent when it has none that may be read. */
struct str search_value(LDAP *ld, LDAPMessage *entry, const char *attribute, struct arena *a);

/* The DN of the one entry with this uid below the server's naming contexts. Codes: those of search_run, no_account. */
RESULT search_account(LDAP *ld, struct str account, struct arena *a, const char **ret_dn, struct err *e);
/* Read the account's entry through the functional session, by its DN when it has one, else by its uid. */
RESULT search_entry(LDAP *ld, struct str account, struct str dn, char **attributes, struct arena *a,
                    const char **ret_dn, struct found *ret, struct err *e);
