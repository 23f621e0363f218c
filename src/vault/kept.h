/* vault/kept.h: asking the keeper about one value or about all of a credential or locker; for this folder only. */
#pragma once

#include "base/field.h"
#include "vault/keeper.h"

/* SUCCESS when kept_by is 0, else CONFLICT with the keeper's words. */
RESULT refuse_kept(struct db *db, struct arena *a, int64_t kept_by, struct err *e);
/* Of all these numbers (a list of int64_t). */
RESULT may_move_all(struct db *db, struct arena *a, const struct caller *who, struct list numbers, struct err *e);
RESULT audience_grew_all(struct db *db, struct arena *a, struct list numbers, struct str how, struct err *e);
/* Tell whoever keeps values, if there is one, before the attribute's row goes. */
RESULT attribute_gone(struct db *db, struct arena *a, int64_t attribute_id, int64_t now, struct err *e);
RESULT end_all(struct db *db, struct arena *a, struct list numbers, int64_t now, struct err *e);
