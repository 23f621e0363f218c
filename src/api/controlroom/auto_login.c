/* api/controlroom/auto_login.c: auto-login credentials, in the forms of 11.3 and of A360 (controlroom-api 9). */
#include "vault/auto_login.h"
#include "api/controlroom/face.h"
#include "base/text.h"
#include "identity/user.h"

static const char *check_line(struct str s)
{
    return text_has_control(s) ? "has a line break or another control character" : NULL;
}

/* ---- 11.3 ---- */

struct windows_login {
    struct str user_name, login_name;
    struct secret *password;
};
#define USER_ROW                                                                                                       \
    TEXT("Username", struct windows_login, user_name, .required = true, .max = 255, .check = check_line,               \
         .doc = "The Control Room user; domain\\user with Active Directory", .example = "omar")

static const struct field store_fields[] = {
    USER_ROW,
    TEXT("Windows_Username", struct windows_login, login_name, .required = true, .max = 255, .check = check_line,
         .example = "CORP\\robot01"),
    SECRET("Windows_Password", struct windows_login, password, .required = true, .max = 1024, .example = "W1nter!"),
    FIELD_END,
};
static const struct field delete_fields[] = {USER_ROW, FIELD_END};
static const struct body store_body = BODY(
    struct windows_login, store_fields,
    .example = "{\"Username\":\"omar\",\"Windows_Username\":\"CORP\\\\robot01\",\"Windows_Password\":\"W1nter!\"}");
static const struct body delete_body = BODY(struct windows_login, delete_fields, .example = "{\"Username\":\"omar\"}");

/* Whose login the body is about. NOT_FOUND. */
static result read_body(struct call *c, const struct windows_login **ret, struct user *ret_user, struct err *e)
{
    const void *body;
    TRY(call_body(c, &body, e));
    *ret = body;
    TRY(user_by_name(c->db, c->arena, (*ret)->user_name, ret_user, e));
    call_object(c, "autologin", ret_user->id, ret_user->name);
    return SUCCESS;
}

static result store(struct call *c, enum auto_login_way way, struct str text, struct err *e)
{
    const struct windows_login *in;
    struct user u;
    TRY(read_body(c, &in, &u, e));
    TRY(auto_login_store(c->db, c->arena, c->service->keys, &c->who, way, u.id, in->login_name, in->password, c->now,
                         e));
    reply_text(c, text);
    return SUCCESS;
}

static result windows_new(struct call *c, struct err *e)
{
    return store(c, AUTO_LOGIN_CREATE, S("Successful creation of credential."), e);
}

static result windows_set(struct call *c, struct err *e)
{
    return store(c, AUTO_LOGIN_STORE, S("Credentials were successfully updated."), e);
}

static result windows_remove(struct call *c, struct err *e)
{
    const struct windows_login *in;
    struct user u;
    TRY(read_body(c, &in, &u, e));
    TRY(auto_login_delete(c->db, c->arena, &c->who, u.id, c->now, e));
    reply_text(c, S("Credentials were successfully deleted."));
    return SUCCESS;
}

/* ---- A360 ---- */

struct login_body {
    struct str login_name, user_name;
    int64_t user_id;
    struct secret *password;
};
static const struct field login_fields[] = {
    TEXT("loginUsername", struct login_body, login_name, .required = true, .max = 255, .check = check_line,
         .example = "CORP\\robot01"),
    SECRET("loginPassword", struct login_body, password, .required = true, .max = 1024, .example = "W1nter!"),
    TEXT("username", struct login_body, user_name, .max = 255, .check = check_line,
         .doc = "Another user's login; without username and userId one's own"),
    ID("userId", struct login_body, user_id),
    FIELD_END,
};
static const struct body login_body =
    BODY(struct login_body, login_fields,
         .example = "{\"loginUsername\":\"CORP\\\\robot01\",\"loginPassword\":\"W1nter!\",\"username\":\"omar\"}");

static result find_target(struct call *c, const struct login_body *in, int64_t *ret, struct err *e)
{
    int64_t named = 0;
    if (in->user_name.n)
        TRY(user_id_by_name(c->db, c->arena, in->user_name, &named, e));
    if (named && in->user_id && named != in->user_id)
        return FAIL(e, INVALID, "userId: is not the id of '%.*s'", STR_ARG(in->user_name));
    *ret = named ? named : in->user_id ? in->user_id : c->who.user_id;
    return SUCCESS;
}

/* Who may set nobody's but his own login is not told either which other users there are. */
static result login_target(struct call *c, const struct login_body *in, struct user *ret, struct err *e)
{
    bool may_others = c->who.rights.is_aae_admin || rights_have(&c->who.rights, BOT_AUTOLOGIN, LEVEL_WRITE);
    int64_t id = 0;
    result found = find_target(c, in, &id, e);
    if (!may_others && id != c->who.user_id && (is_ok(found) || found.code == NOT_FOUND || found.code == INVALID)) {
        *e = c->face->not_permitted;
        return (result){e->code};
    }
    TRY(found);
    TRY(user_get(c->db, c->arena, id, ret, e));
    call_object(c, "autologin", id, ret->name);
    return SUCCESS;
}

static result login_store(struct call *c, const char *done, struct err *e)
{
    const void *body;
    struct user u = {0};
    TRY(call_body(c, &body, e));
    const struct login_body *in = body;
    TRY(login_target(c, in, &u, e));
    TRY(auto_login_store(c->db, c->arena, c->service->keys, &c->who, AUTO_LOGIN_STORE, u.id, in->login_name,
                         in->password, c->now, e));
    reply_text(c, arena_printf(c->arena, "Credentials %s for %.*s", done, STR_ARG(text_key(c->arena, u.name))));
    return SUCCESS;
}

static result login_set(struct call *c, struct err *e)
{
    return login_store(c, "updated", e);
}

static result login_new(struct call *c, struct err *e)
{
    return login_store(c, "created", e);
}

#define WINDOWS "/v1/credentialvault/external/credentials/loginsetting"
#define LOGIN   "/v2/credentialvault/loginsetting"
const struct endpoint auto_login_endpoints[] = {
    {HTTP_POST, WINDOWS, AAE_ADMIN, WRITES, "autologin.create", "Store the auto-login of a user who has none",
     &store_body, windows_new, .status = 201, .reply_is_text = true, .opens_secrets = true},
    {HTTP_PUT, WINDOWS, AAE_ADMIN, WRITES, "autologin.update", "Store the auto-login of a user", &store_body,
     windows_set, .reply_is_text = true, .opens_secrets = true},
    {HTTP_DELETE, WINDOWS, AAE_ADMIN, WRITES, "autologin.delete", "Delete the auto-login of a user", &delete_body,
     windows_remove, .reply_is_text = true},
    {HTTP_PUT, LOGIN, SIGNED_IN, WRITES, "autologin.update", "Store one's own auto-login, or another user's",
     &login_body, login_set, .reply_is_text = true, .opens_secrets = true},
    {HTTP_POST, LOGIN, SIGNED_IN, WRITES, "autologin.create", "Store one's own auto-login, or another user's",
     &login_body, login_new, .status = 201, .reply_is_text = true, .opens_secrets = true},
    {0},
};
