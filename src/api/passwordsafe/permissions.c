/* api/passwordsafe/permissions.c: features, access levels, and which of them a group has
 * (passwordsafe-api 4.2, 4.3, 6.17). */
#include "api/passwordsafe/groups.h"

const struct field ps_permission_in_fields[] = {
    ID("PermissionID", struct permission_in, id, .required = true),
    INT("AccessLevelID", struct permission_in, level, .required = true, .max = 3),
    FIELD_END,
};

struct named {
    int64_t id;
    struct str name;
};
static const struct field permission_fields[] = {
    ID("PermissionID", struct named, id),
    TEXT("Name", struct named, name),
    FIELD_END,
};
static const struct field level_fields[] = {
    ID("AccessLevelID", struct named, id),
    TEXT("Name", struct named, name),
    FIELD_END,
};
static const struct field held_fields[] = {
    ID("PermissionID", struct permission_in, id),
    INT("AccessLevelID", struct permission_in, level),
    FIELD_END,
};

static result permissions_all(struct call *c, struct err *e)
{
    (void)e;
    struct named *shown = arena_array(c->arena, struct named, right_fact_count);
    size_t n = 0;
    for (size_t i = 0; i < right_fact_count; i++)
        if (right_facts[i].face == FACE_PASSWORDSAFE)
            shown[n++] = (struct named){right_facts[i].wire_id, str_of(right_facts[i].name)};
    reply_array(c, permission_fields, shown, sizeof *shown, n);
    return SUCCESS;
}

static result levels_all(struct call *c, struct err *e)
{
    (void)e;
    struct named levels[] = {{LEVEL_NONE, S("None")}, {LEVEL_READ, S("Read")}, {LEVEL_WRITE, S("Read/Write")}};
    reply_array(c, level_fields, levels, sizeof levels[0], sizeof levels / sizeof levels[0]);
    return SUCCESS;
}

static result permissions_of_group(struct call *c, struct err *e)
{
    struct role r;
    TRY(group_of_param(c, 0, &r, e));
    const struct role_right *right = r.rights.at;
    struct permission_in *shown = arena_array(c->arena, struct permission_in, r.rights.n);
    for (size_t i = 0; i < r.rights.n; i++)
        shown[i] = (struct permission_in){right_fact(right[i].right)->wire_id, right[i].level};
    reply_array(c, held_fields, shown, sizeof *shown, r.rights.n);
    return SUCCESS;
}

/* ---- changing ---- */

result rights_of_permissions(struct arena *a, const struct list *present, const struct list *given, struct list *ret,
                             struct err *e)
{
    struct rights merged = {0};
    const struct role_right *had = present ? present->at : NULL;
    for (size_t i = 0; had && i < present->n; i++)
        rights_raise(&merged, had[i].right, had[i].level);
    const struct permission_in *in = given->at;
    for (size_t i = 0; i < given->n; i++) {
        const struct right_fact *fact = right_by_wire_id(FACE_PASSWORDSAFE, in[i].id);
        if (!fact)
            return FAIL(e, INVALID, "PermissionID: there is no permission %" PRId64, in[i].id);
        if (in[i].level != LEVEL_NONE && in[i].level != LEVEL_READ && in[i].level != LEVEL_WRITE)
            return FAIL(e, INVALID, "AccessLevelID: must be 0, 1 or 3");
        merged.level[fact->right] = (unsigned char)in[i].level;
    }
    struct role_right *rights = arena_array(a, struct role_right, RIGHT_COUNT);
    size_t n = 0;
    for (size_t i = 0; i < RIGHT_COUNT; i++)
        if (merged.level[i])
            rights[n++] = (struct role_right){(enum right)i, (enum level)merged.level[i]};
    *ret = (struct list){.at = rights, .n = n, .is_set = true};
    return SUCCESS;
}

enum { PERMISSIONS_MAX = 200 };
struct permissions_body {
    struct permission_in at[PERMISSIONS_MAX];
    size_t n;
};

/* A bare array, which rows cannot say. */
static result decode_permissions(struct call *c, struct json *j, void *into, struct err *e)
{
    (void)c;
    struct permissions_body *in = into;
    enum json_type type;
    bool more;
    TRY(json_peek(j, &type, e));
    if (type != JSON_ARRAY)
        return FAIL(e, INVALID, "body: must be an array of {PermissionID, AccessLevelID}");
    TRY(json_enter(j, '[', e));
    for (;;) {
        TRY(json_next_item(j, &more, e));
        if (!more)
            return SUCCESS;
        if (in->n == PERMISSIONS_MAX)
            return FAIL(e, INVALID, "body: more than %d permissions", PERMISSIONS_MAX);
        TRY(fields_decode(ps_permission_in_fields, j, &in->at[in->n++], e));
    }
}
static const struct body permissions_body = {.size = sizeof(struct permissions_body),
                                             .decode = decode_permissions,
                                             .example = "[{\"PermissionID\":20,\"AccessLevelID\":3}]"};

static result permissions_set(struct call *c, struct err *e)
{
    const void *body;
    struct role r;
    struct role_change with = {0};
    TRY(group_of_param(c, 0, &r, e));
    TRY(call_body(c, &body, e));
    const struct permissions_body *in = body;
    struct permission_in *given = arena_array(c->arena, struct permission_in, in->n);
    for (size_t i = 0; i < in->n; i++)
        given[i] = in->at[i];
    TRY(rights_of_permissions(c->arena, &r.rights, &(struct list){.at = given, .n = in->n}, &with.rights, e));
    TRY(role_update(c->db, c->arena, &c->who, FACE_PASSWORDSAFE, r.number, &with, c->now, e));
    reply_none(c, 204);
    return SUCCESS;
}

static result permissions_remove(struct call *c, struct err *e)
{
    struct role r;
    struct role_change with = {.rights = {.is_set = true}};
    TRY(group_of_param(c, 0, &r, e));
    TRY(role_update(c->db, c->arena, &c->who, FACE_PASSWORDSAFE, r.number, &with, c->now, e));
    reply_none(c, 204);
    return SUCCESS;
}

const struct endpoint ps_permission_endpoints[] = {
    {HTTP_GET, "/Permissions", MAY_READ(USER_ACCOUNTS_MANAGEMENT), READS, UNRECORDED,
     "List the features that can be permitted", NO_BODY, permissions_all, .reply_is_list = true,
     .reply = permission_fields},
    {HTTP_GET, "/AccessLevels", MAY_READ(USER_ACCOUNTS_MANAGEMENT), READS, UNRECORDED, "List access levels", NO_BODY,
     levels_all, .reply_is_list = true, .reply = level_fields},
    {HTTP_GET, "/UserGroups/{id}/Permissions", MAY_READ(USER_ACCOUNTS_MANAGEMENT), READS, UNRECORDED,
     "List a group's permissions", NO_BODY, permissions_of_group, .reply_is_list = true, .reply = held_fields,
     .object = "user group"},
    {HTTP_POST, "/UserGroups/{id}/Permissions", MAY(USER_ACCOUNTS_MANAGEMENT), WRITES, "group.permissions",
     "Give a group permissions; level 0 takes one away", &permissions_body, permissions_set, .status = 204,
     .object = "user group"},
    {HTTP_DELETE, "/UserGroups/{id}/Permissions", MAY(USER_ACCOUNTS_MANAGEMENT), WRITES, "group.permissions",
     "Take all permissions from a group", NO_BODY, permissions_remove, .status = 204, .object = "user group"},
    {0},
};
