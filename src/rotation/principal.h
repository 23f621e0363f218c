/* rotation/principal.h: what accounts are called on their targets (docs/connector-protocol.md, "Names" of each kind).
 */
#pragma once

#include "accounts/account.h"
#include "accounts/functional.h"
#include "rotation/line.h"

struct target_account principal_of_account(const struct managed_account *m);
/* What of an account says whose password a change sets, and how: the name of the first that differs; NULL: none. */
const char *principal_changed(const struct managed_account *before, const struct managed_account *after);
/* The same, of its names alone. */
const char *principal_renamed(const struct managed_account *before, const struct managed_account *after);
struct str principal_of_functional(struct arena *a, const struct functional_account *f);
/* Is it the account that the changes are made with? */
bool principal_is_functional(struct arena *a, const struct target_account *who, struct str functional,
                             int64_t platform_id);
