/* identity/device.c: devices and their keys. */
#include "identity/device.h"

#include "base/text.h"
#include "crypto/random.h"
#include "identity/keyed.h"
#include "identity/user.h"

enum { NAME_MAX_CHARACTERS = 255, KEY_CHARACTERS = 44, KEY_BYTES_MAX = 256 };

#define DEVICE_COLUMNS                                                                                                 \
    "d.id, d.host_name, d.nickname, COALESCE(d.default_user_id, 0), COALESCE(u.name, ''), d.last_seen, d.updated_by,"  \
    " d.updated_at"
#define DEVICE_FROM "FROM devices d LEFT JOIN users u ON u.id = d.default_user_id"

/* Connected is a device that has been seen. All are bot runners, but PostgreSQL does not sort by a bare constant. */
const struct column device_columns[] = {
    {"id", COLUMN_ID, "d.id"},
    {"hostName", COLUMN_TEXT, "d.host_name_key"},
    {"nickname", COLUMN_TEXT, "d.nickname_key"},
    {"userId", COLUMN_ID, "d.default_user_id", .may_be_null = true},
    {"userName", COLUMN_TEXT, "COALESCE(u.name_key, '')"},
    {"status", COLUMN_TEXT, "CASE WHEN d.last_seen = 0 THEN 'disconnected' ELSE 'connected' END"},
    {"type", COLUMN_TEXT, "CASE WHEN d.id = 0 THEN '' ELSE 'bot_runner' END"},
    {"updatedOn", COLUMN_TIME, "d.updated_at"},
    {0},
};

static struct device device_of_row(const struct rows *r, size_t i)
{
    return (struct device){
        .id = row_int(r, i, 0),
        .host_name = row_text(r, i, 1),
        .nickname = row_text(r, i, 2),
        .default_user_id = row_int(r, i, 3),
        .default_user_name = row_text(r, i, 4),
        .last_seen = row_int(r, i, 5),
        .updated_by = row_int(r, i, 6),
        .updated_at = row_int(r, i, 7),
    };
}

static RESULT check(struct db *db, struct arena *a, const struct device *d, struct str nickname, struct err *e)
{
    bool is_enabled;
    struct rows rows;
    if (d->default_user_id)
        TRY(user_exists(db, a, d->default_user_id, &is_enabled, e));
    if (!str_is_set(d->host_name) || !text_is_utf8(d->host_name) || text_key(a, d->host_name).n == 0)
        return FAIL(e, INVALID, "hostName: is required");
    if (text_length(d->host_name) > NAME_MAX_CHARACTERS || text_has_control(d->host_name))
        return FAIL(e, INVALID, "hostName: is longer than %d characters or has control characters",
                    NAME_MAX_CHARACTERS);
    if (!text_is_utf8(nickname) || text_length(nickname) > NAME_MAX_CHARACTERS || text_has_control(nickname))
        return FAIL(e, INVALID, "nickname: is longer than %d characters or has control characters",
                    NAME_MAX_CHARACTERS);
    TRY(db_query(db, a,
                 SQL("SELECT id FROM devices WHERE host_name_key = $1 AND id <> $2", P_TEXT(text_key(a, d->host_name)),
                     P_INT(d->id)),
                 &rows, e));
    if (rows.n > 0)
        return FAIL(e, CONFLICT, "The host name is taken");
    return SUCCESS;
}

static RESULT new_key(struct db *db, struct arena *a, struct secret **ret_key, struct str *ret_hash, struct err *e)
{
    *ret_key = random_secret_text(a, key_alphabet, KEY_CHARACTERS);
    return keyed_hash_of(db, a, *ret_key, ret_hash, e);
}

static struct param default_user_of(const struct device *d)
{
    return d->default_user_id ? P_INT(d->default_user_id) : P_NULL;
}

RESULT device_create(struct db *db, struct arena *a, const struct device *with, int64_t by, int64_t now,
                     int64_t *ret_id, struct secret **ret_key, struct err *e)
{
    struct secret *key;
    struct str hash;
    struct device d = *with;
    struct str nickname = str_is_set(with->nickname) ? text_trim(with->nickname) : S("");
    d.id = 0;
    TRY(check(db, a, &d, nickname, e));
    TRY(new_key(db, a, &key, &hash, e));
    TRY(db_insert(db,
                  SQL("INSERT INTO devices (host_name, host_name_key, nickname, nickname_key, default_user_id,"
                      " key_hash, updated_by, updated_at) VALUES ($1, $2, $3, $4, CAST($5 AS bigint), $6, $7, $8)"
                      " ON CONFLICT DO NOTHING RETURNING id",
                      P_TEXT(text_trim(d.host_name)), P_TEXT(text_key(a, d.host_name)), P_TEXT(nickname),
                      P_TEXT(text_key(a, nickname)), default_user_of(&d), P_BLOB(hash), P_INT(by), P_INT(now)),
                  ret_id, "The host name is taken", e));
    *ret_key = key;
    return SUCCESS;
}

RESULT device_update(struct db *db, struct arena *a, const struct device *with, int64_t by, int64_t now, struct err *e)
{
    struct device was;
    struct str nickname = str_is_set(with->nickname) ? text_trim(with->nickname) : S("");
    TRY(device_get(db, a, with->id, &was, e));
    TRY(check(db, a, with, nickname, e));
    return db_run(db,
                  SQL("UPDATE devices SET host_name = $2, host_name_key = $3, nickname = $4, nickname_key = $5,"
                      " default_user_id = CAST($6 AS bigint), updated_by = $7, updated_at = $8 WHERE id = $1",
                      P_INT(with->id), P_TEXT(text_trim(with->host_name)), P_TEXT(text_key(a, with->host_name)),
                      P_TEXT(nickname), P_TEXT(text_key(a, nickname)), default_user_of(with), P_INT(by), P_INT(now)),
                  e);
}

RESULT device_delete(struct db *db, int64_t id, struct err *e)
{
    int64_t deleted;
    TRY(db_run_counting(db, SQL("DELETE FROM devices WHERE id = $1", P_INT(id)), &deleted, e));
    return deleted > 0 ? SUCCESS : FAIL(e, NOT_FOUND, "Device not found");
}

RESULT device_new_key(struct db *db, struct arena *a, int64_t id, struct secret **ret_key, struct err *e)
{
    int64_t changed;
    struct secret *key;
    struct str hash;
    TRY(new_key(db, a, &key, &hash, e));
    TRY(db_run_counting(db, SQL("UPDATE devices SET key_hash = $2 WHERE id = $1", P_INT(id), P_BLOB(hash)), &changed,
                        e));
    if (changed == 0)
        return FAIL(e, NOT_FOUND, "Device not found");
    *ret_key = key;
    return SUCCESS;
}

RESULT device_get(struct db *db, struct arena *a, int64_t id, struct device *ret, struct err *e)
{
    struct rows rows;
    TRY(db_query_one(db, a, SQL("SELECT " DEVICE_COLUMNS " " DEVICE_FROM " WHERE d.id = $1", P_INT(id)), "Device",
                     &rows, e));
    *ret = device_of_row(&rows, 0);
    return SUCCESS;
}

RESULT device_by_key(struct db *db, struct arena *a, struct str key, struct device *ret, struct err *e)
{
    struct rows rows = {0};
    struct str hash;
    if (key.n > 0 && key.n <= KEY_BYTES_MAX) {
        TRY(keyed_hash_of_str(db, a, key, &hash, e));
        TRY(db_query(db, a, SQL("SELECT " DEVICE_COLUMNS " " DEVICE_FROM " WHERE d.key_hash = $1", P_BLOB(hash)), &rows,
                     e));
    }
    if (rows.n == 0)
        return FAIL(e, UNAUTHENTICATED, "Invalid credentials");
    *ret = device_of_row(&rows, 0);
    return SUCCESS;
}

RESULT device_seen(struct db *db, int64_t id, int64_t now, struct err *e)
{
    return db_run(db, SQL("UPDATE devices SET last_seen = $2 WHERE id = $1", P_INT(id), P_INT(now)), e);
}

RESULT device_list(struct db *db, struct arena *a, const struct listing *l, struct counts *ret_counts,
                   struct device **ret, size_t *ret_n, struct err *e)
{
    struct builder from;
    struct counts counts;
    struct rows rows;
    builder_init(&from, a);
    builder_add(&from, DEVICE_FROM " WHERE 1 = 1");
    TRY(filter_run(db, a, DEVICE_COLUMNS, &from, l, "d.id", &counts, &rows, e));
    struct device *devices = arena_array(a, struct device, rows.n);
    for (size_t i = 0; i < rows.n; i++)
        devices[i] = device_of_row(&rows, i);
    *ret = devices;
    *ret_n = rows.n;
    *ret_counts = counts;
    return SUCCESS;
}
