/* api/controlroom/face.c: the Control Room face: who calls, and errors in its own form (controlroom-api 1). */
#include "api/controlroom/face.h"

#include "api/who.h"

static const char *const no_token = "Access token expected in the 'X-Authorization' header";

static result look(struct call *c, struct err *e)
{
    return token_of_call(c).n ? SUCCESS : FAIL_AS(e, UNAUTHENTICATED, "UM1117", "%s", no_token);
}

static result identify(struct call *c, struct caller *ret, struct err *e)
{
    struct str token = token_of_call(c);
    if (!token.n)
        return FAIL_AS(e, UNAUTHENTICATED, "UM1117", "%s", no_token);
    struct err why;
    result r = who_by_token(c, token, false, ret, &why);
    if (r.code == UNAUTHENTICATED)
        return FAIL_AS(e, UNAUTHENTICATED, "UM1110", "Access token is not valid or has expired");
    if (!is_ok(r))
        *e = why;
    return r;
}

static const char *code_of(const struct err *why)
{
    static const char *const codes[CODE_COUNT] = {
        [NOT_FOUND] = "not.found",
        [UNAUTHENTICATED] = "UM1110",
        [DENIED] = "UM1113",
        [CONFLICT] = "conflict",
        [INVALID] = "json.deser.exception",
        [TOO_LARGE] = "payload.too.large",
        [NOT_ALLOWED] = "method.not.allowed",
        [UNSUPPORTED] = "json.deser.exception",
        [BUSY] = "server.busy",
        [SEALED] = "credentialvault.closed",
        [REFUSED] = "conflict",
        [UNREACHABLE] = "conflict",
        [UNCERTAIN] = "conflict",
        [DRIFT] = "conflict",
        [STORE_FULL] = "server.busy",
        [INTERNAL] = "generic.server.exception",
    };
    return why->word ? why->word : codes[why->code];
}

static struct str message_of(const struct err *why)
{
    switch (why->code) {
    case INTERNAL:
        return S("An unexpected problem occurred");
    case SEALED:
        return S("Credential Vault is not open");
    case STORE_FULL:
        return S("The store is full; nothing was changed");
    default:
        return str_of(why->text);
    }
}

/* The first line is the message; with several, all of them stand in details. */
static void write_body(const struct err *why, struct http_reply *reply)
{
    struct json_writer w = {.out = &reply->body};
    struct str rest = message_of(why), first;
    bool has_lines = str_find_char(rest, '\n') >= 0;
    first = str_cut(&rest, '\n');
    reply->content_type = "application/json";
    json_object_begin(&w);
    json_key(&w, S("code"));
    json_write_str(&w, str_of(code_of(why)));
    json_key(&w, S("details"));
    if (has_lines) {
        json_array_begin(&w);
        json_write_str(&w, first);
        while (str_is_set(rest) && rest.n)
            json_write_str(&w, str_cut(&rest, '\n'));
        json_array_end(&w);
    } else {
        json_write_null(&w);
    }
    json_key(&w, S("message"));
    json_write_str(&w, first);
    json_object_end(&w);
}

static void write_error(struct call *c, const struct err *why, struct http_reply *reply)
{
    (void)c;
    write_body(why, reply);
}

static void write_plain_error(int status, const struct err *why, struct http_reply *reply)
{
    reply->status = status;
    write_body(why, reply);
}

static const struct endpoint *const authentication_module[] = {authentication_endpoints, NULL};
static const struct endpoint *const vault_module[] = {credential_endpoints,
                                                      value_endpoints,
                                                      locker_endpoints,
                                                      locker_people_endpoints,
                                                      auto_login_endpoints,
                                                      vault_key_endpoints,
                                                      NULL};
static const struct endpoint *const user_module[] = {user_endpoints, role_endpoints, NULL};
static const struct endpoint *const device_module[] = {device_endpoints, NULL};
static const struct endpoint *const audit_module[] = {audit_endpoints, NULL};

static const struct modules modules[] = {
    {"authentication", "Authentication", authentication_module},
    {"credentialvault", "Credential Vault", vault_module},
    {"usermanagement", "User Management", user_module},
    {"devices", "Devices", device_module},
    {"audit", "Audit", audit_module},
    {0},
};

static const struct endpoint *const tables[] = {authentication_endpoints, credential_endpoints,    value_endpoints,
                                                locker_endpoints,         locker_people_endpoints, auto_login_endpoints,
                                                vault_key_endpoints,      user_endpoints,          role_endpoints,
                                                device_endpoints,         audit_endpoints,         NULL};
static const char *const bases[] = {"", NULL};

const struct face_rules controlroom_face = {
    .face = FACE_CONTROLROOM,
    .name = "controlroom",
    .bases = bases,
    .body_rule = BODY_ALWAYS_JSON,
    .json_flags = JSON_FOLD_KEYS,
    .body_max = 1024 * 1024,
    .tables = tables,
    .look = look,
    .identify = identify,
    .write_error = write_error,
    .write_plain_error = write_plain_error,
    .not_permitted = {.code = DENIED, .word = "UM1113", .text = "You do not have permission to perform this action"},
    .modules = modules,
};
