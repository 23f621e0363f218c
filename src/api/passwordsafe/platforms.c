/* api/passwordsafe/platforms.c: entity types and platforms (passwordsafe-api 6.6, 6.7). */
#include "api/passwordsafe/face.h"

struct entity_type {
    int64_t id;
    struct str name, description;
};
static const struct field entity_type_fields[] = {
    ID("EntityTypeID", struct entity_type, id),
    TEXT("Name", struct entity_type, name),
    TEXT("Description", struct entity_type, description),
    FIELD_END,
};

#define ENTITY(number, text)                                                                                           \
    {                                                                                                                  \
        number, {text, sizeof text - 1},                                                                               \
        {                                                                                                              \
            text, sizeof text - 1                                                                                      \
        }                                                                                                              \
    }
static const struct entity_type entity_types[] = {
    ENTITY(0, "Unknown"), ENTITY(1, "Asset"), ENTITY(2, "Database"), ENTITY(3, "Directory"), ENTITY(4, "Cloud"),
};
enum { ENTITY_TYPES = sizeof entity_types / sizeof entity_types[0] };

/* What this server has no use for is written as what it is not. */
struct shown_platform {
    struct platform is;
    bool off;
};
static const struct field platform_fields[] = {
    ID("PlatformID", struct shown_platform, is.id),
    TEXT("Name", struct shown_platform, is.name),
    TEXT("ShortName", struct shown_platform, is.short_name),
    FLAG("PortFlag", struct shown_platform, is.has_port),
    OPT_INT("DefaultPort", struct shown_platform, is.default_port),
    FLAG("SupportsElevationFlag", struct shown_platform, is.can_elevate),
    FLAG("DomainNameFlag", struct shown_platform, is.has_domain),
    FLAG("AutoManagementFlag", struct shown_platform, is.can_manage_passwords),
    FLAG("DSSAutoManagementFlag", struct shown_platform, is.can_manage_keys),
    FLAG("ManageableFlag", struct shown_platform, is.can_manage_passwords),
    FLAG("DSSFlag", struct shown_platform, is.can_store_keys),
    FLAG("LoginAccountFlag", struct shown_platform, off),
    TEXT("DefaultSessionType", struct shown_platform, is.session_type),
    FLAG("ApplicationHostFlag", struct shown_platform, off),
    FLAG("RequiresApplicationHost", struct shown_platform, off),
    FLAG("RequiresTenantID", struct shown_platform, off),
    FLAG("RequiresObjectID", struct shown_platform, off),
    FLAG("RequiresSecret", struct shown_platform, off),
    FIELD_END,
};

static result entity_type_list(struct call *c, struct err *e)
{
    (void)e;
    reply_array(c, entity_type_fields, entity_types, sizeof entity_types[0], ENTITY_TYPES);
    return SUCCESS;
}

static void reply_platforms(struct call *c, int64_t entity_type, bool any)
{
    struct shown_platform *shown = arena_array(c->arena, struct shown_platform, platform_count);
    size_t n = 0;
    for (size_t i = 0; i < platform_count; i++)
        if (any || platforms[i].entity_type == entity_type)
            shown[n++].is = platforms[i];
    reply_array(c, platform_fields, shown, sizeof *shown, n);
}

static result platform_list(struct call *c, struct err *e)
{
    (void)e;
    reply_platforms(c, 0, true);
    return SUCCESS;
}

static result platforms_of_type(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Entity Type", &id, e));
    if (id >= ENTITY_TYPES)
        return FAIL(e, NOT_FOUND, "Entity Type not found");
    reply_platforms(c, id, false);
    return SUCCESS;
}

static result platform_show(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Platform", &id, e));
    const struct platform *p = platform_by_id(id);
    if (!p)
        return FAIL(e, NOT_FOUND, "Platform not found");
    struct shown_platform shown = {.is = *p};
    reply_object(c, platform_fields, &shown);
    return SUCCESS;
}

const struct endpoint ps_platform_endpoints[] = {
    {HTTP_GET, "/EntityTypes", SIGNED_IN, READS, UNRECORDED, "List the kinds of things that are managed", NO_BODY,
     entity_type_list, .reply_is_list = true, .reply = entity_type_fields},
    {HTTP_GET, "/EntityTypes/{id}/Platforms", SIGNED_IN, READS, UNRECORDED, "List the platforms of a kind", NO_BODY,
     platforms_of_type, .reply_is_list = true, .reply = platform_fields, .object = "entity type"},
    {HTTP_GET, "/Platforms", SIGNED_IN, READS, UNRECORDED, "List platforms", NO_BODY, platform_list,
     .reply_is_list = true, .reply = platform_fields},
    {HTTP_GET, "/Platforms/{id}", SIGNED_IN, READS, UNRECORDED, "Show a platform", NO_BODY, platform_show,
     .reply = platform_fields, .object = "platform"},
    {0},
};
