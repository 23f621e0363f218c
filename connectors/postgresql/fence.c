/* postgresql/fence.c: end a session that may still hold a change, and wait until it is gone. */
#include <poll.h>

#include "common/watchdog.h"
#include "postgresql/session.h"
#include "postgresql/statement.h"

enum { TOKEN_CHARACTERS_MAX = 100, LOOK_EVERY_MS = 50 };

const struct field fence_fields[] = {
    TEXT("token", struct fence_request, token, .required = true, .max = TOKEN_CHARACTERS_MAX),
    FIELD_END,
};

/* A session of another account shows its pid, but not when it began: that could be the one, or not. */
static const char end_sql[] =
    "SELECT backend_start IS NOT NULL, CASE WHEN backend_start IS NOT NULL THEN pg_terminate_backend(pid) END"
    " FROM pg_stat_activity WHERE pid = $1::int AND (backend_start IS NULL"
    "   OR round(EXTRACT(epoch FROM backend_start)::numeric * 1000000) = $2::numeric)";

/* *ret_is_gone false: it was told to end, and has not yet. */
static RESULT try_to_end(struct server *s, const char *const values[2], struct arena *a, bool *ret_is_gone,
                         struct err *e)
{
    AUTO_REPLY reply = statement_ask(s->session, end_sql, values, 2);
    if (reply.kind == REPLY_ERROR)
        return FAIL_AS(e, UNREACHABLE, "elevation_denied", "%.*s", STR_ARG(reply_text(&reply, a)));
    if (reply.kind != REPLY_DONE)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the functional session broke");
    if (PQntuples(reply.result) > 0 && !reply_is_true(&reply, 0, 0))
        return FAIL_AS(e, UNREACHABLE, "elevation_denied", "the functional account may not look at that session");
    *ret_is_gone = PQntuples(reply.result) == 0;
    return SUCCESS;
}

result fence_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    (void)answer;
    struct server *s = state;
    const struct fence_request *r = request;
    struct str start = r->token, pid = str_cut(&start, ':');
    int64_t number;
    bool is_gone = false;
    if (!s->target.is_set)
        return FAIL_AS(e, INVALID, "bad_request", "a check comes first");
    if (!str_to_int(pid, 1, INT32_MAX, &number) || !str_to_int(start, 1, INT64_MAX, &number))
        return FAIL_AS(e, INVALID, "bad_request", "token: none of a session of this kind");
    if (str_equal(r->token, s->token))
        return FAIL_AS(e, INVALID, "bad_request", "token: that is the present functional session");
    watchdog_start(s->target.address.timeout_s);
    TRY(server_need_session(s, e));
    const char *values[] = {arena_cstr(a, pid), arena_cstr(a, start)};
    for (;;) {
        TRY(try_to_end(s, values, a, &is_gone, e));
        if (is_gone)
            return SUCCESS;
        if (watchdog_left_ms() <= 2 * LOOK_EVERY_MS)
            return FAIL_AS(e, UNREACHABLE, "unreachable", "the session was told to end, and has not ended in time");
        poll(NULL, 0, LOOK_EVERY_MS);
    }
}
