/* identity/role_name.h: names of roles that must not be mistaken for built-in ones; for this folder only. */
#pragma once

#include "identity/role.h"

/* Without case, blanks, underscores and what cannot be seen, does it begin with "aae"? (controlroom-api 3) */
bool role_name_looks_built_in(struct arena *a, struct str name);
/* The key to look a name up by: the aliases of AAE_Locker Admin become its name. */
struct str role_name_lookup_key(struct arena *a, enum face face, struct str name);
