/* api/passwordsafe/groups.h: what the files about user groups share. */
#pragma once

#include "accounts/rule.h"
#include "api/passwordsafe/face.h"
#include "identity/grant.h"
#include "identity/role.h"

/* The group that path parameter i names; the record names it too. */
RESULT group_of_param(struct call *c, size_t i, struct role *ret, struct err *e);

/* May the caller give this level on the rule? He has it there himself, or on the built-in rule of the same kind (I10).
 */
RESULT may_give_level(struct call *c, int64_t rule_id, int64_t level, struct err *e);

struct permission_in {
    int64_t id, level;
};
extern const struct field ps_permission_in_fields[];
/* `present` (NULL: none) with what a list of struct permission_in says; level 0 takes one away. INVALID unknown ids and
 * levels. */
RESULT rights_of_permissions(struct arena *a, const struct list *present, const struct list *given, struct list *ret,
                             struct err *e);
