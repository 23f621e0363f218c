/* api/keyturn/devices.c: devices, and the login that each hands out to its own machine (keyturn-api 7). */
#include "api/keyturn/face.h"
#include "api/keyturn/list.h"
#include "api/who.h"
#include "identity/device.h"
#include "identity/signin.h"
#include "vault/auto_login.h"
#include "vault/keeper.h"

enum { WAIT_S = 2 }; /* for a change that is under way (2.8) */

/* ---- replies and bodies ---- */

#define DEVICE_ROWS(type, member)                                                                                      \
    ID("id", type, member.id), TEXT("hostName", type, member.host_name), TEXT("nickname", type, member.nickname),      \
        ID("defaultUserId", type, member.default_user_id, .null_when_empty = true),                                    \
        TIME("lastSeen", type, member.last_seen, .format = TIME_Z_MILLI)

struct device_view {
    struct device device; /* first: its id is what pages count by */
    struct secret *key;
};
static const struct field device_fields[] = {DEVICE_ROWS(struct device_view, device), FIELD_END};
static const struct field made_fields[] = {
    DEVICE_ROWS(struct device_view, device),
    SECRET("key", struct device_view, key, .doc = "Shown this once"),
    FIELD_END,
};
static const struct field key_fields[] = {SECRET("key", struct device_view, key, .doc = "Shown this once"), FIELD_END};
static const struct field device_page_fields[] = {ITEM_PAGE(struct device_view, device_fields)};

static const struct field body_fields[] = {
    TEXT("hostName", struct device, host_name, .required = true, .max = 255, .example = "WIN-RPA-01"),
    TEXT("nickname", struct device, nickname, .max = 255, .or_text = ""),
    ID("defaultUserId", struct device, default_user_id, .doc = "Whose login it hands out; none without",
       .example = "9"),
    FIELD_END,
};
static const struct body device_body =
    BODY(struct device, body_fields, .example = "{\"hostName\":\"WIN-RPA-01\",\"nickname\":\"\",\"defaultUserId\":9}");

/* ---- looking ---- */

static const struct column *column_of(const char *name)
{
    const struct column *column = device_columns;
    while (column->name && !str_equal(str_of(column->name), str_of(name)))
        column++;
    return column;
}

/* One more than a page: the devices behind `after`, of this default user when it is not 0. */
static result reply_devices(struct call *c, const struct paging *p, int64_t user_id, struct err *e)
{
    struct filter both[] = {
        {.op = FILTER_GT, .has_value = true, .column = column_of("id"), .number = p->after},
        {.op = FILTER_EQ, .has_value = true, .column = column_of("userId"), .number = user_id},
    };
    struct listing l = {.where = {.op = FILTER_AND, .operands = both, .n = user_id ? 2 : 1},
                        .sorts = {{.column = column_of("id")}},
                        .sort_count = 1,
                        .length = p->limit + 1};
    struct counts counts;
    struct device *found;
    size_t n;
    TRY(device_list(c->db, c->arena, &l, &counts, &found, &n, e));
    struct device_view *views = arena_array(c->arena, struct device_view, n);
    for (size_t i = 0; i < n; i++)
        views[i].device = found[i];
    struct item_page page = item_page_of(c, p, false, views, sizeof *views, n);
    reply_object(c, device_page_fields, &page);
    return SUCCESS;
}

static result device_search(struct call *c, struct err *e)
{
    const void *query;
    TRY(call_query(c, &query, e));
    return reply_devices(c, query, 0, e);
}

static result devices_of_user(struct call *c, struct err *e)
{
    int64_t id;
    bool is_enabled;
    const void *query;
    TRY(call_id(c, 0, "User", &id, e));
    if (id != c->who.user_id && !rights_have(&c->who.rights, VIEW_BASIC_INFO, LEVEL_READ))
        return FAIL(e, DENIED, "You need View users' and roles' basic info for other users' devices");
    TRY(user_exists(c->db, c->arena, id, &is_enabled, e));
    TRY(call_query(c, &query, e));
    return reply_devices(c, query, id, e);
}

/* ---- changing ---- */

static result find(struct call *c, int64_t id, struct device_view *ret, struct err *e)
{
    *ret = (struct device_view){0};
    TRY(device_get(c->db, c->arena, id, &ret->device, e));
    call_object(c, "device", id, ret->device.host_name);
    return SUCCESS;
}

static result find_by_path(struct call *c, struct device_view *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Device", &id, e));
    return find(c, id, ret, e);
}

static result device_new(struct call *c, struct err *e)
{
    const void *body;
    struct device_view v;
    struct secret *key;
    int64_t id;
    TRY(call_body(c, &body, e));
    TRY(device_create(c->db, c->arena, body, c->who.user_id, c->now, &id, &key, e));
    TRY(find(c, id, &v, e));
    TRY(auto_login_audience_grew(c->db, c->arena, v.device.default_user_id, S("a device became his"), e));
    v.key = key;
    reply_revealing(c, made_fields, &v);
    return SUCCESS;
}

static result device_edit(struct call *c, struct err *e)
{
    const void *body;
    struct device_view v;
    TRY(find_by_path(c, &v, e));
    TRY(call_body(c, &body, e));
    struct device with = *(const struct device *)body;
    with.id = v.device.id;
    int64_t former = v.device.default_user_id;
    TRY(device_update(c->db, c->arena, &with, c->who.user_id, c->now, e));
    TRY(find(c, with.id, &v, e));
    if (v.device.default_user_id != former)
        TRY(auto_login_audience_grew(c->db, c->arena, v.device.default_user_id, S("a device became his"), e));
    reply_object(c, device_fields, &v);
    return SUCCESS;
}

static result device_remove(struct call *c, struct err *e)
{
    struct device_view v;
    TRY(find_by_path(c, &v, e));
    TRY(device_delete(c->db, v.device.id, e));
    reply_none(c, 204);
    return SUCCESS;
}

static result device_rekey(struct call *c, struct err *e)
{
    struct device_view v;
    TRY(find_by_path(c, &v, e));
    TRY(device_new_key(c->db, c->arena, v.device.id, &v.key, e));
    reply_revealing(c, key_fields, &v);
    return SUCCESS;
}

/* ---- the login of a device's default user ---- */

struct login_body {
    int64_t user_id;
};
static const struct field login_body_fields[] = {
    ID("userId", struct login_body, user_id, .doc = "The default user; nobody else's login is given"),
    FIELD_END,
};
static const struct body login_body = BODY(struct login_body, login_body_fields, .example = "{\"userId\":9}");

struct login_view {
    int64_t user_id;
    struct str user_name;
    struct secret *password;
};
static const struct field login_fields[] = {
    ID("userId", struct login_view, user_id),
    TEXT("loginUsername", struct login_view, user_name),
    SECRET("loginPassword", struct login_view, password),
    FIELD_END,
};

static result check_device(struct call *c, const struct device *d, struct err *e)
{
    const void *body;
    bool is_enabled;
    if (!d->default_user_id)
        return FAIL(e, DENIED, "This device has no default user");
    TRY(call_body(c, &body, e));
    const struct login_body *in = body;
    if (in->user_id && in->user_id != d->default_user_id)
        return FAIL(e, DENIED, "This device has another default user");
    TRY(user_exists(c->db, c->arena, d->default_user_id, &is_enabled, e));
    return is_enabled ? SUCCESS : FAIL(e, DENIED, "The device's default user is disabled");
}

/* A login that follows an account: what its keeper says. *ret_wait_for: a change is under way. */
static result ask_keeper(struct call *c, const struct auto_login *login, int64_t *ret_wait_for, struct err *e)
{
    struct str state = S("");
    bool may = true;
    *ret_wait_for = 0;
    if (login->kept_by)
        TRY(vault_keeper()->may_read(c->db, c->arena, login->kept_by, !c->was_parked, c->now, &may, &state,
                                     ret_wait_for, e));
    if (!may)
        return FAIL(e, DENIED, "The link of this auto-login releases nothing");
    if (state.n)
        reply_header(c, "X-Keyturn-State", state);
    return SUCCESS;
}

static result device_login(struct call *c, struct err *e)
{
    struct device d;
    struct auto_login login;
    struct login_view v = {0};
    int64_t wait_for;
    TRY(device_by_key(c->db, c->arena, device_key_of_call(c), &d, e));
    call_object(c, "autologin", d.default_user_id, d.default_user_name);
    call_detail(c, arena_printf(c->arena, "device %.*s", STR_ARG(d.host_name)));
    TRY(check_device(c, &d, e));
    TRY(auto_login_get(c->db, c->arena, d.default_user_id, &login, e));
    TRY(ask_keeper(c, &login, &wait_for, e));
    if (wait_for && !c->was_parked)
        return call_park(c, wait_for, WAIT_S * SECONDS);
    TRY(auto_login_open(c->db, c->arena, c->service->keys, d.default_user_id, &login, &v.password, e));
    TRY(device_seen(c->db, d.id, c->now, e));
    v.user_id = d.default_user_id;
    v.user_name = login.login_name;
    reply_revealing(c, login_fields, &v);
    return SUCCESS;
}

/* A wrong key is a guess; and a device without a default user is nobody whom the gate could name in its record. */
static result device_login_refused(struct call *c, struct err *e)
{
    struct device d;
    struct signin_claim claim = {.address = c->who.address};
    result known = device_by_key(c->db, c->arena, device_key_of_call(c), &d, e);
    if (known.code == UNAUTHENTICATED) {
        count_refusal(c, S(""), "refused", "unauthenticated");
        return signin_count_failure(c->db, c->arena, &claim, c->now, e);
    }
    TRY(known);
    if (!d.default_user_id)
        audit_note(c->db, c->row->audit, false, (struct audit_object){"device", d.id, d.host_name}, 0,
                   S("no default user"));
    return SUCCESS;
}

const struct endpoint keyturn_device_endpoints[] = {
    {HTTP_GET, "/devices", ADMINISTRATOR, SEARCHES, UNRECORDED, "Devices", NO_BODY, device_search,
     .query = keyturn_paging_query, .query_size = sizeof(struct paging), .reply = device_page_fields},
    {HTTP_POST, "/devices", AAE_ADMIN, REVEALS, "device.create", "Register a device; its key is shown this once",
     &device_body, device_new, .status = 201, .reply = made_fields},
    {HTTP_PUT, "/devices/{id}", AAE_ADMIN, WRITES, "device.update", "Change a device", &device_body, device_edit,
     .reply = device_fields, .object = "device"},
    {HTTP_DELETE, "/devices/{id}", AAE_ADMIN, WRITES, "device.delete", "Delete a device; its key ends", NO_BODY,
     device_remove, .status = 204, .object = "device"},
    {HTTP_POST, "/devices/{id}/key", AAE_ADMIN, REVEALS, "device.key", "Make a new key; the old one ends at once",
     NO_BODY, device_rekey, .reply = key_fields, .object = "device"},
    {HTTP_POST, "/devices/self/login", DEVICE, REVEALS, "autologin.read", "The login of the device's default user",
     &login_body, device_login, .refused = device_login_refused, .reply = login_fields, .opens_secrets = true},
    {HTTP_GET, "/users/{id}/devices", SIGNED_IN, SEARCHES, UNRECORDED, "Devices whose default user he is", NO_BODY,
     devices_of_user, .query = keyturn_paging_query, .query_size = sizeof(struct paging), .reply = device_page_fields,
     .object = "user"},
    {0},
};
