/* accounts/password_rule.h: the rules stored here (passwordsafe-api 6.12); making passwords is crypto/generate.h. DSS
 * key rule 0 is built in. */
#pragma once

#include "crypto/generate.h"
#include "db/db.h"

RESULT password_rule_get(struct db *db, struct arena *a, int64_t id, struct password_rule *ret, struct err *e);
RESULT password_rule_list(struct db *db, struct arena *a, struct password_rule **ret, size_t *ret_n, struct err *e);
