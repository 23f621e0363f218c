/* api/keyturn/host_keys.c: the host keys of a managed system (keyturn-api 6). */
#include "accounts/system.h"
#include "api/keyturn/face.h"
#include "api/keyturn/list.h"
#include "rotation/hostkey.h"

static const struct field key_fields[] = {
    ID("id", struct host_key_row, id),
    TEXT("type", struct host_key_row, type),
    TEXT("sha256", struct host_key_row, sha256),
    TEXT("state", struct host_key_row, state),
    TIME("seenAt", struct host_key_row, seen_at, .format = TIME_Z_MILLI),
    ID("by", struct host_key_row, made_by),
    FIELD_END,
};
static const struct field key_page_fields[] = {ITEM_PAGE(struct host_key_row, key_fields)};

struct key_body {
    struct str type, sha256;
};
/* What the connectors tell: a key of any other type would be trusted and never matched. */
static const char *const types[] = {
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa", "x509", NULL};
static const struct field body_fields[] = {
    TEXT("type", struct key_body, type, .required = true, .words = types, .example = "ssh-ed25519",
         .doc = "ssh-rsa whatever the signature; x509 for the key of a TLS certificate"),
    TEXT("sha256", struct key_body, sha256, .required = true, .max = 100,
         .doc = "SHA256: and 43 characters, as ssh-keygen -lf shows it"),
    FIELD_END,
};
static const struct body key_body =
    BODY(struct key_body, body_fields,
         .example = "{\"type\":\"ssh-ed25519\",\"sha256\":\"SHA256:uNiVztksCsDhcc0u9e8BrWXVUEmNQ5cpmYO3M7d3bYI\"}");

static result find_system(struct call *c, struct managed_system *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Managed System", &id, e));
    TRY(system_get(c->db, c->arena, id, ret, e));
    call_object(c, "system", id, ret->name);
    return SUCCESS;
}

static result key_search(struct call *c, struct err *e)
{
    struct managed_system system;
    const void *query;
    struct host_key_row *found;
    size_t n;
    TRY(find_system(c, &system, e));
    TRY(call_query(c, &query, e));
    TRY(hostkey_list(c->db, c->arena, system.id, &found, &n, e));
    struct item_page page = item_page_of(c, query, false, found, sizeof *found, n);
    reply_object(c, key_page_fields, &page);
    return SUCCESS;
}

static result key_add(struct call *c, struct err *e)
{
    struct managed_system system;
    const void *body;
    struct host_key_row key;
    TRY(find_system(c, &system, e));
    TRY(call_body(c, &body, e));
    const struct key_body *in = body;
    TRY(hostkey_approve(c->db, c->arena, system.id, in->type, in->sha256, c->who.user_id, c->now, &key, e));
    call_detail(c, key.sha256);
    reply_object(c, key_fields, &key);
    return SUCCESS;
}

static result key_accept(struct call *c, struct err *e)
{
    struct managed_system system;
    struct host_key_row key;
    int64_t id;
    TRY(find_system(c, &system, e));
    TRY(call_id(c, 1, "Host key", &id, e));
    TRY(hostkey_accept(c->db, c->arena, system.id, id, c->who.user_id, c->now, &key, e));
    call_detail(c, key.sha256);
    reply_object(c, key_fields, &key);
    return SUCCESS;
}

static result key_remove(struct call *c, struct err *e)
{
    struct managed_system system;
    int64_t id;
    TRY(find_system(c, &system, e));
    TRY(call_id(c, 1, "Host key", &id, e));
    TRY(hostkey_remove(c->db, system.id, id, e));
    call_detail(c, arena_printf(c->arena, "host key %" PRId64, id));
    reply_none(c, 204);
    return SUCCESS;
}

#define KEYS "/managed-systems/{id}/host-keys"
const struct endpoint host_key_endpoints[] = {
    {HTTP_GET, KEYS, MAY_READ(SYSTEM_MANAGEMENT), READS, UNRECORDED, "Host keys of a system", NO_BODY, key_search,
     .query = keyturn_paging_query, .query_size = sizeof(struct paging), .reply = key_page_fields, .object = "system"},
    {HTTP_POST, KEYS, MAY(SYSTEM_MANAGEMENT), WRITES, "hostkey.add", "Approve a host key beforehand", &key_body,
     key_add, .status = 201, .reply = key_fields, .object = "system"},
    {HTTP_POST, KEYS "/{keyId}/accept", MAY(SYSTEM_MANAGEMENT), WRITES, "hostkey.accept",
     "A changed key takes the old one's place", NO_BODY, key_accept, .reply = key_fields, .object = "system"},
    {HTTP_DELETE, KEYS "/{keyId}", MAY(SYSTEM_MANAGEMENT), WRITES, "hostkey.remove", "Remove a host key", NO_BODY,
     key_remove, .status = 204, .object = "system"},
    {0},
};
