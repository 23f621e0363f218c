/* api/passwordsafe/databases.c: databases on assets (passwordsafe-api 6.4). */
#include "accounts/database.h"

#include "api/passwordsafe/face.h"
#include "rotation/change.h"
#include "rotation/turn.h"

static const struct field database_fields[] = {
    ID("AssetID", struct database, asset_id),
    ID("DatabaseID", struct database, id),
    ID("PlatformID", struct database, platform_id),
    TEXT("InstanceName", struct database, instance_name, .null_when_empty = true),
    FLAG("IsDefaultInstance", struct database, is_default_instance),
    INT("Port", struct database, port),
    TEXT("Version", struct database, version, .null_when_empty = true),
    TEXT("Template", struct database, template, .null_when_empty = true),
    FIELD_END,
};

struct database_body {
    struct opt_int platform_id, port;
    struct opt_bool is_default_instance;
    struct str instance_name, version, template;
};
#define IN struct database_body
static const struct field body_fields[] = {
    OPT_INT("PlatformID", IN, platform_id, .doc = "A platform of databases; required for a new one", .example = "79"),
    TEXT("InstanceName", IN, instance_name, .max = 100,
         .doc = "Required unless it is the default instance. PostgreSQL: the database that sessions are opened in",
         .example = "orders"),
    OPT_FLAG("IsDefaultInstance", IN, is_default_instance),
    OPT_INT("Port", IN, port, .doc = "None: the platform's", .example = "5432"),
    TEXT("Version", IN, version, .max = 20),
    TEXT("Template", IN, template, .max = 255, .doc = "Stored"),
    FIELD_END,
};
static const struct body database_body =
    BODY(IN, body_fields, .example = "{\"PlatformID\":79,\"InstanceName\":\"orders\",\"Port\":5432}");

static result answer(struct call *c, int64_t id, struct err *e)
{
    struct database d;
    TRY(database_get(c->db, c->arena, id, &d, e));
    call_object(c, "database", d.id, d.instance_name);
    reply_object(c, database_fields, &d);
    return SUCCESS;
}

static result database_of_param(struct call *c, struct database *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Database", &id, e));
    TRY(database_get(c->db, c->arena, id, ret, e));
    call_object(c, "database", id, ret->instance_name);
    return SUCCESS;
}

static result list(struct call *c, int64_t asset_id, struct err *e)
{
    struct database *found;
    size_t n;
    TRY(database_list(c->db, c->arena, asset_id, &found, &n, e));
    reply_array(c, database_fields, found, sizeof *found, n);
    return SUCCESS;
}

static result databases_all(struct call *c, struct err *e)
{
    return list(c, 0, e);
}

static result databases_of_asset(struct call *c, struct err *e)
{
    int64_t id;
    struct asset a;
    TRY(call_id(c, 0, "Asset", &id, e));
    TRY(asset_get(c->db, c->arena, id, &a, e));
    return list(c, id, e);
}

static result database_show(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Database", &id, e));
    return answer(c, id, e);
}

static void take_body(struct database *d, const IN *in)
{
    take_int(&d->platform_id, in->platform_id);
    take_text(&d->instance_name, in->instance_name);
    take_flag(&d->is_default_instance, in->is_default_instance);
    take_int(&d->port, in->port);
    take_text(&d->version, in->version);
    take_text(&d->template, in->template);
}

/* A functional account signs in there: another port than the platform's is for those who manage systems (8.5). */
static result may_have_port(const struct call *c, int64_t was, int64_t port, const struct platform *p, struct err *e)
{
    bool is_usual = port == was || port == 0 || !p || port == p->default_port.value;
    return is_usual || rights_have(&c->who.rights, SYSTEM_MANAGEMENT, LEVEL_WRITE) ? SUCCESS : not_permitted(e);
}

static result database_new(struct call *c, struct err *e)
{
    int64_t asset_id, id;
    const void *body;
    TRY(call_id(c, 0, "Asset", &asset_id, e));
    struct database with = {.asset_id = asset_id};
    struct asset a;
    TRY(asset_get(c->db, c->arena, asset_id, &a, e));
    TRY(call_body(c, &body, e));
    const IN *in = body;
    if (!in->platform_id.is_set)
        return FAIL(e, INVALID, "PlatformID: is required");
    take_body(&with, in);
    TRY(may_have_port(c, 0, with.port, platform_by_id(with.platform_id), e));
    TRY(database_create(c->db, c->arena, &with, c->now, &id, e));
    return answer(c, id, e);
}

/* What a change under way was sent to. *ret_system_id 0: it stands where it stood, or is not managed. */
static result find_moved(struct call *c, const struct database *before, const struct database *d,
                         int64_t *ret_system_id, struct err *e)
{
    struct managed_system s;
    struct err why = {0};
    *ret_system_id = 0;
    if (before->port == d->port && before->is_default_instance == d->is_default_instance &&
        str_equal(before->instance_name, d->instance_name))
        return SUCCESS;
    result found = system_of_place(c->db, c->arena, d->place_id, &s, &why);
    if (found.code == NOT_FOUND)
        return SUCCESS;
    if (!is_ok(found)) {
        *e = why;
        return found;
    }
    *ret_system_id = s.id;
    return change_may_move_system(c->db, c->arena, s.id, e);
}

static result database_edit(struct call *c, struct err *e)
{
    struct database before;
    const void *body;
    int64_t moved;
    TRY(database_of_param(c, &before, e));
    struct database d = before;
    TRY(call_body(c, &body, e));
    take_body(&d, body);
    TRY(may_have_port(c, before.port, d.port, platform_by_id(d.platform_id), e));
    TRY(find_moved(c, &before, &d, &moved, e));
    TRY(database_update(c->db, c->arena, &d, c->now, e));
    if (moved)
        TRY(turn_moved(c->db, moved, e));
    return answer(c, d.id, e);
}

static result database_remove(struct call *c, struct err *e)
{
    struct database d;
    TRY(database_of_param(c, &d, e));
    TRY(database_delete(c->db, c->arena, d.id, e));
    reply_none(c, 200);
    return SUCCESS;
}

const struct endpoint ps_database_endpoints[] = {
    {HTTP_GET, "/Databases", MAY_READ(ASSET_MANAGEMENT), SEARCHES, UNRECORDED, "List databases", NO_BODY, databases_all,
     .reply_is_list = true, .reply = database_fields},
    {HTTP_GET, "/Databases/{id}", MAY_READ(ASSET_MANAGEMENT), READS, UNRECORDED, "Show a database", NO_BODY,
     database_show, .reply = database_fields, .object = "database"},
    {HTTP_GET, "/Assets/{id}/Databases", MAY_READ(ASSET_MANAGEMENT), SEARCHES, UNRECORDED, "List an asset's databases",
     NO_BODY, databases_of_asset, .reply_is_list = true, .reply = database_fields, .object = "asset"},
    {HTTP_POST, "/Assets/{id}/Databases", MAY(ASSET_MANAGEMENT), WRITES, "database.create",
     "Create a database on an asset", &database_body, database_new, .status = 201, .reply = database_fields,
     .object = "asset"},
    {HTTP_PUT, "/Databases/{id}", MAY(ASSET_MANAGEMENT), WRITES, "database.update",
     "Change a database; what is left out stays", &database_body, database_edit, .reply = database_fields,
     .object = "database"},
    {HTTP_DELETE, "/Databases/{id}", MAY(ASSET_MANAGEMENT), WRITES, "database.delete",
     "Delete a database that has no managed system", NO_BODY, database_remove, .object = "database"},
    {0},
};
