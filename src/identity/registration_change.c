/* identity/registration_change.c: making, changing and deleting API registrations, and their keys. */
#include "base/text.h"
#include "crypto/random.h"
#include "identity/keyed.h"
#include "identity/registration.h"

enum { NAME_MAX_CHARACTERS = 255, KEY_CHARACTERS = 128, MINUTES_MAX = 525600 };

static struct place place_of(int64_t id, int64_t key_version)
{
    return (struct place){"registrations", "key", id, key_version};
}

static RESULT check(struct db *db, struct arena *a, const struct registration *r, struct err *e)
{
    struct rows rows;
    if (!text_is_utf8(r->name) || text_has_control(r->name) || text_length(r->name) > NAME_MAX_CHARACTERS)
        return FAIL(e, INVALID, "Name: is longer than %d characters or has control characters", NAME_MAX_CHARACTERS);
    if (text_key(a, r->name).n == 0)
        return FAIL(e, INVALID, "Name: is required");
    if (!str_equal(r->type, S("apikeypolicy")) && !str_equal(r->type, S("apiaccesspolicy")))
        return FAIL(e, INVALID, "RegistrationType: must be apikeypolicy or apiaccesspolicy");
    if (r->token_minutes < 1 || r->token_minutes > MINUTES_MAX)
        return FAIL(e, INVALID, "AccessTokenDuration: must be 1 to %d minutes", MINUTES_MAX);
    TRY(db_query(db, a,
                 SQL("SELECT id FROM registrations WHERE name_key = $1 AND id <> $2", P_TEXT(text_key(a, r->name)),
                     P_INT(r->id)),
                 &rows, e));
    if (rows.n > 0)
        return FAIL(e, CONFLICT, "An API Registration with this name already exists");
    return SUCCESS;
}

static RESULT merge(struct registration *r, const struct registration_change *with, struct err *e)
{
    if (str_is_set(with->name))
        r->name = text_trim(with->name);
    if (str_is_set(with->type)) {
        if (r->id != 0 && !str_equal(r->type, with->type))
            return FAIL(e, INVALID, "RegistrationType: cannot be changed");
        r->type = with->type;
    }
    if (with->is_active.is_set)
        r->is_active = with->is_active.value;
    if (with->is_visible.is_set)
        r->is_visible = with->is_visible.value;
    if (with->user_password_required.is_set)
        r->user_password_required = with->user_password_required.value;
    if (with->token_minutes.is_set)
        r->token_minutes = with->token_minutes.value;
    return SUCCESS;
}

static RESULT write_rules(struct db *db, int64_t id, const struct list *rules, int64_t now, struct err *e)
{
    const struct registration_rule *rule = rules->at;
    TRY(db_run(db, SQL("DELETE FROM registration_rules WHERE registration_id = $1", P_INT(id)), e));
    for (size_t i = 0; i < rules->n; i++) {
        TRY(registration_rule_check(rule[i].type, rule[i].value, e));
        struct str description = str_is_set(rule[i].description) ? rule[i].description : S("");
        TRY(db_run(db,
                   SQL("INSERT INTO registration_rules (registration_id, type, value, description, created_at)"
                       " VALUES ($1, $2, $3, $4, $5)",
                       P_INT(id), P_TEXT(rule[i].type), P_TEXT(rule[i].value), P_TEXT(description),
                       P_INT(rule[i].created_at ? rule[i].created_at : now)),
                   e));
    }
    return SUCCESS;
}

/* The version is part of the place where the key is sealed, and of each session: a new key ends the old one's. */
static RESULT set_key(struct db *db, struct arena *a, const struct keyring *keys, int64_t id, int64_t key_version,
                      const struct secret *key, struct err *e)
{
    struct rows rows;
    struct str hash, sealed;
    TRY(keyed_hash_of(db, a, key, &hash, e));
    TRY(db_query(db, a, SQL("SELECT id FROM registrations WHERE key_hash = $1", P_BLOB(hash)), &rows, e));
    if (rows.n > 0)
        return FAIL(e, CONFLICT, "Another registration has this key");
    TRY(seal_value(keys, place_of(id, key_version), key, a, &sealed, e));
    return db_run(db,
                  SQL("UPDATE registrations SET key_hash = $2, key_sealed = $3, key_version = $4 WHERE id = $1",
                      P_INT(id), P_BLOB(hash), P_BLOB(sealed), P_INT(key_version)),
                  e);
}

RESULT registration_create(struct db *db, struct arena *a, const struct keyring *keys,
                           const struct registration_change *with, const struct secret *key, int64_t now,
                           int64_t *ret_id, struct secret **ret_key, struct err *e)
{
    struct registration r = {.type = S("apikeypolicy"), .name = S(""), .is_visible = true, .token_minutes = 60};
    struct secret *made = NULL;
    TRY(merge(&r, with, e));
    TRY(check(db, a, &r, e));
    TRY(db_insert(db,
                  SQL("INSERT INTO registrations (name, name_key, type, is_active, is_visible, token_minutes,"
                      " user_password_required, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
                      " ON CONFLICT DO NOTHING RETURNING id",
                      P_TEXT(r.name), P_TEXT(text_key(a, r.name)), P_TEXT(r.type), P_INT(r.is_active),
                      P_INT(r.is_visible), P_INT(r.token_minutes), P_INT(r.user_password_required), P_INT(now)),
                  &r.id, "An API Registration with this name already exists", e));
    TRY(write_rules(db, r.id, &with->rules, now, e));
    if (str_equal(r.type, S("apikeypolicy"))) {
        made = key ? secret_copy(a, key) : random_secret_text(a, key_alphabet, KEY_CHARACTERS);
        TRY(set_key(db, a, keys, r.id, 1, made, e));
    }
    *ret_id = r.id;
    *ret_key = made;
    return SUCCESS;
}

static RESULT end_sessions(struct db *db, int64_t id, struct err *e)
{
    return db_run(db, SQL("DELETE FROM sessions WHERE registration_id = $1", P_INT(id)), e);
}

RESULT registration_update(struct db *db, struct arena *a, int64_t id, const struct registration_change *with,
                           int64_t now, struct err *e)
{
    struct registration r;
    TRY(registration_get(db, a, id, &r, e));
    TRY(merge(&r, with, e));
    TRY(check(db, a, &r, e));
    TRY(db_run(db,
               SQL("UPDATE registrations SET name = $2, name_key = $3, is_active = $4, is_visible = $5,"
                   " token_minutes = $6, user_password_required = $7 WHERE id = $1",
                   P_INT(id), P_TEXT(r.name), P_TEXT(text_key(a, r.name)), P_INT(r.is_active), P_INT(r.is_visible),
                   P_INT(r.token_minutes), P_INT(r.user_password_required)),
               e));
    if (with->rules.is_set)
        TRY(write_rules(db, id, &with->rules, now, e));
    return r.is_active ? SUCCESS : end_sessions(db, id, e);
}

RESULT registration_delete(struct db *db, struct arena *a, int64_t id, struct err *e)
{
    int64_t deleted;
    struct rows users;
    TRY(db_query(
        db, a,
        SQL("SELECT name FROM users WHERE access_policy_id = $1 AND is_deleted = 0 ORDER BY id LIMIT 1", P_INT(id)),
        &users, e));
    if (users.n > 0)
        return FAIL(e, CONFLICT, "The registration is the access policy of user %.*s, at least",
                    STR_ARG(row_text(&users, 0, 0)));
    TRY(db_run_counting(db, SQL("DELETE FROM registrations WHERE id = $1", P_INT(id)), &deleted, e));
    return deleted > 0 ? SUCCESS : FAIL(e, NOT_FOUND, "API Registration not found");
}

RESULT registration_key(struct db *db, struct arena *a, const struct keyring *keys, int64_t id, struct secret **ret,
                        struct err *e)
{
    struct rows rows;
    TRY(db_query_one(db, a, SQL("SELECT key_sealed, key_version FROM registrations WHERE id = $1", P_INT(id)),
                     "API Registration", &rows, e));
    if (row_is_null(&rows, 0, 0))
        return FAIL(e, NOT_FOUND, "The registration has no key to show");
    return unseal_value(keys, place_of(id, row_int(&rows, 0, 1)), row_blob(&rows, 0, 0), a, ret, e);
}

RESULT registration_rotate(struct db *db, struct arena *a, const struct keyring *keys, int64_t id, struct secret **ret,
                           struct err *e)
{
    struct registration r;
    TRY(registration_get(db, a, id, &r, e));
    if (!str_equal(r.type, S("apikeypolicy")))
        return FAIL(e, CONFLICT, "A registration of this type has no key");
    struct secret *key = random_secret_text(a, key_alphabet, KEY_CHARACTERS);
    TRY(set_key(db, a, keys, id, r.key_version + 1, key, e));
    TRY(end_sessions(db, id, e));
    *ret = key;
    return SUCCESS;
}
