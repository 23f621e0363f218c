/* rotation/link.c: offered, accepted, approved, resumed, verified, ended (keyturn-api 3.1). */
#include "rotation/link.h"

#include "accounts/request.h"
#include "rotation/follower.h"

#include "vault/auto_login.h"

static result deny_account_side(struct err *e)
{
    return FAIL(e, DENIED,
                "You need Password Safe Account Management (Read/Write), and the ISA role on a Smart Rule that holds "
                "the account (or membership in Administrators)");
}

static result deny_far_side(const struct link *l, struct err *e)
{
    if (l->far.system_id)
        return FAIL(e, DENIED, "You need the role AAE_Admin, or membership in Administrators");
    if (l->user_id)
        return FAIL(e, DENIED, "You need the role AAE_Admin");
    return FAIL(e, DENIED, "You need to own the credential, with the right to create standard attributes");
}

/* ---- what an end must be ---- */

static result check_attribute(struct db *db, struct arena *a, const struct link *l, bool replace, struct err *e)
{
    struct link_end end;
    TRY(value_link_end(db, a, l->attribute_id, &end, e));
    if (end.attribute.user_provided || !end.attribute.masked)
        return FAIL(e, CONFLICT, "The attribute must be masked and not user-provided");
    if (end.value_id && end.kept_by != l->id && !replace)
        return FAIL(e, CONFLICT, "A value stands there; give \"replace\": true to replace it");
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT r.name FROM locker_consumers lc JOIN roles r ON r.id = lc.role_id WHERE lc.locker_id = $1 "
                     "AND r.is_builtin = 1 LIMIT 1",
                     P_INT(end.credential.locker_id)),
                 &r, e));
    if (r.n)
        return FAIL(e, CONFLICT,
                    "The built-in role %.*s consumes this credential's locker; a locker with links is open to custom "
                    "roles only",
                    STR_ARG(row_text(&r, 0, 0)));
    return SUCCESS;
}

static result check_auto_login(struct db *db, struct arena *a, const struct link *l, bool replace, struct err *e)
{
    struct auto_login present;
    bool is_enabled;
    TRY(user_exists(db, a, l->user_id, &is_enabled, e));
    if (!str_equal(l->part, S("password")))
        return FAIL(e, INVALID, "part: an auto-login takes the password");
    struct err none;
    result got = auto_login_get(db, a, l->user_id, &present, &none);
    if (is_ok(got) && present.kept_by != l->id && !replace)
        return FAIL(e, CONFLICT, "An auto-login stands there; give \"replace\": true to replace it");
    if (!is_ok(got) && got.code != NOT_FOUND) {
        *e = none;
        return got;
    }
    return SUCCESS;
}

static result check_end(struct db *db, struct arena *a, const struct link *l, bool replace, struct err *e)
{
    if (l->far.system_id)
        return follower_check(db, a, l, e);
    return l->user_id ? check_auto_login(db, a, l, replace, e) : check_attribute(db, a, l, replace, e);
}

/* ---- becoming active ---- */

/* Weeks may lie between the offer, the acceptance and this. */
static result check_sides(struct db *db, struct arena *a, const struct link *l, struct err *e)
{
    struct caller offerer = {.user_id = l->offered_by, .carries_controlroom = true, .carries_passwordsafe = true};
    bool is_enabled, is_side = false;
    TRY(user_exists(db, a, l->offered_by, &is_enabled, e));
    if (is_enabled) {
        TRY(rights_of_user(db, a, l->offered_by, true, true, &offerer.rights, e));
        TRY(link_account_side(db, a, &offerer, l->account_id, &is_side, e));
    }
    if (!is_side)
        return FAIL(e, CONFLICT, "Whoever offered it has no right to the account's password any more; offer it anew");
    if (l->user_id || l->far.system_id)
        return SUCCESS;
    struct link_end end;
    TRY(value_link_end(db, a, l->attribute_id, &end, e));
    if (end.credential.owner_id != l->accepted_by)
        return FAIL(e, CONFLICT, "The credential has another owner than the one who accepted; offer it anew");
    return SUCCESS;
}

static result activate(struct db *db, struct arena *a, const struct keyring *keys, struct link *l, bool replace,
                       int64_t now, struct err *e)
{
    struct managed_account account;
    TRY(account_get(db, a, l->account_id, now, &account, e));
    TRY(check_sides(db, a, l, e));
    TRY(check_end(db, a, l, replace, e));
    l->state = S("active");
    TRY(db_run(db, SQL("UPDATE links SET state = 'active' WHERE id = $1", P_INT(l->id)), e));
    TRY(link_seal_row(db, a, keys, l, e));
    if (!account.current_version)
        return FAIL(e, CONFLICT, "The account has no credential yet");
    if (l->far.system_id) {
        struct secret *value;
        TRY(link_part(db, a, keys, l, account.current_version, &value, e));
        if (!value)
            return FAIL(e, CONFLICT, "The account has no %.*s to push", STR_ARG(l->part));
    }
    return link_copy(db, a, keys, l, account.current_version, now, e);
}

static result activate_when_complete(struct db *db, struct arena *a, const struct keyring *keys, int64_t id,
                                     int64_t now, struct err *e)
{
    struct link_row row;
    TRY(link_load(db, a, id, &row, e));
    if (!str_equal(row.link.state, S("offered")) || row.link.waits_for.n)
        return SUCCESS;
    TRY(link_check_row(a, keys, &row, e));
    return activate(db, a, keys, &row.link, row.link.may_replace, now, e);
}

static result note_accepted(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who,
                            struct link *l, bool replace, int64_t now, struct err *e)
{
    TRY(check_end(db, a, l, replace, e));
    l->accepted_by = who->user_id;
    TRY(db_run(db,
               SQL("UPDATE links SET accepted_by = $2, accepted_at = $3, may_replace = $4 WHERE id = $1", P_INT(l->id),
                   P_INT(who->user_id), P_INT(now), P_INT(replace)),
               e));
    link_note(db, a, l, "link.accept", STR_ABSENT);
    return link_seal_row(db, a, keys, l, e);
}

/* ---- offering ---- */

static result insert_offer(struct db *db, struct arena *a, const struct caller *who, const struct link_offer *o,
                           int64_t now, int64_t *ret_id, struct err *e)
{
    bool needs_approval;
    int64_t follower = 0;
    TRY(access_policy_needs_approval(db, a, o->account_id, &needs_approval, e));
    if (o->far.system_id)
        TRY(follower_make(db, a, o, &follower, e));
    return db_insert(
        db,
        SQL("INSERT INTO links (account_id, part, attribute_id, user_id, release, state, needs_approval, may_replace, "
            "offered_by, offered_at, mac) "
            "VALUES ($1, $2, $3, $4, $5, 'offered', $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING RETURNING id",
            P_INT(o->account_id), P_TEXT(o->part), P_INT(follower ? -follower : o->attribute_id), P_INT(o->user_id),
            P_TEXT(o->release), P_INT(needs_approval), P_INT(o->replace), P_INT(who->user_id), P_INT(now),
            P_BLOB(S(""))),
        ret_id, "This end has a link already", e);
}

/* The link that has this end; 0: none. */
static result find_end(struct db *db, struct arena *a, const struct link_offer *o, int64_t *ret, struct err *e)
{
    struct rows r;
    if (o->far.system_id)
        return follower_find(db, a, o, ret, e);
    TRY(db_query(
        db, a,
        SQL("SELECT id FROM links WHERE attribute_id = $1 AND user_id = $2", P_INT(o->attribute_id), P_INT(o->user_id)),
        &r, e));
    *ret = r.n ? row_int(&r, 0, 0) : 0;
    return SUCCESS;
}

/* Who approved did so for what was offered then, and not to whoever offers more now: it begins anew, and what was
 * copied goes until that is done. */
static result wait_for_approval(struct db *db, struct arena *a, const struct caller *who, struct link *l, int64_t now,
                                struct err *e)
{
    if (!str_equal(l->state, S("offered")))
        TRY(link_erase_copy(db, l, e));
    l->state = S("offered");
    l->needs_approval = true;
    l->approved_by = 0;
    l->offered_by = who->user_id;
    l->offered_at = now;
    link_note(db, a, l, "link.offer", S("to be approved once more"));
    return db_run(db,
                  SQL("UPDATE links SET state = 'offered', needs_approval = 1, approved_by = 0, offered_by = $2, "
                      "offered_at = $3 WHERE id = $1",
                      P_INT(l->id), P_INT(who->user_id), P_INT(now)),
                  e);
}

static result widen(struct db *db, struct arena *a, const struct caller *who, const struct link_offer *o,
                    struct link *l, int64_t now, struct err *e)
{
    bool needs_approval, is_wider = str_equal(l->release, S("none")) && !str_equal(o->release, l->release);
    if (!is_wider)
        return SUCCESS;
    TRY(access_policy_needs_approval(db, a, o->account_id, &needs_approval, e));
    return needs_approval ? wait_for_approval(db, a, who, l, now, e) : SUCCESS;
}

/* The same end and part again: the release as given. Another account's link there: CONFLICT. */
static result offer_again(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who,
                          const struct link_offer *o, int64_t now, int64_t *ret_id, struct err *e)
{
    struct link_row row;
    int64_t present;
    *ret_id = 0;
    TRY(find_end(db, a, o, &present, e));
    if (!present)
        return SUCCESS;
    TRY(link_load(db, a, present, &row, e));
    if (row.link.account_id != o->account_id || !str_equal(row.link.part, o->part))
        return FAIL(e, CONFLICT, "This end has a link already");
    TRY(link_check_row(a, keys, &row, e));
    TRY(widen(db, a, who, o, &row.link, now, e));
    row.link.release = o->release;
    if (row.link.far.system_id)
        TRY(follower_check(db, a, &row.link, e));
    TRY(db_run(db, SQL("UPDATE links SET release = $2 WHERE id = $1", P_INT(row.link.id), P_TEXT(o->release)), e));
    *ret_id = row.link.id;
    return link_seal_row(db, a, keys, &row.link, e);
}

result link_may_offer(struct db *db, struct arena *a, const struct caller *who, int64_t account_id, int64_t now,
                      struct managed_account *ret, struct err *e)
{
    bool is_account_side;
    if (!rights_have(&who->rights, ACCOUNT_MANAGEMENT, LEVEL_WRITE))
        return deny_account_side(e);
    TRY(account_get(db, a, account_id, now, ret, e));
    TRY(link_account_side(db, a, who, account_id, &is_account_side, e));
    return is_account_side ? SUCCESS : deny_account_side(e);
}

result link_offer(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who,
                  const struct link_offer *o, int64_t now, int64_t *ret_id, struct err *e)
{
    struct managed_account account;
    bool is_far_side;
    TRY(link_may_offer(db, a, who, o->account_id, now, &account, e));
    if (account.change_after_release)
        return FAIL(e, CONFLICT, "An account with ChangePasswordAfterAnyReleaseFlag cannot be linked");
    TRY(offer_again(db, a, keys, who, o, now, ret_id, e));
    if (*ret_id)
        return SUCCESS;
    TRY(insert_offer(db, a, who, o, now, ret_id, e));
    struct link_row row;
    TRY(link_load(db, a, *ret_id, &row, e));
    TRY(check_end(db, a, &row.link, o->replace, e));
    TRY(link_seal_row(db, a, keys, &row.link, e));
    link_note(db, a, &row.link, "link.offer", o->release);
    TRY(link_far_side(db, a, who, &row.link, &is_far_side, e));
    if (!is_far_side)
        return SUCCESS;
    TRY(note_accepted(db, a, keys, who, &row.link, o->replace, now, e));
    return activate_when_complete(db, a, keys, *ret_id, now, e);
}

result link_may_accept(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct err *e)
{
    struct link l;
    bool is_far_side;
    TRY(link_get(db, a, who, id, &l, e));
    TRY(link_far_side(db, a, who, &l, &is_far_side, e));
    return is_far_side ? SUCCESS : deny_far_side(&l, e);
}

result link_accept(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who, int64_t id,
                   bool replace, int64_t now, struct err *e)
{
    struct link_row row;
    TRY(link_may_accept(db, a, who, id, e));
    TRY(link_load(db, a, id, &row, e));
    TRY(link_check_row(a, keys, &row, e));
    if (row.link.accepted_by)
        return SUCCESS;
    TRY(note_accepted(db, a, keys, who, &row.link, replace, now, e));
    return activate_when_complete(db, a, keys, id, now, e);
}

result link_may_approve(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct err *e)
{
    static const enum rule_role approvers[] = {ROLE_APPROVER, ROLE_REQUESTOR_APPROVER, ROLE_NONE};
    struct link_row row;
    bool may = false;
    TRY(link_load(db, a, id, &row, e));
    TRY(rule_role_on_account(db, a, who, approvers, row.link.account_id, &may, e));
    if (!may)
        return FAIL(e, DENIED, "You need the Approver role on a Smart Rule that holds the account");
    if (row.link.offered_by == who->user_id)
        return FAIL(e, DENIED, "Nobody approves his own offer");
    return SUCCESS;
}

static result note_approved(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who,
                            struct link_row *row, struct str reason, struct err *e)
{
    if (!str_equal(row->link.state, S("offered")) || !row->link.needs_approval)
        return FAIL(e, CONFLICT, "There is nothing to approve");
    TRY(link_check_row(a, keys, row, e));
    TRY(db_run(db, SQL("UPDATE links SET approved_by = $2 WHERE id = $1", P_INT(row->link.id), P_INT(who->user_id)),
               e));
    link_note(db, a, &row->link, "link.approve", reason);
    row->link.approved_by = who->user_id;
    return link_seal_row(db, a, keys, &row->link, e);
}

result link_approve(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who, int64_t id,
                    struct str reason, int64_t now, struct link *ret, struct err *e)
{
    struct link_row row;
    TRY(link_may_approve(db, a, who, id, e));
    TRY(link_load(db, a, id, &row, e));
    if (!row.link.approved_by) {
        TRY(note_approved(db, a, keys, who, &row, reason, e));
        TRY(activate_when_complete(db, a, keys, id, now, e));
        TRY(link_load(db, a, id, &row, e));
    }
    *ret = row.link;
    return SUCCESS;
}

/* It was turned all the time; but for one that could not take a version, and a push that had to stop. */
static result catch_up(struct db *db, struct arena *a, const struct keyring *keys, const struct link *l, int64_t now,
                       struct err *e)
{
    struct managed_account account;
    if (l->far.system_id)
        return l->far.behind_since ? follower_turn(db, l, now, e) : SUCCESS;
    TRY(account_get(db, a, l->account_id, now, &account, e));
    TRY(check_end(db, a, l, false, e)); /* without its copy, nothing kept others away from there */
    return l->version == account.current_version ? SUCCESS : link_copy(db, a, keys, l, account.current_version, now, e);
}

result link_resume(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who, int64_t id,
                   int64_t now, struct err *e)
{
    struct link_row row;
    bool is_account_side;
    TRY(link_get(db, a, who, id, &row.link, e));
    TRY(link_load(db, a, id, &row, e));
    TRY(link_account_side(db, a, who, row.link.account_id, &is_account_side, e));
    if (!is_account_side)
        return deny_account_side(e);
    TRY(link_check_row(a, keys, &row, e));
    if (!str_equal(row.link.state, S("suspended")))
        return SUCCESS;
    row.link.state = S("active");
    TRY(db_run(db, SQL("UPDATE links SET state = 'active' WHERE id = $1", P_INT(id)), e));
    TRY(catch_up(db, a, keys, &row.link, now, e));
    link_note(db, a, &row.link, "link.resume", STR_ABSENT);
    return link_seal_row(db, a, keys, &row.link, e);
}

result link_suspend_account(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t now,
                            struct err *e)
{
    struct link_row *rows;
    size_t n;
    TRY(link_load_account(db, a, account_id, &rows, &n, e));
    for (size_t i = 0; i < n; i++) {
        if (!str_equal(rows[i].link.state, S("active")))
            continue;
        TRY(link_check_row(a, keys, &rows[i], e));
        rows[i].link.state = S("suspended");
        TRY(db_run(db, SQL("UPDATE links SET state = 'suspended' WHERE id = $1", P_INT(rows[i].link.id)), e));
        TRY(link_seal_row(db, a, keys, &rows[i].link, e));
        if (rows[i].link.far.system_id)
            TRY(follower_stop(db, &rows[i].link, "the link is suspended", now, e));
        link_note(db, a, &rows[i].link, "link.suspend", STR_ABSENT);
    }
    return SUCCESS;
}

result link_end(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who, int64_t id,
                int64_t now, struct err *e)
{
    struct link l;
    bool is_account_side, is_far_side;
    TRY(link_get(db, a, who, id, &l, e));
    TRY(link_account_side(db, a, who, l.account_id, &is_account_side, e));
    TRY(link_far_side(db, a, who, &l, &is_far_side, e));
    if (!is_account_side && !is_far_side)
        return deny_account_side(e);
    return link_remove(db, a, keys, &l, who->user_id, now, e);
}
