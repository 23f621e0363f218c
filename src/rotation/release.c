/* rotation/release.c: what a reader gets, and what he is told about it. */
#include "rotation/release.h"

#include "audit/audit.h"
#include "rotation/job.h"

static int rank(struct str word)
{
    static const char *const words[] = {"", "unverified", "changing", "unknown", "drift"};
    for (int i = 4; i > 0; i--)
        if (str_equal(word, str_of(words[i])))
            return i;
    return 0;
}

struct str release_worse(struct str one, struct str other)
{
    return rank(one) >= rank(other) ? one : other;
}

result release_state(struct db *db, struct arena *a, int64_t account_id, struct str *ret_state, int64_t *ret_wait_for,
                     struct err *e)
{
    struct rows r;
    *ret_wait_for = 0;
    TRY(db_query(db, a,
                 SQL("SELECT m.state, COALESCE(j.id, 0), COALESCE(j.state, '') FROM managed_accounts m LEFT JOIN jobs "
                     "j ON j.account_id = m.id "
                     "AND j.is_open = 1 AND j.kind = 'change' WHERE m.id = $1",
                     P_INT(account_id)),
                 &r, e));
    if (!r.n)
        return FAIL(e, NOT_FOUND, "Managed Account not found");
    struct str account = row_text(&r, 0, 0), job = row_text(&r, 0, 2);
    if (str_equal(job, S("applying")) || str_equal(job, S("verifying"))) {
        *ret_state = S("changing");
        *ret_wait_for = row_int(&r, 0, 1);
    } else if (str_equal(job, S("resolving"))) {
        *ret_state = S("unknown");
    } else if (str_equal(account, S("mismatch")) || str_equal(account, S("drift"))) {
        *ret_state = S("drift");
    } else {
        *ret_state = str_equal(account, S("unverified")) ? S("unverified") : S("");
    }
    return SUCCESS;
}

result release_current(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id,
                       enum release_part part, bool was_parked, int64_t now, struct release *ret, struct err *e)
{
    struct managed_account account;
    struct login_secret opened;
    TRY(account_get(db, a, account_id, now, &account, e));
    TRY(release_state(db, a, account_id, &ret->state, &ret->wait_for, e));
    ret->secret = NULL;
    if (ret->wait_for && !was_parked)
        return SUCCESS;
    ret->wait_for = 0;
    static const char *const missing[] = {"Credential not found", "DSS key not found", "Passphrase not found"};
    if (!account.current_version)
        return FAIL(e, NOT_FOUND, "%s", missing[part]);
    TRY(version_open(db, a, keys, account_id, account.current_version, &opened, e));
    ret->secret = part == RELEASE_PASSWORD      ? opened.password
                  : part == RELEASE_PRIVATE_KEY ? opened.private_key
                                                : opened.passphrase;
    if (!ret->secret)
        return FAIL(e, NOT_FOUND, "%s", missing[part]);
    return db_run(db, SQL("UPDATE managed_accounts SET last_read_at = $2 WHERE id = $1", P_INT(account_id), P_INT(now)),
                  e);
}
