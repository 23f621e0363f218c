/* api/controlroom/values.c: attribute values on the wire (controlroom-api 4.4). */
#include "vault/value.h"

#include "api/controlroom/face.h"
#include "base/text.h"
#include "crypto/random.h"
#include "crypto/token.h"

enum { ECHO_BYTES = 32, WAIT_S = 2, VALUE_MAX = 8192 };

/* `echo` stands for a value that was just stored: random text, never the value. */
struct shown {
    struct value value;
    struct str echo;
};
#define IDS   ID_TEXT("id", struct shown, value.id), ID_TEXT("credentialAttributeId", struct shown, value.attribute_id)
#define USER  ID_TEXT("userId", struct shown, value.user_id)
#define CLEAR SECRET("value", struct shown, value.clear, .doc = "Empty when it is masked")
#define ECHO  TEXT("value", struct shown, echo, .doc = "Random text; not the value")
#define HISTORY                                                                                                        \
    ID_TEXT("createdBy", struct shown, value.created_by, .zero_is_text = true),                                        \
        TIME("createdOn", struct shown, value.created_at, .format = TIME_Z_MICRO),                                     \
        ID_TEXT("updatedBy", struct shown, value.updated_by, .zero_is_text = true),                                    \
        TIME("updatedOn", struct shown, value.updated_at, .format = TIME_Z_MICRO),                                     \
        ID_TEXT("version", struct shown, value.version, .zero_is_text = true)

/* A standard value has no key userId at all. */
static const struct field clear_standard[] = {IDS, CLEAR, HISTORY, FIELD_END};
static const struct field clear_of_user[] = {IDS, USER, CLEAR, HISTORY, FIELD_END};
static const struct field echo_standard[] = {IDS, ECHO, HISTORY, FIELD_END};
static const struct field echo_of_user[] = {IDS, USER, ECHO, HISTORY, FIELD_END};

/* For the document: both kinds stand in one list. */
#define USER_OR_NOT                                                                                                    \
    ID_TEXT("userId", struct shown, value.user_id, .is_sometimes = true, .doc = "User-provided values only")
static const struct field clear_any[] = {IDS, USER_OR_NOT, CLEAR, HISTORY, FIELD_END};
static const struct field echo_any[] = {IDS, USER_OR_NOT, ECHO, HISTORY, FIELD_END};

struct value_list {
    struct list list;
};
static const struct field clear_list[] = {LIST("list", struct value_list, list, struct shown, clear_any), FIELD_END};
static const struct field echo_list[] = {LIST("list", struct value_list, list, struct shown, echo_any), FIELD_END};

/* ---- the query of all three ---- */

struct value_call {
    struct str encryption_key;
    int64_t attribute_id, user_id;
};
#define KEY_ROW                                                                                                        \
    TEXT("encryptionKey", struct value_call, encryption_key, .keeps_blanks = true,                                     \
         .doc = "The transport key; values are sent as they are")
static const struct field write_query[] = {KEY_ROW, FIELD_END};
static const struct field read_query[] = {
    ID("credentialAttributeId", struct value_call, attribute_id),
    ID("userId", struct value_call, user_id, .doc = "User-provided values only"),
    KEY_ROW,
    FIELD_END,
};

/* A '+' that was not escaped has become a blank. */
static bool is_key(struct arena *a, struct str base64)
{
    struct str der;
    char *mended = (char *)arena_cstr(a, base64);
    for (size_t i = 0; i < base64.n; i++)
        if (mended[i] == ' ')
            mended[i] = '+';
    return base64_decode(a, (struct str){mended, base64.n}, &der) && is_rsa_public_key(der);
}

/* Any RSA key will do: nothing is encrypted under it (4.4). */
static result read_query_of(struct call *c, const struct value_call **ret, struct err *e)
{
    const void *query;
    TRY(call_query(c, &query, e));
    const struct value_call *in = query;
    if (in->encryption_key.n > 0 && !is_key(c->arena, in->encryption_key))
        return FAIL_AS(e, INVALID, "", "The encryption key is incorrect");
    *ret = in;
    return SUCCESS;
}

/* ---- reading ---- */

static void reply_reading(struct call *c, const struct value_reading *reading)
{
    struct json_writer *w = reply_json(c);
    json_object_begin(w);
    json_key(w, S("list"));
    json_array_begin(w);
    for (size_t i = 0; i < reading->n; i++) {
        struct shown shown = {.value = reading->values[i]};
        if (!shown.value.clear)
            shown.value.clear = secret_new(c->arena, "", 0);
        reply_revealing(c, shown.value.user_id ? clear_of_user : clear_standard, &shown);
    }
    json_array_end(w);
    json_object_end(w);
    if (reading->state.n > 0)
        reply_header(c, "X-Keyturn-State", reading->state);
}

static void record_reading(struct call *c, int64_t credential_id, const struct value_reading *reading)
{
    size_t in_clear = 0;
    for (size_t i = 0; i < reading->n; i++)
        in_clear += reading->values[i].clear != NULL;
    call_object(c, "credential", credential_id, reading->credential_name);
    call_detail(c, arena_printf(c->arena, "%zu of %zu values in clear", in_clear, reading->n));
    if (!reading->revealed_any)
        call_is_recorded(c);
}

static result values_read(struct call *c, struct err *e)
{
    const struct value_call *query;
    struct value_query wanted = {.masking = c->service->masking, .can_wait = !c->was_parked};
    struct value_reading reading;
    TRY(call_id(c, 0, "Credential", &wanted.credential_id, e));
    TRY(read_query_of(c, &query, e));
    wanted.attribute_id = query->attribute_id;
    wanted.user_id = query->user_id;
    TRY(value_read(c->db, c->arena, c->service->keys, &c->who, &wanted, c->now, &reading, e));
    if (reading.wait_for && !c->was_parked)
        return call_park(c, reading.wait_for, WAIT_S * SECONDS);
    record_reading(c, wanted.credential_id, &reading);
    reply_reading(c, &reading);
    return SUCCESS;
}

/* ---- creating ---- */

struct new_values {
    struct list list; /* of struct value_entry */
};
static const struct field entry_fields[] = {
    ID("credentialAttributeId", struct value_entry, attribute_id, .required = true, .example = "3335"),
    SECRET("value", struct value_entry, value, .max = VALUE_MAX, .doc = "At most 8192 bytes of UTF-8",
           .example = "rpa_fin01"),
    ID("userId", struct value_entry, user_id, .doc = "User-provided attributes, with updateany: whose value it is"),
    FIELD_END,
};
static const struct field new_values_fields[] = {
    LIST("list", struct new_values, list, struct value_entry, entry_fields, .required = true,
         .alias = "attributeValues"),
    FIELD_END,
};

/* A bare array is the list itself. */
static result decode_new_values(struct call *c, struct json *j, void *into, struct err *e)
{
    struct list *list = &((struct new_values *)into)->list;
    size_t max = ATTRIBUTES_MAX;
    enum json_type type;
    bool more;
    TRY(json_peek(j, &type, e));
    if (type == JSON_OBJECT)
        return fields_decode(new_values_fields, j, into, e);
    if (type != JSON_ARRAY)
        return FAIL(e, INVALID, "body: must be a JSON object or array");
    struct value_entry *entries = arena_array(c->whole, struct value_entry, max);
    *list = (struct list){.at = entries, .is_set = true};
    TRY(json_enter(j, '[', e));
    for (;;) {
        TRY(json_next_item(j, &more, e));
        if (!more)
            return SUCCESS;
        TRY(json_peek(j, &type, e));
        if (type != JSON_OBJECT || list->n == max)
            return FAIL(e, INVALID, "body: must be at most %zu objects", max);
        TRY(fields_decode(entry_fields, j, &entries[list->n++], e));
    }
}
static const struct body new_values_body =
    BODY(struct new_values, new_values_fields, .decode = decode_new_values,
         .example = "{\"list\":[{\"credentialAttributeId\":\"3335\",\"value\":\"rpa_fin01\"}]}");

static struct shown echo_of(struct call *c, const struct value *v)
{
    char bytes[ECHO_BYTES];
    random_bytes(bytes, sizeof bytes);
    return (struct shown){.value = *v, .echo = base64_encode(c->arena, (struct str){bytes, sizeof bytes})};
}

static result values_new(struct call *c, struct err *e)
{
    const struct value_call *query;
    const void *body;
    struct err why;
    int64_t id;
    TRY(call_id(c, 0, "Credential", &id, e));
    result decoded = read_query_of(c, &query, &why);
    if (is_ok(decoded))
        decoded = call_body(c, &body, &why);
    struct list list = is_ok(decoded) ? ((const struct new_values *)body)->list : (struct list){0};
    struct value *made = arena_array(c->arena, struct value, list.n);
    /* Of a bad body nothing is made, but an unknown credential is told first. */
    TRY(value_create(c->db, c->arena, c->service->keys, &c->who, id, list.at, list.n, c->now, made, e));
    if (!is_ok(decoded)) {
        *e = why;
        return decoded;
    }
    struct json_writer *w = reply_json(c);
    json_object_begin(w);
    json_key(w, S("list"));
    json_array_begin(w);
    for (size_t i = 0; i < list.n; i++) {
        struct shown shown = echo_of(c, &made[i]);
        reply_object(c, made[i].user_id ? echo_of_user : echo_standard, &shown);
    }
    json_array_end(w);
    json_object_end(w);
    return SUCCESS;
}

/* ---- updating and deleting ---- */

struct value_change {
    struct secret *value;
    struct opt_int version;
};
static const struct field change_fields[] = {
    SECRET("value", struct value_change, value, .max = VALUE_MAX, .doc = "At most 8192 bytes of UTF-8",
           .example = "hunter3"),
    OPT_INT("version", struct value_change, version, .takes_text = true,
            .doc = "The version read; another one now is 409"),
    FIELD_END,
};
static const struct body change_body =
    BODY(struct value_change, change_fields, .example = "{\"value\":\"hunter3\",\"version\":\"4\"}");

static result value_ids(struct call *c, int64_t *ret_credential_id, int64_t *ret_value_id, struct err *e)
{
    TRY(call_id(c, 0, "Credential", ret_credential_id, e));
    TRY(call_id(c, 1, "Attribute value", ret_value_id, e));
    call_detail(c, arena_printf(c->arena, "value %" PRId64, *ret_value_id));
    return SUCCESS;
}

static result value_edit(struct call *c, struct err *e)
{
    static const struct value_change nothing;
    const struct value_call *query;
    const void *body = &nothing;
    struct err why;
    int64_t credential_id, value_id;
    struct value now;
    TRY(value_ids(c, &credential_id, &value_id, e));
    result decoded = read_query_of(c, &query, &why);
    if (is_ok(decoded))
        decoded = call_body(c, &body, &why);
    const struct value_change *in = is_ok(decoded) ? body : &nothing;
    /* Without a value it is refused in the end: 404 and 403 come before the body's own error. */
    result r = value_update(c->db, c->arena, c->service->keys, &c->who, credential_id, value_id, in->value, in->version,
                            c->now, &now, e);
    if (r.code == INVALID && !is_ok(decoded)) {
        *e = why;
        return decoded;
    }
    TRY(r);
    struct shown shown = echo_of(c, &now);
    reply_object(c, now.user_id ? echo_of_user : echo_standard, &shown);
    return SUCCESS;
}

static result value_remove(struct call *c, struct err *e)
{
    int64_t credential_id, value_id;
    TRY(value_ids(c, &credential_id, &value_id, e));
    TRY(value_delete(c->db, c->arena, &c->who, credential_id, value_id, c->now, e));
    json_write_raw(reply_json(c), S("{}"));
    return SUCCESS;
}

#define VALUES "/v2/credentialvault/credentials/{id}/attributevalues"
const struct endpoint value_endpoints[] = {
    {HTTP_GET, VALUES, SIGNED_IN, REVEALS, "value.read", "Read the values of a credential", NO_BODY, values_read,
     .query = read_query, .query_size = sizeof(struct value_call), .reply = clear_list, .opens_secrets = true,
     .object = "credential"},
    {HTTP_POST, VALUES, SIGNED_IN, WRITES, "value.create", "Store values of a credential", &new_values_body, values_new,
     .query = write_query, .query_size = sizeof(struct value_call), .reply = echo_list, .opens_secrets = true,
     .object = "credential"},
    {HTTP_PUT, VALUES "/{attributeValueId}", SIGNED_IN, WRITES, "value.update", "Change a value", &change_body,
     value_edit, .query = write_query, .query_size = sizeof(struct value_call), .reply = echo_any,
     .opens_secrets = true, .object = "credential"},
    {HTTP_DELETE, VALUES "/{attributeValueId}", SIGNED_IN, WRITES, "value.delete",
     "Delete a value; its attribute stays", NO_BODY, value_remove, .object = "credential"},
    {0},
};
