/* api/controlroom/locker_people.c: members, consumers and credentials of lockers (controlroom-api 5.3). */
#include "api/controlroom/face.h"
#include "base/text.h"
#include "vault/locker.h"

enum { CONSUMERS_MAX = 100 };

static void reply_empty(struct call *c)
{
    json_write_raw(reply_json(c), S("{}"));
}

static result locker_id(struct call *c, int64_t *ret, struct err *e)
{
    struct locker locker;
    TRY(call_id(c, 0, "Locker", ret, e));
    TRY(locker_get(c->db, c->arena, &c->who, *ret, &locker, e));
    call_object(c, "locker", *ret, locker.name);
    return SUCCESS;
}

/* ---- members ---- */

struct member {
    int64_t user_id;
    struct str user_name;
    struct list permissions; /* of struct str: one word */
};
static const struct field member_fields[] = {
    ID_TEXT("id", struct member, user_id),
    ID_TEXT("userId", struct member, user_id),
    TEXT("userName", struct member, user_name),
    TEXTS("permissions", struct member, permissions),
    FIELD_END,
};

static struct member member_of(struct arena *a, const struct locker_member *m)
{
    return (struct member){m->user_id, text_key(a, m->user_name), {.at = (void *)&m->permission, .n = 1}};
}

static result members_show(struct call *c, struct err *e)
{
    int64_t id;
    struct locker_member *found;
    size_t n;
    TRY(locker_id(c, &id, e));
    TRY(locker_members(c->db, c->arena, &c->who, id, &found, &n, e));
    struct member *members = arena_array(c->arena, struct member, n);
    for (size_t i = 0; i < n; i++)
        members[i] = member_of(c->arena, &found[i]);
    reply_list(c, member_fields, members, sizeof *members, n);
    return SUCCESS;
}

struct member_body {
    struct list permissions;
};
static const char *const permission_words[] = {"own", "manage", "participate", NULL};
static const struct field member_body_fields[] = {
    TEXTS("permissions", struct member_body, permissions, .required = true, .words = permission_words,
          .doc = "One of the words", .example = "[\"manage\"]"),
    FIELD_END,
};
static const struct body member_body =
    BODY(struct member_body, member_body_fields, .example = "{\"permissions\":[\"manage\"]}");

static result one_word(const struct list *permissions, struct str *ret, struct err *e)
{
    const struct str *words = permissions->at;
    for (size_t i = 0; i < permissions->n; i++)
        if (!str_equal(words[i], words[0]))
            return FAIL(e, INVALID, "permissions: a member has exactly one");
    if (permissions->n == 0)
        return FAIL(e, INVALID, "permissions: is required");
    *ret = words[0];
    return SUCCESS;
}

static result member_set(struct call *c, struct err *e)
{
    int64_t id, user_id;
    struct locker locker;
    const void *body;
    struct str word;
    struct locker_member now;
    TRY(locker_id(c, &id, e));
    TRY(call_id(c, 1, "User", &user_id, e));
    TRY(locker_may_administer(c->db, c->arena, &c->who, id, &locker, e));
    TRY(call_body(c, &body, e));
    TRY(one_word(&((const struct member_body *)body)->permissions, &word, e));
    TRY(locker_set_member(c->db, c->arena, &c->who, id, user_id, word, c->now, &now, e));
    call_detail(c, arena_printf(c->arena, "user %" PRId64 ": %.*s", user_id, STR_ARG(word)));
    struct member member = member_of(c->arena, &now);
    reply_object(c, member_fields, &member);
    return SUCCESS;
}

static result member_remove(struct call *c, struct err *e)
{
    int64_t id, user_id;
    TRY(locker_id(c, &id, e));
    TRY(call_id(c, 1, "Member", &user_id, e));
    TRY(locker_remove_member(c->db, c->arena, &c->who, id, user_id, c->now, e));
    call_detail(c, arena_printf(c->arena, "user %" PRId64, user_id));
    reply_empty(c);
    return SUCCESS;
}

/* ---- consumers ---- */

static const struct field consumer_fields[] = {
    ID_TEXT("id", struct locker_consumer, role_number),
    ID_TEXT("roleId", struct locker_consumer, role_number),
    TEXT("roleName", struct locker_consumer, role_name),
    FIELD_END,
};

static result consumers_show(struct call *c, struct err *e)
{
    int64_t id;
    struct locker_consumer *found;
    size_t n;
    TRY(locker_id(c, &id, e));
    TRY(locker_consumers(c->db, c->arena, &c->who, id, &found, &n, e));
    reply_list(c, consumer_fields, found, sizeof *found, n);
    return SUCCESS;
}

struct role_id {
    int64_t id, role_id;
};
/* {"id":121}, {"roleId":121}, [{"id":121}] or {"list":[{"id":121}]}. */
struct consumer_body {
    struct role_id one;
    struct list list;
    bool was_array;
};
static const struct field role_id_fields[] = {
    ID("id", struct role_id, id),
    ID("roleId", struct role_id, role_id),
    FIELD_END,
};
static const struct field consumer_body_fields[] = {
    ID("id", struct consumer_body, one.id, .doc = "The role", .example = "121"),
    ID("roleId", struct consumer_body, one.role_id, .doc = "The same"),
    LIST("list", struct consumer_body, list, struct role_id, role_id_fields, .max = CONSUMERS_MAX,
         .doc = "Several roles; so does a bare array"),
    FIELD_END,
};

static result decode_consumers(struct call *c, struct json *j, void *into, struct err *e)
{
    struct consumer_body *body = into;
    enum json_type type;
    bool more;
    TRY(json_peek(j, &type, e));
    if (type == JSON_OBJECT)
        return fields_decode(consumer_body_fields, j, body, e);
    if (type != JSON_ARRAY)
        return FAIL(e, INVALID, "body: must be a JSON object or array");
    struct role_id *roles = arena_array(c->whole, struct role_id, CONSUMERS_MAX);
    body->was_array = true;
    body->list = (struct list){.at = roles, .is_set = true};
    TRY(json_enter(j, '[', e));
    for (;;) {
        TRY(json_next_item(j, &more, e));
        if (!more)
            return SUCCESS;
        TRY(json_peek(j, &type, e));
        if (type != JSON_OBJECT || body->list.n == CONSUMERS_MAX)
            return FAIL(e, INVALID, "body: must be at most %d objects", CONSUMERS_MAX);
        TRY(fields_decode(role_id_fields, j, &roles[body->list.n++], e));
    }
}
static const struct body consumer_body =
    BODY(struct consumer_body, consumer_body_fields, .decode = decode_consumers, .example = "{\"id\":121}");

static result role_number_of(const struct role_id *r, int64_t *ret, struct err *e)
{
    if (r->id == 0 && r->role_id == 0)
        return FAIL(e, INVALID, "id: is required");
    if (r->id != 0 && r->role_id != 0 && r->id != r->role_id)
        return FAIL(e, INVALID, "roleId: is not the same as id");
    *ret = r->id ? r->id : r->role_id;
    return SUCCESS;
}

static result consumers_add(struct call *c, struct err *e)
{
    int64_t id;
    struct locker locker;
    const void *body;
    TRY(locker_id(c, &id, e));
    TRY(locker_may_administer(c->db, c->arena, &c->who, id, &locker, e));
    TRY(call_body(c, &body, e));
    const struct consumer_body *in = body;
    const struct role_id *roles = in->list.is_set ? in->list.at : &in->one;
    size_t n = in->list.is_set ? in->list.n : 1;
    int64_t *numbers = arena_array(c->arena, int64_t, n);
    struct locker_consumer *added = arena_array(c->arena, struct locker_consumer, n);
    for (size_t i = 0; i < n; i++)
        TRY(role_number_of(&roles[i], &numbers[i], e));
    for (size_t i = 0; i < n; i++)
        TRY(locker_add_consumer(c->db, c->arena, &c->who, id, numbers[i], c->now, &added[i], e));
    call_detail(c,
                n == 1 ? arena_printf(c->arena, "role %" PRId64, numbers[0]) : arena_printf(c->arena, "%zu roles", n));
    if (in->was_array)
        reply_array(c, consumer_fields, added, sizeof *added, n);
    else if (in->list.is_set)
        reply_list(c, consumer_fields, added, sizeof *added, n);
    else
        reply_object(c, consumer_fields, added);
    return SUCCESS;
}

static result consumer_remove(struct call *c, struct err *e)
{
    int64_t id, role_number;
    TRY(locker_id(c, &id, e));
    TRY(call_id(c, 1, "Role", &role_number, e));
    TRY(locker_remove_consumer(c->db, c->arena, &c->who, id, role_number, c->now, e));
    call_detail(c, arena_printf(c->arena, "role %" PRId64, role_number));
    reply_empty(c);
    return SUCCESS;
}

/* ---- credentials ---- */

static result credentials_show(struct call *c, struct err *e)
{
    int64_t id;
    struct credential *found;
    size_t n;
    TRY(locker_id(c, &id, e));
    TRY(locker_credentials(c->db, c->arena, &c->who, id, &found, &n, e));
    reply_list(c, credential_fields, found, sizeof *found, n);
    return SUCCESS;
}

struct placed {
    int64_t locker_id, credential_id;
};
static const struct field placed_fields[] = {
    ID_TEXT("id", struct placed, locker_id),
    ID_TEXT("credentialId", struct placed, credential_id),
    FIELD_END,
};

static result placed_ids(struct call *c, struct placed *ret, struct err *e)
{
    TRY(locker_id(c, &ret->locker_id, e));
    TRY(call_id(c, 1, "Credential", &ret->credential_id, e));
    call_detail(c, arena_printf(c->arena, "credential %" PRId64, ret->credential_id));
    return SUCCESS;
}

static result credential_assign(struct call *c, struct err *e)
{
    struct placed p;
    TRY(placed_ids(c, &p, e));
    TRY(locker_assign(c->db, c->arena, &c->who, p.locker_id, p.credential_id, c->now, e));
    reply_object(c, placed_fields, &p);
    return SUCCESS;
}

static result credential_take_out(struct call *c, struct err *e)
{
    struct placed p;
    TRY(placed_ids(c, &p, e));
    TRY(locker_take_out(c->db, c->arena, &c->who, p.locker_id, p.credential_id, c->now, e));
    reply_empty(c);
    return SUCCESS;
}

/* ---- the table ---- */

struct any_list {
    struct list list;
};
static const struct field member_list[] = {LIST("list", struct any_list, list, struct member, member_fields),
                                           FIELD_END};
static const struct field consumer_list[] = {
    LIST("list", struct any_list, list, struct locker_consumer, consumer_fields), FIELD_END};
static const struct field credential_list_fields[] = {
    LIST("list", struct any_list, list, struct credential, credential_fields), FIELD_END};

#define LOCKER "/v2/credentialvault/lockers/{id}"
const struct endpoint locker_people_endpoints[] = {
    {HTTP_GET, LOCKER "/members", SIGNED_IN, SEARCHES, UNRECORDED, "List the members of a locker", NO_BODY,
     members_show, .reply = member_list, .object = "locker"},
    {HTTP_PUT, LOCKER "/members/{userId}", SIGNED_IN, WRITES, "locker.set_member",
     "Make a user a member, or another kind of member", &member_body, member_set, .reply = member_fields,
     .object = "locker"},
    {HTTP_DELETE, LOCKER "/members/{userId}", SIGNED_IN, WRITES, "locker.remove_member", "Take a member out", NO_BODY,
     member_remove, .object = "locker"},
    {HTTP_GET, LOCKER "/consumers", SIGNED_IN, SEARCHES, UNRECORDED, "List the roles that consume a locker", NO_BODY,
     consumers_show, .reply = consumer_list, .object = "locker"},
    {HTTP_POST, LOCKER "/consumers", SIGNED_IN, WRITES, "locker.add_consumer", "Let roles consume a locker",
     &consumer_body, consumers_add, .reply = consumer_fields, .reply_is_any = true, .object = "locker"},
    {HTTP_DELETE, LOCKER "/consumers/{roleId}", SIGNED_IN, WRITES, "locker.remove_consumer",
     "Let a role consume it no more", NO_BODY, consumer_remove, .object = "locker"},
    {HTTP_GET, LOCKER "/credentials", SIGNED_IN, SEARCHES, UNRECORDED, "List the credentials in a locker", NO_BODY,
     credentials_show, .reply = credential_list_fields, .object = "locker"},
    {HTTP_PUT, LOCKER "/credentials/{credentialId}", SIGNED_IN, WRITES, "locker.assign",
     "Put a credential of yours into a locker", NO_BODY, credential_assign, .reply = placed_fields, .object = "locker"},
    {HTTP_DELETE, LOCKER "/credentials/{credentialId}", SIGNED_IN, WRITES, "locker.take_out",
     "Take a credential out of a locker", NO_BODY, credential_take_out, .object = "locker"},
    {0},
};
