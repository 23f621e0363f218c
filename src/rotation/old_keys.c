/* rotation/old_keys.c: the keys that we have installed and that no version is current with go from the host, once
 * another one is proved. */
#include "rotation/attempt.h"

#include "audit/audit.h"
#include "base/log.h"
#include "rotation/principal.h"

enum { REMOVED_AT_MOST = 8 };

struct old_key {
    struct attempt *t;
    struct str key; /* without its comment */
    result came_to;
    struct str text;
};

/* "ssh-ed25519 AAAA… who@where": who it says it is for makes no other key of it. */
static struct str without_comment(struct str public_key)
{
    ptrdiff_t type = str_find_char(public_key, ' ');
    if (type < 0)
        return public_key;
    struct str rest = str_sub(public_key, (size_t)type + 1, public_key.n);
    ptrdiff_t blob = str_find_char(rest, ' ');
    return blob < 0 ? public_key : str_sub(public_key, 0, (size_t)(type + 1 + blob));
}

/* The vault itself signs in with it. */
static result is_functional_key(struct attempt *t, int64_t number, bool *ret, struct err *e)
{
    struct login_secret opened;
    *ret = t->functional.is_set && t->functional.secret.private_key &&
           principal_is_functional(t->arena, &t->who, t->functional.account, t->account.platform_id);
    if (!*ret)
        return SUCCESS;
    TRY(version_open(t->db, t->arena, t->config->keys, t->account.id, number, &opened, e));
    *ret = secret_equal(t->functional.secret.private_key, opened.private_key);
    return SUCCESS;
}

static result find_old_keys(struct attempt *t, struct old_key *ret, size_t *ret_n, struct err *e)
{
    struct version *versions;
    size_t n;
    struct str live = without_comment(t->candidate_public);
    TRY(version_list(t->db, t->arena, t->account.id, &versions, &n, e));
    for (size_t i = 0; i < n && *ret_n < REMOVED_AT_MOST; i++) {
        struct str key = without_comment(versions[i].public_key);
        bool is_used = !versions[i].key_is_ours || key.n == 0 || str_equal(key, live);
        for (size_t j = 0; j < *ret_n && !is_used; j++)
            is_used = str_equal(key, ret[j].key);
        if (!is_used)
            TRY(is_functional_key(t, versions[i].number, &is_used, e));
        if (!is_used)
            ret[(*ret_n)++] = (struct old_key){.t = t, .key = key};
    }
    return SUCCESS;
}

/* The job has ended: whatever is asked of the account by now comes first, and may make an old key the live one. */
static result check_still_current(struct db *db, void *argument, struct err *e)
{
    const struct attempt *t = argument;
    struct rows r;
    TRY(db_query(db, t->arena,
                 SQL("SELECT m.id FROM managed_accounts m WHERE m.id = $1 AND m.current_version = $2 AND NOT EXISTS "
                     "(SELECT 1 FROM jobs j WHERE j.account_id = m.id AND j.is_open = 1 AND j.kind = 'change' AND "
                     "(j.handed_at > 0 OR j.sent_at > 0))",
                     P_INT(t->account.id), P_INT(t->job.version)),
                 &r, e));
    if (r.n == 0)
        return FAIL(e, CONFLICT, "another change of the account is under way");
    return SUCCESS;
}

/* Whoever changes himself signs in with what was just proved. */
static result remove_key(struct attempt *t, struct str key, struct err *e)
{
    bool is_self = t->account.use_own_credentials;
    struct change_request remove = {.account = t->who,
                                    .part = CHANGE_REMOVE_KEY,
                                    .public_key = key,
                                    .current = is_self ? t->candidate.password : NULL,
                                    .current_key = is_self ? t->candidate.private_key : NULL,
                                    .current_passphrase = is_self ? t->candidate.passphrase : NULL};
    return line_change(t->line, &remove, e);
}

/* Each password that came after the key has a version with it. */
static result forget(struct db *db, const struct old_key *k, struct err *e)
{
    struct version *versions;
    size_t n;
    const struct attempt *t = k->t;
    TRY(version_list(db, t->arena, t->account.id, &versions, &n, e));
    for (size_t i = 0; i < n; i++)
        if (versions[i].key_is_ours && str_equal(without_comment(versions[i].public_key), k->key))
            TRY(version_key_is_gone(db, t->account.id, versions[i].number, e));
    return SUCCESS;
}

static result write_removed(struct db *db, void *argument, struct err *e)
{
    const struct old_key *k = argument;
    const struct attempt *t = k->t;
    audit_act_as_server(db);
    if (is_ok(k->came_to))
        TRY(forget(db, k, e));
    return job_note(db, t->arena, &t->job, "old key removed", is_ok(k->came_to), k->text, clock_now(), e);
}

static void remove_one(struct old_key *k)
{
    struct attempt *t = k->t;
    struct err why = {0}, e;
    if (!is_ok(attempt_write(t, check_still_current, &e)))
        return;
    k->came_to = remove_key(t, k->key, &why);
    k->text = is_ok(k->came_to) ? S("") : arena_str(t->arena, str_of(why.text));
    if (!is_ok(writer_do(t->config->writer, write_removed, k, &e)))
        log_warning("job %" PRId64 ": cannot note the removal of an old key: %s", t->job.id, e.text);
}

void old_keys_remove(struct attempt *t)
{
    struct old_key keys[REMOVED_AT_MOST];
    size_t n = 0;
    struct err e;
    if (!t->has_key_part || t->candidate_public.n == 0 || !is_ok(db_snapshot(t->db, &e)))
        return;
    result r = find_old_keys(t, keys, &n, &e);
    db_snapshot_end(t->db);
    if (!is_ok(r)) {
        log_warning("job %" PRId64 ": cannot look for old keys: %s", t->job.id, e.text);
        return;
    }
    for (size_t i = 0; i < n && !line_is_broken(t->line); i++)
        remove_one(&keys[i]);
}
