/* api/keyturn/propagation_actions.c: making the actions that the other face assigns to accounts (passwordsafe-api
 * 7.11 has no call for it). */
#include "accounts/propagation.h"
#include "api/keyturn/face.h"
#include "api/keyturn/list.h"

#define ACTION struct propagation_action
static const struct field action_fields[] = {
    ID("id", ACTION, id),
    ID("typeId", ACTION, type_id),
    TEXT("name", ACTION, name),
    TEXT("description", ACTION, description),
    TEXT("service", ACTION, service),
    FIELD_END,
};
static const struct field action_page_fields[] = {ITEM_PAGE(ACTION, action_fields)};

static const struct field body_fields[] = {
    ID("typeId", ACTION, type_id, .or_int = PROPAGATION_SERVICES, .doc = "1: Services; there is no other",
       .example = "1"),
    TEXT("name", ACTION, name, .required = true, .max = 100, .doc = "Unique, ignoring case",
         .example = "restart nginx"),
    TEXT("description", ACTION, description, .max = 255, .or_text = ""),
    TEXT("service", ACTION, service, .required = true, .max = 128,
         .doc = "That is restarted: letters, digits and _ . @ : -", .example = "nginx"),
    FIELD_END,
};
static const struct body action_body =
    BODY(ACTION, body_fields,
         .example = "{\"typeId\":1,\"name\":\"restart nginx\",\"description\":\"\",\"service\":\"nginx\"}");

static result find(struct call *c, ACTION *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Propagation Action", &id, e));
    TRY(propagation_get(c->db, c->arena, id, ret, e));
    call_object(c, "propagation action", id, ret->name);
    return SUCCESS;
}

static result action_search(struct call *c, struct err *e)
{
    const void *query;
    ACTION *found;
    size_t n;
    TRY(call_query(c, &query, e));
    TRY(propagation_list(c->db, c->arena, &found, &n, e));
    struct item_page page = item_page_of(c, query, false, found, sizeof *found, n);
    reply_object(c, action_page_fields, &page);
    return SUCCESS;
}

static result action_show(struct call *c, struct err *e)
{
    ACTION action;
    TRY(find(c, &action, e));
    reply_object(c, action_fields, &action);
    return SUCCESS;
}

static result reply_written(struct call *c, int64_t id, struct err *e)
{
    ACTION action;
    TRY(propagation_get(c->db, c->arena, id, &action, e));
    call_object(c, "propagation action", id, action.name);
    call_detail(c, arena_printf(c->arena, "service %.*s", STR_ARG(action.service)));
    reply_object(c, action_fields, &action);
    return SUCCESS;
}

static result action_new(struct call *c, struct err *e)
{
    const void *body;
    int64_t id;
    TRY(call_body(c, &body, e));
    TRY(propagation_create(c->db, c->arena, body, &id, e));
    return reply_written(c, id, e);
}

static result action_edit(struct call *c, struct err *e)
{
    const void *body;
    ACTION action;
    TRY(find(c, &action, e));
    TRY(call_body(c, &body, e));
    ACTION with = *(const ACTION *)body;
    with.id = action.id;
    TRY(propagation_update(c->db, c->arena, &with, e));
    return reply_written(c, action.id, e);
}

static result action_remove(struct call *c, struct err *e)
{
    ACTION action;
    TRY(find(c, &action, e));
    TRY(propagation_delete(c->db, c->arena, action.id, e));
    reply_none(c, 204);
    return SUCCESS;
}

#define ONE "/propagation-actions/{id}"
const struct endpoint propagation_action_endpoints[] = {
    {HTTP_GET, "/propagation-actions", MAY_READ(ACCOUNT_MANAGEMENT), READS, UNRECORDED,
     "What can be done on systems after an account's change", NO_BODY, action_search, .query = keyturn_paging_query,
     .query_size = sizeof(struct paging), .reply = action_page_fields},
    {HTTP_GET, ONE, MAY_READ(ACCOUNT_MANAGEMENT), READS, UNRECORDED, "Show a propagation action", NO_BODY, action_show,
     .reply = action_fields, .object = "propagation action"},
    {HTTP_POST, "/propagation-actions", MAY(SYSTEM_MANAGEMENT), WRITES, "propagation.create",
     "Make an action that accounts can be given", &action_body, action_new, .status = 201, .reply = action_fields},
    {HTTP_PUT, ONE, MAY(SYSTEM_MANAGEMENT), WRITES, "propagation.update",
     "Change the whole action; it holds from its next run on", &action_body, action_edit, .reply = action_fields,
     .object = "propagation action"},
    {HTTP_DELETE, ONE, MAY(SYSTEM_MANAGEMENT), WRITES, "propagation.delete",
     "Remove an action that no account has any more", NO_BODY, action_remove, .status = 204,
     .object = "propagation action"},
    {0},
};
