/* rotation/version.c: the versions of an account's secret: added, read back, opened; never discarded. */
#include "rotation/version.h"

#define VERSION_COLUMNS                                                                                                \
    "account_id, number, standing, password IS NOT NULL, private_key IS NOT NULL, passphrase IS NOT NULL, "            \
    "key_is_ours, "                                                                                                    \
    "is_last_proved, public_key, proved_by, proved_at, made_by, made_at"

static struct version version_of(const struct rows *r, size_t i)
{
    return (struct version){.account_id = row_int(r, i, 0),
                            .number = row_int(r, i, 1),
                            .standing = row_text(r, i, 2),
                            .has_password = row_flag(r, i, 3),
                            .has_private_key = row_flag(r, i, 4),
                            .has_passphrase = row_flag(r, i, 5),
                            .key_is_ours = row_flag(r, i, 6),
                            .is_last_proved = row_flag(r, i, 7),
                            .public_key = row_text(r, i, 8),
                            .proved_by = row_text(r, i, 9),
                            .proved_at = row_int(r, i, 10),
                            .made_by = row_int(r, i, 11),
                            .made_at = row_int(r, i, 12)};
}

result version_get(struct db *db, struct arena *a, int64_t account_id, int64_t number, struct version *ret,
                   struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a,
                     SQL("SELECT " VERSION_COLUMNS " FROM versions WHERE account_id = $1 AND number = $2",
                         P_INT(account_id), P_INT(number)),
                     "Version", &r, e));
    *ret = version_of(&r, 0);
    return SUCCESS;
}

result version_list(struct db *db, struct arena *a, int64_t account_id, struct version **ret, size_t *ret_n,
                    struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT " VERSION_COLUMNS " FROM versions WHERE account_id = $1 ORDER BY number DESC LIMIT 1000",
                     P_INT(account_id)),
                 &r, e));
    *ret = arena_array(a, struct version, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = version_of(&r, i);
    *ret_n = r.n;
    return SUCCESS;
}

result version_last_proved(struct db *db, struct arena *a, int64_t account_id, int64_t *ret_number, struct err *e)
{
    struct rows r;
    TRY(db_query(
        db, a,
        SQL("SELECT number FROM versions WHERE account_id = $1 AND is_last_proved = 1 ORDER BY number DESC LIMIT 1",
            P_INT(account_id)),
        &r, e));
    *ret_number = r.n ? row_int(&r, 0, 0) : 0;
    return SUCCESS;
}

result version_key_is_ours(struct db *db, int64_t account_id, int64_t number, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE versions SET key_is_ours = 1 WHERE account_id = $1 AND number = $2", P_INT(account_id),
                      P_INT(number)),
                  e);
}

result version_key_is_gone(struct db *db, int64_t account_id, int64_t number, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE versions SET key_is_ours = 0 WHERE account_id = $1 AND number = $2", P_INT(account_id),
                      P_INT(number)),
                  e);
}

static struct place part_place(const char *part, int64_t account_id, int64_t number)
{
    return (struct place){.table = "versions", .column = part, .row = account_id, .version = number};
}

static result open_part(const struct keyring *keys, const char *part, int64_t account_id, int64_t number,
                        struct str blob, struct arena *a, struct secret **ret, struct err *e)
{
    *ret = NULL;
    if (!str_is_set(blob))
        return SUCCESS;
    return unseal_value(keys, part_place(part, account_id, number), blob, a, ret, e);
}

result version_open(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t number,
                    struct login_secret *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a,
                     SQL("SELECT password, private_key, passphrase FROM versions WHERE account_id = $1 AND number = $2",
                         P_INT(account_id), P_INT(number)),
                     "Version", &r, e));
    struct login_secret opened;
    TRY(open_part(keys, "password", account_id, number, row_blob(&r, 0, 0), a, &opened.password, e));
    TRY(open_part(keys, "private_key", account_id, number, row_blob(&r, 0, 1), a, &opened.private_key, e));
    TRY(open_part(keys, "passphrase", account_id, number, row_blob(&r, 0, 2), a, &opened.passphrase, e));
    *ret = opened;
    return SUCCESS;
}

static result seal_part(const struct keyring *keys, const char *part, int64_t account_id, int64_t number,
                        const struct secret *s, struct arena *a, struct str *ret, struct err *e)
{
    *ret = STR_ABSENT;
    if (!s)
        return SUCCESS;
    return seal_value(keys, part_place(part, account_id, number), s, a, ret, e);
}

/* What the new version holds: what was given, the rest from the current one. */
static result whole_version(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id,
                            int64_t current, const struct version_secret *with, struct login_secret *ret,
                            struct version *ret_like, struct err *e)
{
    struct login_secret before = {0};
    *ret_like = (struct version){.public_key = S("")};
    if (current > 0) {
        TRY(version_open(db, a, keys, account_id, current, &before, e));
        TRY(version_get(db, a, account_id, current, ret_like, e));
    }
    ret->password = with->password ? with->password : before.password;
    ret->private_key = with->private_key ? with->private_key : before.private_key;
    ret->passphrase = with->private_key ? with->passphrase : before.passphrase;
    if (with->private_key) {
        ret_like->public_key = str_is_set(with->public_key) ? with->public_key : S("");
        ret_like->key_is_ours = false;
    }
    return SUCCESS;
}

static result read_back(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t number,
                        const struct login_secret *given, struct err *e)
{
    struct login_secret stored;
    TRY(version_open(db, a, keys, account_id, number, &stored, e));
    if (!secret_equal(stored.password, given->password) || !secret_equal(stored.private_key, given->private_key) ||
        !secret_equal(stored.passphrase, given->passphrase))
        return FAIL(e, INTERNAL, "version %" PRId64 " of account %" PRId64 " reads back differently", number,
                    account_id);
    return SUCCESS;
}

result version_make(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id,
                    const struct version_secret *with, int64_t by, int64_t now, int64_t *ret_number, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a,
                     SQL("UPDATE managed_accounts SET last_version = last_version + 1 WHERE id = $1 "
                         "RETURNING last_version, current_version",
                         P_INT(account_id)),
                     "Managed Account", &r, e));
    int64_t number = row_int(&r, 0, 0);
    struct login_secret whole;
    struct version like;
    TRY(whole_version(db, a, keys, account_id, row_int(&r, 0, 1), with, &whole, &like, e));
    struct str password, private_key, passphrase;
    TRY(seal_part(keys, "password", account_id, number, whole.password, a, &password, e));
    TRY(seal_part(keys, "private_key", account_id, number, whole.private_key, a, &private_key, e));
    TRY(seal_part(keys, "passphrase", account_id, number, whole.passphrase, a, &passphrase, e));
    TRY(db_run(db,
               SQL("INSERT INTO versions (account_id, number, standing, password, private_key, passphrase, public_key, "
                   "key_is_ours, made_by, made_at) VALUES ($1, $2, 'pending', $3, $4, $5, $6, $7, $8, $9)",
                   P_INT(account_id), P_INT(number), P_BLOB(password), P_BLOB(private_key), P_BLOB(passphrase),
                   P_TEXT(like.public_key), P_INT(like.key_is_ours), P_INT(by), P_INT(now)),
               e));
    TRY(read_back(db, a, keys, account_id, number, &whole, e));
    *ret_number = number;
    return SUCCESS;
}
