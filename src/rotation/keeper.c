/* rotation/keeper.c: what the vault asks of whoever keeps a value: here a link (vault/keeper.h). */
#include "vault/keeper.h"

#include "rotation/attempt.h"
#include "rotation/link_row.h"
#include "rotation/release.h"

/* The keyring is the process's one: rows are verified by it, and a link that ends may queue a change, which seals. */
static const struct keyring *keeper_keys;

static result why_kept(struct db *db, struct arena *a, int64_t kept_by, struct str *ret, struct err *e)
{
    struct link_row row;
    TRY(link_load(db, a, kept_by, &row, e));
    *ret = arena_printf(a, "This value follows managed account %.*s/%.*s", STR_ARG(row.link.system_name),
                        STR_ARG(row.link.account_name));
    return SUCCESS;
}

static result may_read(struct db *db, struct arena *a, int64_t kept_by, bool can_wait, int64_t now, bool *ret_may,
                       struct str *ret_state, int64_t *ret_job, struct err *e)
{
    struct link_row row;
    *ret_may = false;
    *ret_job = 0;
    *ret_state = S("");
    TRY(link_load(db, a, kept_by, &row, e));
    result verified = link_check_row(a, keeper_keys, &row, e);
    if (verified.code == INTERNAL && attempt_has_word(e, "link_broken"))
        return SUCCESS;
    TRY(verified);
    if (str_equal(row.link.state, S("suspended")))
        return FAIL(e, DENIED, "The link to the managed account is suspended");
    if (!str_equal(row.link.state, S("active")) || !str_equal(row.link.release, S("consumers")))
        return SUCCESS;
    TRY(release_state(db, a, row.link.account_id, ret_state, ret_job, e));
    *ret_may = true;
    if (can_wait && *ret_job)
        return SUCCESS;
    TRY(db_run(db, SQL("UPDATE links SET last_read_at = $2 WHERE id = $1", P_INT(kept_by), P_INT(now)), e));
    TRY(db_run(
        db, SQL("UPDATE managed_accounts SET last_read_at = $2 WHERE id = $1", P_INT(row.link.account_id), P_INT(now)),
        e));
    link_note(db, a, &row.link, "link.read", STR_ABSENT);
    return SUCCESS;
}

/* Credentials move on the Control Room's face alone, whose sign-in carries no right to an account: whoever gave his
 * password there is judged by what he holds on both, as on /api/v1 (keyturn-api 2.1). */
static result rights_on_both(struct db *db, struct arena *a, const struct caller *who, struct caller *ret,
                             struct err *e)
{
    *ret = *who;
    if (who->password_at == 0 || who->carries_passwordsafe)
        return SUCCESS;
    ret->carries_passwordsafe = true;
    return rights_of_user(db, a, who->user_id, true, true, &ret->rights, e);
}

static result may_move(struct db *db, struct arena *a, const struct caller *who, int64_t kept_by, struct err *e)
{
    struct link_row row;
    struct caller both;
    bool is_account_side;
    TRY(link_load(db, a, kept_by, &row, e));
    TRY(rights_on_both(db, a, who, &both, e));
    TRY(link_account_side(db, a, &both, row.link.account_id, &is_account_side, e));
    return is_account_side
               ? SUCCESS
               : FAIL(e, DENIED, "A linked credential moves only by somebody with the right to the account's password");
}

static result audience_grew(struct db *db, struct arena *a, int64_t kept_by, struct str how, struct err *e)
{
    struct link_row row;
    TRY(link_load(db, a, kept_by, &row, e));
    link_note(db, a, &row.link, "link.audience", how);
    return SUCCESS;
}

static result end_link(struct db *db, struct arena *a, int64_t kept_by, int64_t now, struct err *e)
{
    struct link_row row;
    TRY(link_load(db, a, kept_by, &row, e));
    return link_remove(db, a, keeper_keys, &row.link, 0, now, e);
}

static result attribute_gone(struct db *db, struct arena *a, int64_t attribute_id, int64_t now, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a, SQL("SELECT id FROM links WHERE attribute_id = $1 AND user_id = 0", P_INT(attribute_id)), &r,
                 e));
    for (size_t i = 0; i < r.n; i++)
        TRY(end_link(db, a, row_int(&r, i, 0), now, e));
    return SUCCESS;
}

static const struct keeper keeper = {.why_kept = why_kept,
                                     .may_read = may_read,
                                     .may_move = may_move,
                                     .audience_grew = audience_grew,
                                     .end = end_link,
                                     .attribute_gone = attribute_gone};

const struct keeper *link_keeper(const struct keyring *keys)
{
    keeper_keys = keys;
    return &keeper;
}
