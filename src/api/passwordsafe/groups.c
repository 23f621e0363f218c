/* api/passwordsafe/groups.c: user groups and who is in them (passwordsafe-api 6.17). */
#include "api/passwordsafe/groups.h"

#include "identity/user.h"

/* What a group of this server never has is null. */
struct shown_group {
    struct role is;
    struct str no_text, group_type;
};
#define IS struct shown_group
static const struct field group_fields[] = {
    ID("GroupID", IS, is.number),
    TEXT("Name", IS, is.name),
    TEXT("DistinguishedName", IS, no_text),
    TEXT("Description", IS, is.description),
    TEXT("GroupType", IS, group_type),
    TEXT("AccountAttribute", IS, no_text),
    TEXT("MembershipAttribute", IS, no_text),
    INTS("ApplicationRegistrationIDs", IS, is.registrations),
    FLAG("IsActive", IS, is.is_active),
    FIELD_END,
};

static struct shown_group shown_of(const struct role *r)
{
    return (struct shown_group){.is = *r, .group_type = S("BeyondInsight")};
}

static void reply_group(struct call *c, const struct role *r)
{
    struct shown_group shown = shown_of(r);
    reply_object(c, group_fields, &shown);
}

static void reply_groups(struct call *c, const struct role *r, size_t n)
{
    struct shown_group *shown = arena_array(c->arena, struct shown_group, n);
    for (size_t i = 0; i < n; i++)
        shown[i] = shown_of(&r[i]);
    reply_array(c, group_fields, shown, sizeof *shown, n);
}

result group_of_param(struct call *c, size_t i, struct role *ret, struct err *e)
{
    int64_t number;
    TRY(call_id(c, i, "User Group", &number, e));
    TRY(role_get(c->db, c->arena, FACE_PASSWORDSAFE, number, ret, e));
    call_object(c, "user group", number, ret->name);
    return SUCCESS;
}

struct name_query {
    struct str name;
};
static const struct field name_fields[] = {
    TEXT("name", struct name_query, name, .max = 200, .doc = "The one of this name"),
    FIELD_END,
};

static result group_named(struct call *c, struct role *ret, bool *ret_is_named, struct err *e)
{
    const void *query;
    TRY(call_query(c, &query, e));
    struct str name = ((const struct name_query *)query)->name;
    *ret_is_named = name.n > 0;
    if (!*ret_is_named)
        return SUCCESS;
    TRY(role_by_name(c->db, c->arena, FACE_PASSWORDSAFE, name, ret, e));
    call_object(c, "user group", ret->number, ret->name);
    return SUCCESS;
}

static result groups_all(struct call *c, struct err *e)
{
    struct role one, *found;
    size_t n;
    bool is_named;
    TRY(group_named(c, &one, &is_named, e));
    if (is_named) {
        reply_group(c, &one);
        return SUCCESS;
    }
    TRY(role_list_all(c->db, c->arena, FACE_PASSWORDSAFE, &found, &n, e));
    reply_groups(c, found, n);
    return SUCCESS;
}

static result group_show(struct call *c, struct err *e)
{
    struct role r;
    TRY(group_of_param(c, 0, &r, e));
    reply_group(c, &r);
    return SUCCESS;
}

/* ---- making and deleting ---- */

struct rule_level_in {
    int64_t rule_id, level;
};
static const struct field rule_level_fields[] = {
    ID("SmartRuleID", struct rule_level_in, rule_id, .required = true),
    INT("AccessLevelID", struct rule_level_in, level, .required = true, .max = 3),
    FIELD_END,
};

struct group_body {
    struct str group_type, name, description;
    struct opt_bool is_active;
    struct list permissions, rule_access, registrations;
};
static const struct field body_fields[] = {
    TEXT("groupType", struct group_body, group_type, .max = 40, .or_text = "BeyondInsight", .doc = "BeyondInsight"),
    TEXT("groupName", struct group_body, name, .required = true, .max = 200, .alias = "Name", .example = "web-admins"),
    TEXT("description", struct group_body, description, .max = 255, .or_text = ""),
    OPT_FLAG("isActive", struct group_body, is_active, .doc = "None: true"),
    LIST("Permissions", struct group_body, permissions, struct permission_in, ps_permission_in_fields),
    LIST("SmartRuleAccess", struct group_body, rule_access, struct rule_level_in, rule_level_fields),
    INTS("ApplicationRegistrationIDs", struct group_body, registrations),
    FIELD_END,
};
static const struct body group_body =
    BODY(struct group_body, body_fields,
         .example =
             "{\"groupType\":\"BeyondInsight\",\"groupName\":\"web-admins\",\"description\":\"web\",\"isActive\":true,"
             "\"Permissions\":[{\"PermissionID\":52,\"AccessLevelID\":1}],\"SmartRuleAccess\":[{\"SmartRuleID\":10010,"
             "\"AccessLevelID\":1}],"
             "\"ApplicationRegistrationIDs\":[3]}");

static result group_new(struct call *c, struct err *e)
{
    const void *body;
    struct role r;
    struct grant grant;
    int64_t number;
    TRY(call_body(c, &body, e));
    const struct group_body *in = body;
    if (!str_equal_fold(in->group_type, S("BeyondInsight")))
        return FAIL(e, INVALID, "groupType: only BeyondInsight is supported");
    struct role_change with = {.name = in->name,
                               .description = in->description,
                               .is_active = in->is_active,
                               .registrations = in->registrations};
    TRY(rights_of_permissions(c->arena, NULL, &in->permissions, &with.rights, e));
    TRY(grant_begin(c->db, c->arena, &c->who, &grant, e));
    TRY(role_create(c->db, c->arena, &c->who, FACE_PASSWORDSAFE, &with, c->now, &number, e));
    const struct rule_level_in *access = in->rule_access.at;
    for (size_t i = 0; i < in->rule_access.n; i++) {
        TRY(may_give_level(c, access[i].rule_id, access[i].level, e));
        TRY(rule_set_level(c->db, c->arena, number, access[i].rule_id, (enum level)access[i].level, e));
    }
    TRY(role_get(c->db, c->arena, FACE_PASSWORDSAFE, number, &r, e));
    TRY(grant_check_role(c->db, c->arena, &grant, r.id, e));
    call_object(c, "user group", number, r.name);
    reply_group(c, &r);
    return SUCCESS;
}

static result remove_group(struct call *c, int64_t number, struct err *e)
{
    TRY(role_delete(c->db, c->arena, &c->who, FACE_PASSWORDSAFE, number, c->now, e));
    reply_none(c, 200);
    return SUCCESS;
}

static result group_remove(struct call *c, struct err *e)
{
    struct role r;
    TRY(group_of_param(c, 0, &r, e));
    return remove_group(c, r.number, e);
}

static result group_remove_by_name(struct call *c, struct err *e)
{
    struct role r;
    bool is_named;
    TRY(group_named(c, &r, &is_named, e));
    return is_named ? remove_group(c, r.number, e) : FAIL(e, INVALID, "name: is required");
}

/* ---- members ---- */

static result user_of_param(struct call *c, struct user *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "User", &id, e));
    TRY(user_get(c->db, c->arena, id, ret, e));
    call_object(c, "user", id, ret->name);
    return SUCCESS;
}

static result groups_of_user(struct call *c, struct err *e)
{
    struct user u;
    TRY(user_of_param(c, &u, e));
    const struct role_ref *ref = u.groups.at;
    struct role *found = arena_array(c->arena, struct role, u.groups.n);
    for (size_t i = 0; i < u.groups.n; i++)
        TRY(role_get(c->db, c->arena, FACE_PASSWORDSAFE, ref[i].number, &found[i], e));
    reply_groups(c, found, u.groups.n);
    return SUCCESS;
}

static result member_add(struct call *c, struct err *e)
{
    struct user u;
    struct role r;
    TRY(user_of_param(c, &u, e));
    TRY(group_of_param(c, 1, &r, e));
    call_detail(c, arena_printf(c->arena, "user %" PRId64 " %.*s", u.id, STR_ARG(u.name)));
    TRY(role_add_member(c->db, c->arena, &c->who, FACE_PASSWORDSAFE, r.number, u.id, c->now, e));
    reply_group(c, &r);
    return SUCCESS;
}

static result member_remove(struct call *c, struct err *e)
{
    struct user u;
    struct role r;
    TRY(user_of_param(c, &u, e));
    TRY(group_of_param(c, 1, &r, e));
    call_detail(c, arena_printf(c->arena, "user %" PRId64 " %.*s", u.id, STR_ARG(u.name)));
    TRY(role_remove_member(c->db, c->arena, &c->who, FACE_PASSWORDSAFE, r.number, u.id, c->now, e));
    reply_none(c, 200);
    return SUCCESS;
}

#define QUERY .query = name_fields, .query_size = sizeof(struct name_query)
const struct endpoint ps_group_endpoints[] = {
    {HTTP_GET, "/UserGroups", MAY_READ(USER_ACCOUNTS_MANAGEMENT), SEARCHES, UNRECORDED,
     "List user groups, or show one by name", NO_BODY, groups_all, QUERY, .reply = group_fields, .reply_is_any = true},
    {HTTP_GET, "/UserGroups/{id}", MAY_READ(USER_ACCOUNTS_MANAGEMENT), READS, UNRECORDED, "Show a user group", NO_BODY,
     group_show, .reply = group_fields, .object = "user group"},
    {HTTP_POST, "/UserGroups", MAY(USER_ACCOUNTS_MANAGEMENT), WRITES, "group.create", "Create a user group",
     &group_body, group_new, .status = 201, .reply = group_fields},
    {HTTP_DELETE, "/UserGroups/{id}", MAY(USER_ACCOUNTS_MANAGEMENT), WRITES, "group.delete", "Delete a user group",
     NO_BODY, group_remove, .object = "user group"},
    {HTTP_DELETE, "/UserGroups", MAY(USER_ACCOUNTS_MANAGEMENT), WRITES, "group.delete",
     "Delete the user group of this name", NO_BODY, group_remove_by_name, QUERY},
    {HTTP_GET, "/Users/{id}/UserGroups", MAY_READ(USER_ACCOUNTS_MANAGEMENT), READS, UNRECORDED, "List a user's groups",
     NO_BODY, groups_of_user, .reply_is_list = true, .reply = group_fields, .object = "user"},
    {HTTP_POST, "/Users/{id}/UserGroups/{groupID}", MAY(USER_ACCOUNTS_MANAGEMENT), WRITES, "group.member.add",
     "Put a user into a group", NO_BODY, member_add, .status = 201, .reply = group_fields, .object = "user"},
    {HTTP_DELETE, "/Users/{id}/UserGroups/{groupID}", MAY(USER_ACCOUNTS_MANAGEMENT), WRITES, "group.member.remove",
     "Take a user out of a group", NO_BODY, member_remove, .object = "user"},
    {0},
};
