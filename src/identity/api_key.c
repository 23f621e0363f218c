/* identity/api_key.c: API keys of people. */
#include "identity/api_key.h"

#include "base/text.h"
#include "crypto/random.h"
#include "identity/keyed.h"
#include "identity/user.h"

enum { NAME_MAX_CHARACTERS = 255, KEY_CHARACTERS = 40 };

RESULT api_key_create(struct db *db, struct arena *a, int64_t user_id, struct str name, int64_t now,
                      struct api_key *ret, struct secret **ret_key, struct err *e)
{
    bool is_enabled;
    struct str hash;
    struct api_key made = {.created_at = now, .name = text_trim(name)};
    TRY(user_exists(db, a, user_id, &is_enabled, e));
    if (!str_is_set(name) || !text_is_utf8(name) || text_key(a, name).n == 0)
        return FAIL(e, INVALID, "name: is required");
    if (text_length(made.name) > NAME_MAX_CHARACTERS || text_has_control(made.name))
        return FAIL(e, INVALID, "name: is longer than %d characters or has control characters", NAME_MAX_CHARACTERS);
    struct secret *key = random_secret_text(a, key_alphabet, KEY_CHARACTERS);
    TRY(keyed_hash_of(db, a, key, &hash, e));
    TRY(db_insert(db,
                  SQL("INSERT INTO api_keys (user_id, name, name_key, hash, created_at) VALUES ($1, $2, $3, $4, $5)"
                      " ON CONFLICT DO NOTHING RETURNING id",
                      P_INT(user_id), P_TEXT(made.name), P_TEXT(text_key(a, made.name)), P_BLOB(hash), P_INT(now)),
                  &made.id, "The name is taken", e));
    *ret = made;
    *ret_key = key;
    return SUCCESS;
}

RESULT api_key_list(struct db *db, struct arena *a, int64_t user_id, struct api_key **ret, size_t *ret_n, struct err *e)
{
    struct rows rows;
    TRY(db_query(
        db, a, SQL("SELECT id, name, created_at, used_at FROM api_keys WHERE user_id = $1 ORDER BY id", P_INT(user_id)),
        &rows, e));
    struct api_key *keys = arena_array(a, struct api_key, rows.n);
    for (size_t i = 0; i < rows.n; i++)
        keys[i] = (struct api_key){.id = row_int(&rows, i, 0),
                                   .name = row_text(&rows, i, 1),
                                   .created_at = row_int(&rows, i, 2),
                                   .used_at = row_int(&rows, i, 3)};
    *ret = keys;
    *ret_n = rows.n;
    return SUCCESS;
}

RESULT api_key_delete(struct db *db, int64_t user_id, int64_t id, struct err *e)
{
    int64_t deleted;
    TRY(db_run_counting(db, SQL("DELETE FROM api_keys WHERE id = $1 AND user_id = $2", P_INT(id), P_INT(user_id)),
                        &deleted, e));
    return deleted > 0 ? SUCCESS : FAIL(e, NOT_FOUND, "API key not found");
}

/* The key alone names its owner; the name sent with it has to be his. */
RESULT api_key_look(struct db *db, struct arena *a, struct str user_name, const struct secret *key,
                    int64_t *ret_user_id, int64_t *ret_key_id, struct err *e)
{
    struct rows rows;
    struct str hash;
    int64_t named_id = 0;
    result r = user_id_by_name(db, a, user_name, &named_id, e);
    if (r.code != NOT_FOUND)
        TRY(r);
    TRY(keyed_hash_of(db, a, key, &hash, e));
    TRY(db_query(db, a,
                 SQL("SELECT k.id FROM api_keys k JOIN users u ON u.id = k.user_id AND u.is_deleted = 0"
                     " AND u.is_disabled = 0 AND u.is_quarantined = 0 WHERE k.hash = $1 AND k.user_id = $2",
                     P_BLOB(hash), P_INT(named_id)),
                 &rows, e));
    if (rows.n == 0)
        return FAIL(e, UNAUTHENTICATED, "Invalid credentials");
    *ret_user_id = named_id;
    *ret_key_id = row_int(&rows, 0, 0);
    return SUCCESS;
}

RESULT api_key_find(struct db *db, struct arena *a, struct str user_name, const struct secret *key, int64_t now,
                    int64_t *ret_user_id, int64_t *ret_key_id, struct err *e)
{
    int64_t user_id, key_id;
    TRY(api_key_look(db, a, user_name, key, &user_id, &key_id, e));
    TRY(db_run(db, SQL("UPDATE api_keys SET used_at = $2 WHERE id = $1", P_INT(key_id), P_INT(now)), e));
    *ret_user_id = user_id;
    *ret_key_id = key_id;
    return SUCCESS;
}
