/* identity/user_change.c: making, changing and deleting users. */
#include <inttypes.h>

#include "base/text.h"
#include "crypto/password.h"
#include "crypto/random.h"
#include "identity/grant.h"
#include "identity/keyed.h"
#include "identity/membership.h"
#include "identity/user.h"

enum { NAME_MAX_CHARACTERS = 255, SECRET_CHARACTERS = 44, CLIENT_ID_BYTES = 16 };

static int64_t id_of(const struct caller *who)
{
    return who ? who->user_id : 0;
}

static struct str or_stored(struct arena *a, struct str given, struct str stored)
{
    if (str_is_set(given))
        return text_trim(given);
    return str_is_set(stored) ? stored : arena_str(a, S(""));
}

static bool or_flag(struct opt_bool given, bool stored)
{
    return given.is_set ? given.value : stored;
}

/* What the user will be. */
static struct user merge(struct arena *a, const struct user *was, const struct user_change *with)
{
    struct user u = *was;
    u.name = or_stored(a, with->name, was->name);
    u.user_type = or_stored(a, with->user_type, was->user_type);
    u.domain = or_stored(a, with->domain, was->domain);
    u.first_name = or_stored(a, with->first_name, was->first_name);
    u.last_name = or_stored(a, with->last_name, was->last_name);
    u.email = or_stored(a, with->email, was->email);
    u.description = or_stored(a, with->description, was->description);
    u.license_features = or_stored(a, with->license_features, was->license_features);
    u.enable_auto_login = or_flag(with->enable_auto_login, was->enable_auto_login);
    u.is_disabled = or_flag(with->is_disabled, was->is_disabled);
    u.is_quarantined = or_flag(with->is_quarantined, was->is_quarantined);
    if (with->access_policy_id.is_set)
        u.access_policy_id = with->access_policy_id.value;
    u.has_password = was->has_password || str_is_set(with->password_hash);
    return u;
}

static RESULT check_fields(struct arena *a, const struct user *u, struct err *e)
{
    const struct {
        const char *name;
        struct str text;
    } texts[] = {{"name", u->name},          {"userType", u->user_type},
                 {"domain", u->domain},      {"firstName", u->first_name},
                 {"lastName", u->last_name}, {"email", u->email}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!text_is_utf8(texts[i].text) || text_has_control(texts[i].text) ||
            text_length(texts[i].text) > NAME_MAX_CHARACTERS)
            return FAIL(e, INVALID, "%s: is longer than %d characters or has control characters", texts[i].name,
                        NAME_MAX_CHARACTERS);
    if (!text_is_utf8(u->description) || !text_is_utf8(u->license_features))
        return FAIL(e, INVALID, "description: is not UTF-8");
    if (text_key(a, u->name).n == 0)
        return FAIL(e, INVALID, "name: is required");
    return SUCCESS;
}

/* User 0 has this name without having a row. */
static RESULT check_name_is_free(struct db *db, struct arena *a, struct str name, int64_t own_id, struct err *e)
{
    struct str key = text_key(a, name);
    struct rows rows;
    TRY(db_query(db, a, SQL("SELECT id FROM users WHERE name_key = $1 AND id <> $2", P_TEXT(key), P_INT(own_id)), &rows,
                 e));
    if (rows.n > 0 || str_equal(key, S("keyturn")))
        return FAIL(e, CONFLICT, "A user with this name already exists");
    return SUCCESS;
}

static RESULT write_user(struct db *db, struct arena *a, const struct user *u, struct str password_hash, int64_t by,
                         int64_t now, struct err *e)
{
    TRY(db_run(db,
               SQL("UPDATE users SET name = $2, name_key = $3, user_type = $4, domain = $5, domain_key = $6,"
                   " first_name = $7, first_name_key = $8, last_name = $9, last_name_key = $10, email = $11,"
                   " email_key = $12, description = $13, description_key = $14, license_features = $15,"
                   " password_hash = COALESCE(CAST($16 AS text), password_hash) WHERE id = $1",
                   P_INT(u->id), P_TEXT(u->name), P_TEXT(text_key(a, u->name)), P_TEXT(u->user_type), P_TEXT(u->domain),
                   P_TEXT(text_key(a, u->domain)), P_TEXT(u->first_name), P_TEXT(text_key(a, u->first_name)),
                   P_TEXT(u->last_name), P_TEXT(text_key(a, u->last_name)), P_TEXT(u->email),
                   P_TEXT(text_key(a, u->email)), P_TEXT(u->description), P_TEXT(text_key(a, u->description)),
                   P_TEXT(u->license_features), P_TEXT(password_hash)),
               e));
    struct param policy = u->access_policy_id ? P_INT(u->access_policy_id) : P_NULL;
    return db_run(db,
                  SQL("UPDATE users SET enable_auto_login = $2, is_disabled = $3, is_quarantined = $4,"
                      " access_policy_id = CAST($5 AS bigint), version = $6, updated_by = $7, updated_at = $8"
                      " WHERE id = $1",
                      P_INT(u->id), P_INT(u->enable_auto_login), P_INT(u->is_disabled), P_INT(u->is_quarantined),
                      policy, P_INT(u->version), P_INT(by), P_INT(now)),
                  e);
}

struct role_plans {
    struct difference controlroom, passwordsafe;
};

static RESULT plan_all_roles(struct db *db, struct arena *a, int64_t id, const struct user_change *with,
                             struct role_plans *ret, struct err *e)
{
    struct role_plans plans = {0};
    if (with->role_numbers.is_set)
        TRY(roles_plan(db, a, id, FACE_CONTROLROOM, &with->role_numbers, "roles", &plans.controlroom, e));
    if (with->group_numbers.is_set)
        TRY(roles_plan(db, a, id, FACE_PASSWORDSAFE, &with->group_numbers, "groups", &plans.passwordsafe, e));
    *ret = plans;
    return SUCCESS;
}

static RESULT apply_all_roles(struct db *db, int64_t id, const struct role_plans *plans, int64_t now, struct err *e)
{
    TRY(roles_apply(db, id, FACE_CONTROLROOM, &plans->controlroom, now, e));
    return roles_apply(db, id, FACE_PASSWORDSAFE, &plans->passwordsafe, now, e);
}

RESULT user_create(struct db *db, struct arena *a, const struct caller *who, const struct user_change *with,
                   int64_t now, int64_t *ret_id, struct err *e)
{
    struct grant g;
    struct role_plans plans;
    struct user u = merge(a, &(struct user){.user_type = S("BeyondInsight"), .enable_auto_login = true}, with);
    TRY(check_fields(a, &u, e));
    if (!str_is_set(with->password_hash) && str_equal(u.user_type, S("BeyondInsight")))
        return FAIL(e, INVALID, "password: is required");
    TRY(grant_begin(db, a, who, &g, e));
    TRY(check_name_is_free(db, a, u.name, 0, e));
    TRY(db_insert(db,
                  SQL("INSERT INTO users (name, name_key, created_by, created_at, updated_by, updated_at)"
                      " VALUES ($1, $2, $3, $4, $3, $4) ON CONFLICT DO NOTHING RETURNING id",
                      P_TEXT(u.name), P_TEXT(text_key(a, u.name)), P_INT(id_of(who)), P_INT(now)),
                  &u.id, "A user with this name already exists", e));
    TRY(write_user(db, a, &u, with->password_hash, id_of(who), now, e));
    TRY(plan_all_roles(db, a, u.id, with, &plans, e));
    TRY(apply_all_roles(db, u.id, &plans, now, e));
    TRY(grant_check_user(db, a, &g, u.id, e));
    *ret_id = u.id;
    return SUCCESS;
}

/* The changes that could hand an identity to somebody, or give it more (keyturn-api 2.3). */
static bool touches_identity(const struct user *was, const struct user *u, const struct user_change *with,
                             const struct role_plans *plans)
{
    bool is_let_in = (was->is_disabled && !u->is_disabled) || (was->is_quarantined && !u->is_quarantined);
    return is_let_in || str_is_set(with->password_hash) || !str_equal(was->name, u->name) ||
           was->access_policy_id != u->access_policy_id || /* from where his client secret is good */
           !difference_is_empty(&plans->controlroom) || !difference_is_empty(&plans->passwordsafe);
}

static RESULT apply(struct db *db, struct arena *a, const struct caller *who, const struct user *was,
                    const struct user *u, const struct user_change *with, const struct role_plans *plans, int64_t now,
                    struct err *e)
{
    bool is_shut_out = (u->is_disabled && !was->is_disabled) || (u->is_quarantined && !was->is_quarantined);
    if (!str_equal(was->name, u->name))
        TRY(check_name_is_free(db, a, u->name, u->id, e));
    TRY(write_user(db, a, u, with->password_hash, id_of(who), now, e));
    TRY(apply_all_roles(db, u->id, plans, now, e));
    return is_shut_out || str_is_set(with->password_hash) ? user_end_sessions(db, u->id, now, e) : SUCCESS;
}

RESULT user_update(struct db *db, struct arena *a, const struct caller *who, int64_t id, const struct user_change *with,
                   int64_t now, struct err *e)
{
    struct grant g;
    struct user was;
    struct role_plans plans;
    TRY(user_get(db, a, id, &was, e));
    struct user u = merge(a, &was, with);
    u.version++;
    TRY(grant_begin(db, a, who, &g, e));
    TRY(plan_all_roles(db, a, id, with, &plans, e));
    bool is_checked = touches_identity(&was, &u, with, &plans);
    if (is_checked)
        TRY(grant_may_change_user(db, a, &g, id, e));
    TRY(check_fields(a, &u, e));
    TRY(apply(db, a, who, &was, &u, with, &plans, now, e));
    return is_checked ? grant_check_user(db, a, &g, id, e) : SUCCESS;
}

RESULT user_set_own_password(struct db *db, int64_t id, struct str old_hash, struct str new_hash, int64_t now,
                             struct err *e)
{
    int64_t changed;
    TRY(db_run_counting(db,
                        SQL("UPDATE users SET password_hash = $1, version = version + 1, updated_by = $2,"
                            " updated_at = $3 WHERE id = $2 AND password_hash = $4 AND is_deleted = 0",
                            P_TEXT(new_hash), P_INT(id), P_INT(now), P_TEXT(old_hash)),
                        &changed, e));
    if (changed == 0)
        return FAIL(e, CONFLICT, "The password was changed by somebody else");
    return user_end_sessions(db, id, now, e);
}

/* Parts whose rows a foreign key would have taken along, had the user's own row gone. */
static RESULT drop_parts(struct db *db, int64_t id, struct err *e)
{
    static const char *const statements[] = {
        "DELETE FROM role_members WHERE user_id = $1",
        "DELETE FROM api_keys WHERE user_id = $1",
        "DELETE FROM known_addresses WHERE user_id = $1",
        "DELETE FROM locker_members WHERE user_id = $1",
        "UPDATE devices SET default_user_id = NULL WHERE default_user_id = $1",
    };
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
        TRY(db_run(db, SQL(statements[i], P_INT(id)), e));
    return SUCCESS;
}

RESULT user_delete(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now, struct err *e)
{
    struct grant g;
    struct user u;
    struct rows rows;
    TRY(user_get(db, a, id, &u, e));
    TRY(grant_begin(db, a, who, &g, e));
    TRY(grant_may_change_user(db, a, &g, id, e));
    TRY(db_query(db, a, SQL("SELECT id FROM credentials WHERE owner_id = $1 LIMIT 1", P_INT(id)), &rows, e));
    if (rows.n > 0)
        return FAIL(e, CONFLICT, "The user owns credentials");
    TRY(db_query(
        db, a, SQL("SELECT id FROM requests WHERE user_id = $1 AND status IN ('Pending', 'Active') LIMIT 1", P_INT(id)),
        &rows, e));
    if (rows.n > 0)
        return FAIL(e, CONFLICT, "The user has an open request");
    TRY(db_query(db, a,
                 SQL("SELECT l.name FROM locker_members m JOIN lockers l ON l.id = m.locker_id WHERE m.user_id = $1"
                     " AND m.permission = 'own' AND NOT EXISTS (SELECT 1 FROM locker_members o JOIN users u"
                     " ON u.id = o.user_id AND u.is_deleted = 0 WHERE o.locker_id = m.locker_id"
                     " AND o.permission = 'own' AND o.user_id <> $1) ORDER BY l.id LIMIT 1",
                     P_INT(id)),
                 &rows, e));
    if (rows.n > 0)
        return FAIL(e, CONFLICT, "The user is the last owner of locker %.*s", STR_ARG(row_text(&rows, 0, 0)));
    TRY(user_end_sessions(db, id, now, e));
    TRY(drop_parts(db, id, e));
    return db_run(db,
                  SQL("UPDATE users SET is_deleted = 1, is_disabled = 1, name_key = $2, password_hash = NULL,"
                      " client_id = NULL, client_secret_hash = NULL, version = version + 1, updated_by = $3,"
                      " updated_at = $4 WHERE id = $1",
                      P_INT(id), P_TEXT(arena_printf(a, "DELETED:%" PRId64, id)), P_INT(id_of(who)), P_INT(now)),
                  e);
}

RESULT user_new_client_secret(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now,
                              struct str *ret_client_id, struct secret **ret_secret, struct err *e)
{
    struct grant g;
    struct user u;
    struct str hash;
    TRY(user_get(db, a, id, &u, e));
    if (!str_equal(u.user_type, S("Application")))
        return FAIL(e, CONFLICT, "Only application users have a client secret");
    TRY(grant_begin(db, a, who, &g, e));
    TRY(grant_check_user(db, a, &g, id, e));
    struct str client_id = str_is_set(u.client_id) ? u.client_id : random_hex(a, CLIENT_ID_BYTES);
    struct secret *secret = random_secret_text(a, key_alphabet, SECRET_CHARACTERS);
    TRY(keyed_hash_of(db, a, secret, &hash, e));
    TRY(db_run(db,
               SQL("UPDATE users SET client_id = $2, client_secret_hash = $3, version = version + 1, updated_by = $4,"
                   " updated_at = $5 WHERE id = $1",
                   P_INT(id), P_TEXT(client_id), P_BLOB(hash), P_INT(id_of(who)), P_INT(now)),
               e));
    TRY(user_end_sessions(db, id, now, e));
    *ret_client_id = client_id;
    *ret_secret = secret;
    return SUCCESS;
}

/* Until the moment of the change, not of its request: a sign-in with the old password may have come in between. */
static int64_t cut_off(int64_t now)
{
    int64_t moment = clock_now();
    return moment > now ? moment : now;
}

RESULT user_end_tokens(struct db *db, int64_t id, int64_t now, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE users SET tokens_valid_after = $2 WHERE id = $1 AND tokens_valid_after < $2", P_INT(id),
                      P_INT(cut_off(now))),
                  e);
}

RESULT user_end_sessions(struct db *db, int64_t id, int64_t now, struct err *e)
{
    TRY(user_end_tokens(db, id, now, e));
    return db_run(db, SQL("DELETE FROM sessions WHERE user_id = $1", P_INT(id)), e);
}
