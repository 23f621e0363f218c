/* rotation/engine.c: the stop of the whole queue, and how often a refused change is tried again. */
#include "rotation/engine.h"

#include "base/str.h"

#define STOPPED       "engine.stopped"
#define STOPPED_BY    "engine.stopped_by"
#define STOPPED_AT    "engine.stopped_at"
#define RETRY_MINUTES "engine.retry_minutes"
#define RETRIES       "engine.retries"

static result set(struct db *db, const char *name, struct str value, struct err *e)
{
    return db_run(db,
                  SQL("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2",
                      P_TEXT(str_of(name)), P_TEXT(value)),
                  e);
}

static result set_number(struct db *db, const char *name, int64_t value, struct err *e)
{
    char room[INT_TEXT_BYTES];
    return set(db, name, str_from_int(value, room), e);
}

static void take(struct engine_rules *rules, struct str name, struct str value)
{
    static const struct {
        const char *name;
        size_t at;
    } numbers[] = {{STOPPED_BY, offsetof(struct engine_rules, stopped_by)},
                   {STOPPED_AT, offsetof(struct engine_rules, stopped_at)},
                   {RETRY_MINUTES, offsetof(struct engine_rules, retry_minutes)},
                   {RETRIES, offsetof(struct engine_rules, retries)}};
    if (str_equal(name, S(STOPPED))) {
        rules->is_stopped = true;
        rules->reason = value;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (str_equal(name, str_of(numbers[i].name)))
            (void)str_to_int(value, 0, INT64_MAX, (int64_t *)(void *)((char *)rules + numbers[i].at));
}

result engine_rules_get(struct db *db, struct arena *a, struct engine_rules *ret, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT name, value FROM settings WHERE name IN ('" STOPPED "', '" STOPPED_BY "', '" STOPPED_AT
                     "', '" RETRY_MINUTES "', '" RETRIES "')"),
                 &r, e));
    *ret = (struct engine_rules){.reason = S(""), .retry_minutes = ENGINE_RETRY_MINUTES, .retries = ENGINE_RETRIES};
    for (size_t i = 0; i < r.n; i++)
        take(ret, row_text(&r, i, 0), row_text(&r, i, 1));
    return SUCCESS;
}

result engine_stop(struct db *db, struct str reason, int64_t by, int64_t now, struct err *e)
{
    if (!str_is_set(reason))
        return db_run(db, SQL("DELETE FROM settings WHERE name IN ('" STOPPED "', '" STOPPED_BY "', '" STOPPED_AT "')"),
                      e);
    TRY(set(db, STOPPED, reason, e));
    TRY(set_number(db, STOPPED_BY, by, e));
    return set_number(db, STOPPED_AT, now, e);
}

result engine_set_retries(struct db *db, int64_t minutes, int64_t retries, struct err *e)
{
    TRY(set_number(db, RETRY_MINUTES, minutes, e));
    return set_number(db, RETRIES, retries, e);
}

result engine_must_run(struct db *db, struct arena *a, struct err *e)
{
    struct engine_rules rules;
    TRY(engine_rules_get(db, a, &rules, e));
    if (!rules.is_stopped)
        return SUCCESS;
    return FAIL_AS(e, REFUSED, ENGINE_STOPPED, "the engine is stopped: %.*s", STR_ARG(rules.reason));
}

result engine_is_awaited(struct db *db, struct arena *a, const char *what, struct err *e)
{
    struct err why;
    result r = engine_must_run(db, a, &why);
    if (r.code == REFUSED)
        return FAIL(e, INVALID, "%s: %s", what, why.text);
    if (!is_ok(r))
        *e = why;
    return r;
}
