/* api/keyturn/api_keys.c: API keys of people (keyturn-api 7). */
#include "api/keyturn/face.h"
#include "api/keyturn/list.h"
#include "identity/api_key.h"
#include "identity/grant.h"
#include "identity/user.h"

#define KEY_ROWS(type, member)                                                                                         \
    ID("id", type, member.id), TEXT("name", type, member.name),                                                        \
        TIME("createdAt", type, member.created_at, .format = TIME_Z_MILLI),                                            \
        TIME("lastUsed", type, member.used_at, .format = TIME_Z_MILLI)

struct key_view {
    struct api_key is; /* first: its id is what pages count by */
    struct secret *key;
};
static const struct field key_fields[] = {KEY_ROWS(struct key_view, is), FIELD_END};
static const struct field made_fields[] = {
    KEY_ROWS(struct key_view, is),
    SECRET("key", struct key_view, key, .doc = "Shown this once"),
    FIELD_END,
};
static const struct field key_page_fields[] = {ITEM_PAGE(struct key_view, key_fields)};

struct name_body {
    struct str name;
};
static const struct field body_fields[] = {
    TEXT("name", struct name_body, name, .required = true, .max = 255, .example = "nightly"),
    FIELD_END,
};
static const struct body name_body = BODY(struct name_body, body_fields, .example = "{\"name\":\"nightly\"}");

/* Oneself, or with User Management anybody: 403 before 404, so that nobody else learns who exists. */
static result find_user(struct call *c, struct user *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "User", &id, e));
    if (id != c->who.user_id && !rights_have(&c->who.rights, USER_MANAGEMENT, LEVEL_WRITE))
        return FAIL(e, DENIED, "You need Manage users and roles for other users' API keys");
    TRY(user_get(c->db, c->arena, id, ret, e));
    call_object(c, "user", id, ret->name);
    return SUCCESS;
}

static result key_search(struct call *c, struct err *e)
{
    struct user u;
    const void *query;
    struct api_key *found;
    size_t n;
    TRY(find_user(c, &u, e));
    TRY(call_query(c, &query, e));
    TRY(api_key_list(c->db, c->arena, u.id, &found, &n, e));
    struct key_view *views = arena_array(c->arena, struct key_view, n);
    for (size_t i = 0; i < n; i++)
        views[i].is = found[i];
    struct item_page page = item_page_of(c, query, false, views, sizeof *views, n);
    reply_object(c, key_page_fields, &page);
    return SUCCESS;
}

/* A key lets in as its user: so it is given by nobody who holds less than he (2.3). */
static result key_new(struct call *c, struct err *e)
{
    struct user u;
    const void *body;
    struct grant g;
    struct key_view v;
    TRY(find_user(c, &u, e));
    TRY(grant_begin(c->db, c->arena, &c->who, &g, e));
    TRY(grant_may_change_user(c->db, c->arena, &g, u.id, e));
    TRY(call_body(c, &body, e));
    const struct name_body *in = body;
    TRY(api_key_create(c->db, c->arena, u.id, in->name, c->now, &v.is, &v.key, e));
    TRY(grant_check_user(c->db, c->arena, &g, u.id, e));
    call_detail(c, v.is.name);
    reply_revealing(c, made_fields, &v);
    return SUCCESS;
}

static result key_remove(struct call *c, struct err *e)
{
    struct user u;
    int64_t id;
    TRY(find_user(c, &u, e));
    TRY(call_id(c, 1, "API key", &id, e));
    TRY(api_key_delete(c->db, u.id, id, e));
    call_detail(c, arena_printf(c->arena, "API key %" PRId64, id));
    reply_none(c, 204);
    return SUCCESS;
}

#define KEYS "/users/{id}/api-keys"
const struct endpoint api_key_endpoints[] = {
    {HTTP_GET, KEYS, SIGNED_IN, READS, UNRECORDED, "API keys of a user, without the keys", NO_BODY, key_search,
     .query = keyturn_paging_query, .query_size = sizeof(struct paging), .reply = key_page_fields, .object = "user"},
    {HTTP_POST, KEYS, MAY(GENERATE_API_KEY), REVEALS, "apikey.create", "Make an API key; it is shown this once",
     &name_body, key_new, .status = 201, .reply = made_fields, .object = "user"},
    {HTTP_DELETE, KEYS "/{keyId}", SIGNED_IN, WRITES, "apikey.delete", "Delete an API key; tokens got by it end",
     NO_BODY, key_remove, .status = 204, .object = "user"},
    {0},
};
