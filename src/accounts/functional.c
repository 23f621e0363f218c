/* accounts/functional.c: functional accounts; their secrets are sealed under their own row. */
#include "accounts/functional.h"

#include "accounts/check.h"
#include "accounts/platform.h"
#include "base/text.h"

#define FUNCTIONAL_COLUMNS                                                                                             \
    "f.id, f.platform_id, f.secret_version, f.domain_name, f.account_name, f.display_name, f.description, "            \
    "f.elevation_command, CASE WHEN f.password IS NULL THEN 0 ELSE 1 END, "                                            \
    "CASE WHEN f.private_key IS NULL THEN 0 ELSE 1 END, "                                                              \
    "(SELECT COUNT(*) FROM managed_systems s WHERE s.functional_account_id = f.id)"

static struct functional_account functional_of(const struct rows *r, size_t i)
{
    return (struct functional_account){.id = row_int(r, i, 0),
                                       .platform_id = row_int(r, i, 1),
                                       .secret_version = row_int(r, i, 2),
                                       .domain_name = row_text(r, i, 3),
                                       .account_name = row_text(r, i, 4),
                                       .display_name = row_text(r, i, 5),
                                       .description = row_text(r, i, 6),
                                       .elevation_command = row_text(r, i, 7),
                                       .has_password = row_flag(r, i, 8),
                                       .has_key = row_flag(r, i, 9),
                                       .system_count = row_int(r, i, 10)};
}

result functional_get(struct db *db, struct arena *a, int64_t id, struct functional_account *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT " FUNCTIONAL_COLUMNS " FROM functional_accounts f WHERE f.id = $1", P_INT(id)),
                     "Functional Account", &r, e));
    *ret = functional_of(&r, 0);
    return SUCCESS;
}

result functional_list(struct db *db, struct arena *a, struct functional_account **ret, size_t *ret_n, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a, SQL("SELECT " FUNCTIONAL_COLUMNS " FROM functional_accounts f ORDER BY f.id"), &r, e));
    *ret = arena_array(a, struct functional_account, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = functional_of(&r, i);
    *ret_n = r.n;
    return SUCCESS;
}

/* ---- secrets ---- */

static struct place part_place(const char *part, int64_t id, int64_t version)
{
    return (struct place){.table = "functional_accounts", .column = part, .row = id, .version = version};
}

static result open_part(const struct keyring *keys, struct place at, struct str blob, struct arena *a,
                        struct secret **ret, struct err *e)
{
    *ret = NULL;
    if (!str_is_set(blob))
        return SUCCESS;
    return unseal_value(keys, at, blob, a, ret, e);
}

result functional_open(struct db *db, struct arena *a, const struct keyring *keys, int64_t id,
                       struct functional_secret *ret, struct err *e)
{
    struct rows r;
    struct functional_secret opened;
    TRY(db_query_one(
        db, a,
        SQL("SELECT secret_version, password, private_key, passphrase FROM functional_accounts WHERE id = $1",
            P_INT(id)),
        "Functional Account", &r, e));
    int64_t version = row_int(&r, 0, 0);
    TRY(open_part(keys, part_place("password", id, version), row_blob(&r, 0, 1), a, &opened.password, e));
    TRY(open_part(keys, part_place("private_key", id, version), row_blob(&r, 0, 2), a, &opened.private_key, e));
    TRY(open_part(keys, part_place("passphrase", id, version), row_blob(&r, 0, 3), a, &opened.passphrase, e));
    *ret = opened;
    return SUCCESS;
}

static result seal_part(const struct keyring *keys, struct place at, const struct secret *s, struct arena *a,
                        struct str *ret, struct err *e)
{
    *ret = STR_ABSENT;
    if (!s)
        return SUCCESS;
    return seal_value(keys, at, s, a, ret, e);
}

/* The row's id is part of what is sealed, so the row comes first; both stand or fall with the transaction. */
static result store_secret(struct db *db, struct arena *a, const struct keyring *keys, int64_t id, int64_t version,
                           const struct functional_secret *secret, struct err *e)
{
    struct str password, private_key, passphrase;
    TRY(seal_part(keys, part_place("password", id, version), secret->password, a, &password, e));
    TRY(seal_part(keys, part_place("private_key", id, version), secret->private_key, a, &private_key, e));
    TRY(seal_part(keys, part_place("passphrase", id, version), secret->passphrase, a, &passphrase, e));
    TRY(db_run(db,
               SQL("UPDATE functional_accounts SET secret_version = $5, password = $2, private_key = $3, "
                   "passphrase = $4 WHERE id = $1",
                   P_INT(id), P_BLOB(password), P_BLOB(private_key), P_BLOB(passphrase), P_INT(version)),
               e));
    struct functional_secret stored;
    TRY(functional_open(db, a, keys, id, &stored, e));
    if (!secret_equal(stored.password, secret->password) || !secret_equal(stored.private_key, secret->private_key) ||
        !secret_equal(stored.passphrase, secret->passphrase))
        return FAIL(e, INTERNAL, "the secret of functional account %" PRId64 " reads back differently", id);
    return SUCCESS;
}

result functional_turn(struct db *db, struct arena *a, const struct keyring *keys, int64_t id, struct secret *password,
                       struct err *e)
{
    struct functional_account f;
    struct functional_secret secret;
    TRY(functional_get(db, a, id, &f, e));
    TRY(functional_open(db, a, keys, id, &secret, e));
    secret.password = password;
    return store_secret(db, a, keys, id, f.secret_version + 1, &secret, e);
}

/* ---- making and deleting ---- */

static const struct secret *given(const struct secret *s)
{
    return secret_length(s) > 0 ? s : NULL;
}

static void check_secret(const struct platform *p, const struct functional_secret *secret, struct err *found)
{
    bool has_key = given(secret->private_key);
    if (has_key && !p->can_store_keys)
        err_add_line(found, "PrivateKey: not supported by this platform");
    if (!has_key && !given(secret->password))
        err_add_line(found, "Password: is required");
    if (!has_key && given(secret->passphrase))
        err_add_line(found, "Passphrase: needs a PrivateKey");
    /* A connector hands it over as one line. */
    if (secret_has_any(secret->password, "\0\r\n", 3))
        err_add_line(found, "Password: must not hold U+0000, CR or LF");
}

static result check(struct functional_account *w, const struct functional_secret *secret, struct err *e)
{
    struct err found = {0};
    const struct platform *p = platform_by_id(w->platform_id);
    if (!p)
        return FAIL(e, INVALID, "PlatformID: unknown");
    w->domain_name = text_or_empty(w->domain_name);
    w->description = text_or_empty(w->description);
    w->account_name = text_trim(text_or_empty(w->account_name));
    w->display_name = text_trim(text_or_empty(w->display_name));
    if (w->display_name.n == 0)
        w->display_name = w->account_name;
    if (w->account_name.n == 0)
        err_add_line(&found, "AccountName: is required");
    check_no_control("AccountName", w->account_name, &found);
    check_no_control("DisplayName", w->display_name, &found);
    if (w->domain_name.n && !p->has_domain)
        err_add_line(&found, "DomainName: not supported by this platform");
    check_account_name(p->id, w->account_name, NULL, &found);
    check_elevation(&w->elevation_command, p->can_elevate, &found);
    check_secret(p, secret, &found);
    return check_end(&found, e);
}

result functional_create(struct db *db, struct arena *a, const struct keyring *keys,
                         const struct functional_account *with, const struct functional_secret *secret, int64_t *ret_id,
                         struct err *e)
{
    struct functional_account w = *with;
    struct rows r;
    TRY(check(&w, secret, e));
    TRY(db_query(db, a,
                 SQL("INSERT INTO functional_accounts (platform_id, domain_name, account_name, display_name, "
                     "display_name_key, description, elevation_command) VALUES ($1, $2, $3, $4, $5, $6, $7) "
                     "ON CONFLICT DO NOTHING RETURNING id",
                     P_INT(w.platform_id), P_TEXT(w.domain_name), P_TEXT(w.account_name), P_TEXT(w.display_name),
                     P_TEXT(text_key(a, w.display_name)), P_TEXT(w.description), P_TEXT(w.elevation_command)),
                 &r, e));
    if (r.n == 0)
        return name_taken("A Functional Account", w.display_name, e);
    int64_t id = row_int(&r, 0, 0);
    TRY(store_secret(db, a, keys, id, 1,
                     &(struct functional_secret){.password = secret_copy(a, given(secret->password)),
                                                 .private_key = secret_copy(a, given(secret->private_key)),
                                                 .passphrase = secret_copy(a, given(secret->passphrase))},
                     e));
    *ret_id = id;
    return SUCCESS;
}

result functional_delete(struct db *db, struct arena *a, int64_t id, struct err *e)
{
    struct functional_account f;
    bool has_directory;
    TRY(functional_get(db, a, id, &f, e));
    if (f.system_count > 0)
        return FAIL(e, INVALID, "The Functional Account is used by %" PRId64 " managed systems", f.system_count);
    TRY(has_row(db, a, SQL("SELECT 1 FROM directories WHERE functional_account_id = $1", P_INT(id)), &has_directory,
                e));
    if (has_directory)
        return FAIL(e, INVALID, "The Functional Account is used by a directory");
    return db_run(db, SQL("DELETE FROM functional_accounts WHERE id = $1", P_INT(id)), e);
}
