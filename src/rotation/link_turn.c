/* rotation/link_turn.c: copies: made, turned with their account, compared, erased. */
#include "audit/audit.h"
#include "base/log.h"
#include "rotation/attempt.h"
#include "rotation/change.h"
#include "rotation/follower.h"
#include "rotation/owed.h"
#include "rotation/version.h"
#include "vault/auto_login.h"
#include "vault/value.h"

result link_part(struct db *db, struct arena *a, const struct keyring *keys, const struct link *l, int64_t number,
                 struct secret **ret, struct err *e)
{
    struct login_secret opened;
    if (str_equal(l->part, S("username"))) {
        *ret = secret_new(a, l->account_name.p, l->account_name.n);
        return SUCCESS;
    }
    TRY(version_open(db, a, keys, l->account_id, number, &opened, e));
    /* A key that is not encrypted has an empty passphrase: the turn to it must not fail for want of one. */
    if (opened.private_key && !opened.passphrase)
        opened.passphrase = secret_new(a, "", 0);
    *ret = str_equal(l->part, S("password"))     ? opened.password
           : str_equal(l->part, S("privatekey")) ? opened.private_key
                                                 : opened.passphrase;
    return SUCCESS;
}

result link_login_name(struct db *db, struct arena *a, const struct link *l, struct str *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT domain_name, name FROM managed_accounts WHERE id = $1", P_INT(l->account_id)),
                     "Managed Account", &r, e));
    struct str domain = row_text(&r, 0, 0), name = row_text(&r, 0, 1);
    *ret = domain.n ? arena_printf(a, "%.*s\\%.*s", STR_ARG(domain), STR_ARG(name)) : name;
    return SUCCESS;
}

result link_copy(struct db *db, struct arena *a, const struct keyring *keys, const struct link *l, int64_t number,
                 int64_t now, struct err *e)
{
    struct secret *value;
    if (l->far.system_id)
        return follower_turn(db, l, now, e);
    TRY(link_part(db, a, keys, l, number, &value, e));
    if (!value)
        return FAIL(e, CONFLICT, "The account has no %.*s to copy", STR_ARG(l->part));
    if (l->user_id) {
        struct str name;
        TRY(link_login_name(db, a, l, &name, e));
        TRY(auto_login_keep(db, a, keys, l->user_id, l->id, name, value, now, e));
    } else {
        TRY(value_keep(db, a, keys, l->attribute_id, l->id, value, now, e));
    }
    return db_run(
        db, SQL("UPDATE links SET version = $2, turned_at = $3 WHERE id = $1", P_INT(l->id), P_INT(number), P_INT(now)),
        e);
}

/* Would link_copy be refused? */
static result may_copy(struct db *db, struct arena *a, const struct keyring *keys, const struct link *l, int64_t number,
                       struct err *e)
{
    struct secret *value;
    struct str name;
    if (l->far.system_id || str_equal(l->state, S("offered")))
        return SUCCESS;
    TRY(link_part(db, a, keys, l, number, &value, e));
    if (!value)
        return FAIL(e, CONFLICT, "The account has no %.*s to copy", STR_ARG(l->part));
    if (!l->user_id)
        return value_may_keep(db, a, l->attribute_id, l->id, value, e);
    TRY(link_login_name(db, a, l, &name, e));
    return auto_login_may_keep(db, a, l->user_id, l->id, name, value, e);
}

static bool is_refusal(result r)
{
    return r.code == INVALID || r.code == CONFLICT || r.code == NOT_FOUND;
}

result link_check_all(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t number,
                      struct err *e)
{
    struct link_row *rows;
    size_t n;
    TRY(link_load_account(db, a, account_id, &rows, &n, e));
    for (size_t i = 0; i < n; i++) {
        struct err why = {0};
        TRY(link_check_row(a, keys, &rows[i], e));
        result fits = number ? may_copy(db, a, keys, &rows[i].link, number, &why) : SUCCESS;
        if (is_refusal(fits))
            return FAIL_AS(e, INVALID, "link_refuses", "link %" PRId64 " (%.*s) cannot take it: %s", rows[i].link.id,
                           STR_ARG(rows[i].link.end_name), why.text);
        if (!is_ok(fits)) {
            *e = why;
            return fits;
        }
    }
    return SUCCESS;
}

/* The account's value is live, and this end cannot take it: whoever reads there is refused, and given nothing old. */
static result let_go(struct db *db, struct arena *a, const struct keyring *keys, struct link_row *row,
                     const struct err *why, struct err *e)
{
    struct link *l = &row->link;
    log_error("link %" PRId64 " of account %" PRId64 " to %.*s is suspended, for it cannot take the new version: %s",
              l->id, l->account_id, STR_ARG(l->end_name), why->text);
    l->state = S("suspended");
    TRY(db_run(db, SQL("UPDATE links SET state = 'suspended' WHERE id = $1", P_INT(l->id)), e));
    TRY(link_seal_row(db, a, keys, l, e));
    TRY(link_erase_copy(db, l, e));
    link_note(db, a, l, "link.suspend", arena_str(a, str_of(why->text)));
    return SUCCESS;
}

result link_turn_all(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t number,
                     bool is_proved, int64_t now, struct err *e)
{
    struct link_row *rows;
    size_t n;
    TRY(link_load_account(db, a, account_id, &rows, &n, e));
    for (size_t i = 0; i < n; i++) {
        struct err why = {0};
        TRY(link_check_row(a, keys, &rows[i], e));
        if (str_equal(rows[i].link.state, S("offered")))
            continue;
        result copied = link_copy(db, a, keys, &rows[i].link, number, now, &why);
        if (is_proved && is_refusal(copied)) { /* before it has written anything */
            TRY(let_go(db, a, keys, &rows[i], &why, e));
        } else if (!is_ok(copied)) {
            *e = why;
            return copied;
        }
    }
    return SUCCESS;
}

/* *ret_is_named: an auto-login goes by the account's present name. */
static result open_copy(struct db *db, struct arena *a, const struct keyring *keys, const struct link *l,
                        struct secret **ret, bool *ret_is_named, struct err *e)
{
    struct auto_login login;
    struct str name;
    *ret_is_named = true;
    if (!l->user_id)
        return value_kept(db, a, keys, l->attribute_id, l->id, ret, e);
    TRY(auto_login_open(db, a, keys, l->user_id, &login, ret, e));
    TRY(link_login_name(db, a, l, &name, e));
    *ret_is_named = str_equal(login.login_name, name);
    return login.kept_by == l->id ? SUCCESS : FAIL(e, CONFLICT, "The auto-login does not follow this link");
}

result link_verify(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who, int64_t id,
                   bool *ret_equal, int64_t *ret_version, struct err *e)
{
    struct link_row row;
    struct managed_account account;
    struct secret *copy, *original;
    bool is_named, is_side;
    TRY(link_get(db, a, who, id, &row.link, e));
    TRY(link_load(db, a, id, &row, e));
    TRY(link_account_side(db, a, who, row.link.account_id, &is_side, e));
    if (!is_side)
        TRY(link_far_side(db, a, who, &row.link, &is_side, e));
    if (!is_side)
        return FAIL(e, DENIED, "Only a side of the link compares its ends");
    if (!str_equal(row.link.state, S("active")))
        return FAIL(e, CONFLICT, "The link is not active, but %.*s", STR_ARG(row.link.state));
    if (row.link.far.system_id)
        return FAIL(e, CONFLICT, "What another server holds cannot be compared from here; see the link's follower");
    TRY(link_check_row(a, keys, &row, e));
    TRY(account_get(db, a, row.link.account_id, clock_now(), &account, e));
    TRY(open_copy(db, a, keys, &row.link, &copy, &is_named, e));
    TRY(link_part(db, a, keys, &row.link, account.current_version, &original, e));
    *ret_equal = secret_equal(copy, original) && is_named && row.link.version == account.current_version;
    *ret_version = row.link.version;
    link_note(db, a, &row.link, "link.verify", *ret_equal ? S("equal") : S("different"));
    return SUCCESS;
}

/* Somebody may know the password through the link that ends. */
static result queue_change(struct db *db, struct arena *a, const struct keyring *keys, const struct link *l, int64_t by,
                           int64_t now, struct err *e)
{
    struct managed_account account;
    int64_t job;
    struct err why;
    TRY(account_get(db, a, l->account_id, now, &account, e));
    if (!l->last_read_at || !account.auto_management)
        return SUCCESS;
    struct change_wish w = {.account_id = account.parent_account_id ? account.parent_account_id : l->account_id,
                            .update_system = true,
                            .is_queued = true,
                            .trigger = "unlink",
                            .by = by};
    TRY(owed_add(db, l->account_id, w.trigger, now, e));
    result asked = change_ask(db, a, keys, &w, now, &job, &why);
    if (is_ok(asked))
        return SUCCESS;
    /* Another link that does not verify stops the change, but not the ending of this one. */
    if (asked.code == INVALID || attempt_has_word(&why, "link_broken")) {
        audit_note(db, "account.change.skipped", false, (struct audit_object){"account", l->account_id, STR_ABSENT},
                   l->account_id, str_of(why.text));
        return owed_forget(db, l->account_id, e);
    }
    *e = why;
    return asked;
}

result link_erase_copy(struct db *db, const struct link *l, struct err *e)
{
    if (l->far.system_id)
        return SUCCESS;
    return l->user_id ? auto_login_erase_kept(db, l->user_id, l->id, e)
                      : value_erase_kept(db, l->attribute_id, l->id, e);
}

result link_remove(struct db *db, struct arena *a, const struct keyring *keys, const struct link *l, int64_t by,
                   int64_t now, struct err *e)
{
    if (!str_equal(l->state, S("offered")))
        TRY(link_erase_copy(db, l, e));
    TRY(db_run(db, SQL("DELETE FROM links WHERE id = $1", P_INT(l->id)), e));
    if (l->far.system_id)
        TRY(follower_forget(db, l, now, e));
    link_note(db, a, l, "link.unlink", STR_ABSENT);
    return queue_change(db, a, keys, l, by, now, e);
}

result link_forget_user(struct db *db, struct arena *a, const struct keyring *keys, int64_t user_id, int64_t by,
                        int64_t now, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT id FROM links WHERE user_id = $1 OR (state = 'offered' AND offered_by = $1) ORDER BY id",
                     P_INT(user_id)),
                 &r, e));
    for (size_t i = 0; i < r.n; i++) {
        struct link_row row;
        TRY(link_load(db, a, row_int(&r, i, 0), &row, e));
        TRY(link_remove(db, a, keys, &row.link, by, now, e));
    }
    return SUCCESS;
}
