/* mysql/fence.h: a name by which another process can end this functional session, and no other. */
#pragma once

#include "mysql/session.h"

/* Mark the session. "" where the server has no named locks. Codes: unreachable. */
RESULT fence_mark(MYSQL *m, struct arena *a, struct str *ret_token, struct err *e);
