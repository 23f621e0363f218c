/* accounts/asset.c: assets: the machines that systems stand on. */
#include <arpa/inet.h>

#include "accounts/check.h"
#include "accounts/place.h"
#include "base/text.h"

#define ASSET_COLUMNS                                                                                                  \
    "a.id, a.workgroup_id, a.name, a.ip_address, a.dns_name, a.domain_name, a.mac_address, a.asset_type, "             \
    "a.description, a.operating_system, a.created_at, a.updated_at"

static struct asset asset_of(const struct rows *r, size_t i)
{
    return (struct asset){.id = row_int(r, i, 0),
                          .workgroup_id = row_int(r, i, 1),
                          .name = row_text(r, i, 2),
                          .ip_address = row_text(r, i, 3),
                          .dns_name = row_text(r, i, 4),
                          .domain_name = row_text(r, i, 5),
                          .mac_address = row_text(r, i, 6),
                          .asset_type = row_text(r, i, 7),
                          .description = row_text(r, i, 8),
                          .operating_system = row_text(r, i, 9),
                          .created_at = row_int(r, i, 10),
                          .updated_at = row_int(r, i, 11)};
}

result asset_get(struct db *db, struct arena *a, int64_t id, struct asset *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a,
                     SQL("SELECT " ASSET_COLUMNS " FROM assets a WHERE a.id = $1 AND a.entity_type = 1", P_INT(id)),
                     "Asset", &r, e));
    *ret = asset_of(&r, 0);
    return SUCCESS;
}

result asset_by_name(struct db *db, struct arena *a, int64_t workgroup_id, struct str name, struct asset *ret,
                     struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a,
                     SQL("SELECT " ASSET_COLUMNS " FROM assets a WHERE a.workgroup_id = $1 AND a.name_key = $2 "
                         "AND a.entity_type = 1",
                         P_INT(workgroup_id), P_TEXT(text_key(a, text_or_empty(name)))),
                     "Asset", &r, e));
    *ret = asset_of(&r, 0);
    return SUCCESS;
}

static result page_of(struct db *db, struct arena *a, const struct builder *from, int64_t limit, int64_t offset,
                      struct asset **ret, size_t *ret_n, int64_t *ret_total, struct err *e)
{
    struct rows r;
    TRY(query_page(db, a, ASSET_COLUMNS, from, "a.id", limit, offset, &r, ret_total, e));
    *ret = arena_array(a, struct asset, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = asset_of(&r, i);
    *ret_n = r.n;
    return SUCCESS;
}

result asset_list(struct db *db, struct arena *a, int64_t workgroup_id, int64_t limit, int64_t offset,
                  struct asset **ret, size_t *ret_n, int64_t *ret_total, struct err *e)
{
    struct builder b;
    builder_init(&b, a);
    builder_add(&b, "FROM assets a WHERE a.entity_type = 1");
    if (workgroup_id) {
        builder_add(&b, " AND a.workgroup_id =");
        builder_param(&b, P_INT(workgroup_id));
    }
    return page_of(db, a, &b, limit, offset, ret, ret_n, ret_total, e);
}

/* As inet_ntop writes it, so that a search finds "::1" by "0:0:0:0:0:0:0:1" too. */
static bool canonical_address(struct arena *a, struct str text, struct str *ret)
{
    unsigned char bytes[16];
    char *out = arena_alloc(a, INET6_ADDRSTRLEN);
    const char *in = arena_cstr(a, text);
    int family = str_find_char(text, ':') >= 0 ? AF_INET6 : AF_INET;
    if (inet_pton(family, in, bytes) != 1)
        return false;
    *ret = str_of(inet_ntop(family, bytes, out, INET6_ADDRSTRLEN));
    return true;
}

static void add_like(struct builder *b, const char *column_is, struct str given)
{
    if (given.n == 0)
        return;
    builder_add(b, b->n ? " AND " : " WHERE ");
    builder_add(b, column_is);
    builder_param(b, P_TEXT(text_key(b->arena, given)));
}

result asset_search(struct db *db, struct arena *a, const struct asset *like, int64_t limit, int64_t offset,
                    struct asset **ret, size_t *ret_n, int64_t *ret_total, struct err *e)
{
    struct builder b;
    builder_init(&b, a);
    builder_add(&b, "FROM assets a");
    add_like(&b, "a.name_key =", like->name);
    add_like(&b, "a.dns_name_key =", like->dns_name);
    add_like(&b, "a.domain_name_key =", like->domain_name);
    struct str address = text_or_empty(like->ip_address);
    (void)canonical_address(a, text_trim(address), &address);
    add_like(&b, "a.ip_address =", address);
    add_like(&b, "a.mac_address_key =", like->mac_address);
    add_like(&b, "a.asset_type_key =", like->asset_type);
    if (b.n == 0)
        return FAIL(e, INVALID,
                    "At least one of AssetName, DnsName, DomainName, IPAddress, MacAddress, AssetType is required");
    builder_add(&b, " AND a.entity_type = 1");
    return page_of(db, a, &b, limit, offset, ret, ret_n, ret_total, e);
}

/* ---- writing ---- */

/* "10.0.0.5" is "010.000.000.005" where it stands for a name, so that names sort as addresses do. */
static struct str name_of_address(struct arena *a, struct str address)
{
    unsigned char v4[4];
    if (inet_pton(AF_INET, arena_cstr(a, address), v4) != 1)
        return address;
    return arena_printf(a, "%03u.%03u.%03u.%03u", v4[0], v4[1], v4[2], v4[3]);
}

static result complete(struct db *db, struct arena *a, const struct asset *with, struct asset *ret, struct err *e)
{
    struct workgroup w;
    TRY(workgroup_get(db, a, with->workgroup_id, &w, e));
    *ret = *with;
    ret->ip_address = text_trim(text_or_empty(with->ip_address));
    if (ret->ip_address.n && !canonical_address(a, ret->ip_address, &ret->ip_address))
        return FAIL(e, INVALID, "IPAddress: is not an IP address");
    ret->name = text_trim(text_or_empty(with->name));
    if (ret->name.n == 0)
        ret->name = name_of_address(a, ret->ip_address);
    /* A system made in one step with its asset may be known by name alone (passwordsafe-api 6.9, 8.5). */
    if (ret->name.n == 0)
        return FAIL(e, INVALID, "IPAddress: is required");
    struct err found = {0};
    check_no_control("AssetName", ret->name, &found);
    check_no_control("DnsName", text_or_empty(ret->dns_name), &found);
    return check_end(&found, e);
}

/* $1 to $14 of both statements. */
#define ASSET_VALUES(a, w)                                                                                             \
    P_INT((w).workgroup_id), P_TEXT((w).name), P_TEXT((w).ip_address), P_TEXT(text_or_empty((w).dns_name)),            \
        P_TEXT(text_or_empty((w).domain_name)), P_TEXT(text_or_empty((w).mac_address)),                                \
        P_TEXT(text_or_empty((w).asset_type)), P_TEXT(text_or_empty((w).description)),                                 \
        P_TEXT(text_or_empty((w).operating_system)), P_TEXT(text_key((a), (w).name)),                                  \
        P_TEXT(text_key((a), text_or_empty((w).dns_name))), P_TEXT(text_key((a), text_or_empty((w).domain_name))),     \
        P_TEXT(text_key((a), text_or_empty((w).mac_address))), P_TEXT(text_key((a), text_or_empty((w).asset_type)))

result asset_create(struct db *db, struct arena *a, const struct asset *with, int64_t now, int64_t *ret_id,
                    struct err *e)
{
    struct asset w;
    struct rows r;
    TRY(complete(db, a, with, &w, e));
    TRY(db_query(db, a,
                 SQL("INSERT INTO assets (workgroup_id, name, ip_address, dns_name, domain_name, mac_address, "
                     "asset_type, description, operating_system, name_key, dns_name_key, domain_name_key, "
                     "mac_address_key, asset_type_key, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, "
                     "$9, $10, $11, $12, $13, $14, $15, $15) ON CONFLICT DO NOTHING RETURNING id",
                     ASSET_VALUES(a, w), P_INT(now)),
                 &r, e));
    if (r.n == 0)
        return name_taken("An Asset", w.name, e);
    *ret_id = row_int(&r, 0, 0);
    return SUCCESS;
}

result asset_update(struct db *db, struct arena *a, const struct asset *with, int64_t now, struct err *e)
{
    struct asset before, w = *with;
    bool is_taken;
    TRY(asset_get(db, a, with->id, &before, e));
    w.workgroup_id = before.workgroup_id;
    TRY(complete(db, a, &w, &w, e));
    TRY(has_row(db, a,
                SQL("SELECT 1 FROM assets WHERE workgroup_id = $1 AND name_key = $2 AND id <> $3",
                    P_INT(w.workgroup_id), P_TEXT(text_key(a, w.name)), P_INT(w.id)),
                &is_taken, e));
    if (is_taken)
        return name_taken("An Asset", w.name, e);
    return db_run(db,
                  SQL("UPDATE assets SET workgroup_id = $1, name = $2, ip_address = $3, dns_name = $4, domain_name = "
                      "$5, mac_address = $6, asset_type = $7, description = $8, operating_system = $9, name_key = $10, "
                      "dns_name_key = $11, domain_name_key = $12, mac_address_key = $13, asset_type_key = $14, "
                      "updated_at = $15 WHERE id = $16",
                      ASSET_VALUES(a, w), P_INT(now), P_INT(w.id)),
                  e);
}

result asset_delete(struct db *db, int64_t id, struct err *e)
{
    int64_t systems, databases, deleted;
    TRY(db_insert(db, SQL("SELECT COUNT(*) FROM managed_systems WHERE asset_id = $1", P_INT(id)), &systems, "", e));
    if (systems > 0)
        return FAIL(e, CONFLICT, "The asset has a Managed System; delete that first");
    TRY(db_insert(db, SQL("SELECT COUNT(*) FROM databases WHERE asset_id = $1", P_INT(id)), &databases, "", e));
    if (databases > 0)
        return FAIL(e, CONFLICT, "The asset has a Database; delete that first");
    TRY(db_run_counting(db, SQL("DELETE FROM assets WHERE id = $1 AND entity_type = 1", P_INT(id)), &deleted, e));
    if (deleted == 0)
        return FAIL(e, NOT_FOUND, "Asset not found");
    return SUCCESS;
}

/* ---- places of databases and directories: rows that no asset's call shows ---- */

/* No asset's name holds a control character, so no asset has this key. */
static struct str place_key(struct arena *a, struct str key)
{
    return arena_printf(a, "\x01%.*s", STR_ARG(text_key(a, key)));
}

result place_create(struct db *db, struct arena *a, int64_t workgroup_id, int64_t entity_type, struct str key,
                    int64_t now, int64_t *ret_id, struct err *e)
{
    return db_insert(db,
                     SQL("INSERT INTO assets (workgroup_id, entity_type, name, name_key, ip_address, created_at, "
                         "updated_at) VALUES ($1, $2, '', $3, '', $4, $4) ON CONFLICT DO NOTHING RETURNING id",
                         P_INT(workgroup_id), P_INT(entity_type), P_TEXT(place_key(a, key)), P_INT(now)),
                     ret_id, "This place is taken", e);
}

result place_rename(struct db *db, struct arena *a, int64_t id, struct str key, int64_t now, struct err *e)
{
    struct str wanted = place_key(a, key);
    bool is_taken;
    TRY(has_row(db, a,
                SQL("SELECT 1 FROM assets a JOIN assets o ON o.workgroup_id = a.workgroup_id WHERE a.id = $1 AND "
                    "o.id <> $1 AND o.name_key = $2",
                    P_INT(id), P_TEXT(wanted)),
                &is_taken, e));
    if (is_taken)
        return FAIL(e, CONFLICT, "This place is taken");
    return db_run(
        db,
        SQL("UPDATE assets SET name_key = $2, updated_at = $3 WHERE id = $1", P_INT(id), P_TEXT(wanted), P_INT(now)),
        e);
}
