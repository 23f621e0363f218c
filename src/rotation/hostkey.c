/* rotation/hostkey.c: the host keys of a managed system. */
#include "rotation/hostkey.h"

#include "base/text.h"

enum { SEEN_KEYS_MAX = 8 };
#define HOSTKEY_COLUMNS "id, system_id, type, sha256, state, seen_at, made_by"

static struct host_key_row hostkey_of(const struct rows *r, size_t i)
{
    return (struct host_key_row){.id = row_int(r, i, 0),
                                 .system_id = row_int(r, i, 1),
                                 .type = row_text(r, i, 2),
                                 .sha256 = row_text(r, i, 3),
                                 .state = row_text(r, i, 4),
                                 .seen_at = row_int(r, i, 5),
                                 .made_by = row_int(r, i, 6)};
}

static result keys_of(struct db *db, struct arena *a, struct sql sql, struct host_key_row **ret, size_t *ret_n,
                      struct err *e)
{
    struct rows r;
    TRY(db_query(db, a, sql, &r, e));
    *ret = arena_array(a, struct host_key_row, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = hostkey_of(&r, i);
    *ret_n = r.n;
    return SUCCESS;
}

/* By id, as pages go; where there are more, those that were only seen are the first to be left out. */
result hostkey_list(struct db *db, struct arena *a, int64_t system_id, struct host_key_row **ret, size_t *ret_n,
                    struct err *e)
{
    return keys_of(db, a,
                   SQL("SELECT " HOSTKEY_COLUMNS " FROM host_keys WHERE id IN (SELECT id FROM host_keys "
                       "WHERE system_id = $1 ORDER BY CASE WHEN state = 'seen' THEN 1 ELSE 0 END, seen_at DESC, "
                       "id DESC LIMIT 100) ORDER BY id",
                       P_INT(system_id)),
                   ret, ret_n, e);
}

result hostkey_trusted(struct db *db, struct arena *a, int64_t system_id, struct host_key_row **ret, size_t *ret_n,
                       struct err *e)
{
    return keys_of(db, a,
                   SQL("SELECT " HOSTKEY_COLUMNS " FROM host_keys WHERE system_id = $1 AND state <> 'seen' "
                       "ORDER BY seen_at DESC, id DESC LIMIT $2",
                       P_INT(system_id), P_INT(TRUSTED_KEYS_MAX)),
                   ret, ret_n, e);
}

static result keep(struct db *db, int64_t system_id, struct str type, struct str sha256, const char *state, int64_t by,
                   int64_t now, struct err *e)
{
    return db_run(
        db,
        SQL("INSERT INTO host_keys (system_id, type, sha256, state, seen_at, made_by) VALUES ($1, $2, $3, $4, $5, $6) "
            "ON CONFLICT (system_id, type, sha256) DO UPDATE SET seen_at = $5, "
            "made_by = CASE WHEN $4 = 'approved' AND host_keys.state <> 'approved' THEN $6 ELSE host_keys.made_by END, "
            "state = CASE WHEN $4 = 'seen' THEN host_keys.state ELSE $4 END",
            P_INT(system_id), P_TEXT(type), P_TEXT(sha256), P_TEXT(str_of(state)), P_INT(now), P_INT(by)),
        e);
}

/* Asked here, in the writing transaction: another check may have pinned a key since, or somebody approved one. */
result hostkey_pin(struct db *db, struct arena *a, int64_t system_id, struct str type, struct str sha256, int64_t now,
                   bool *ret_is_pinned, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT 1 FROM host_keys WHERE system_id = $1 AND state <> 'seen' LIMIT 1", P_INT(system_id)), &r,
                 e));
    *ret_is_pinned = r.n == 0;
    return r.n == 0 ? keep(db, system_id, type, sha256, "pinned", 0, now, e) : SUCCESS;
}

/* A host that shows another key at each contact fills no table. */
static result forget_older(struct db *db, int64_t system_id, struct err *e)
{
    return db_run(db,
                  SQL("DELETE FROM host_keys WHERE system_id = $1 AND state = 'seen' AND id NOT IN (SELECT id "
                      "FROM host_keys WHERE system_id = $1 AND state = 'seen' ORDER BY seen_at DESC, id DESC LIMIT $2)",
                      P_INT(system_id), P_INT(SEEN_KEYS_MAX)),
                  e);
}

result hostkey_saw(struct db *db, int64_t system_id, struct str type, struct str sha256, int64_t now, struct err *e)
{
    TRY(keep(db, system_id, type, sha256, "seen", 0, now, e));
    return forget_older(db, system_id, e);
}

static result get(struct db *db, struct arena *a, int64_t system_id, int64_t id, struct host_key_row *ret,
                  struct err *e)
{
    struct rows r;
    TRY(db_query_one(
        db, a,
        SQL("SELECT " HOSTKEY_COLUMNS " FROM host_keys WHERE id = $1 AND system_id = $2", P_INT(id), P_INT(system_id)),
        "Host key", &r, e));
    *ret = hostkey_of(&r, 0);
    return SUCCESS;
}

result hostkey_approve(struct db *db, struct arena *a, int64_t system_id, struct str type, struct str sha256,
                       int64_t by, int64_t now, struct host_key_row *ret, struct err *e)
{
    struct rows r;
    if (!text_is_fingerprint(sha256))
        return FAIL(e, INVALID, "sha256: must be SHA256: and 43 characters, as `ssh-keygen -lf` shows it");
    if (type.n == 0 || type.n > 64)
        return FAIL(e, INVALID, "type: is required");
    TRY(keep(db, system_id, type, sha256, "approved", by, now, e));
    TRY(db_query_one(db, a,
                     SQL("SELECT " HOSTKEY_COLUMNS " FROM host_keys WHERE system_id = $1 AND type = $2 AND sha256 = $3",
                         P_INT(system_id), P_TEXT(type), P_TEXT(sha256)),
                     "Host key", &r, e));
    *ret = hostkey_of(&r, 0);
    return SUCCESS;
}

result hostkey_accept(struct db *db, struct arena *a, int64_t system_id, int64_t id, int64_t by, int64_t now,
                      struct host_key_row *ret, struct err *e)
{
    TRY(get(db, a, system_id, id, ret, e));
    if (str_equal(ret->state, S("approved")))
        return SUCCESS;
    if (!str_equal(ret->state, S("seen")))
        return FAIL(e, CONFLICT, "This host key was not seen as a changed one; it is %.*s", STR_ARG(ret->state));
    /* The host has no other key now, of whatever type. What was approved after it had shown this one is for a change
     * that is still to come. */
    TRY(db_run(db,
               SQL("DELETE FROM host_keys WHERE system_id = $1 AND id <> $2 AND (state = 'pinned' OR seen_at < $3)",
                   P_INT(system_id), P_INT(id), P_INT(ret->seen_at)),
               e));
    TRY(db_run(db,
               SQL("UPDATE host_keys SET state = 'approved', made_by = $2, seen_at = $3 WHERE id = $1", P_INT(id),
                   P_INT(by), P_INT(now)),
               e));
    return get(db, a, system_id, id, ret, e);
}

result hostkey_remove(struct db *db, int64_t system_id, int64_t id, struct err *e)
{
    int64_t changed = 0;
    TRY(db_run_counting(db, SQL("DELETE FROM host_keys WHERE id = $1 AND system_id = $2", P_INT(id), P_INT(system_id)),
                        &changed, e));
    return changed ? SUCCESS : FAIL(e, NOT_FOUND, "Host key not found");
}
