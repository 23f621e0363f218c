/* api/passwordsafe/systems.c: managed systems: read, changed, deleted (passwordsafe-api 6.9). */
#include "accounts/database.h"
#include "accounts/functional.h"
#include "api/passwordsafe/system_body.h"
#include "rotation/change.h"
#include "rotation/link.h"

static const struct body system_body =
    BODY(struct system_body, ps_system_body_fields,
         .example = "{\"PlatformID\":2,\"Port\":22,\"AutoManagementFlag\":true,\"FunctionalAccountID\":2,"
                    "\"ElevationCommand\":\"sudo\",\"ChangeFrequencyType\":\"xdays\",\"ChangeFrequencyDays\":30}");

struct system_query {
    struct paging paging;
    struct opt_int type;
    struct str name;
};
static const struct field query_fields[] = {
    PAGING_ROWS(struct system_query),
    OPT_INT("type", struct system_query, type, .doc = "EntityTypeID"),
    TEXT("name", struct system_query, name, .max = 255, .doc = "Exact SystemName"),
    FIELD_END,
};

/* ---- reading ---- */

static result system_show(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Managed System", &id, e));
    return answer_system(c, id, e);
}

static result list_by(struct call *c, struct system_filter f, struct err *e)
{
    const void *query;
    struct page page;
    struct managed_system *found;
    size_t n;
    int64_t total;
    TRY(call_query(c, &query, e));
    const struct system_query *q = query;
    TRY(page_of(&q->paging, &page, e));
    if (q->type.is_set && (q->type.value < ENTITY_ASSET || q->type.value > ENTITY_DIRECTORY)) {
        reply_systems(c, &page, NULL, 0, 0);
        return SUCCESS;
    }
    f.entity_type = q->type.value;
    f.name = q->name.n ? q->name : STR_ABSENT;
    f.limit = page.limit;
    f.offset = page.offset;
    TRY(system_list(c->db, c->arena, &f, &found, &n, &total, e));
    reply_systems(c, &page, found, n, total);
    return SUCCESS;
}

static result systems_all(struct call *c, struct err *e)
{
    return list_by(c, (struct system_filter){0}, e);
}

static result systems_of_workgroup(struct call *c, struct err *e)
{
    struct workgroup w;
    TRY(workgroup_of_param(c, 0, &w, e));
    return list_by(c, (struct system_filter){.workgroup_id = w.id}, e);
}

static result systems_of_functional(struct call *c, struct err *e)
{
    int64_t id;
    struct functional_account f;
    TRY(call_id(c, 0, "Functional Account", &id, e));
    TRY(functional_get(c->db, c->arena, id, &f, e));
    return list_by(c, (struct system_filter){.functional_account_id = id}, e);
}

static result system_on_asset(struct call *c, struct err *e)
{
    int64_t id;
    struct asset a;
    struct managed_system s;
    TRY(call_id(c, 0, "Asset", &id, e));
    TRY(asset_get(c->db, c->arena, id, &a, e));
    TRY(system_of_asset(c->db, c->arena, id, &s, e));
    reply_system(c, &s);
    return SUCCESS;
}

static result system_on_database(struct call *c, struct err *e)
{
    int64_t id;
    struct database d;
    struct managed_system s;
    TRY(call_id(c, 0, "Database", &id, e));
    TRY(database_get(c->db, c->arena, id, &d, e));
    TRY(system_of_place(c->db, c->arena, d.place_id, &s, e));
    reply_system(c, &s);
    return SUCCESS;
}

static result system_on_directory(struct call *c, struct err *e)
{
    int64_t id;
    struct directory d;
    struct managed_system s;
    TRY(call_id(c, 0, "Directory", &id, e));
    TRY(directory_get(c->db, c->arena, id, &d, e));
    TRY(system_of_place(c->db, c->arena, d.place_id, &s, e));
    reply_system(c, &s);
    return SUCCESS;
}

/* ---- writing ---- */

static result system_edit(struct call *c, struct err *e)
{
    int64_t id;
    struct managed_system s;
    const struct system_body *in;
    TRY(call_id(c, 0, "Managed System", &id, e));
    TRY(system_get(c->db, c->arena, id, &s, e));
    call_object(c, "system", id, s.name);
    TRY(read_system_body(c, &in, e));
    return change_system(c, &s, in, e);
}

static result system_remove(struct call *c, struct err *e)
{
    int64_t id, total;
    struct managed_system s;
    struct managed_account *accounts;
    size_t n;
    TRY(call_id(c, 0, "Managed System", &id, e));
    TRY(system_get(c->db, c->arena, id, &s, e));
    call_object(c, "system", id, s.name);
    struct account_filter f = {.system_id = id, .limit = -1};
    TRY(account_list(c->db, c->arena, &f, c->now, &accounts, &n, &total, e));
    for (size_t i = 0; i < n; i++)
        TRY(change_may_delete_account(c->db, c->arena, accounts[i].id, c->now, e));
    TRY(link_may_delete_system(c->db, c->arena, id, e));
    TRY(system_delete(c->db, id, c->now, e));
    reply_none(c, 200);
    return SUCCESS;
}

#define QUERY .query = query_fields, .query_size = sizeof(struct system_query)
const struct endpoint ps_system_endpoints[] = {
    {HTTP_GET, "/ManagedSystems", MAY_READ(SYSTEM_MANAGEMENT), SEARCHES, UNRECORDED, "List managed systems", NO_BODY,
     systems_all, QUERY, .reply = ps_system_fields, .reply_is_any = true},
    {HTTP_GET, "/ManagedSystems/{id}", MAY_READ(SYSTEM_MANAGEMENT), READS, UNRECORDED, "Show a managed system", NO_BODY,
     system_show, .reply = ps_system_fields, .object = "system"},
    {HTTP_GET, "/Assets/{id}/ManagedSystems", MAY_READ(SYSTEM_MANAGEMENT), READS, UNRECORDED,
     "Show the asset's managed system", NO_BODY, system_on_asset, .reply = ps_system_fields, .object = "asset"},
    {HTTP_GET, "/Workgroups/{id}/ManagedSystems", MAY_READ(SYSTEM_MANAGEMENT), SEARCHES, UNRECORDED,
     "List a workgroup's managed systems", NO_BODY, systems_of_workgroup, QUERY, .object = "workgroup",
     .reply = ps_system_fields, .reply_is_any = true},
    {HTTP_GET, "/FunctionalAccounts/{id}/ManagedSystems", MAY_READ_EITHER(SYSTEM_MANAGEMENT, ACCOUNT_MANAGEMENT),
     SEARCHES, UNRECORDED, "List the managed systems that a functional account serves", NO_BODY, systems_of_functional,
     QUERY, .object = "functional account", .reply = ps_system_fields, .reply_is_any = true},
    {HTTP_GET, "/Databases/{id}/ManagedSystems", MAY_READ(SYSTEM_MANAGEMENT), READS, UNRECORDED,
     "Show the database's managed system", NO_BODY, system_on_database, .reply = ps_system_fields,
     .object = "database"},
    {HTTP_GET, "/Directories/{id}/ManagedSystems", MAY_READ(SYSTEM_MANAGEMENT), READS, UNRECORDED,
     "Show the directory's managed system", NO_BODY, system_on_directory, .reply = ps_system_fields,
     .object = "directory"},
    {HTTP_PUT, "/ManagedSystems/{id}", MAY(SYSTEM_MANAGEMENT), WRITES, "system.update",
     "Change a managed system; what is left out stays", &system_body, system_edit, .reply = ps_system_fields,
     .object = "system"},
    {HTTP_DELETE, "/ManagedSystems/{id}", MAY(SYSTEM_MANAGEMENT), WRITES, "system.delete",
     "Delete a managed system and its accounts", NO_BODY, system_remove, .object = "system"},
    {0},
};
