/* identity/grant.h: I10. Nobody gives a right that he does not hold, or takes over an identity that holds more than he
 * does (keyturn-api 2.3).
 *
 *   TRY(grant_begin(db, a, who, &grant, e));
 *   ... the change ...
 *   TRY(grant_check_role(db, a, &grant, role_id, e));
 *
 * What counts is the result, against what the caller held before: the change may have added to that. DENIED rolls it
 * back. */
#pragma once

#include "identity/caller.h"

struct rule_held;
struct grant {
    const struct caller *who; /* NULL: init, which may give everything */
    const struct rule_held *held;
    size_t held_count;
};
RESULT grant_begin(struct db *db, struct arena *a, const struct caller *who, struct grant *ret, struct err *e);

/* May the caller lay hands on this user or role as it is now? Ask before the change: it may take away what is missing.
 */
RESULT grant_may_change_user(struct db *db, struct arena *a, const struct grant *g, int64_t user_id, struct err *e);
RESULT grant_may_change_role(struct db *db, struct arena *a, const struct grant *g, int64_t role_id, struct err *e);
/* Whoever knows a registration's key, or may widen its rules, can sign in as anybody whom it admits: may the caller lay
 * hands on all of those? Ask before its key is shown, rotated or its rules changed. */
RESULT grant_may_change_registration(struct db *db, struct arena *a, const struct grant *g, int64_t registration_id,
                                     struct err *e);

/* The rights of this user as he is now (both faces, and roles on smart rules) are within the caller's. Where only the
 * reserved rights are missing and the exception holds, records right.granted. */
RESULT grant_check_user(struct db *db, struct arena *a, const struct grant *g, int64_t user_id, struct err *e);
/* The same for a role or group (the row's id). Its members are checked one by one where they join. */
RESULT grant_check_role(struct db *db, struct arena *a, const struct grant *g, int64_t role_id, struct err *e);
