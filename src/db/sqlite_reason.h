/* db/sqlite_reason.h: what SQLite's result codes mean to a caller (sqlite.org/rescode.html). */
#pragma once

#include "base/result.h"

struct reason {
    enum code code;
    const char *text;
};
struct reason reason_of(int rc, int system_errno);
/* Nothing that was written since the last sync is certain any more. */
bool is_device_failure(int rc);
