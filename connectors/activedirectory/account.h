/* activedirectory/account.h: what the directory says about one account. */
#pragma once

#include "activedirectory/directory.h"

struct account {
    struct str dn, name;
    struct str sid; /* bytes; absent: not to be read */
    bool is_disabled, is_locked, is_expired, must_change;
    int64_t changed_at;  /* when the password was last set; 0: never, or not to be read */
    int64_t key_version; /* goes up by one with each change of the password; 0: not to be read */
};

/* By its distinguished name where there is one, else by its sAMAccountName under the domain's root. A distinguished
 * name that belongs to another sAMAccountName is no_account. Texts live in the arena. Codes: no_account, unreachable,
 * unreadable. */
RESULT account_find(struct directory *d, struct str name, struct str dn, struct arena *a, struct account *ret,
                    struct err *e);

/* The word `refused` of a refusal for another present password; told from the others by its address. */
extern const char account_other_password[];

/* Set the password: replace it, or with `current` exchange it, which any account may do for itself. Codes: policy,
 * no_account, refused, account_other_password, unknown, unsent. */
RESULT account_set_password(struct directory *d, struct str dn, const struct secret *current,
                            const struct secret *password, struct arena *a, struct err *e);
/* May the signed-in account replace this password? Asked with a value that no domain controller takes. Codes:
 * unreachable. */
RESULT account_may_set_password(struct directory *d, struct str dn, struct arena *a, bool *ret, struct err *e);
/* Let a locked account in again. */
RESULT account_unlock(struct directory *d, struct str dn, struct arena *a, struct err *e);
