/* api/controlroom/filter.h: reading filters; for lists.c. */
#pragma once

#include "api/controlroom/face.h"

/* `raw` is the filter's JSON; absent: everything. INVALID names the culprit. */
RESULT filter_read(struct call *c, const struct column *columns, struct str raw, struct filter *ret, struct err *e);
/* By its name on the wire. INVALID "<what>: unknown field 'x'". */
RESULT column_find(struct call *c, const struct column *columns, const char *what, struct str name,
                   const struct column **ret, struct err *e);
