/* identity/session.c: sessions and bearer tokens of the Password Safe face. */
#include "identity/session.h"

#include "base/text.h"
#include "crypto/password.h"
#include "crypto/random.h"
#include "identity/keyed.h"

enum { SESSION_CHARACTERS = 24, BEARER_CHARACTERS = 48 };
#define IDLE_MAX     (20 * MINUTES)
#define SESSION_LIFE (12 * HOURS)
#define TOUCH_AFTER  MINUTES

static RESULT insert(struct db *db, struct arena *a, const char *kind, const struct secret *id, int64_t user_id,
                     const struct registration *r, int64_t password_at, int64_t now, int64_t ends_at, struct err *e)
{
    struct str hash;
    TRY(keyed_hash_of(db, a, id, &hash, e));
    return db_run(
        db,
        SQL("INSERT INTO sessions (hash, kind, user_id, registration_id, key_version, password_at, created_at,"
            " used_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8)",
            P_BLOB(hash), P_TEXT(str_of(kind)), P_INT(user_id), P_INT(r->id), P_INT(r->key_version), P_INT(password_at),
            P_INT(now), P_INT(ends_at)),
        e);
}

RESULT session_create(struct db *db, struct arena *a, int64_t user_id, const struct registration *r,
                      int64_t password_at, int64_t now, struct secret **ret_id, struct err *e)
{
    struct secret *id = random_secret_text(a, S("abcdefghijklmnopqrstuvwxyz0123456789"), SESSION_CHARACTERS);
    TRY(insert(db, a, "session", id, user_id, r, password_at, now, now + SESSION_LIFE, e));
    *ret_id = id;
    return SUCCESS;
}

static RESULT admit(struct db *db, struct arena *a, const char *kind, struct str id, int64_t used_after, int64_t now,
                    struct caller *ret, struct registration *ret_registration, struct err *e)
{
    struct rows rows;
    struct str hash;
    TRY(keyed_hash_of_str(db, a, id, &hash, e));
    TRY(db_query(db, a,
                 SQL("SELECT s.user_id, u.name, s.password_at, s.registration_id FROM sessions s"
                     " JOIN users u ON u.id = s.user_id AND u.is_deleted = 0 AND u.is_disabled = 0"
                     " AND u.is_quarantined = 0 JOIN registrations g ON g.id = s.registration_id AND g.is_active = 1"
                     " AND g.key_version = s.key_version"
                     " AND (s.kind = 'session' OR u.access_policy_id = g.id)"
                     " AND (s.password_at <> 0 OR g.user_password_required = 0 OR g.type <> 'apikeypolicy')"
                     " WHERE s.hash = $1 AND s.kind = $2 AND s.ends_at > $3 AND s.used_at > $4",
                     P_BLOB(hash), P_TEXT(str_of(kind)), P_INT(now), P_INT(used_after)),
                 &rows, e));
    if (rows.n == 0)
        return FAIL(e, UNAUTHENTICATED, "Authentication is required");
    TRY(registration_get(db, a, row_int(&rows, 0, 3), ret_registration, e));
    ret->user_id = row_int(&rows, 0, 0);
    ret->name = row_text(&rows, 0, 1);
    ret->signed_in_on = FACE_PASSWORDSAFE;
    ret->password_at = row_int(&rows, 0, 2);
    ret->carries_passwordsafe = true;
    ret->carries_controlroom = ret->password_at != 0;
    ret->registration_id = row_int(&rows, 0, 3);
    ret->session_hash = hash;
    return SUCCESS;
}

RESULT session_admit(struct db *db, struct arena *a, struct str id, int64_t now, struct caller *ret,
                     struct registration *ret_registration, struct err *e)
{
    struct caller who = *ret;
    struct registration r;
    bool may_use;
    TRY(admit(db, a, "session", id, now - IDLE_MAX, now, &who, &r, e));
    TRY(registration_has_user(db, a, r.id, who.user_id, &may_use, e));
    if (!may_use)
        return FAIL(e, UNAUTHENTICATED, "Authentication is required");
    *ret = who;
    *ret_registration = r;
    return SUCCESS;
}

RESULT session_touch(struct db *db, struct str session_hash, int64_t now, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE sessions SET used_at = $2 WHERE hash = $1 AND used_at <= $3", P_BLOB(session_hash),
                      P_INT(now), P_INT(now - TOUCH_AFTER)),
                  e);
}

bool session_needs_touch(struct db *db, struct arena *a, struct str session_hash, int64_t now)
{
    struct rows rows;
    result r = db_query(db, a,
                        SQL("SELECT used_at FROM sessions WHERE hash = $1 AND used_at <= $2", P_BLOB(session_hash),
                            P_INT(now - TOUCH_AFTER)),
                        &rows, NULL);
    return is_ok(r) && rows.n > 0;
}

RESULT session_end(struct db *db, struct arena *a, struct str id, struct err *e)
{
    struct str hash;
    TRY(keyed_hash_of_str(db, a, id, &hash, e));
    return db_run(db, SQL("DELETE FROM sessions WHERE hash = $1 AND kind = 'session'", P_BLOB(hash)), e);
}

/* ---- OAuth ---- */

static RESULT find_client(struct db *db, struct arena *a, struct str client_id, const struct secret *client_secret,
                          int64_t *ret_user_id, int64_t *ret_policy_id, struct err *e)
{
    struct rows rows = {0};
    struct str hash;
    TRY(keyed_hash_of(db, a, client_secret, &hash, e));
    if (client_id.n > 0 && text_is_utf8(client_id))
        TRY(db_query(db, a,
                     SQL("SELECT id, COALESCE(access_policy_id, 0), client_secret_hash FROM users WHERE client_id = $1"
                         " AND user_type = 'Application' AND is_deleted = 0 AND is_disabled = 0"
                         " AND is_quarantined = 0 AND client_secret_hash IS NOT NULL",
                         P_TEXT(client_id)),
                     &rows, e));
    if (rows.n == 0 || row_blob(&rows, 0, 2).n != hash.n ||
        !equal_constant_time(row_blob(&rows, 0, 2).p, hash.p, hash.n))
        return FAIL(e, UNAUTHENTICATED, "Invalid credentials");
    *ret_user_id = row_int(&rows, 0, 0);
    *ret_policy_id = row_int(&rows, 0, 1);
    return SUCCESS;
}

RESULT bearer_create(struct db *db, struct arena *a, struct str client_id, const struct secret *client_secret,
                     struct str address, bool is_loopback, int64_t now, struct secret **ret_token, int64_t *ret_seconds,
                     struct err *e)
{
    int64_t user_id = 0, policy_id = 0;
    struct registration r;
    TRY(find_client(db, a, client_id, client_secret, &user_id, &policy_id, e));
    result found = registration_get(db, a, policy_id, &r, e);
    if (found.code == NOT_FOUND)
        return FAIL(e, UNAUTHENTICATED, "Invalid credentials");
    TRY(found);
    if (!r.is_active || !str_equal(r.type, S("apiaccesspolicy")) || !registration_allows(&r, address, is_loopback))
        return FAIL(e, UNAUTHENTICATED, "Invalid credentials");
    struct secret *token = random_secret_text(a, key_alphabet, BEARER_CHARACTERS);
    TRY(insert(db, a, "bearer", token, user_id, &r, 0, now, now + r.token_minutes * MINUTES, e));
    *ret_token = token;
    *ret_seconds = r.token_minutes * 60;
    return SUCCESS;
}

RESULT bearer_admit(struct db *db, struct arena *a, struct str token, int64_t now, struct caller *ret,
                    struct registration *ret_registration, struct err *e)
{
    struct caller who = *ret;
    struct registration r;
    TRY(admit(db, a, "bearer", token, INT64_MIN, now, &who, &r, e));
    *ret = who;
    *ret_registration = r;
    return SUCCESS;
}
