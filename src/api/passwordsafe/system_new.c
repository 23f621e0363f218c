/* api/passwordsafe/system_new.c: taking assets, databases and directories under management (passwordsafe-api 6.9). */
#include "accounts/database.h"
#include "api/passwordsafe/system_body.h"
#include "rotation/change.h"

static const struct body system_body =
    BODY(struct system_body, ps_system_body_fields,
         .example = "{\"PlatformID\":2,\"Port\":22,\"AutoManagementFlag\":true,\"FunctionalAccountID\":2,"
                    "\"ElevationCommand\":\"sudo\",\"ChangeFrequencyType\":\"xdays\",\"ChangeFrequencyDays\":30}");

static result make(struct call *c, struct managed_system begin, const struct system_body *in, struct err *e)
{
    int64_t id;
    take_system_body(&begin, in);
    TRY(change_may_use_functional(c->db, c->arena, begin.functional_account_id, e));
    TRY(system_create(c->db, c->arena, &begin, &id, e));
    return answer_system(c, id, e);
}

static result make_on_asset(struct call *c, int64_t asset_id, const struct system_body *in, struct err *e)
{
    if (!in->platform_id.is_set)
        return FAIL(e, INVALID, "PlatformID: is required");
    if (in->use_ssl.value)
        return FAIL(e, INVALID, "UseSSL: not supported");
    return make(c, (struct managed_system){.asset_id = asset_id}, in, e);
}

/* What is managed already: the system is brought up to date, and the answer is 200. *ret_is_there false: it is not. */
static result change_present(struct call *c, int64_t place_id, const struct system_body *in, bool *ret_is_there,
                             struct err *e)
{
    struct managed_system present;
    struct err why = {0};
    result found = system_of_place(c->db, c->arena, place_id, &present, &why);
    *ret_is_there = is_ok(found);
    if (found.code == NOT_FOUND)
        return SUCCESS;
    if (!is_ok(found)) {
        *e = why;
        return found;
    }
    reply_status(c, 200);
    return change_system(c, &present, in, e);
}

static result system_new_on_asset(struct call *c, struct err *e)
{
    int64_t id;
    struct asset a;
    const struct system_body *in;
    bool is_there;
    TRY(call_id(c, 0, "Asset", &id, e));
    TRY(asset_get(c->db, c->arena, id, &a, e));
    TRY(read_system_body(c, &in, e));
    TRY(change_present(c, id, in, &is_there, e));
    return is_there ? SUCCESS : make_on_asset(c, id, in, e);
}

static result system_new_on_database(struct call *c, struct err *e)
{
    int64_t id;
    struct database d;
    const struct system_body *in;
    bool is_there;
    TRY(call_id(c, 0, "Database", &id, e));
    TRY(database_get(c->db, c->arena, id, &d, e));
    TRY(read_system_body(c, &in, e));
    TRY(change_present(c, d.place_id, in, &is_there, e));
    return is_there ? SUCCESS : make(c, (struct managed_system){.database_id = {true, id}}, in, e);
}

/* It begins with the directory's terms, and goes its own way from then on. */
static result system_new_on_directory(struct call *c, struct err *e)
{
    int64_t id;
    struct directory d;
    const struct system_body *in;
    bool is_there;
    TRY(call_id(c, 0, "Directory", &id, e));
    TRY(directory_get(c->db, c->arena, id, &d, e));
    TRY(read_system_body(c, &in, e));
    TRY(change_present(c, d.place_id, in, &is_there, e));
    return is_there ? SUCCESS : make(c, d.is, in, e);
}

/* ---- in one step ---- */

static result make_asset(struct call *c, const struct workgroup *w, const struct system_body *in, int64_t *ret_id,
                         struct err *e)
{
    struct asset with = {
        .workgroup_id = w->id, .name = in->host_name, .ip_address = in->ip_address, .dns_name = in->dns_name};
    return asset_create(c->db, c->arena, &with, c->now, ret_id, e);
}

/* The machine may be known already, as one that is managed itself or has other databases. */
static result make_with_database(struct call *c, const struct workgroup *w, const struct system_body *in, struct err *e)
{
    struct asset machine;
    struct err why = {0};
    int64_t database_id;
    result found = asset_by_name(c->db, c->arena, w->id, in->host_name, &machine, &why);
    if (found.code == NOT_FOUND) {
        TRY(make_asset(c, w, in, &machine.id, e));
    } else if (!is_ok(found)) {
        *e = why;
        return found;
    }
    struct database with = {.asset_id = machine.id,
                            .platform_id = in->platform_id.value,
                            .instance_name = in->instance_name,
                            .is_default_instance = in->is_default_instance.value,
                            .port = in->port.value,
                            .template = in->template};
    TRY(database_create(c->db, c->arena, &with, c->now, &database_id, e));
    return make(c, (struct managed_system){.database_id = {true, database_id}}, in, e);
}

static result make_with_directory(struct call *c, const struct workgroup *w, const struct system_body *in,
                                  struct err *e)
{
    struct directory with = {.domain_name = in->host_name}, made;
    int64_t id;
    take_system_body(&with.is, in);
    with.is.workgroup_id = w->id;
    with.is.forest_name = in->forest_name;
    with.is.net_bios_name = in->net_bios_name;
    with.is.use_ssl = in->use_ssl.value;
    with.is.account_name_format = in->account_name_format.value;
    TRY(directory_create(c->db, c->arena, &with, c->now, &id, e));
    TRY(directory_get(c->db, c->arena, id, &made, e));
    return make(c, made.is, in, e);
}

static result system_new_in_workgroup(struct call *c, struct err *e)
{
    struct workgroup w;
    const struct system_body *in;
    int64_t asset_id;
    TRY(workgroup_of_param(c, 0, &w, e));
    TRY(read_system_body(c, &in, e));
    if (!in->entity_type.is_set)
        return FAIL(e, INVALID, "EntityTypeID: is required");
    if (in->entity_type.value < ENTITY_ASSET || in->entity_type.value > ENTITY_DIRECTORY)
        return FAIL(e, INVALID, "EntityTypeID: must be 1, 2 or 3 (an asset, a database or a directory)");
    if (!in->host_name.n)
        return FAIL(e, INVALID, "HostName: is required");
    if (!in->platform_id.is_set)
        return FAIL(e, INVALID, "PlatformID: is required");
    if (in->entity_type.value == ENTITY_DATABASE)
        return make_with_database(c, &w, in, e);
    if (in->entity_type.value == ENTITY_DIRECTORY)
        return make_with_directory(c, &w, in, e);
    TRY(make_asset(c, &w, in, &asset_id, e));
    return make_on_asset(c, asset_id, in, e);
}

const struct endpoint ps_system_new_endpoints[] = {
    {HTTP_POST, "/Assets/{id}/ManagedSystems", MAY(SYSTEM_MANAGEMENT), WRITES, "system.create",
     "Manage an asset; 200 when it is managed already", &system_body, system_new_on_asset, .status = 201,
     .reply = ps_system_fields, .object = "asset"},
    {HTTP_POST, "/Databases/{id}/ManagedSystems", MAY(SYSTEM_MANAGEMENT), WRITES, "system.create",
     "Manage a database; 200 when it is managed already", &system_body, system_new_on_database, .status = 201,
     .reply = ps_system_fields, .object = "database"},
    {HTTP_POST, "/Directories/{id}/ManagedSystems", MAY(SYSTEM_MANAGEMENT), WRITES, "system.create",
     "Manage a directory; 200 when it is managed already", &system_body, system_new_on_directory, .status = 201,
     .reply = ps_system_fields, .object = "directory"},
    {HTTP_POST, "/Workgroups/{id}/ManagedSystems", MAY(SYSTEM_MANAGEMENT), WRITES, "system.create",
     "Create an asset, a database or a directory and manage it, in one step", &system_body, system_new_in_workgroup,
     .status = 201, .reply = ps_system_fields, .object = "workgroup"},
    {0},
};
