/* api/passwordsafe/workgroups.c: the organization and its workgroups (passwordsafe-api 6.1, 6.2). */
#include "api/passwordsafe/face.h"

struct name_query {
    struct str name;
};
static const struct field name_query_fields[] = {
    TEXT("name", struct name_query, name, .max = 256, .doc = "The one of this name"),
    FIELD_END,
};

/* ---- organizations ---- */

struct organization {
    struct str id, name;
    bool is_active;
};
static const struct field organization_fields[] = {
    TEXT("OrganizationID", struct organization, id),
    TEXT("Name", struct organization, name),
    FLAG("IsActive", struct organization, is_active),
    FIELD_END,
};

static result the_organization(struct call *c, struct organization *ret, struct err *e)
{
    *ret = (struct organization){.name = S("Default Organization"), .is_active = true};
    return organization_id(c->db, c->arena, &ret->id, e);
}

static result organization_list(struct call *c, struct err *e)
{
    const void *query;
    struct organization o;
    TRY(call_query(c, &query, e));
    TRY(the_organization(c, &o, e));
    struct str name = ((const struct name_query *)query)->name;
    if (!name.n)
        reply_array(c, organization_fields, &o, sizeof o, 1);
    else if (str_equal_fold(name, o.name))
        reply_object(c, organization_fields, &o);
    else
        return FAIL(e, NOT_FOUND, "Organization not found");
    return SUCCESS;
}

static result organization_show(struct call *c, struct err *e)
{
    struct organization o;
    TRY(the_organization(c, &o, e));
    if (!str_equal_fold(c->params[0], o.id))
        return FAIL(e, NOT_FOUND, "Organization not found");
    reply_object(c, organization_fields, &o);
    return SUCCESS;
}

/* ---- workgroups ---- */

const struct field ps_workgroup_fields[] = {
    TEXT("OrganizationID", struct workgroup, organization),
    ID("ID", struct workgroup, id),
    TEXT("Name", struct workgroup, name),
    FIELD_END,
};

struct workgroup_body {
    struct str organization, name;
};
static const struct field workgroup_body_fields[] = {
    TEXT("OrganizationID", struct workgroup_body, organization, .max = 64, .doc = "None: the one there is"),
    TEXT("Name", struct workgroup_body, name, .required = true, .max = 256, .doc = "Unique, ignoring case",
         .example = "Default Workgroup"),
    FIELD_END,
};
static const struct body workgroup_body =
    BODY(struct workgroup_body, workgroup_body_fields, .example = "{\"Name\":\"Default Workgroup\"}");

static bool is_number(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

result workgroup_of_param(struct call *c, size_t i, struct workgroup *ret, struct err *e)
{
    int64_t id;
    if (!is_number(c->params[i]))
        return workgroup_by_name(c->db, c->arena, c->params[i], ret, e);
    TRY(call_id(c, i, "Workgroup", &id, e));
    return workgroup_get(c->db, c->arena, id, ret, e);
}

static result workgroups_show(struct call *c, struct err *e)
{
    const void *query;
    struct workgroup one, *all;
    size_t n;
    TRY(call_query(c, &query, e));
    struct str name = ((const struct name_query *)query)->name;
    if (name.n) {
        TRY(workgroup_by_name(c->db, c->arena, name, &one, e));
        reply_object(c, ps_workgroup_fields, &one);
        return SUCCESS;
    }
    TRY(workgroup_list(c->db, c->arena, &all, &n, e));
    reply_array(c, ps_workgroup_fields, all, sizeof *all, n);
    return SUCCESS;
}

static result workgroup_show(struct call *c, struct err *e)
{
    struct workgroup w;
    TRY(workgroup_of_param(c, 0, &w, e));
    reply_object(c, ps_workgroup_fields, &w);
    return SUCCESS;
}

static result workgroup_new(struct call *c, struct err *e)
{
    const void *body;
    struct workgroup w;
    struct str organization;
    int64_t id;
    TRY(call_body(c, &body, e));
    const struct workgroup_body *in = body;
    TRY(organization_id(c->db, c->arena, &organization, e));
    if (in->organization.n && !str_equal_fold(in->organization, organization))
        return FAIL(e, INVALID, "OrganizationID: there is no such organization");
    TRY(workgroup_create(c->db, c->arena, in->name, &id, e));
    TRY(workgroup_get(c->db, c->arena, id, &w, e));
    call_object(c, "workgroup", id, w.name);
    reply_object(c, ps_workgroup_fields, &w);
    return SUCCESS;
}

const struct endpoint ps_workgroup_endpoints[] = {
    {HTTP_GET, "/Organizations", SIGNED_IN, READS, UNRECORDED, "List organizations, or show one by name", NO_BODY,
     organization_list, .query = name_query_fields, .query_size = sizeof(struct name_query),
     .reply = organization_fields, .reply_is_any = true},
    {HTTP_GET, "/Organizations/{id}", SIGNED_IN, READS, UNRECORDED, "Show an organization", NO_BODY, organization_show,
     .reply = organization_fields},
    {HTTP_GET, "/Workgroups", MAY_READ(ASSET_MANAGEMENT), SEARCHES, UNRECORDED, "List workgroups, or show one by name",
     NO_BODY, workgroups_show, .query = name_query_fields, .query_size = sizeof(struct name_query),
     .reply = ps_workgroup_fields, .reply_is_any = true},
    {HTTP_GET, "/Workgroups/{id}", MAY_READ(ASSET_MANAGEMENT), READS, UNRECORDED, "Show a workgroup by id or name",
     NO_BODY, workgroup_show, .reply = ps_workgroup_fields, .object = "workgroup"},
    {HTTP_POST, "/Workgroups", MAY(ASSET_MANAGEMENT), WRITES, "workgroup.create", "Create a workgroup", &workgroup_body,
     workgroup_new, .status = 201, .reply = ps_workgroup_fields},
    {0},
};
