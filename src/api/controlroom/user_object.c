/* api/controlroom/user_object.c: a user on the wire (controlroom-api 2.1). */
#include "api/controlroom/user_object.h"

#include "base/text.h"
#include "gate/service.h"

struct permission_object {
    int64_t id;
    struct str action, resource_id, resource_type;
};
struct user_object {
    struct user user;
    struct list permissions, license_features; /* of struct permission_object, of struct str */
    struct list nothing;
    struct str no_text;
    bool yes, no;
};

static const struct field role_fields[] = {
    TEXT("name", struct role_ref, name),
    INT("id", struct role_ref, number),
    INT("version", struct role_ref, version),
    FIELD_END,
};

static const struct field permission_fields[] = {
    INT("id", struct permission_object, id),
    TEXT("action", struct permission_object, action),
    TEXT("resourceId", struct permission_object, resource_id),
    TEXT("resourceType", struct permission_object, resource_type),
    FIELD_END,
};

/* What we have no counterpart of has a fixed value: typed clients want every key. */
const struct field user_object_fields[] = {
    INT("id", struct user_object, user.id),
    TEXT("username", struct user_object, user.name),
    TEXT("domain", struct user_object, user.domain, .null_when_empty = true),
    TEXT("firstName", struct user_object, user.first_name),
    TEXT("lastName", struct user_object, user.last_name),
    INT("version", struct user_object, user.version),
    INT("principalId", struct user_object, user.id),
    FLAG("deleted", struct user_object, no),
    LIST("roles", struct user_object, user.roles, struct role_ref, role_fields),
    TEXTS("sysAssignedRoles", struct user_object, nothing),
    TEXTS("groupNames", struct user_object, nothing),
    LIST("permissions", struct user_object, permissions, struct permission_object, permission_fields),
    TEXTS("licenseFeatures", struct user_object, license_features),
    FLAG("emailVerified", struct user_object, yes),
    FLAG("passwordSet", struct user_object, user.has_password),
    FLAG("questionsSet", struct user_object, yes),
    FLAG("enableAutoLogin", struct user_object, user.enable_auto_login),
    FLAG("disabled", struct user_object, user.is_disabled),
    FLAG("clientRegistered", struct user_object, no),
    TEXT("description", struct user_object, user.description),
    INT("createdBy", struct user_object, user.created_by),
    TIME("createdOn", struct user_object, user.created_at, .format = TIME_Z_SECOND),
    INT("updatedBy", struct user_object, user.updated_by),
    TIME("updatedOn", struct user_object, user.updated_at, .format = TIME_Z_SECOND),
    TEXT("publicKey", struct user_object, no_text),
    TEXT("appType", struct user_object, no_text),
    TEXT("routingName", struct user_object, no_text),
    TEXT("appUrl", struct user_object, no_text),
    TEXT("email", struct user_object, user.email),
    TIME("lastLoginTime", struct user_object, user.last_login_at, .format = TIME_Z_SECOND),
    FLAG("deviceCredentialAttested", struct user_object, no),
    FLAG("multipleLoginAllowed", struct user_object, no),
    FIELD_END,
};

static struct list permissions_of(struct arena *a, const struct rights *rights)
{
    struct permission_object *held = arena_array(a, struct permission_object, right_fact_count);
    struct list found = {.at = held};
    for (size_t i = 0; rights && i < right_fact_count; i++) {
        const struct right_fact *fact = &right_facts[i];
        if (fact->face == FACE_CONTROLROOM && rights_have(rights, fact->right, LEVEL_WRITE))
            held[found.n++] = (struct permission_object){
                .id = fact->wire_id, .action = str_of(fact->action), .resource_type = str_of(fact->resource_type)};
    }
    return found;
}

static struct list words_of(struct arena *a, struct str comma_separated)
{
    struct str *words = arena_array(a, struct str, comma_separated.n / 2 + 1);
    struct list found = {.at = words};
    while (str_is_set(comma_separated)) {
        struct str word = str_trim(str_cut(&comma_separated, ','));
        if (word.n > 0)
            words[found.n++] = word;
    }
    return found;
}

struct user_object *user_object_of(struct call *c, const struct user *u, const struct rights *rights)
{
    struct user_object *o = arena_new_of(c->arena, struct user_object);
    *o = (struct user_object){.user = *u, .yes = true};
    o->user.name = text_key(c->arena, u->name); /* in lower case (7.1) */
    o->permissions = permissions_of(c->arena, rights);
    o->license_features = words_of(c->arena, u->license_features);
    return o;
}

void write_user(struct json_writer *w, struct call *c, const struct user *u, const struct rights *rights)
{
    fields_encode(user_object_fields, user_object_of(c, u, rights), w, c->arena, NULL);
}

struct signed_in {
    struct str token, tenant, no_text;
    struct user_object *user;
};

const struct field signed_in_fields[] = {
    TEXT("token", struct signed_in, token),
    OBJECT("user", struct signed_in, user, struct user_object, user_object_fields),
    TEXT("tenantUuid", struct signed_in, tenant),
    TEXT("mfaAuthResponse", struct signed_in, no_text),
    FIELD_END,
};

void reply_signed_in(struct call *c, struct str token, const struct user *u, const struct rights *rights)
{
    struct signed_in answer = {
        .token = token, .tenant = c->service->installation, .user = user_object_of(c, u, rights)};
    reply_object(c, signed_in_fields, &answer);
}
