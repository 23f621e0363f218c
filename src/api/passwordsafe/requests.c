/* api/passwordsafe/requests.c: asking for a credential, approving, giving back (passwordsafe-api 7.1 to 7.5). */
#include "accounts/request.h"

#include "api/passwordsafe/face.h"

struct shown_request {
    struct request is;
    struct opt_int no_number;
    struct str no_text;
    bool off;
};
#define IS struct shown_request
static const struct field request_fields[] = {
    ID("RequestID", IS, is.id),
    ID("SystemID", IS, is.system_id),
    TEXT("SystemName", IS, is.system_name),
    ID("AccountID", IS, is.account_id),
    TEXT("AccountName", IS, is.account_name),
    TEXT("DomainName", IS, is.domain_name, .null_when_empty = true),
    OPT_INT("AliasID", IS, no_number),
    OPT_INT("ApplicationID", IS, no_number),
    TIME("RequestReleaseDate", IS, is.created_at, .format = TIME_BARE),
    TIME("ApprovedDate", IS, is.approved_at, .format = TIME_BARE),
    TIME("CanceledDate", IS, is.ended_at, .format = TIME_BARE),
    TIME("ExpiresDate", IS, is.ends_at, .format = TIME_BARE),
    TEXT("Status", IS, is.status),
    TEXT("AccessType", IS, is.access_type),
    TEXT("Reason", IS, is.reason),
    TEXT("ManagedSystemName", IS, is.system_name),
    FLAG("APIOnlyAccess", IS, off),
    ID("RequestorUserID", IS, is.user_id),
    TEXT("RequestorName", IS, is.user_name),
    FLAG("TotpEnabled", IS, off),
    TEXT("TotpParameters", IS, no_text),
    FIELD_END,
};

struct request_query {
    struct str status, queue;
};
static const char *const statuses[] = {"all", "active", "pending", NULL};
static const char *const queues[] = {"req", "app", NULL};
static const struct field query_fields[] = {
    TEXT("status", struct request_query, status, .words = statuses, .doc = "None: all"),
    TEXT("queue", struct request_query, queue, .words = queues, .doc = "req: one's own; app: to be decided. None: req"),
    FIELD_END,
};

static result requests_all(struct call *c, struct err *e)
{
    const void *query;
    struct request *found;
    size_t n;
    TRY(call_query(c, &query, e));
    const struct request_query *q = query;
    TRY(request_list(c->db, c->arena, &c->who, q->status.n ? q->status : S("all"), q->queue.n ? q->queue : S("req"),
                     c->now, &found, &n, e));
    struct shown_request *shown = arena_array(c->arena, struct shown_request, n);
    for (size_t i = 0; i < n; i++)
        shown[i].is = found[i];
    reply_array(c, request_fields, shown, sizeof *shown, n);
    return SUCCESS;
}

/* ---- asking ---- */

static const char *const access_types[] = {"View", "RDP", "SSH", "App", NULL};
static const char *const conflict_options[] = {"reuse", "renew", NULL};
static const struct field new_fields[] = {
    TEXT("AccessType", struct request_new, access_type, .words = access_types, .doc = "None: View"),
    ID("SystemID", struct request_new, system_id, .required = true, .example = "5"),
    ID("AccountID", struct request_new, account_id, .required = true, .example = "14"),
    INT("DurationMinutes", struct request_new, duration_minutes, .required = true, .min = 1, .max = 525600,
        .example = "5"),
    TEXT("Reason", struct request_new, reason, .max = 1000, .or_text = "", .example = "deploy"),
    TEXT("ConflictOption", struct request_new, conflict_option, .words = conflict_options, .or_text = "",
         .doc = "What to do with one that runs already"),
    FLAG("RotateOnCheckin", struct request_new, rotate_on_checkin, .or_flag = true),
    FIELD_END,
};
static const struct body new_body =
    BODY(struct request_new, new_fields,
         .example = "{\"AccessType\":\"View\",\"SystemID\":5,\"AccountID\":14,\"DurationMinutes\":5,\"Reason\":"
                    "\"deploy\",\"ConflictOption\":\"reuse\"}");

static result request_ask(struct call *c, struct err *e)
{
    const void *body;
    int64_t id;
    bool is_new;
    TRY(call_body(c, &body, e));
    struct request_new with = *(const struct request_new *)body;
    with.access_type = with.access_type.n ? with.access_type : S("View");
    call_account(c, with.account_id);
    TRY(request_create(c->db, c->arena, &c->who, &with, c->now, &id, &is_new, e));
    call_object(c, "request", id, S(""));
    call_detail(c, with.reason);
    reply_status(c, is_new ? 201 : 200);
    json_write_int(reply_json(c), id);
    return SUCCESS;
}

/* ---- what becomes of it ---- */

typedef result (*deed)(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now,
                       struct err *e);

static result finish(struct call *c, int64_t id, deed of, struct err *e)
{
    call_object(c, "request", id, S(""));
    TRY(of(c->db, c->arena, &c->who, id, c->now, e));
    reply_none(c, 204);
    return SUCCESS;
}

static result with_reason(struct call *c, deed of, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Request", &id, e));
    TRY(take_reason(c, e));
    return finish(c, id, of, e);
}

static result checkin(struct call *c, struct err *e)
{
    return with_reason(c, request_checkin, e);
}

static result approve(struct call *c, struct err *e)
{
    return with_reason(c, request_approve, e);
}

static result deny(struct call *c, struct err *e)
{
    return with_reason(c, request_deny, e);
}

/* A number that is no request's is 400 here, not 404 (7.5). */
static result rotate_on_checkin(struct call *c, struct err *e)
{
    int64_t id;
    if (!str_to_int(c->params[0], 0, INT64_MAX, &id))
        return FAIL(e, INVALID, "id: there is no such request");
    return finish(c, id, request_rotate_on_checkin, e);
}

struct release_body {
    int64_t request_id;
    struct str reason;
};
static const struct field release_fields[] = {
    ID("RequestID", struct release_body, request_id, .required = true, .alias = "ID", .example = "52"),
    TEXT("Reason", struct release_body, reason, .max = 1000, .or_text = ""),
    FIELD_END,
};
static const struct body release_body = BODY(struct release_body, release_fields, .example = "{\"RequestID\":52}");

static result release(struct call *c, struct err *e)
{
    const void *body;
    TRY(call_body(c, &body, e));
    const struct release_body *in = body;
    call_detail(c, in->reason);
    return finish(c, in->request_id, request_checkin, e);
}

#define MAY_REQUEST HAS_ROLE(ROLE_REQUESTOR, ROLE_APPROVER, ROLE_REQUESTOR_APPROVER)
/* Requestors come in to be told 4033, which is what the domain says to them (3.2). */
#define MAY_APPROVE MAY_REQUEST
const struct endpoint ps_request_endpoints[] = {
    {HTTP_GET, "/Requests", SIGNED_IN, SEARCHES, UNRECORDED, "Requests that run or wait: one's own, or those to decide",
     NO_BODY, requests_all, .query = query_fields, .query_size = sizeof(struct request_query), .reply_is_list = true,
     .reply = request_fields},
    {HTTP_POST, "/Requests", MAY_REQUEST, WRITES, "request.create",
     "Ask for an account's credential; the answer is the request's number", &new_body, request_ask, .status = 201,
     .reply_is_number = true},
    {HTTP_PUT, "/Requests/{id}/Checkin", SIGNED_IN, WRITES, "request.checkin", "Give an own request back",
     &ps_reason_body, checkin, .status = 204, .also = "/Requests/Release/{id}", .object = "request"},
    {HTTP_PUT, "/Requests/Release", SIGNED_IN, WRITES, "request.checkin", "The same, with the number in the body",
     &release_body, release, .status = 204},
    {HTTP_PUT, "/Requests/{id}/Approve", MAY_APPROVE, WRITES, "request.approve", "Approve somebody else's request",
     &ps_reason_body, approve, .status = 204, .object = "request"},
    {HTTP_PUT, "/Requests/{id}/Deny", MAY_APPROVE, WRITES, "request.deny", "Deny somebody else's request",
     &ps_reason_body, deny, .status = 204, .object = "request"},
    {HTTP_PUT, "/Requests/{id}/RotateOnCheckin", SIGNED_IN, WRITES, "request.rotate",
     "Let the credential change at the end after all", NO_BODY, rotate_on_checkin, .status = 204, .object = "request"},
    {0},
};
