/* identity/signin.c: counting failed sign-ins, and making who fails wait (keyturn-api 2.4). */
#include "identity/signin.h"

#include <arpa/inet.h>

#include "base/text.h"
#include "identity/address.h"

enum { NAME_BYTES_MAX = 1024, FAILURES_FREE = 4, WAIT_MAX_S = 900, ADDRESS_FAILURES_MAX = 100, IPV6_PREFIX_BITS = 64 };
#define ADDRESS_WINDOW HOURS
#define ADDRESS_WAIT   HOURS
#define DELAY_MAX      (2 * SECONDS)
#define DELAY_FIRST    (DELAY_MAX / 16)

enum counter { PAIR, USER, ADDRESS, COUNTERS };
static const char *const counter_names[COUNTERS] = {"pair", "user", "address"};

struct guesses {
    int64_t user_id;          /* 0: unknown */
    struct str who[COUNTERS]; /* absent: not counted */
    struct {
        int64_t failures, first_at, last_at, wait_until;
    } of[COUNTERS];
};

struct str signin_address_key(struct arena *a, struct str address)
{
    struct address parsed;
    char text[INET6_ADDRSTRLEN];
    if (!address_parse(address, &parsed))
        return S("-");
    bool is_v4 = parsed.n == 4;
    struct address_range around = range_around(&parsed, is_v4 ? 32 : IPV6_PREFIX_BITS);
    inet_ntop(is_v4 ? AF_INET : AF_INET6, around.first.bytes, text, sizeof text);
    return arena_printf(a, "%s/%d", text, is_v4 ? 32 : IPV6_PREFIX_BITS);
}

/* By what a name is counted: a user's own key, whichever way he was named; else the name as folded, so that no spelling
 * gives fresh guesses. Names that nobody can have share one counter. */
static RESULT find_user(struct db *db, struct arena *a, struct str name, int64_t *ret_id, struct str *ret_key,
                        struct err *e)
{
    int64_t id;
    struct rows rows;
    result r = user_id_by_name(db, a, name, &id, e);
    if (r.code == NOT_FOUND) {
        bool is_countable = name.n <= NAME_BYTES_MAX && text_is_utf8(name);
        *ret_id = 0;
        *ret_key = is_countable ? text_key(a, name) : S("");
        return SUCCESS;
    }
    TRY(r);
    TRY(db_query_one(db, a, SQL("SELECT name_key FROM users WHERE id = $1", P_INT(id)), "User", &rows, e));
    *ret_id = id;
    *ret_key = row_text(&rows, 0, 0);
    return SUCCESS;
}

static RESULT load(struct db *db, struct arena *a, const struct signin_claim *claim, struct guesses *ret, struct err *e)
{
    struct guesses g = {.who[ADDRESS] = signin_address_key(a, claim->address)};
    if (str_is_set(claim->user_name)) {
        TRY(find_user(db, a, claim->user_name, &g.user_id, &g.who[USER], e));
        g.who[PAIR] = arena_printf(a, "%.*s %.*s", STR_ARG(g.who[ADDRESS]), STR_ARG(g.who[USER]));
    }
    for (size_t i = 0; i < COUNTERS; i++) {
        struct rows rows;
        if (!str_is_set(g.who[i]))
            continue;
        TRY(db_query(db, a,
                     SQL("SELECT failures, first_at, last_at, wait_until FROM guesses WHERE kind = $1 AND who = $2",
                         P_TEXT(str_of(counter_names[i])), P_TEXT(g.who[i])),
                     &rows, e));
        if (rows.n == 0)
            continue;
        g.of[i].failures = row_int(&rows, 0, 0);
        g.of[i].first_at = row_int(&rows, 0, 1);
        g.of[i].last_at = row_int(&rows, 0, 2);
        g.of[i].wait_until = row_int(&rows, 0, 3);
    }
    *ret = g;
    return SUCCESS;
}

/* A wait longer than any comes from a clock that was ahead; what began beside this call began a moment later. */
static bool is_waiting(const struct guesses *g, enum counter c, int64_t longest, int64_t now)
{
    int64_t until = g->of[c].wait_until;
    return until > now && until <= now + longest + MINUTES;
}

static bool must_wait(const struct guesses *g, int64_t now)
{
    return is_waiting(g, PAIR, WAIT_MAX_S * SECONDS, now) || is_waiting(g, ADDRESS, ADDRESS_WAIT, now);
}

/* So is what was counted as far ahead. */
static bool is_over(const struct guesses *g, enum counter c, int64_t now)
{
    int64_t window = c == ADDRESS ? ADDRESS_WINDOW : GUESSES_FORGOTTEN_AFTER;
    int64_t since = now - (c == ADDRESS ? g->of[c].first_at : g->of[c].last_at);
    return since >= window || since <= -window;
}

/* 125 ms at the 5th failure of a user, from wherever, doubled with each further one. */
static RESULT find_delay(struct db *db, struct arena *a, const struct guesses *g, int64_t now, int64_t *ret,
                         struct err *e)
{
    struct rows rows;
    int64_t over = g->of[USER].failures - FAILURES_FREE;
    *ret = 0;
    if (over <= 0 || is_over(g, USER, now))
        return SUCCESS;
    TRY(db_query(db, a,
                 SQL("SELECT last_at FROM known_addresses WHERE user_id = $1 AND address = $2 AND last_at > $3",
                     P_INT(g->user_id), P_TEXT(g->who[ADDRESS]), P_INT(now - ADDRESS_KNOWN_FOR)),
                 &rows, e));
    if (rows.n == 0)
        *ret = over > 5 ? DELAY_MAX : DELAY_FIRST << (over - 1);
    return SUCCESS;
}

RESULT signin_look(struct db *db, struct arena *a, const struct signin_claim *claim, int64_t now,
                   struct signin_look *ret, struct err *e)
{
    struct guesses g;
    struct rows rows;
    TRY(load(db, a, claim, &g, e));
    struct signin_look look = {.user_id = g.user_id, .must_wait = must_wait(&g, now)};
    TRY(find_delay(db, a, &g, now, &look.delay_us, e));
    TRY(db_query(db, a,
                 SQL("SELECT password_hash, is_disabled, is_quarantined FROM users WHERE id = $1 AND is_deleted = 0",
                     P_INT(g.user_id)),
                 &rows, e));
    if (rows.n > 0) {
        look.password_hash = row_text(&rows, 0, 0);
        look.is_usable = !row_flag(&rows, 0, 1) && !row_flag(&rows, 0, 2);
    }
    *ret = look;
    return SUCCESS;
}

/* What the look has read may have changed since. */
static RESULT check_user(struct db *db, struct arena *a, const struct signin_claim *claim,
                         const struct signin_look *look, bool *ret, struct err *e)
{
    struct rows rows;
    bool is_fine = false;
    TRY(db_query(db, a,
                 SQL("SELECT password_hash, is_disabled, is_quarantined FROM users WHERE id = $1 AND is_deleted = 0",
                     P_INT(look->user_id)),
                 &rows, e));
    if (rows.n > 0)
        is_fine = !row_flag(&rows, 0, 1) && !row_flag(&rows, 0, 2) &&
                  (!claim->password || str_equal(row_text(&rows, 0, 0), look->password_hash));
    if (is_fine && claim->registration_id) {
        TRY(db_query(db, a,
                     SQL("SELECT id FROM registrations WHERE id = $1 AND is_active = 1", P_INT(claim->registration_id)),
                     &rows, e));
        TRY(registration_has_user(db, a, claim->registration_id, look->user_id, &is_fine, e));
        is_fine = is_fine && rows.n > 0;
    }
    *ret = is_fine;
    return SUCCESS;
}

/* Only what proves who he is clears him of guesses: a registration that asks for no password lets in by any name. */
static RESULT clear_of_guesses(struct db *db, const struct guesses *g, int64_t now, struct err *e)
{
    TRY(db_run(db, SQL("DELETE FROM guesses WHERE kind = 'pair' AND who = $1", P_TEXT(g->who[PAIR])), e));
    return db_run(db,
                  SQL("INSERT INTO known_addresses (user_id, address, last_at) VALUES ($1, $2, $3)"
                      " ON CONFLICT (user_id, address) DO UPDATE SET last_at = $3",
                      P_INT(g->user_id), P_TEXT(g->who[ADDRESS]), P_INT(now)),
                  e);
}

RESULT signin_record(struct db *db, struct arena *a, const struct signin_claim *claim, const struct signin_look *look,
                     bool was_right, int64_t now, struct err *e)
{
    struct guesses g;
    bool is_named = str_is_set(claim->user_name), is_fine = true;
    TRY(load(db, a, claim, &g, e));
    if (!was_right || must_wait(&g, now) || g.user_id != look->user_id || (is_named && g.user_id == 0))
        return FAIL(e, UNAUTHENTICATED, "Invalid credentials");
    if (!is_named)
        return SUCCESS;
    TRY(check_user(db, a, claim, look, &is_fine, e));
    if (!is_fine)
        return FAIL(e, UNAUTHENTICATED, "Invalid credentials");
    if (claim->password || claim->api_key)
        TRY(clear_of_guesses(db, &g, now, e));
    if (!claim->is_first)
        return SUCCESS;
    return db_run(db, SQL("UPDATE users SET last_login_at = $2 WHERE id = $1", P_INT(g.user_id), P_INT(now)), e);
}

static int64_t wait_after(enum counter c, int64_t failures)
{
    if (c == ADDRESS)
        return failures > ADDRESS_FAILURES_MAX ? ADDRESS_WAIT : 0;
    if (c == USER || failures <= FAILURES_FREE)
        return 0;
    int64_t doublings = failures - FAILURES_FREE - 1;
    int64_t wait_s = doublings < 10 ? INT64_C(1) << doublings : WAIT_MAX_S;
    return (wait_s < WAIT_MAX_S ? wait_s : WAIT_MAX_S) * SECONDS;
}

RESULT signin_count_failure(struct db *db, struct arena *a, const struct signin_claim *claim, int64_t now,
                            struct err *e)
{
    struct guesses g;
    TRY(load(db, a, claim, &g, e));
    if (must_wait(&g, now))
        return SUCCESS;
    for (enum counter c = PAIR; c < COUNTERS; c++) {
        if (!str_is_set(g.who[c]))
            continue;
        bool starts_anew = g.of[c].failures == 0 || is_over(&g, c, now);
        int64_t failures = starts_anew ? 1 : g.of[c].failures + 1;
        int64_t wait = wait_after(c, failures);
        TRY(db_run(db,
                   SQL("INSERT INTO guesses (kind, who, failures, first_at, last_at, wait_until)"
                       " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, who) DO UPDATE SET failures = $3,"
                       " first_at = $4, last_at = $5, wait_until = $6",
                       P_TEXT(str_of(counter_names[c])), P_TEXT(g.who[c]), P_INT(failures),
                       P_INT(starts_anew ? now : g.of[c].first_at), P_INT(now), P_INT(wait > 0 ? now + wait : 0)),
                   e));
    }
    return SUCCESS;
}
