/* controlroom/push.c: store a secret there: as a user's auto-login, or as the value of a credential's attribute. */
#include "base/secret_open.h"
#include "base/text.h"
#include "common/watchdog.h"
#include "controlroom/far.h"

enum { BODY_BYTES_MAX = 256 * 1024 };

static const char *check_name(struct str s)
{
    return text_has_control(s) ? "has control characters" : NULL;
}

#define NAME(n, m) TEXT(n, struct push_end, m, .max = NAME_POINTS_MAX, .or_text = "", .check = check_name)
static const struct field end_fields[] = {
    NAME("user", user), NAME("login_name", login_name), NAME("credential", credential), NAME("attribute", attribute),
    FIELD_END,
};
const struct field push_fields[] = {
    OBJECT("end", struct push_request, end, struct push_end, end_fields, .required = true),
    SECRET("value", struct push_request, value, .max = SECRET_BYTES_MAX),
    FIELD_END,
};

struct push {
    struct far *far;
    const struct push_request *request;
    struct arena *arena;
    struct answer *answer;
};

/* ---- looking, before anything is changed ---- */

static RESULT ask(const struct push *p, const char *method, const char *path, const struct buf *body,
                  struct http_reply *reply, struct err *e)
{
    bool was_sent;
    struct http_call call = {.method = method, .path = path, .body = body, .token = p->far->token};
    TRY(http_exchange(p->far, p->far->session, &call, p->arena, p->answer, reply, &was_sent, e));
    if (reply->status == 200)
        return SUCCESS;
    struct str said = http_refusal(reply, p->arena);
    if (reply->status == 403)
        return FAIL_AS(e, UNREACHABLE, "elevation_denied", "the functional account may not look there: %.*s",
                       STR_ARG(said));
    return FAIL_AS(e, UNREACHABLE, "unsent", "the Control Room could not be asked: %.*s", STR_ARG(said));
}

struct attribute {
    int64_t id;
    struct str name;
    bool user_provided, masked;
};
static const struct field attribute_fields[] = {
    ID("id", struct attribute, id),
    TEXT("name", struct attribute, name, .max = 1000, .or_text = ""),
    FLAG("userProvided", struct attribute, user_provided),
    FLAG("masked", struct attribute, masked),
    FIELD_END,
};
struct credential {
    int64_t id;
    struct str name;
    struct list attributes;
};
static const struct field credential_fields[] = {
    ID("id", struct credential, id),
    TEXT("name", struct credential, name, .max = 1000, .or_text = ""),
    LIST("attributes", struct credential, attributes, struct attribute, attribute_fields),
    FIELD_END,
};
struct value {
    int64_t id, attribute_id, user_id, version;
};
static const struct field value_fields[] = {
    ID("id", struct value, id),
    ID("credentialAttributeId", struct value, attribute_id),
    ID("userId", struct value, user_id),
    ID("version", struct value, version),
    FIELD_END,
};
struct listing {
    struct list list;
};
static const struct field credentials_fields[] = {
    LIST("list", struct listing, list, struct credential, credential_fields, .required = true), FIELD_END};
static const struct field values_fields[] = {
    LIST("list", struct listing, list, struct value, value_fields, .required = true), FIELD_END};

static RESULT read_listing(const struct push *p, const struct field *fields, struct http_reply *reply,
                           struct listing *ret, struct err *e)
{
    struct json j;
    json_init(&j, buf_str(&reply->body), JSON_LAST_WINS, p->arena);
    return is_ok(fields_decode(fields, &j, ret, NULL))
               ? SUCCESS
               : FAIL_AS(e, UNREACHABLE, "unsent", "the Control Room's list makes no sense");
}

static bool is_named(const struct push *p, struct str name, struct str wanted)
{
    return str_equal(text_key(p->arena, name), text_key(p->arena, wanted));
}

static void write_search(const struct push *p, struct buf *body)
{
    struct json_writer w = {.out = body};
    json_object_begin(&w);
    json_key(&w, S("filter"));
    json_object_begin(&w);
    json_key(&w, S("operator"));
    json_write_str(&w, S("eq"));
    json_key(&w, S("field"));
    json_write_str(&w, S("name"));
    json_key(&w, S("value"));
    json_write_str(&w, p->request->end->credential);
    json_object_end(&w);
    json_object_end(&w);
}

static RESULT find_credential(const struct push *p, const struct credential **ret, struct err *e)
{
    AUTO_REPLY reply = {0};
    AUTOBUF body;
    struct listing found = {0};
    *ret = NULL;
    buf_init(&body, BODY_BYTES_MAX);
    write_search(p, &body);
    TRY(ask(p, "POST", "/v2/credentialvault/credentials/list", &body, &reply, e));
    TRY(read_listing(p, credentials_fields, &reply, &found, e));
    for (size_t i = 0; i < found.list.n; i++) {
        const struct credential *c = (const struct credential *)found.list.at + i;
        if (!is_named(p, c->name, p->request->end->credential))
            continue;
        if (*ret)
            return FAIL_AS(e, REFUSED, "refused", "several credentials there have this name");
        *ret = c;
    }
    return *ret ? SUCCESS : FAIL_AS(e, REFUSED, "no_account", "the functional account sees no credential of this name");
}

/* The same as of a local link's end: whoever may look at the credential must not see the value. */
static RESULT find_attribute(const struct push *p, const struct credential *c, int64_t *ret, struct err *e)
{
    for (size_t i = 0; i < c->attributes.n; i++) {
        const struct attribute *t = (const struct attribute *)c->attributes.at + i;
        if (!is_named(p, t->name, p->request->end->attribute))
            continue;
        if (t->user_provided || !t->masked)
            return FAIL_AS(e, REFUSED, "refused", "the attribute there must be masked and not user-provided");
        *ret = t->id;
        return SUCCESS;
    }
    return FAIL_AS(e, REFUSED, "no_account", "the credential there has no attribute of this name");
}

/* *ret: the standard value that stands there; id 0: none. */
static RESULT find_value(const struct push *p, int64_t credential_id, int64_t attribute_id, struct value *ret,
                         struct err *e)
{
    AUTO_REPLY reply = {0};
    struct listing found = {0};
    *ret = (struct value){0};
    const char *path =
        arena_printf(p->arena,
                     "/v2/credentialvault/credentials/%" PRId64 "/attributevalues?credentialAttributeId=%" PRId64,
                     credential_id, attribute_id)
            .p;
    TRY(ask(p, "GET", path, NULL, &reply, e));
    TRY(read_listing(p, values_fields, &reply, &found, e));
    for (size_t i = 0; i < found.list.n; i++) {
        const struct value *v = (const struct value *)found.list.at + i;
        if (v->attribute_id == attribute_id && v->user_id == 0)
            *ret = *v;
    }
    return SUCCESS;
}

/* ---- changing ---- */

static bool is_unknown_path(long status)
{
    return status == 404 || status == 405;
}

static RESULT judge(const struct push *p, const struct http_reply *reply, struct err *e)
{
    if (reply->status >= 200 && reply->status < 300)
        return SUCCESS;
    struct str said = http_refusal(reply, p->arena);
    if (reply->status < 400 || reply->status >= 500)
        return FAIL_AS(e, UNCERTAIN, "unknown", "the Control Room answered %.*s", STR_ARG(said));
    if (reply->status == 403)
        return FAIL_AS(e, UNREACHABLE, "elevation_denied", "the functional account may not store this: %.*s",
                       STR_ARG(said));
    if (is_unknown_path(reply->status))
        return FAIL_AS(e, REFUSED, "no_account", "the Control Room knows no such user or value: %.*s", STR_ARG(said));
    return FAIL_AS(e, REFUSED, "refused", "the Control Room refused: %.*s", STR_ARG(said));
}

/* After its first byte everything but a whole answer is unknown. */
static RESULT change(const struct push *p, const char *method, const char *path, const struct buf *body,
                     struct http_reply *reply, struct err *e)
{
    bool was_sent = false;
    struct http_call call = {.method = method, .path = path, .body = body, .token = p->far->token};
    if (body->has_failed)
        return FAIL_AS(e, INVALID, "bad_request", "the value is too long");
    result r = http_exchange(p->far, p->far->session, &call, p->arena, p->answer, reply, &was_sent, e);
    if (!is_ok(r) && was_sent) {
        e->code = UNCERTAIN;
        e->word = "unknown";
        return (result){UNCERTAIN};
    }
    return r;
}

static void write_secret(struct json_writer *w, const char *key, const struct secret *value)
{
    json_key(w, str_of(key));
    json_write_str(w, value ? secret_open(value) : S(""));
}

static void write_login(const struct push *p, const char *user, const char *name, const char *password,
                        struct buf *body)
{
    struct json_writer w = {.out = body};
    json_object_begin(&w);
    json_key(&w, str_of(user));
    json_write_str(&w, p->request->end->user);
    json_key(&w, str_of(name));
    json_write_str(&w, p->request->end->login_name);
    write_secret(&w, password, p->request->value);
    json_object_end(&w);
}

/* The form of A360; where that path is not known (11.3 answers 404), the older one. Of an unknown user both say 404,
 * but the older one only to an AAE_Admin. */
static RESULT push_login(const struct push *p, struct err *e)
{
    AUTO_REPLY reply = {0};
    AUTOBUF newer;
    AUTOBUF older;
    buf_init(&newer, BODY_BYTES_MAX);
    buf_init(&older, BODY_BYTES_MAX);
    write_login(p, "username", "loginUsername", "loginPassword", &newer);
    TRY(change(p, "PUT", "/v2/credentialvault/loginsetting", &newer, &reply, e));
    if (is_unknown_path(reply.status)) {
        struct str said = http_refusal(&reply, p->arena);
        write_login(p, "Username", "Windows_Username", "Windows_Password", &older);
        TRY(change(p, "PUT", "/v1/credentialvault/external/credentials/loginsetting", &older, &reply, e));
        if (reply.status == 403)
            return FAIL_AS(e, REFUSED, "no_account",
                           "the Control Room knows no such user, or is an older one that takes this from an AAE_Admin "
                           "only: %.*s",
                           STR_ARG(said));
    }
    return judge(p, &reply, e);
}

static void write_new_value(const struct push *p, int64_t attribute_id, struct buf *body)
{
    struct json_writer w = {.out = body};
    json_object_begin(&w);
    json_key(&w, S("list"));
    json_array_begin(&w);
    json_object_begin(&w);
    json_key(&w, S("credentialAttributeId"));
    json_write_str(&w, arena_printf(p->arena, "%" PRId64, attribute_id));
    write_secret(&w, "value", p->request->value);
    json_object_end(&w);
    json_array_end(&w);
    json_object_end(&w);
}

static void write_value(const struct push *p, int64_t version, struct buf *body)
{
    struct json_writer w = {.out = body};
    json_object_begin(&w);
    write_secret(&w, "value", p->request->value);
    json_key(&w, S("version"));
    json_write_str(&w, arena_printf(p->arena, "%" PRId64, version));
    json_object_end(&w);
}

static RESULT push_value(const struct push *p, struct err *e)
{
    const struct credential *c;
    int64_t attribute_id = 0;
    struct value present;
    TRY(find_credential(p, &c, e));
    TRY(find_attribute(p, c, &attribute_id, e));
    TRY(find_value(p, c->id, attribute_id, &present, e));
    AUTO_REPLY reply = {0};
    AUTOBUF body;
    buf_init(&body, BODY_BYTES_MAX);
    struct str path = arena_printf(p->arena, "/v2/credentialvault/credentials/%" PRId64 "/attributevalues", c->id);
    if (present.id) {
        write_value(p, present.version, &body);
        path = arena_printf(p->arena, "%.*s/%" PRId64, STR_ARG(path), present.id);
    } else {
        write_new_value(p, attribute_id, &body);
    }
    TRY(change(p, present.id ? "PUT" : "POST", path.p, &body, &reply, e));
    return judge(p, &reply, e);
}

result push_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct push p = {.far = state, .request = request, .arena = a, .answer = answer};
    const struct push_end *end = p.request->end;
    bool is_login = end->user.n > 0, is_value = end->credential.n > 0 && end->attribute.n > 0;
    if (!p.far->target.is_set || !p.far->has_functional)
        return FAIL_AS(e, INVALID, "bad_request", "a check with a functional account comes first");
    if (!p.request->value || is_login == is_value || (is_login && end->login_name.n == 0))
        return FAIL_AS(e, INVALID, "bad_request",
                       "end: a user with a login name, or a credential with an attribute; and a value");
    if (!p.far->session)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "there is no functional session");
    watchdog_start(p.far->target.address.timeout_s);
    return is_login ? push_login(&p, e) : push_value(&p, e);
}
