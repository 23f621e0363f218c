/* mysql/fence.c: a session is marked by a named lock, which is its own as long as it lives. */
#include "mysql/fence.h"

#include <inttypes.h>
#include <mysqld_error.h>
#include <openssl/rand.h>
#include <time.h>

#include "base/text.h"
#include "common/watchdog.h"

enum { MARK_BYTES = 16, MARK_DIGITS = 2 * MARK_BYTES, TOKEN_MAX = 100, PAUSE_NS = 50000000 };

const struct field fence_fields[] = {
    TEXT("token", struct fence_request, token, .required = true, .max = TOKEN_MAX),
    FIELD_END,
};

/* An id alone would name another session after a restart of the server. The lock's name is random: who holds it is the
 * very session, and when nobody does, that one and the statement it ran are over. */
result fence_mark(MYSQL *m, struct arena *a, struct str *ret_token, struct err *e)
{
    unsigned char bytes[MARK_BYTES];
    struct table t = {0};
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return FAIL_AS(e, INTERNAL, "unsent", "no random numbers");
    struct str mark = hex_encode(a, (struct str){(const char *)bytes, sizeof(bytes)});
    struct str statement = arena_printf(a, "SELECT CONNECTION_ID(), GET_LOCK('keyturn-%.*s', 0)", STR_ARG(mark));
    result asked = session_query(m, statement, a, &t, e);
    *ret_token = S("");
    if (!is_ok(asked) && mysql_errno(m) != ER_NOT_SUPPORTED_YET)
        return asked;
    if (is_ok(asked) && t.rows == 1 && t.columns == 2 && str_equal(t.cells[1], S("1")))
        *ret_token = arena_printf(a, "%.*s:%.*s", STR_ARG(t.cells[0]), STR_ARG(mark));
    return SUCCESS;
}

/* *ret_holder: the session that has the mark, 0 for none. */
static RESULT find_holder(struct server *s, struct str mark, struct arena *a, int64_t *ret_holder, bool *ret_is_ours,
                          struct err *e)
{
    struct table t = {0};
    struct str statement =
        arena_printf(a,
                     "SELECT IFNULL(@holder := IS_USED_LOCK('keyturn-%.*s'), 0), @holder <> CONNECTION_ID() AND "
                     "EXISTS(SELECT 1 FROM "
                     "information_schema.processlist WHERE ID = @holder AND USER = SUBSTRING_INDEX(USER(), '@', 1))",
                     STR_ARG(mark));
    TRY(session_query(s->session, statement, a, &t, e));
    if (t.rows != 1 || t.columns != 2 || !str_to_int(t.cells[0], 0, INT64_MAX, ret_holder))
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the server's answer is out of step");
    *ret_is_ours = str_equal(t.cells[1], S("1"));
    return SUCCESS;
}

static RESULT end_session(struct server *s, int64_t id, struct str mark, struct arena *a, struct err *e)
{
    struct table none = {0};
    int64_t holder = 0;
    bool is_ours = false;
    TRY(find_holder(s, mark, a, &holder, &is_ours, e));
    if (holder == 0)
        return SUCCESS;
    if (holder != id || !is_ours)
        return FAIL_AS(e, REFUSED, "refused", "the token names no former session of the functional account");
    result killed = session_query(s->session, arena_printf(a, "KILL CONNECTION %" PRId64, id), a, &none, e);
    if (!is_ok(killed) && mysql_errno(s->session) != ER_NO_SUCH_THREAD)
        return killed;
    while (holder == id) {
        if (watchdog_has_expired())
            return FAIL_AS(e, UNREACHABLE, "unreachable", "the session was told to end, and has not ended in time");
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        TRY(find_holder(s, mark, a, &holder, &is_ours, e));
    }
    return SUCCESS;
}

result fence_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    (void)answer;
    struct server *s = state;
    const struct fence_request *r = request;
    struct str mark = r->token, digits = str_cut(&mark, ':');
    int64_t id = 0;
    if (!s->has_functional)
        return FAIL_AS(e, INVALID, "bad_request", "the check named no functional account");
    if (!str_to_int(digits, 1, INT64_MAX, &id) || mark.n != MARK_DIGITS || !text_is_hex(mark))
        return FAIL_AS(e, INVALID, "bad_request", "token: not one of this connector");
    if (!s->session)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the check opened no functional session");
    watchdog_start(s->target.address.timeout_s);
    watchdog_guard(mysql_get_socket(s->session));
    return end_session(s, id, mark, a, e);
}
