/* api/controlroom/devices.c: devices and the users that robots run as (controlroom-api 7.4). */
#include "api/controlroom/face.h"
#include "base/text.h"
#include "identity/device.h"
#include "identity/user.h"
#include "vault/auto_login.h"

struct default_user {
    int64_t id;
    struct str username;
};
static const struct field default_user_fields[] = {
    ID_TEXT("id", struct default_user, id),
    TEXT("username", struct default_user, username),
    FIELD_END,
};

struct device_view {
    struct device device;
    struct str type, status, pool_name, agent_version, lifespan;
    struct list default_users;
};
static const struct field device_fields[] = {
    ID_TEXT("id", struct device_view, device.id),
    TEXT("type", struct device_view, type),
    TEXT("hostName", struct device_view, device.host_name),
    TEXT("nickname", struct device_view, device.nickname),
    ID_TEXT("userId", struct device_view, device.default_user_id),
    TEXT("userName", struct device_view, device.default_user_name),
    TEXT("status", struct device_view, status),
    TEXT("poolName", struct device_view, pool_name),
    TEXT("fullyQualifiedHostName", struct device_view, device.host_name),
    TEXT("botAgentVersion", struct device_view, agent_version),
    TEXT("lifespan", struct device_view, lifespan),
    LIST("defaultUsers", struct device_view, default_users, struct default_user, default_user_fields),
    ID_TEXT("updatedBy", struct device_view, device.updated_by),
    TIME("updatedOn", struct device_view, device.updated_at, .format = TIME_Z_SECOND),
    FIELD_END,
};

static struct device_view view_of(struct call *c, const struct device *d)
{
    struct default_user *user = arena_new_of(c->arena, struct default_user);
    *user = (struct default_user){d->default_user_id, text_key(c->arena, d->default_user_name)};
    struct device shown = *d;
    shown.default_user_name = user->username;
    return (struct device_view){.device = shown,
                                .type = S("BOT_RUNNER"),
                                .status = d->last_seen ? S("CONNECTED") : S("DISCONNECTED"),
                                .pool_name = S(""),
                                .agent_version = S(""),
                                .lifespan = S("PERSISTENT"),
                                .default_users = {.at = user, .n = d->default_user_id ? 1 : 0}};
}

static result device_search(struct call *c, struct err *e)
{
    struct listing l;
    struct counts counts;
    struct device *found;
    size_t n;
    TRY(listing_of(c, device_columns, &l, e));
    TRY(device_list(c->db, c->arena, &l, &counts, &found, &n, e));
    struct device_view *views = arena_array(c->arena, struct device_view, n);
    for (size_t i = 0; i < n; i++)
        views[i] = view_of(c, &found[i]);
    reply_page(c, &l, &counts, device_fields, views, sizeof *views, n);
    return SUCCESS;
}

/* ---- run-as users ---- */

struct run_as_user {
    int64_t id;
    struct str username, device;
};
static const struct field run_as_fields[] = {
    ID_TEXT("id", struct run_as_user, id),
    TEXT("username", struct run_as_user, username),
    TEXT("device", struct run_as_user, device, .doc = "Always null"),
    FIELD_END,
};

/* Anybody may call this one: he can ask for names, and for nothing else that a user list knows. */
static const struct column *run_as_columns(struct call *c)
{
    struct column *columns = arena_array(c->arena, struct column, 3);
    size_t n = 0;
    for (const struct column *all = user_columns; all->name && n < 2; all++)
        if (str_equal(str_of(all->name), S("id")) || str_equal(str_of(all->name), S("username")))
            columns[n++] = *all;
    return columns;
}

static result run_as_search(struct call *c, struct err *e)
{
    struct listing l;
    struct counts counts;
    struct user *found;
    size_t n;
    TRY(listing_of(c, run_as_columns(c), &l, e));
    TRY(user_list(c->db, c->arena, &l, &counts, &found, &n, e));
    struct run_as_user *views = arena_array(c->arena, struct run_as_user, n);
    for (size_t i = 0; i < n; i++)
        views[i] = (struct run_as_user){.id = found[i].id, .username = text_key(c->arena, found[i].name)};
    reply_page(c, &l, &counts, run_as_fields, views, sizeof *views, n);
    return SUCCESS;
}

/* ---- the default user of a device ---- */

struct default_body {
    int64_t user_id, device_id;
};
static const struct field default_fields[] = {
    ID_TEXT("userId", struct default_body, user_id, .required = true, .example = "9"),
    ID_TEXT("deviceId", struct default_body, device_id, .required = true, .example = "10"),
    FIELD_END,
};
static const struct body default_body =
    BODY(struct default_body, default_fields, .example = "{\"userId\":\"9\",\"deviceId\":\"10\"}");

static bool may_set(const struct caller *who, const struct device *d, int64_t user_id)
{
    bool is_free = !d->default_user_id || d->default_user_id == who->user_id;
    return who->rights.is_aae_admin || (user_id == who->user_id && is_free);
}

static result default_set(struct call *c, struct err *e)
{
    const void *body;
    struct device d;
    TRY(call_body(c, &body, e));
    const struct default_body *in = body;
    TRY(device_get(c->db, c->arena, in->device_id, &d, e));
    call_object(c, "device", d.id, d.host_name);
    if (!may_set(&c->who, &d, in->user_id))
        return FAIL(e, DENIED, "Only AAE_Admin gives a device to somebody else, or takes it from its default user");
    bool is_new = d.default_user_id != in->user_id;
    d.default_user_id = in->user_id;
    TRY(device_update(c->db, c->arena, &d, c->who.user_id, c->now, e));
    if (is_new)
        TRY(auto_login_audience_grew(c->db, c->arena, in->user_id, S("a device became his"), e));
    TRY(device_get(c->db, c->arena, in->device_id, &d, e));
    struct device_view v = view_of(c, &d);
    reply_object(c, device_fields, &v);
    return SUCCESS;
}

const struct endpoint device_endpoints[] = {
    {HTTP_POST, "/v2/devices/list", SIGNED_IN, SEARCHES, UNRECORDED, "Search devices", &list_body, device_search,
     .reply_is_page = true, .reply = device_fields},
    {HTTP_POST, "/v1/devices/runasusers/list", SIGNED_IN, SEARCHES, UNRECORDED, "Search users that robots run as",
     &list_body, run_as_search, .reply_is_page = true, .reply = run_as_fields},
    {HTTP_POST, "/v1/devices/runasusers/default", SIGNED_IN, WRITES, "device.default-user",
     "Make a user the default user of a device", &default_body, default_set, .reply = device_fields},
    {0},
};
