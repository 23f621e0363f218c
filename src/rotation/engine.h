/* rotation/engine.h: what is said of the engine as a whole, for every server on the store: whether it is stopped, how
 * often a refused change is tried again. Rows of `settings`. */
#pragma once

#include "db/db.h"

struct engine_rules {
    bool is_stopped;
    struct str reason; /* of the stop */
    int64_t stopped_by, stopped_at;
    int64_t retry_minutes, retries; /* retries 0: without end (passwordsafe-api 8.4) */
};
enum { ENGINE_REASON_MAX = 400, ENGINE_RETRY_MINUTES = 15, ENGINE_RETRIES = 5 };

RESULT engine_rules_get(struct db *db, struct arena *a, struct engine_rules *ret, struct err *e);
/* Stops or goes on: what was already sent is resolved all the same, nothing else is claimed. A reason that is absent:
 * goes on. */
RESULT engine_stop(struct db *db, struct str reason, int64_t by, int64_t now, struct err *e);
RESULT engine_set_retries(struct db *db, int64_t minutes, int64_t retries, struct err *e);
/* REFUSED "the engine is stopped: …", e->word ENGINE_STOPPED. */
#define ENGINE_STOPPED "stopped"
RESULT engine_must_run(struct db *db, struct arena *a, struct err *e);
/* Somebody is going to wait for the engine: INVALID "<what>: the engine is stopped: …". */
RESULT engine_is_awaited(struct db *db, struct arena *a, const char *what, struct err *e);

/* In the WHERE of whoever looks for jobs `j` to be run. */
#define ENGINE_MAY_RUN_J                                                                                               \
    "j.is_held = 0 AND ((j.sent_at > 0 AND NOT (j.state = 'prepared' AND j.told <> '')) OR NOT EXISTS (SELECT 1 "      \
    "FROM settings WHERE name = 'engine.stopped'))"
