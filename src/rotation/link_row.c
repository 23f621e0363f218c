/* rotation/link_row.c: rows of links: loaded, sealed by a MAC, and whose they are. */
#include "rotation/link_row.h"

#include "audit/audit.h"
#include "base/log.h"

static struct list what_it_waits_for(struct arena *a, const struct link *l)
{
    struct str *words = arena_array(a, struct str, 2);
    struct list waits = {.at = words};
    if (!str_equal(l->state, S("offered")))
        return waits;
    if (!l->accepted_by)
        words[waits.n++] = S("accept");
    if (l->needs_approval && !l->approved_by)
        words[waits.n++] = S("approve");
    return waits;
}

struct link_row link_of(struct arena *a, const struct rows *r, size_t i)
{
    struct link l = {.id = row_int(r, i, 0),
                     .account_id = row_int(r, i, 1),
                     .attribute_id = row_int(r, i, 2),
                     .user_id = row_int(r, i, 3),
                     .credential_id = row_int(r, i, 4),
                     .offered_by = row_int(r, i, 5),
                     .offered_at = row_int(r, i, 6),
                     .accepted_by = row_int(r, i, 7),
                     .accepted_at = row_int(r, i, 8),
                     .approved_by = row_int(r, i, 9),
                     .version = row_int(r, i, 10),
                     .turned_at = row_int(r, i, 11),
                     .last_read_at = row_int(r, i, 12),
                     .part = row_text(r, i, 13),
                     .release = row_text(r, i, 14),
                     .state = row_text(r, i, 15),
                     .system_name = row_text(r, i, 16),
                     .account_name = row_text(r, i, 17),
                     .end_name = row_text(r, i, 18),
                     .needs_approval = row_flag(r, i, 19),
                     .may_replace = row_flag(r, i, 20),
                     .far = {.id = row_int(r, i, 22),
                             .system_id = row_int(r, i, 23),
                             .behind_since = row_int(r, i, 24),
                             .last_try_at = row_int(r, i, 25),
                             .user = row_text(r, i, 26),
                             .credential = row_text(r, i, 27),
                             .attribute = row_text(r, i, 28),
                             .last_text = row_text(r, i, 29)}};
    l.waits_for = what_it_waits_for(a, &l);
    return (struct link_row){.link = l, .mac = row_blob(r, i, 21)};
}

result link_load(struct db *db, struct arena *a, int64_t id, struct link_row *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT " LINK_COLUMNS " FROM " LINK_TABLES " WHERE l.id = $1", P_INT(id)), "Link", &r,
                     e));
    *ret = link_of(a, &r, 0);
    return SUCCESS;
}

result link_load_account(struct db *db, struct arena *a, int64_t account_id, struct link_row **ret, size_t *ret_n,
                         struct err *e)
{
    struct rows r;
    TRY(db_query(
        db, a,
        SQL("SELECT " LINK_COLUMNS " FROM " LINK_TABLES " WHERE l.account_id = $1 ORDER BY l.id", P_INT(account_id)),
        &r, e));
    *ret = arena_array(a, struct link_row, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = link_of(a, &r, i);
    *ret_n = r.n;
    return SUCCESS;
}

/* Of a follower also where it goes: nothing for a link whose end is here, whose MAC stays what it was. */
static struct str far_message(struct arena *a, const struct link *l)
{
    const struct far_end *f = &l->far;
    if (!f->system_id)
        return S("");
    return arena_printf(a, "|%" PRId64 "|%" PRId64 "|%zu:%.*s|%zu:%.*s|%.*s", f->id, f->system_id, f->user.n,
                        STR_ARG(f->user), f->credential.n, STR_ARG(f->credential), STR_ARG(f->attribute));
}

static struct str mac_message(struct arena *a, const struct link *l)
{
    struct str far = far_message(a, l);
    return arena_printf(a,
                        "keyturn/link/1|%" PRId64 "|%" PRId64 "|%.*s|%" PRId64 "|%" PRId64 "|%.*s|%.*s|%d|%" PRId64
                        "|%" PRId64 "%.*s",
                        l->id, l->account_id, STR_ARG(l->part), l->attribute_id, l->user_id, STR_ARG(l->release),
                        STR_ARG(l->state), l->needs_approval, l->accepted_by, l->approved_by, STR_ARG(far));
}

result link_seal_row(struct db *db, struct arena *a, const struct keyring *keys, const struct link *l, struct err *e)
{
    struct str mac;
    TRY(keyring_mac(keys, PURPOSE_LINK_MAC, mac_message(a, l), a, &mac, e));
    return db_run(db, SQL("UPDATE links SET mac = $2 WHERE id = $1", P_INT(l->id), P_BLOB(mac)), e);
}

result link_check_row(struct arena *a, const struct keyring *keys, const struct link_row *row, struct err *e)
{
    bool is_ours = false;
    TRY(keyring_mac_check(keys, PURPOSE_LINK_MAC, mac_message(a, &row->link), row->mac, &is_ours, e));
    if (is_ours)
        return SUCCESS;
    log_error("link %" PRId64 " of account %" PRId64
              " was changed in the database by somebody else: nothing turns until it is removed",
              row->link.id, row->link.account_id);
    return FAIL_AS(e, INTERNAL, "link_broken", "link %" PRId64 " does not verify; the account does not turn",
                   row->link.id);
}

void link_note(struct db *db, struct arena *a, const struct link *l, const char *what, struct str detail)
{
    struct audit_object object = {
        "link", l->id,
        arena_printf(a, "%.*s/%.*s -> %.*s", STR_ARG(l->system_name), STR_ARG(l->account_name), STR_ARG(l->end_name))};
    audit_note(db, what, true, object, l->account_id, detail);
}

/* ---- sides ---- */

result link_account_side(struct db *db, struct arena *a, const struct caller *who, int64_t account_id, bool *ret,
                         struct err *e)
{
    static const enum rule_role isa[] = {ROLE_ISA, ROLE_NONE};
    *ret = false;
    if (!rights_have(&who->rights, ACCOUNT_MANAGEMENT, LEVEL_WRITE))
        return SUCCESS;
    if (who->rights.is_administrator) {
        *ret = true;
        return SUCCESS;
    }
    return rule_role_on_account(db, a, who, isa, account_id, ret, e);
}

result link_far_side(struct db *db, struct arena *a, const struct caller *who, const struct link *l, bool *ret,
                     struct err *e)
{
    if (l->user_id || l->far.system_id) {
        *ret = who->rights.is_aae_admin || (l->far.system_id && who->rights.is_administrator);
        return SUCCESS;
    }
    struct link_end end;
    TRY(value_link_end(db, a, l->attribute_id, &end, e));
    *ret = end.credential.owner_id == who->user_id && rights_have(&who->rights, CREATE_STANDARD, LEVEL_WRITE);
    return SUCCESS;
}

result link_must_be_a_side(struct db *db, struct arena *a, const struct caller *who, const struct link *l,
                           struct err *e)
{
    bool is_far = false;
    if (rights_have(&who->rights, ACCOUNT_MANAGEMENT, LEVEL_READ))
        return SUCCESS;
    TRY(link_far_side(db, a, who, l, &is_far, e));
    return is_far ? SUCCESS : FAIL(e, NOT_FOUND, "Link not found");
}
