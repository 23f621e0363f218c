/* api/controlroom/credentials.c: credentials on the wire (controlroom-api 4.1 to 4.3). */
#include "vault/credential.h"

#include "api/controlroom/face.h"
#include "api/controlroom/filter.h"
#include "base/text.h"

static const struct field attribute_body_fields[] = {
    ID("id", struct attribute_change, id, .is_input = true, .doc = "When updating: which one it is"),
    TEXT("name", struct attribute_change, name, .required = true, .max = 50, .check = check_plain_name,
         .example = "password"),
    OPT_FLAG("userProvided", struct attribute_change, user_provided,
             .doc = "true: each consumer of the locker enters a value of his own", .example = "false"),
    TEXT("description", struct attribute_change, description, .max = 255),
    OPT_FLAG("masked", struct attribute_change, masked, .doc = "true: the value reads as an empty string",
             .example = "true"),
    OPT_FLAG("passwordFlag", struct attribute_change, password_flag, .example = "true"),
    OPT_INT("version", struct attribute_change, version, .takes_text = true,
            .doc = "The version read; another one now is 409"),
    FIELD_END,
};
static const struct field body_fields[] = {
    TEXT("name", struct credential_change, name, .required = true, .max = 50, .check = check_plain_name,
         .doc = "Unique, ignoring case", .example = "SAP production"),
    TEXT("description", struct credential_change, description, .max = 255, .example = "Finance robots"),
    LIST("attributes", struct credential_change, attributes, struct attribute_change, attribute_body_fields,
         .max = ATTRIBUTES_MAX),
    OPT_INT("version", struct credential_change, version, .takes_text = true,
            .doc = "The version read; another one now is 409"),
    FIELD_END,
};
static const struct body credential_body =
    BODY(struct credential_change, body_fields,
         .example = "{\"name\":\"SAP production\",\"description\":\"Finance robots\",\"attributes\":["
                    "{\"name\":\"username\",\"userProvided\":false},"
                    "{\"name\":\"password\",\"userProvided\":false,\"masked\":true,\"passwordFlag\":true}]}");

static const struct field attribute_fields[] = {
    ID_TEXT("id", struct attribute, id),
    TEXT("name", struct attribute, name),
    TEXT("description", struct attribute, description),
    FLAG("userProvided", struct attribute, user_provided),
    FLAG("masked", struct attribute, masked),
    FLAG("passwordFlag", struct attribute, password_flag),
    ID_TEXT("createdBy", struct attribute, created_by, .zero_is_text = true),
    TIME("createdOn", struct attribute, created_at, .format = TIME_Z_MICRO),
    ID_TEXT("updatedBy", struct attribute, updated_by, .zero_is_text = true),
    TIME("updatedOn", struct attribute, updated_at, .format = TIME_Z_MICRO),
    ID_TEXT("version", struct attribute, version, .zero_is_text = true),
    FIELD_END,
};
const struct field credential_fields[] = {
    ID_TEXT("id", struct credential, id),
    TEXT("name", struct credential, name),
    TEXT("description", struct credential, description),
    ID_TEXT("lockerId", struct credential, locker_id),
    ID_TEXT("ownerId", struct credential, owner_id),
    TEXT("externalVaultCredentialName", struct credential, external_name),
    LIST("attributes", struct credential, attributes, struct attribute, attribute_fields),
    ID_TEXT("createdBy", struct credential, created_by, .zero_is_text = true),
    TIME("createdOn", struct credential, created_at, .format = TIME_Z_MICRO),
    ID_TEXT("updatedBy", struct credential, updated_by, .zero_is_text = true),
    TIME("updatedOn", struct credential, updated_at, .format = TIME_Z_MICRO),
    ID_TEXT("version", struct credential, version, .zero_is_text = true),
    FIELD_END,
};

/* ---- one ---- */

static void show_as(struct call *c, const struct credential *found)
{
    call_object(c, "credential", found->id, found->name);
    reply_object(c, credential_fields, found);
}

static result show(struct call *c, int64_t id, struct err *e)
{
    struct credential found;
    struct standing standing;
    TRY(credential_get(c->db, c->arena, &c->who, id, &found, &standing, e));
    show_as(c, &found);
    return SUCCESS;
}

static result credential_show(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Credential", &id, e));
    return show(c, id, e);
}

static result credential_new(struct call *c, struct err *e)
{
    const void *body;
    struct credential made;
    TRY(call_body(c, &body, e));
    TRY(credential_create(c->db, c->arena, &c->who, body, c->now, &made, e));
    show_as(c, &made);
    return SUCCESS;
}

/* Names it to the record, too. */
static result find(struct call *c, int64_t *ret_id, struct err *e)
{
    struct credential found;
    struct standing standing;
    TRY(call_id(c, 0, "Credential", ret_id, e));
    TRY(credential_get(c->db, c->arena, &c->who, *ret_id, &found, &standing, e));
    call_object(c, "credential", *ret_id, found.name);
    return SUCCESS;
}

static result credential_edit(struct call *c, struct err *e)
{
    const void *body;
    int64_t id;
    struct credential present;
    TRY(find(c, &id, e));
    TRY(credential_may_update(c->db, c->arena, &c->who, id, &present, e));
    TRY(call_body(c, &body, e));
    TRY(credential_update(c->db, c->arena, &c->who, &present, body, c->now, e));
    return show(c, id, e);
}

static result credential_remove(struct call *c, struct err *e)
{
    int64_t id;
    struct str name;
    TRY(find(c, &id, e));
    TRY(credential_delete(c->db, c->arena, &c->who, id, c->now, &name, e));
    json_write_raw(reply_json(c), S("{}"));
    return SUCCESS;
}

/* The former owner may not see it any more, and is shown what he has done all the same. */
static result credential_hand_over(struct call *c, struct err *e)
{
    int64_t id, new_owner_id;
    struct credential now;
    TRY(find(c, &id, e));
    TRY(call_id(c, 1, "User", &new_owner_id, e));
    TRY(credential_transfer(c->db, c->arena, &c->who, id, new_owner_id, c->now, e));
    TRY(credential_after(c->db, c->arena, id, &now, e));
    call_detail(c, arena_printf(c->arena, "to user %" PRId64, new_owner_id));
    reply_object(c, credential_fields, &now);
    return SUCCESS;
}

/* ---- many ---- */

struct list_query {
    struct str consumed, name;
    int64_t offset, length;
};
#define CONSUMED_ROW                                                                                                   \
    TEXT("consumed", struct list_query, consumed,                                                                      \
         .doc = "Only those that one of your roles consumes: true, 1 or nothing behind it")
static const struct field search_query[] = {CONSUMED_ROW, FIELD_END};
static const struct field list_query[] = {
    TEXT("name", struct list_query, name, .doc = "Exactly this one, in any case"),
    CONSUMED_ROW,
    INT("offset", struct list_query, offset, .min = 0, .max = INT64_MAX),
    INT("length", struct list_query, length, .min = 0, .max = INT64_MAX),
    FIELD_END,
};

static result read_consumed(struct str word, bool *ret, struct err *e)
{
    bool narrows = str_is_set(word) && (word.n == 0 || str_equal_fold(word, S("true")) || str_equal(word, S("1")));
    if (str_is_set(word) && !narrows && !str_equal_fold(word, S("false")) && !str_equal(word, S("0")))
        return FAIL(e, INVALID, "consumed: must be true or false");
    *ret = narrows;
    return SUCCESS;
}

static result reply_found(struct call *c, const struct list_query *query, const struct listing *l, struct err *e)
{
    struct counts counts;
    struct credential *found;
    size_t n;
    bool is_narrowed;
    TRY(read_consumed(query->consumed, &is_narrowed, e));
    TRY(credential_list(c->db, c->arena, &c->who, is_narrowed, l, &counts, &found, &n, e));
    reply_page(c, l, &counts, credential_fields, found, sizeof *found, n);
    return SUCCESS;
}

static result credential_search(struct call *c, struct err *e)
{
    const void *query;
    struct listing l;
    TRY(call_query(c, &query, e));
    TRY(listing_of(c, credential_columns, &l, e));
    return reply_found(c, query, &l, e);
}

static result credential_list_by_name(struct call *c, struct err *e)
{
    const void *query;
    struct listing l = {0};
    TRY(call_query(c, &query, e));
    const struct list_query *in = query;
    listing_page(&l, in->offset, in->length);
    if (str_is_set(in->name)) {
        l.where = (struct filter){.op = FILTER_EQ, .has_value = true, .text = text_key(c->arena, in->name)};
        TRY(column_find(c, credential_columns, "name", S("name"), &l.where.column, e));
    }
    return reply_found(c, in, &l, e);
}

#define CREDENTIALS "/credentialvault/credentials"
const struct endpoint credential_endpoints[] = {
    {HTTP_POST, "/v2" CREDENTIALS, SIGNED_IN, WRITES, "credential.create", "Create a credential", &credential_body,
     credential_new, .status = 201, .reply = credential_fields},
    {HTTP_GET, "/v2" CREDENTIALS, SIGNED_IN, SEARCHES, UNRECORDED, "List credentials", NO_BODY, credential_list_by_name,
     .query = list_query, .query_size = sizeof(struct list_query), .reply_is_page = true, .reply = credential_fields},
    {HTTP_POST, "/v2" CREDENTIALS "/list", SIGNED_IN, SEARCHES, UNRECORDED, "Search credentials", &list_body,
     credential_search, .also = "/v1" CREDENTIALS "/list", .query = search_query,
     .query_size = sizeof(struct list_query), .reply_is_page = true, .reply = credential_fields},
    {HTTP_GET, "/v2" CREDENTIALS "/{id}", SIGNED_IN, READS, UNRECORDED, "Show a credential", NO_BODY, credential_show,
     .also = "/v1" CREDENTIALS "/{id}", .reply = credential_fields, .object = "credential"},
    {HTTP_PUT, "/v2" CREDENTIALS "/{id}", SIGNED_IN, WRITES, "credential.update",
     "Change a credential that is in no locker", &credential_body, credential_edit, .reply = credential_fields,
     .object = "credential"},
    {HTTP_DELETE, "/v2" CREDENTIALS "/{id}", SIGNED_IN, WRITES, "credential.delete",
     "Delete a credential and its values", NO_BODY, credential_remove, .object = "credential"},
    {HTTP_PUT, "/v2" CREDENTIALS "/{id}/owner/{credentialOwnerId}", SIGNED_IN, WRITES, "credential.transfer",
     "Hand a credential over to another owner", NO_BODY, credential_hand_over, .reply = credential_fields,
     .object = "credential"},
    {0},
};
