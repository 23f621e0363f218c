/* rotation/link_read.c: links looked at: one, many, and who could read through them. */
#include "rotation/link_row.h"

result link_get(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct link *ret, struct err *e)
{
    struct link_row row;
    TRY(link_load(db, a, id, &row, e));
    TRY(link_must_be_a_side(db, a, who, &row.link, e));
    *ret = row.link;
    return SUCCESS;
}

result link_count(struct db *db, struct arena *a, int64_t account_id, int64_t *ret, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a, SQL("SELECT COUNT(*) FROM links WHERE account_id = $1", P_INT(account_id)), &r, e));
    *ret = row_int(&r, 0, 0);
    return SUCCESS;
}

/* Holders of Account Management see every link; others those whose far side they are. (Administrators are among the
 * former.) */
static void narrow_to_sides(struct builder *b, const struct caller *who)
{
    if (rights_have(&who->rights, ACCOUNT_MANAGEMENT, LEVEL_READ))
        return;
    builder_add(b, " AND (c.owner_id = ");
    builder_param(b, P_INT(who->user_id));
    builder_add(b, who->rights.is_aae_admin ? " OR l.user_id > 0 OR l.attribute_id < 0)" : ")");
}

result link_list(struct db *db, struct arena *a, const struct caller *who, int64_t account_id, struct str state,
                 int64_t after, int64_t limit, struct link **ret, size_t *ret_n, struct err *e)
{
    struct builder b;
    builder_init(&b, a);
    builder_add(&b, "SELECT " LINK_COLUMNS " FROM " LINK_TABLES " WHERE l.id > ");
    builder_param(&b, P_INT(after));
    if (account_id) {
        builder_add(&b, " AND l.account_id = ");
        builder_param(&b, P_INT(account_id));
    }
    if (state.n) {
        builder_add(&b, " AND l.state = ");
        builder_param(&b, P_TEXT(state));
    }
    narrow_to_sides(&b, who);
    builder_add(&b, " ORDER BY l.id LIMIT ");
    builder_param(&b, P_INT(limit));
    struct rows r;
    TRY(db_query(db, a, builder_sql(&b), &r, e));
    *ret = arena_array(a, struct link, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = link_of(a, &r, i).link;
    *ret_n = r.n;
    return SUCCESS;
}

static struct link_reader reader_of(const struct rows *r, size_t i)
{
    return (struct link_reader){.user_id = row_int(r, i, 0),
                                .user_name = row_text(r, i, 1),
                                .role_number = row_int(r, i, 2),
                                .role_name = row_text(r, i, 3),
                                .device_id = row_int(r, i, 4),
                                .device_name = row_text(r, i, 5)};
}

result link_audience(struct db *db, struct arena *a, const struct link *l, struct link_reader **ret, size_t *ret_n,
                     struct err *e)
{
    struct rows r = {0};
    bool is_open = str_equal(l->release, S("consumers")) && str_equal(l->state, S("active"));
    if (is_open && l->user_id)
        TRY(db_query(db, a,
                     SQL("SELECT u.id, u.name, 0, '', d.id, d.host_name FROM devices d JOIN users u ON u.id = "
                         "d.default_user_id WHERE u.id = $1 AND u.is_disabled = 0 "
                         "ORDER BY d.id LIMIT 1000",
                         P_INT(l->user_id)),
                     &r, e));
    else if (is_open)
        TRY(db_query(db, a,
                     SQL("SELECT u.id, u.name, ro.number, ro.name, 0, '' FROM attributes t JOIN credentials c ON c.id "
                         "= t.credential_id "
                         "JOIN locker_consumers lc ON lc.locker_id = c.locker_id JOIN roles ro ON ro.id = lc.role_id "
                         "JOIN role_members rm ON rm.role_id = ro.id "
                         "JOIN users u ON u.id = rm.user_id WHERE t.id = $1 AND u.is_disabled = 0 AND u.is_quarantined "
                         "= 0 AND EXISTS (SELECT 1 FROM role_members x "
                         "JOIN role_rights rr ON rr.role_id = x.role_id WHERE x.user_id = u.id AND rr.right_id = $2) "
                         "ORDER BY u.id, ro.id LIMIT 1000",
                         P_INT(l->attribute_id), P_INT(READ_MASKED)),
                     &r, e));
    *ret = arena_array(a, struct link_reader, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = reader_of(&r, i);
    *ret_n = r.n;
    return SUCCESS;
}
