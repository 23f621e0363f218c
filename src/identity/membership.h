/* identity/membership.h: replacing the roles of a user, or the members of a role; for this folder only. */
#pragma once

#include "identity/role.h"

/* What makes the present set into the wanted one. */
struct difference {
    int64_t *added, *removed;
    size_t added_count, removed_count;
};
bool difference_is_empty(const struct difference *d);
/* `present`: rows of one column, ids. `wanted` may name an id twice. */
struct difference difference_of(struct arena *a, const struct rows *present, const int64_t *wanted, size_t n);

/* The roles of a user on one face. INVALID "<field>: unknown role 7". */
RESULT roles_plan(struct db *db, struct arena *a, int64_t user_id, enum face face, const struct list *numbers,
                  const char *field, struct difference *ret, struct err *e);
/* Give and take; a role lost on the Control Room face ends the user's tokens. */
RESULT roles_apply(struct db *db, int64_t user_id, enum face face, const struct difference *d, int64_t now,
                   struct err *e);
