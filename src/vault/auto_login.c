/* vault/auto_login.c: the one stored Windows login of a user. */
#include "vault/auto_login.h"

#include "base/text.h"
#include "identity/user.h"
#include "vault/kept.h"

enum { LOGIN_NAME_LENGTH_MAX = 255, PASSWORD_BYTES_MAX = 1024 };

struct stored_login {
    struct auto_login login;
    struct str sealed;
};

static RESULT load(struct db *db, struct arena *a, int64_t user_id, struct stored_login *ret, struct err *e)
{
    struct rows rows;
    TRY(db_query_one(db, a,
                     SQL("SELECT user_id, kept_by, version, updated_by, updated_at, login_name, sealed FROM auto_logins"
                         " WHERE user_id = $1",
                         P_INT(user_id)),
                     "Auto-login", &rows, e));
    *ret = (struct stored_login){.login = {.user_id = row_int(&rows, 0, 0),
                                           .kept_by = row_int(&rows, 0, 1),
                                           .version = row_int(&rows, 0, 2),
                                           .updated_by = row_int(&rows, 0, 3),
                                           .updated_at = row_int(&rows, 0, 4),
                                           .login_name = row_text(&rows, 0, 5)},
                                 .sealed = row_blob(&rows, 0, 6)};
    return SUCCESS;
}

RESULT auto_login_get(struct db *db, struct arena *a, int64_t user_id, struct auto_login *ret, struct err *e)
{
    struct stored_login stored;
    TRY(load(db, a, user_id, &stored, e));
    *ret = stored.login;
    return SUCCESS;
}

static struct place place_of(int64_t user_id, int64_t version)
{
    return (struct place){.table = "auto_logins", .column = "password", .row = user_id, .version = version};
}

RESULT auto_login_open(struct db *db, struct arena *a, const struct keyring *keys, int64_t user_id,
                       struct auto_login *ret, struct secret **ret_password, struct err *e)
{
    struct stored_login stored;
    struct secret *password;
    TRY(load(db, a, user_id, &stored, e));
    TRY(unseal_value(keys, place_of(user_id, stored.login.version), stored.sealed, a, &password, e));
    *ret = stored.login;
    *ret_password = password;
    return SUCCESS;
}

/* ---- storing ---- */

static RESULT check(struct str login_name, const struct secret *password, struct err *e)
{
    if (login_name.n == 0)
        return FAIL(e, INVALID, "login name: is required");
    if (!text_is_utf8(login_name) || str_find_char(login_name, '\r') >= 0 || str_find_char(login_name, '\n') >= 0)
        return FAIL(e, INVALID, "login name: is not UTF-8, or has U+0000, CR or LF");
    if (text_length(login_name) > LOGIN_NAME_LENGTH_MAX)
        return FAIL(e, INVALID, "login name: has more than %d characters", LOGIN_NAME_LENGTH_MAX);
    if (secret_length(password) == 0)
        return FAIL(e, INVALID, "password: is required");
    if (secret_length(password) > PASSWORD_BYTES_MAX)
        return FAIL(e, INVALID, "password: has more than %d bytes", PASSWORD_BYTES_MAX);
    if (secret_has_any(password, "\0\r\n", 3) || !secret_is_utf8(password))
        return FAIL(e, INVALID, "password: is not UTF-8, or has U+0000, CR or LF");
    return SUCCESS;
}

struct login_write {
    int64_t user_id, kept_by, by, now;
    struct str name;
    const struct secret *password;
};

/* A version is never given twice, not even after a deletion, so that a blob of yesterday opens nowhere. */
static RESULT write_login(struct db *db, struct arena *a, const struct keyring *keys, const struct login_write *w,
                          struct err *e)
{
    struct str sealed;
    struct auto_login stored;
    struct secret *found;
    int64_t version;
    TRY(db_next_number(db, "auto_logins.version", 1, &version, e));
    TRY(seal_value(keys, place_of(w->user_id, version), w->password, a, &sealed, e));
    TRY(db_run(db,
               SQL("INSERT INTO auto_logins (user_id, login_name, sealed, kept_by, version, created_by, created_at,"
                   " updated_by, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $6, $7)"
                   " ON CONFLICT (user_id) DO UPDATE SET login_name = excluded.login_name, sealed = excluded.sealed,"
                   " kept_by = excluded.kept_by, version = excluded.version, updated_by = excluded.updated_by,"
                   " updated_at = excluded.updated_at",
                   P_INT(w->user_id), P_TEXT(w->name), P_BLOB(sealed), P_INT(w->kept_by), P_INT(version), P_INT(w->by),
                   P_INT(w->now)),
               e));
    TRY(auto_login_open(db, a, keys, w->user_id, &stored, &found, e));
    if (!secret_equal(found, w->password) || !str_equal(stored.login_name, w->name))
        return FAIL(e, INTERNAL, "an auto-login was read back other than it was written");
    return SUCCESS;
}

/* n 0: there is none. */
static RESULT kept_by_of(struct db *db, struct arena *a, int64_t user_id, struct rows *ret, struct err *e)
{
    return db_query(db, a, SQL("SELECT kept_by FROM auto_logins WHERE user_id = $1", P_INT(user_id)), ret, e);
}

RESULT auto_login_store(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who,
                        enum auto_login_way way, int64_t user_id, struct str login_name, const struct secret *password,
                        int64_t now, struct err *e)
{
    bool is_enabled;
    struct rows present;
    TRY(check(login_name, password, e));
    TRY(user_exists(db, a, user_id, &is_enabled, e));
    TRY(kept_by_of(db, a, user_id, &present, e));
    if (present.n > 0)
        TRY(refuse_kept(db, a, row_int(&present, 0, 0), e));
    if (present.n > 0 && way == AUTO_LOGIN_CREATE)
        return FAIL(e, CONFLICT, "The user has an auto-login already");
    return write_login(
        db, a, keys,
        &(struct login_write){
            .user_id = user_id, .by = who->user_id, .now = now, .name = login_name, .password = password},
        e);
}

RESULT auto_login_delete(struct db *db, struct arena *a, const struct caller *who, int64_t user_id, int64_t now,
                         struct err *e)
{
    struct auto_login login;
    (void)who;
    (void)now;
    TRY(auto_login_get(db, a, user_id, &login, e));
    TRY(refuse_kept(db, a, login.kept_by, e));
    return db_run(db, SQL("DELETE FROM auto_logins WHERE user_id = $1", P_INT(user_id)), e);
}

/* ---- for the keeper ---- */

RESULT auto_login_audience_grew(struct db *db, struct arena *a, int64_t user_id, struct str how, struct err *e)
{
    struct rows present;
    TRY(kept_by_of(db, a, user_id, &present, e));
    if (present.n == 0 || row_int(&present, 0, 0) == 0)
        return SUCCESS;
    return vault_keeper()->audience_grew(db, a, row_int(&present, 0, 0), how, e);
}

RESULT auto_login_may_keep(struct db *db, struct arena *a, int64_t user_id, int64_t kept_by, struct str login_name,
                           const struct secret *password, struct err *e)
{
    struct rows present;
    TRY(check(login_name, password, e));
    TRY(kept_by_of(db, a, user_id, &present, e));
    if (present.n > 0 && row_int(&present, 0, 0) != 0 && row_int(&present, 0, 0) != kept_by)
        return FAIL(e, CONFLICT, "The auto-login follows something else");
    return SUCCESS;
}

RESULT auto_login_keep(struct db *db, struct arena *a, const struct keyring *keys, int64_t user_id, int64_t kept_by,
                       struct str login_name, const struct secret *password, int64_t now, struct err *e)
{
    TRY(auto_login_may_keep(db, a, user_id, kept_by, login_name, password, e));
    return write_login(
        db, a, keys,
        &(struct login_write){
            .user_id = user_id, .kept_by = kept_by, .now = now, .name = login_name, .password = password},
        e);
}

RESULT auto_login_erase_kept(struct db *db, int64_t user_id, int64_t kept_by, struct err *e)
{
    return db_run(
        db, SQL("DELETE FROM auto_logins WHERE user_id = $1 AND kept_by = $2", P_INT(user_id), P_INT(kept_by)), e);
}

RESULT auto_login_forget_user(struct db *db, struct arena *a, int64_t user_id, int64_t now, struct err *e)
{
    struct rows present;
    TRY(kept_by_of(db, a, user_id, &present, e));
    for (size_t i = 0; i < present.n; i++)
        if (row_int(&present, i, 0) != 0)
            TRY(vault_keeper()->end(db, a, row_int(&present, i, 0), now, e));
    return db_run(db, SQL("DELETE FROM auto_logins WHERE user_id = $1", P_INT(user_id)), e);
}
