/* api/controlroom/roles.c: roles and permissions on the wire (controlroom-api 7.2, 7.3). */
#include "api/controlroom/face.h"
#include "identity/role.h"
#include "vault/locker.h"

/* ---- bodies ---- */

struct permission_body {
    int64_t id;
    struct str action, resource_type, resource_id;
};
static const struct field permission_body_fields[] = {
    ID("id", struct permission_body, id, .example = "59"),
    TEXT("action", struct permission_body, action, .max = 100, .example = "managecredentials"),
    TEXT("resourceType", struct permission_body, resource_type, .max = 100, .example = "credentials"),
    TEXT("resourceId", struct permission_body, resource_id, .max = 100, .doc = "Always null: for all of the kind"),
    FIELD_END,
};

struct principal {
    int64_t id;
};
static const struct field principal_fields[] = {
    ID("id", struct principal, id, .required = true, .example = "9"),
    FIELD_END,
};

struct role_body {
    struct str name, description;
    struct list permissions, principals;
};
static const struct field body_fields[] = {
    TEXT("name", struct role_body, name, .required = true, .max = 255, .example = "HR robots"),
    TEXT("description", struct role_body, description, .max = 255, .example = ""),
    LIST("permissions", struct role_body, permissions, struct permission_body, permission_body_fields,
         .doc = "Replaces them; each by id, or by action and resourceType"),
    LIST("principals", struct role_body, principals, struct principal, principal_fields, .max = 10000,
         .doc = "Replaces the members"),
    FIELD_END,
};
static const struct body role_body =
    BODY(struct role_body, body_fields,
         .example = "{\"name\":\"HR robots\",\"description\":\"\",\"permissions\":[{\"id\":59,\"action\":"
                    "\"managecredentials\",\"resourceType\":\"credentials\",\"resourceId\":null}],\"principals\":[]}");

static result find_permission(const struct permission_body *p, struct role_right *ret, struct err *e)
{
    const struct right_fact *by_id = p->id ? right_by_wire_id(FACE_CONTROLROOM, p->id) : NULL;
    const struct right_fact *by_name = p->action.n ? right_by_action(p->action, p->resource_type) : NULL;
    if (p->resource_id.n)
        return FAIL(e, INVALID, "permissions: a permission for one resource alone is not known here");
    if (p->id && !by_id)
        return FAIL(e, INVALID, "permissions: unknown permission %" PRId64, p->id);
    if (p->action.n && !by_name)
        return FAIL(e, INVALID, "permissions: unknown permission '%.*s' of '%.*s'", STR_ARG(p->action),
                    STR_ARG(p->resource_type));
    if (!by_id && !by_name)
        return FAIL(e, INVALID, "permissions: id, or action and resourceType, is required");
    if (by_id && by_name && by_id != by_name)
        return FAIL(e, INVALID, "permissions: %" PRId64 " is not '%.*s'", p->id, STR_ARG(p->action));
    *ret = (struct role_right){(by_id ? by_id : by_name)->right, LEVEL_WRITE};
    return SUCCESS;
}

static result change_of(struct call *c, const struct role_body *in, struct role_change *ret, struct err *e)
{
    const struct permission_body *permission = in->permissions.at;
    struct role_right *rights = arena_array(c->arena, struct role_right, in->permissions.n);
    for (size_t i = 0; i < in->permissions.n; i++)
        TRY(find_permission(&permission[i], &rights[i], e));
    *ret = (struct role_change){.name = in->name,
                                .description = in->description,
                                .rights = {.at = rights, .n = in->permissions.n, .is_set = in->permissions.is_set},
                                .members = in->principals}; /* of structs of one id: the same in memory */
    return SUCCESS;
}

/* ---- replies ---- */

struct permission_view {
    int64_t id;
    struct str action, resource_type, resource_id;
};
static const struct field permission_fields[] = {
    ID("id", struct permission_view, id),
    TEXT("action", struct permission_view, action),
    TEXT("resourceId", struct permission_view, resource_id),
    TEXT("resourceType", struct permission_view, resource_type),
    FIELD_END,
};

struct role_view {
    struct role role;
    struct list permissions;
    struct str restriction, status;
    int64_t tenant;
};
static const struct field view_fields[] = {
    ID("id", struct role_view, role.number),
    TEXT("name", struct role_view, role.name),
    TEXT("description", struct role_view, role.description),
    INT("countPrincipals", struct role_view, role.member_count),
    TEXT("accessRestriction", struct role_view, restriction),
    LIST("permissions", struct role_view, permissions, struct permission_view, permission_fields),
    LIST("principals", struct role_view, role.members, struct principal, principal_fields),
    ID("tenantId", struct role_view, tenant),
    TEXT("status", struct role_view, status),
    INT("version", struct role_view, role.version),
    ID("createdBy", struct role_view, role.created_by),
    TIME("createdOn", struct role_view, role.created_at, .format = TIME_Z_SECOND),
    ID("updatedBy", struct role_view, role.updated_by),
    TIME("updatedOn", struct role_view, role.updated_at, .format = TIME_Z_SECOND),
    FIELD_END,
};

static struct permission_view view_of_fact(const struct right_fact *fact)
{
    return (struct permission_view){
        .id = fact->wire_id, .action = str_of(fact->action), .resource_type = str_of(fact->resource_type)};
}

static struct role_view view_of(struct call *c, const struct role *r)
{
    const struct role_right *right = r->rights.at;
    struct permission_view *permissions = arena_array(c->arena, struct permission_view, r->rights.n);
    size_t n = 0;
    for (size_t i = 0; i < r->rights.n; i++) {
        const struct right_fact *fact = right_fact(right[i].right);
        if (fact && fact->face == FACE_CONTROLROOM)
            permissions[n++] = view_of_fact(fact);
    }
    return (struct role_view){.role = *r,
                              .permissions = {.at = permissions, .n = n},
                              .status = r->is_active ? S("Active") : S("Inactive"),
                              .tenant = 1};
}

static struct role_view *views_of(struct call *c, const struct role *roles, size_t n)
{
    struct role_view *views = arena_array(c->arena, struct role_view, n);
    for (size_t i = 0; i < n; i++)
        views[i] = view_of(c, &roles[i]);
    return views;
}

/* ---- handlers ---- */

static result show(struct call *c, int64_t number, struct err *e)
{
    struct role r;
    TRY(role_get(c->db, c->arena, FACE_CONTROLROOM, number, &r, e));
    call_object(c, "role", number, r.name);
    struct role_view v = view_of(c, &r);
    reply_object(c, view_fields, &v);
    return SUCCESS;
}

static result role_show(struct call *c, struct err *e)
{
    int64_t number;
    TRY(call_id(c, 0, "Role", &number, e));
    return show(c, number, e);
}

static result role_new(struct call *c, struct err *e)
{
    const void *body;
    struct role_change with;
    int64_t number;
    TRY(call_body(c, &body, e));
    TRY(change_of(c, body, &with, e));
    TRY(role_create(c->db, c->arena, &c->who, FACE_CONTROLROOM, &with, c->now, &number, e));
    return show(c, number, e);
}

static result role_edit(struct call *c, struct err *e)
{
    const void *body;
    struct role was;
    struct role_change with;
    int64_t number;
    TRY(call_id(c, 0, "Role", &number, e));
    TRY(role_get(c->db, c->arena, FACE_CONTROLROOM, number, &was, e));
    call_object(c, "role", number, was.name);
    TRY(call_body(c, &body, e));
    TRY(change_of(c, body, &with, e));
    TRY(role_update(c->db, c->arena, &c->who, FACE_CONTROLROOM, number, &with, c->now, e));
    if (with.members.is_set || with.rights.is_set)
        TRY(locker_role_grew(c->db, c->arena, number, S("its members or rights were changed"), e));
    return show(c, number, e);
}

static result role_remove(struct call *c, struct err *e)
{
    int64_t number;
    TRY(call_id(c, 0, "Role", &number, e));
    TRY(show(c, number, e));
    return role_delete(c->db, c->arena, &c->who, FACE_CONTROLROOM, number, c->now, e);
}

static result role_search(struct call *c, struct err *e)
{
    struct listing l;
    struct counts counts;
    struct role *found;
    size_t n;
    TRY(listing_of(c, role_columns, &l, e));
    TRY(role_list(c->db, c->arena, FACE_CONTROLROOM, &l, &counts, &found, &n, e));
    reply_page(c, &l, &counts, view_fields, views_of(c, found, n), sizeof(struct role_view), n);
    return SUCCESS;
}

static result role_show_all(struct call *c, struct err *e)
{
    struct role *found;
    size_t n;
    TRY(role_list_all(c->db, c->arena, FACE_CONTROLROOM, &found, &n, e));
    reply_array(c, view_fields, views_of(c, found, n), sizeof(struct role_view), n);
    return SUCCESS;
}

static result permission_show_all(struct call *c, struct err *e)
{
    (void)e;
    struct permission_view *views = arena_array(c->arena, struct permission_view, right_fact_count);
    size_t n = 0;
    for (size_t i = 0; i < right_fact_count; i++)
        if (right_facts[i].face == FACE_CONTROLROOM)
            views[n++] = view_of_fact(&right_facts[i]);
    reply_array(c, permission_fields, views, sizeof *views, n);
    return SUCCESS;
}

#define V1 "/v1/usermanagement"
#define V2 "/v2/usermanagement"
const struct endpoint role_endpoints[] = {
    {HTTP_POST, V2 "/roles/list", MAY_READ(VIEW_BASIC_INFO), SEARCHES, UNRECORDED, "Search roles", &list_body,
     role_search, .also = V1 "/roles/list", .reply_is_page = true, .reply = view_fields},
    {HTTP_GET, V2 "/roles", MAY_READ(VIEW_BASIC_INFO), SEARCHES, UNRECORDED, "Show all roles", NO_BODY, role_show_all,
     .also = V1 "/roles", .reply_is_list = true, .reply = view_fields},
    {HTTP_GET, V2 "/roles/{id}", MAY_READ(VIEW_BASIC_INFO), READS, UNRECORDED, "Show a role", NO_BODY, role_show,
     .also = V1 "/roles/{id}", .reply = view_fields, .object = "role"},
    {HTTP_POST, V2 "/roles", MAY(USER_MANAGEMENT), WRITES, "role.create",
     "Create a role; without permissions it gets the two that everybody is meant to have", &role_body, role_new,
     .status = 201, .also = V1 "/roles", .reply = view_fields},
    {HTTP_PUT, V2 "/roles/{id}", MAY(USER_MANAGEMENT), WRITES, "role.update",
     "Change a role; what is left out stays as it is", &role_body, role_edit, .also = V1 "/roles/{id}",
     .reply = view_fields, .object = "role"},
    {HTTP_DELETE, V2 "/roles/{id}", MAY(USER_MANAGEMENT), WRITES, "role.delete", "Delete a role; built-in ones stay",
     NO_BODY, role_remove, .also = V1 "/roles/{id}", .reply = view_fields, .object = "role"},
    {HTTP_GET, V2 "/permissions", MAY_READ(VIEW_BASIC_INFO), READS, UNRECORDED,
     "Show all permissions that a role can have", NO_BODY, permission_show_all, .also = V1 "/permissions",
     .reply_is_list = true, .reply = permission_fields},
    {0},
};
