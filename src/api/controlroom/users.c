/* api/controlroom/users.c: users on the wire (controlroom-api 7.1). */
#include "accounts/request.h"
#include "api/controlroom/face.h"
#include "api/controlroom/user_object.h"
#include "base/text.h"
#include "crypto/password.h"
#include "identity/role.h"
#include "identity/signin.h"
#include "rotation/link.h"
#include "vault/auto_login.h"
#include "vault/locker.h"

/* ---- bodies ---- */

struct role_named {
    int64_t number;
    struct str name;
};
static const struct field role_fields[] = {
    ID("id", struct role_named, number, .example = "2"),
    TEXT("name", struct role_named, name, .max = 255, .doc = "In place of the id"),
    FIELD_END,
};

struct user_body {
    struct str username, email, first_name, last_name, domain, description;
    struct secret *password;
    struct list roles, license_features;
    struct opt_bool enable_auto_login, disabled;
};

static const char *check_license(struct str s)
{
    return str_find_char(s, ',') >= 0 ? "has a comma" : NULL;
}

#define USER_ROWS(is_new)                                                                                              \
    TEXT("username", struct user_body, username, .required = (is_new), .max = 255, .example = "omar"),                 \
        TEXT("email", struct user_body, email, .required = (is_new), .max = 255, .example = "omar@example.com"),       \
        SECRET("password", struct user_body, password, .required = (is_new), .min = 1, .max = 1024,                    \
               .example = "Chg-me-1"),                                                                                 \
        LIST("roles", struct user_body, roles, struct role_named, role_fields, .required = (is_new),                   \
             .doc = "Replaces his roles"),                                                                             \
        TEXT("firstName", struct user_body, first_name, .max = 255, .example = "Omar"),                                \
        TEXT("lastName", struct user_body, last_name, .max = 255, .example = "B"),                                     \
        TEXT("domain", struct user_body, domain, .max = 255),                                                          \
        TEXT("description", struct user_body, description, .max = 255),                                                \
        TEXTS("licenseFeatures", struct user_body, license_features, .check = check_license, .max = 50),               \
        OPT_FLAG("enableAutoLogin", struct user_body, enable_auto_login),                                              \
        OPT_FLAG("disabled", struct user_body, disabled)

static const struct field new_fields[] = {USER_ROWS(true), FIELD_END};
static const struct field change_fields[] = {USER_ROWS(false), FIELD_END};
static const struct body new_body =
    BODY(struct user_body, new_fields,
         .example = "{\"username\":\"omar\",\"email\":\"omar@example.com\",\"password\":\"Chg-me-1\",\"firstName\":"
                    "\"Omar\",\"lastName\":\"B\",\"roles\":[{\"id\":2}],\"licenseFeatures\":[\"RUNTIME\"]}");
static const struct body change_body =
    BODY(struct user_body, change_fields,
         .example = "{\"username\":\"omar\",\"email\":\"omar@example.com\",\"firstName\":\"Omar\",\"lastName\":"
                    "\"Baker\",\"roles\":[{\"id\":2}],\"disabled\":false}");

/* ---- what a body asks for ---- */

/* Made before the handler, on the pool: Argon2id takes 180 ms. A wrong body is the handler's to tell, after 404 and
 * 403. */
static result hash_password(struct call *c, struct err *e)
{
    const void *body;
    struct err later;
    if (!is_ok(call_body(c, &body, &later)))
        return SUCCESS;
    const struct user_body *in = body;
    struct str *hash = arena_new_of(c->whole, struct str);
    if (in->password)
        TRY(password_hash(in->password, c->whole, hash, e));
    c->prepared = hash;
    return SUCCESS;
}

static struct str join(struct arena *a, const struct list *words)
{
    const struct str *word = words->at;
    struct str all = words->is_set ? S("") : STR_ABSENT;
    for (size_t i = 0; i < words->n; i++)
        all = arena_printf(a, "%.*s%s%.*s", STR_ARG(all), i ? "," : "", STR_ARG(word[i]));
    return all;
}

static result role_numbers(struct call *c, const struct list *roles, struct list *ret, struct err *e)
{
    const struct role_named *named = roles->at;
    int64_t *numbers = arena_array(c->arena, int64_t, roles->n);
    for (size_t i = 0; i < roles->n; i++) {
        struct role r;
        numbers[i] = named[i].number;
        if (numbers[i])
            continue;
        result found = role_by_name(c->db, c->arena, FACE_CONTROLROOM, named[i].name, &r, e);
        if (found.code == NOT_FOUND)
            return FAIL(e, INVALID, "roles: unknown role '%.*s'", STR_ARG(named[i].name));
        TRY(found);
        numbers[i] = r.number;
    }
    *ret = (struct list){.at = numbers, .n = roles->n, .is_set = roles->is_set};
    return SUCCESS;
}

/* Names are kept in lower case here; one that only differs in case from the stored name is no new name. */
static struct str name_of(struct call *c, struct str given, const struct user *was)
{
    struct str key = text_key(c->arena, given);
    bool is_same = was && str_equal(key, text_key(c->arena, was->name));
    return !given.n || is_same ? STR_ABSENT : key;
}

static result change_of(struct call *c, const struct user_body *in, const struct user *was, struct user_change *ret,
                        struct err *e)
{
    const struct str *hash = c->prepared;
    *ret = (struct user_change){.name = name_of(c, in->username, was),
                                .domain = in->domain,
                                .first_name = in->first_name,
                                .last_name = in->last_name,
                                .email = in->email,
                                .description = in->description,
                                .license_features = join(c->arena, &in->license_features),
                                .password_hash = hash ? *hash : STR_ABSENT,
                                .enable_auto_login = in->enable_auto_login,
                                .is_disabled = in->disabled};
    return role_numbers(c, &in->roles, &ret->role_numbers, e);
}

/* ---- handlers ---- */

static result show(struct call *c, int64_t id, struct err *e)
{
    struct user u;
    struct rights rights;
    TRY(user_get(c->db, c->arena, id, &u, e));
    TRY(rights_of_user(c->db, c->arena, id, true, false, &rights, e));
    call_object(c, "user", id, u.name);
    write_user(reply_json(c), c, &u, &rights);
    return SUCCESS;
}

static result user_show(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "User", &id, e));
    return show(c, id, e);
}

/* A role that consumes a locker may show him what follows an account. */
static result note_new_reader(struct call *c, const struct user_change *with, struct err *e)
{
    const int64_t *numbers = with->role_numbers.at;
    for (size_t i = 0; i < with->role_numbers.n; i++)
        TRY(locker_role_grew(c->db, c->arena, numbers[i], S("a user was given the role"), e));
    return SUCCESS;
}

static result user_new(struct call *c, struct err *e)
{
    const void *body;
    struct user_change with;
    int64_t id;
    TRY(call_body(c, &body, e));
    TRY(change_of(c, body, NULL, &with, e));
    TRY(user_create(c->db, c->arena, &c->who, &with, c->now, &id, e));
    TRY(note_new_reader(c, &with, e));
    return show(c, id, e);
}

/* Disabling acts on both faces at once (keyturn-api 2.2). */
static result end_requests(struct call *c, int64_t user_id, struct err *e)
{
    int64_t *ended;
    size_t n;
    return request_terminate(c->db, c->arena, 0, 0, user_id, c->now, &ended, &n, e);
}

static result user_edit(struct call *c, struct err *e)
{
    const void *body;
    struct user was;
    struct user_change with;
    int64_t id;
    TRY(call_id(c, 0, "User", &id, e));
    TRY(user_get(c->db, c->arena, id, &was, e));
    call_object(c, "user", id, was.name);
    TRY(call_body(c, &body, e));
    TRY(change_of(c, body, &was, &with, e));
    TRY(user_update(c->db, c->arena, &c->who, id, &with, c->now, e));
    TRY(note_new_reader(c, &with, e));
    if (with.is_disabled.is_set && with.is_disabled.value)
        TRY(end_requests(c, id, e));
    return show(c, id, e);
}

static result user_remove(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "User", &id, e));
    TRY(show(c, id, e));
    TRY(auto_login_forget_user(c->db, c->arena, id, c->now, e));
    TRY(link_forget_user(c->db, c->arena, c->service->keys, id, c->who.user_id, c->now, e));
    return user_delete(c->db, c->arena, &c->who, id, c->now, e);
}

static result user_search(struct call *c, struct err *e)
{
    struct listing l;
    struct counts counts;
    struct user *found;
    size_t n;
    TRY(listing_of(c, user_columns, &l, e));
    TRY(user_list(c->db, c->arena, &l, &counts, &found, &n, e));
    struct json_writer *w = reply_json(c);
    json_object_begin(w);
    json_key(w, S("page"));
    json_write_raw(w,
                   arena_printf(c->arena, "{\"offset\":%" PRId64 ",\"total\":%" PRId64 ",\"totalFilter\":%" PRId64 "}",
                                l.offset, counts.total, counts.filtered));
    json_key(w, S("list"));
    json_array_begin(w);
    for (size_t i = 0; i < n; i++)
        write_user(w, c, &found[i], NULL);
    json_array_end(w);
    json_object_end(w);
    return SUCCESS;
}

/* ---- one's own password ---- */

struct password_body {
    struct secret *old, *password;
};
static const struct field password_fields[] = {
    SECRET("oldPassword", struct password_body, old, .required = true, .max = 1024, .example = "Chg-me-1"),
    SECRET("password", struct password_body, password, .required = true, .max = 1024, .example = "S3same!42"),
    FIELD_END,
};
static const struct body password_body =
    BODY(struct password_body, password_fields, .example = "{\"oldPassword\":\"Chg-me-1\",\"password\":\"S3same!42\"}");

struct password_prepared {
    struct signin_claim claim;
    struct signin_look look;
    bool is_right;
    struct str hash;
};

static result password_check(struct call *c, struct err *e)
{
    const void *body;
    struct err later;
    if (!is_ok(call_body(c, &body, &later)))
        return SUCCESS;
    const struct password_body *in = body;
    struct password_prepared *p = arena_new_of(c->whole, struct password_prepared);
    p->claim = (struct signin_claim){
        .user_name = arena_str(c->whole, c->who.name), .password = in->old, .address = c->who.address};
    TRY(signin_look(c->db, c->whole, &p->claim, c->now, &p->look, e));
    c->prepared = p;
    if (!p->look.must_wait && str_is_set(p->look.password_hash))
        p->is_right = password_verify(p->look.password_hash, in->old);
    return p->is_right ? password_hash(in->password, c->whole, &p->hash, e) : SUCCESS;
}

static result password_set(struct call *c, struct err *e)
{
    const void *body;
    TRY(call_body(c, &body, e));
    const struct password_prepared *p = c->prepared;
    call_object(c, "user", c->who.user_id, c->who.name);
    result admitted = signin_record(c->db, c->arena, &p->claim, &p->look, p->is_right, c->now, e);
    if (admitted.code == UNAUTHENTICATED)
        return FAIL(e, INVALID, "oldPassword: is not right");
    TRY(admitted);
    TRY(user_set_own_password(c->db, c->who.user_id, p->look.password_hash, p->hash, c->now, e));
    json_write_raw(reply_json(c), S("{}"));
    return SUCCESS;
}

/* A wrong old password is a guess like any other (keyturn-api 2.4). */
static result password_refused(struct call *c, struct err *e)
{
    const struct password_prepared *p = c->prepared;
    if (!p || p->is_right)
        return SUCCESS;
    return signin_count_failure(c->db, c->arena, &p->claim, c->now, e);
}

#define USERS_V1 "/v1/usermanagement/users"
#define USERS_V2 "/v2/usermanagement/users"
const struct endpoint user_endpoints[] = {
    {HTTP_POST, USERS_V2 "/list", MAY_READ(VIEW_BASIC_INFO), SEARCHES, UNRECORDED, "Search users", &list_body,
     user_search, .also = USERS_V1 "/list", .reply_is_page = true, .reply = user_object_fields},
    {HTTP_POST, USERS_V2, MAY(USER_MANAGEMENT), WRITES, "user.create", "Create a user", &new_body, user_new,
     .status = 201, .also = USERS_V1, .prepare = hash_password, .reply = user_object_fields},
    {HTTP_GET, USERS_V2 "/{id}", MAY_READ(VIEW_BASIC_INFO), READS, UNRECORDED, "Show a user", NO_BODY, user_show,
     .also = USERS_V1 "/{id}", .reply = user_object_fields, .object = "user"},
    {HTTP_PUT, USERS_V2 "/{id}", MAY(USER_MANAGEMENT), WRITES, "user.update",
     "Change a user; what is left out stays as it is", &change_body, user_edit, .also = USERS_V1 "/{id}",
     .prepare = hash_password, .reply = user_object_fields, .object = "user"},
    {HTTP_DELETE, USERS_V2 "/{id}", MAY(USER_MANAGEMENT), WRITES, "user.delete", "Delete a user, with his auto-login",
     NO_BODY, user_remove, .also = USERS_V1 "/{id}", .reply = user_object_fields, .object = "user"},
    {HTTP_POST, USERS_V2 "/self/changePassword", SIGNED_IN, WRITES, "user.password",
     "Change one's own password; ends every token and session", &password_body, password_set,
     .also = USERS_V1 "/self/changePassword", .prepare = password_check, .refused = password_refused},
    {0},
};
