/* identity/holding.h: how rights are read from rows of roles; for this folder only. */
#pragma once

#include "identity/role.h"

/* From roles r and, by LEFT JOIN, role_rights x. */
#define HOLDING_COLUMNS "r.face, r.number, r.is_active, COALESCE(x.right_id, 0), COALESCE(x.level, 0)"
enum { HOLDING_FACE, HOLDING_NUMBER, HOLDING_IS_ACTIVE, HOLDING_RIGHT, HOLDING_LEVEL };

struct rights_wanted {
    bool controlroom, passwordsafe;
    bool inactive_too; /* roles that are switched off: whoever gives one gives what it will be */
};
void rights_read(const struct rows *rows, const struct rights_wanted *wanted, struct rights *ret);
