/* api/passwordsafe/assets.c: assets: the machines that systems stand on (passwordsafe-api 6.3). */
#include "api/passwordsafe/face.h"

const struct field ps_asset_fields[] = {
    ID("WorkgroupID", struct asset, workgroup_id),
    ID("AssetID", struct asset, id),
    TEXT("AssetName", struct asset, name),
    TEXT("DnsName", struct asset, dns_name, .null_when_empty = true),
    TEXT("DomainName", struct asset, domain_name, .null_when_empty = true),
    TEXT("IPAddress", struct asset, ip_address),
    TEXT("MacAddress", struct asset, mac_address, .null_when_empty = true),
    TEXT("AssetType", struct asset, asset_type, .null_when_empty = true),
    TEXT("OperatingSystem", struct asset, operating_system, .null_when_empty = true),
    TIME("CreateDate", struct asset, created_at, .format = TIME_BARE),
    TIME("LastUpdateDate", struct asset, updated_at, .format = TIME_BARE),
    TEXT("Description", struct asset, description, .null_when_empty = true),
    FIELD_END,
};

/* Straight into the domain's struct: what is left out is absent there. */
static const struct field body_fields[] = {
    TEXT("IPAddress", struct asset, ip_address, .max = 46, .doc = "IPv4 or IPv6; a new asset needs one",
         .example = "10.0.0.5"),
    TEXT("AssetName", struct asset, name, .max = 128, .doc = "None: the padded address", .example = "web01"),
    TEXT("DnsName", struct asset, dns_name, .max = 255, .example = "web01.corp.example"),
    TEXT("DomainName", struct asset, domain_name, .max = 64),
    TEXT("MacAddress", struct asset, mac_address, .max = 128),
    TEXT("AssetType", struct asset, asset_type, .max = 64, .example = "Server"),
    TEXT("Description", struct asset, description, .max = 255),
    TEXT("OperatingSystem", struct asset, operating_system, .max = 255, .example = "Debian 12"),
    FIELD_END,
};
static const struct body asset_body =
    BODY(struct asset, body_fields, .example = "{\"IPAddress\":\"10.0.0.5\",\"AssetName\":\"web01\"}");

struct asset_query {
    struct paging paging;
    struct str name;
};
static const struct field query_fields[] = {
    PAGING_ROWS(struct asset_query),
    TEXT("name", struct asset_query, name, .max = 128, .doc = "The one of this name"),
    FIELD_END,
};

static result answer(struct call *c, int64_t id, struct err *e)
{
    struct asset a;
    TRY(asset_get(c->db, c->arena, id, &a, e));
    call_object(c, "asset", a.id, a.name);
    reply_object(c, ps_asset_fields, &a);
    return SUCCESS;
}

static result asset_show(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Asset", &id, e));
    return answer(c, id, e);
}

static result assets_of_workgroup(struct call *c, struct err *e)
{
    const void *query;
    struct workgroup w;
    struct asset one, *found;
    struct page page;
    size_t n;
    int64_t total;
    TRY(workgroup_of_param(c, 0, &w, e));
    TRY(call_query(c, &query, e));
    const struct asset_query *q = query;
    if (q->name.n) {
        TRY(asset_by_name(c->db, c->arena, w.id, q->name, &one, e));
        reply_object(c, ps_asset_fields, &one);
        return SUCCESS;
    }
    TRY(page_of(&q->paging, &page, e));
    TRY(asset_list(c->db, c->arena, w.id, page.limit, page.offset, &found, &n, &total, e));
    reply_page_of_rows(c, &page, ps_asset_fields, found, sizeof *found, n, total);
    return SUCCESS;
}

static result asset_new(struct call *c, struct err *e)
{
    const void *body;
    struct workgroup w;
    int64_t id;
    TRY(workgroup_of_param(c, 0, &w, e));
    TRY(call_body(c, &body, e));
    struct asset with = *(const struct asset *)body;
    if (!with.ip_address.n)
        return FAIL(e, INVALID, "IPAddress: is required");
    with.workgroup_id = w.id;
    TRY(asset_create(c->db, c->arena, &with, c->now, &id, e));
    return answer(c, id, e);
}

static result asset_edit(struct call *c, struct err *e)
{
    const void *body;
    int64_t id;
    struct asset a;
    TRY(call_id(c, 0, "Asset", &id, e));
    TRY(asset_get(c->db, c->arena, id, &a, e));
    TRY(call_body(c, &body, e));
    const struct asset *in = body;
    take_text(&a.ip_address, in->ip_address);
    take_text(&a.name, in->name);
    take_text(&a.dns_name, in->dns_name);
    take_text(&a.domain_name, in->domain_name);
    take_text(&a.mac_address, in->mac_address);
    take_text(&a.asset_type, in->asset_type);
    take_text(&a.description, in->description);
    take_text(&a.operating_system, in->operating_system);
    TRY(asset_update(c->db, c->arena, &a, c->now, e));
    return answer(c, id, e);
}

static result remove_asset(struct call *c, const struct asset *a, struct err *e)
{
    call_object(c, "asset", a->id, a->name);
    TRY(asset_delete(c->db, a->id, e));
    reply_none(c, 200);
    return SUCCESS;
}

static result asset_remove(struct call *c, struct err *e)
{
    int64_t id;
    struct asset a;
    TRY(call_id(c, 0, "Asset", &id, e));
    TRY(asset_get(c->db, c->arena, id, &a, e));
    return remove_asset(c, &a, e);
}

static result asset_remove_by_name(struct call *c, struct err *e)
{
    const void *query;
    struct workgroup w;
    struct asset a;
    TRY(workgroup_of_param(c, 0, &w, e));
    TRY(call_query(c, &query, e));
    const struct asset_query *q = query;
    if (!q->name.n)
        return FAIL(e, INVALID, "name: is required");
    TRY(asset_by_name(c->db, c->arena, w.id, q->name, &a, e));
    return remove_asset(c, &a, e);
}

static result asset_find(struct call *c, struct err *e)
{
    const void *query, *body;
    struct page page;
    struct asset *found;
    size_t n;
    int64_t total;
    TRY(call_query(c, &query, e));
    TRY(call_body(c, &body, e));
    TRY(page_of(&((const struct asset_query *)query)->paging, &page, e));
    TRY(asset_search(c->db, c->arena, body, page.limit, page.offset, &found, &n, &total, e));
    reply_page_of_rows(c, &page, ps_asset_fields, found, sizeof *found, n, total);
    return SUCCESS;
}

#define QUERY .query = query_fields, .query_size = sizeof(struct asset_query)
const struct endpoint ps_asset_endpoints[] = {
    {HTTP_GET, "/Assets/{id}", MAY_READ(ASSET_MANAGEMENT), READS, UNRECORDED, "Show an asset", NO_BODY, asset_show,
     .reply = ps_asset_fields, .object = "asset"},
    {HTTP_PUT, "/Assets/{id}", MAY(ASSET_MANAGEMENT), WRITES, "asset.update", "Change an asset; what is left out stays",
     &asset_body, asset_edit, .reply = ps_asset_fields, .object = "asset"},
    {HTTP_DELETE, "/Assets/{id}", MAY(ASSET_MANAGEMENT), WRITES, "asset.delete",
     "Delete an asset that has no managed system", NO_BODY, asset_remove, .object = "asset"},
    {HTTP_POST, "/Assets/Search", MAY_READ(ASSET_MANAGEMENT), SEARCHES, UNRECORDED,
     "Find assets that match everything given", &asset_body, asset_find, QUERY, .reply = ps_asset_fields,
     .reply_is_any = true},
    {HTTP_GET, "/Workgroups/{id}/Assets", MAY_READ(ASSET_MANAGEMENT), SEARCHES, UNRECORDED,
     "List a workgroup's assets, or show one by name", NO_BODY, assets_of_workgroup, QUERY, .object = "workgroup",
     .reply = ps_asset_fields, .reply_is_any = true},
    {HTTP_POST, "/Workgroups/{id}/Assets", MAY(ASSET_MANAGEMENT), WRITES, "asset.create", "Create an asset",
     &asset_body, asset_new, .status = 201, .reply = ps_asset_fields, .object = "workgroup"},
    {HTTP_DELETE, "/Workgroups/{id}/Assets", MAY(ASSET_MANAGEMENT), WRITES, "asset.delete",
     "Delete the asset of this name", NO_BODY, asset_remove_by_name, QUERY, .object = "workgroup"},
    {0},
};
