/* api/controlroom/lockers.c: lockers on the wire (controlroom-api 5). */
#include "api/controlroom/face.h"
#include "vault/locker.h"

struct locker_body {
    struct str name, description;
    struct opt_int version;
};
static const struct field body_fields[] = {
    TEXT("name", struct locker_body, name, .required = true, .max = 50, .check = check_plain_name,
         .doc = "Unique, ignoring case", .example = "Finance"),
    TEXT("description", struct locker_body, description, .max = 255, .example = "Month end"),
    OPT_INT("version", struct locker_body, version, .takes_text = true,
            .doc = "The version read; another one now is 409"),
    FIELD_END,
};
static const struct body new_body =
    BODY(struct locker_body, body_fields, .example = "{\"name\":\"Finance\",\"description\":\"Month end\"}");

static const struct field locker_fields[] = {
    ID_TEXT("id", struct locker, id),
    TEXT("name", struct locker, name),
    TEXT("description", struct locker, description),
    ID_TEXT("createdBy", struct locker, created_by),
    TIME("createdOn", struct locker, created_at, .format = TIME_Z_MICRO),
    ID_TEXT("updatedBy", struct locker, updated_by),
    TIME("updatedOn", struct locker, updated_at, .format = TIME_Z_MICRO),
    ID_TEXT("version", struct locker, version, .zero_is_text = true),
    FIELD_END,
};

static result show(struct call *c, int64_t id, struct err *e)
{
    struct locker l;
    TRY(locker_get(c->db, c->arena, &c->who, id, &l, e));
    call_object(c, "locker", id, l.name);
    reply_object(c, locker_fields, &l);
    return SUCCESS;
}

static result locker_show(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Locker", &id, e));
    return show(c, id, e);
}

static result locker_new(struct call *c, struct err *e)
{
    const void *body;
    int64_t id;
    TRY(call_body(c, &body, e));
    const struct locker_body *in = body;
    TRY(locker_create(c->db, c->arena, &c->who, in->name, in->description, c->now, &id, e));
    return show(c, id, e);
}

static result locker_edit(struct call *c, struct err *e)
{
    const void *body;
    int64_t id;
    struct locker present;
    TRY(call_id(c, 0, "Locker", &id, e));
    TRY(locker_may_edit(c->db, c->arena, &c->who, id, &present, e));
    TRY(call_body(c, &body, e));
    const struct locker_body *in = body;
    TRY(locker_update(c->db, c->arena, &c->who, id, in->name, in->description, in->version, c->now, e));
    return show(c, id, e);
}

static result locker_remove(struct call *c, struct err *e)
{
    int64_t id;
    struct locker present;
    TRY(call_id(c, 0, "Locker", &id, e));
    TRY(locker_get(c->db, c->arena, &c->who, id, &present, e));
    call_object(c, "locker", id, present.name);
    TRY(locker_delete(c->db, c->arena, &c->who, id, c->now, e));
    json_write_raw(reply_json(c), S("{}"));
    return SUCCESS;
}

static result locker_search(struct call *c, struct err *e)
{
    struct listing l;
    struct counts counts;
    struct locker *found;
    size_t n;
    TRY(listing_of(c, locker_columns, &l, e));
    TRY(locker_list(c->db, c->arena, &c->who, &l, &counts, &found, &n, e));
    reply_page(c, &l, &counts, locker_fields, found, sizeof *found, n);
    return SUCCESS;
}

#define LOCKERS "/v2/credentialvault/lockers"
const struct endpoint locker_endpoints[] = {
    {HTTP_POST, LOCKERS, MAY(LOCKER_CREATE), WRITES, "locker.create", "Create a locker", &new_body, locker_new,
     .status = 201, .reply = locker_fields},
    {HTTP_POST, LOCKERS "/list", SIGNED_IN, SEARCHES, UNRECORDED, "Search lockers", &list_body, locker_search,
     .reply_is_page = true, .reply = locker_fields},
    {HTTP_GET, LOCKERS "/{id}", SIGNED_IN, READS, UNRECORDED, "Show a locker", NO_BODY, locker_show,
     .reply = locker_fields, .object = "locker"},
    {HTTP_PUT, LOCKERS "/{id}", SIGNED_IN, WRITES, "locker.update", "Change a locker", &new_body, locker_edit,
     .reply = locker_fields, .object = "locker"},
    {HTTP_DELETE, LOCKERS "/{id}", SIGNED_IN, WRITES, "locker.delete", "Delete a locker; its credentials survive",
     NO_BODY, locker_remove, .object = "locker"},
    {0},
};
