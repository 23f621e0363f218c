/* api/keyturn/links.c: links between accounts and what follows them (keyturn-api 3.2). */
#include "api/keyturn/face.h"
#include "api/keyturn/list.h"
#include "base/text.h"
#include "rotation/link.h"
#include "rotation/rotation.h"

/* ---- replies ---- */

static const struct field end_fields[] = {
    ID("attributeId", struct link, attribute_id, .null_when_empty = true),
    ID("credentialId", struct link, credential_id, .null_when_empty = true),
    ID("userId", struct link, user_id, .null_when_empty = true),
    ID("followerSystemId", struct link, far.system_id, .null_when_empty = true,
       .doc = "A Control Room that is pushed to; then userName, or credentialName and attributeName"),
    TEXT("userName", struct link, far.user, .null_when_empty = true),
    TEXT("credentialName", struct link, far.credential, .null_when_empty = true),
    TEXT("attributeName", struct link, far.attribute, .null_when_empty = true),
    TEXT("name", struct link, end_name),
    FIELD_END,
};
static const struct field reader_fields[] = {
    ID("userId", struct link_reader, user_id),
    TEXT("userName", struct link_reader, user_name),
    ID("roleId", struct link_reader, role_number, .null_when_empty = true),
    TEXT("roleName", struct link_reader, role_name, .null_when_empty = true),
    ID("deviceId", struct link_reader, device_id, .null_when_empty = true),
    TEXT("deviceName", struct link_reader, device_name, .null_when_empty = true),
    FIELD_END,
};

struct follower_view {
    int64_t lag_s, last_try_at;
    struct str text;
};
static const struct field follower_fields[] = {
    INT("lagSeconds", struct follower_view, lag_s, .doc = "Since the account turned; 0: the other server has it"),
    TIME("lastTryAt", struct follower_view, last_try_at, .format = TIME_Z_MILLI),
    TEXT("text", struct follower_view, text, .doc = "Why the last try did not work"),
    FIELD_END,
};

struct link_view {
    struct link link; /* first: its id is what pages count by */
    struct link *end;
    struct follower_view *follower;
    struct str audience;
};
static const struct field link_fields[] = {
    ID("id", struct link_view, link.id),
    ID("accountId", struct link_view, link.account_id),
    TEXT("systemName", struct link_view, link.system_name),
    TEXT("accountName", struct link_view, link.account_name),
    TEXT("part", struct link_view, link.part),
    OBJECT("end", struct link_view, end, struct link, end_fields),
    TEXT("release", struct link_view, link.release),
    TEXT("state", struct link_view, link.state),
    TEXTS("waitsFor", struct link_view, link.waits_for),
    ID("offeredBy", struct link_view, link.offered_by),
    TIME("offeredAt", struct link_view, link.offered_at, .format = TIME_Z_MILLI),
    ID("acceptedBy", struct link_view, link.accepted_by, .null_when_empty = true),
    TIME("acceptedAt", struct link_view, link.accepted_at, .format = TIME_Z_MILLI),
    ID("approvedBy", struct link_view, link.approved_by, .null_when_empty = true),
    INT("version", struct link_view, link.version, .null_when_empty = true),
    TIME("turnedAt", struct link_view, link.turned_at, .format = TIME_Z_MILLI),
    TIME("lastRead", struct link_view, link.last_read_at, .format = TIME_Z_MILLI),
    OBJECT("follower", struct link_view, follower, struct follower_view, follower_fields,
           .doc = "Of links that push to another server; else null"),
    RAW("audience", struct link_view, audience, .doc = "Who could read now, where it was asked for"),
    FIELD_END,
};
static const struct field link_page_fields[] = {ITEM_PAGE(struct link_view, link_fields)};

static struct link_view view_of(struct call *c, const struct link *l)
{
    struct link *end = arena_new_of(c->arena, struct link);
    *end = *l;
    struct link_view v = {.link = *l, .end = end};
    if (l->far.system_id) {
        int64_t lag = l->far.behind_since ? c->now - l->far.behind_since : 0;
        v.follower = arena_new_of(c->arena, struct follower_view);
        *v.follower = (struct follower_view){
            .lag_s = lag > 0 ? lag / SECONDS : 0, .last_try_at = l->far.last_try_at, .text = l->far.last_text};
    }
    return v;
}

static struct link_view *views_of(struct call *c, const struct link *links, size_t n)
{
    struct link_view *views = arena_array(c->arena, struct link_view, n);
    for (size_t i = 0; i < n; i++)
        views[i] = view_of(c, &links[i]);
    return views;
}

static result add_audience(struct call *c, struct link_view *v, struct err *e)
{
    struct link_reader *readers;
    size_t n;
    TRY(link_audience(c->db, c->arena, &v->link, &readers, &n, e));
    AUTOBUF text;
    buf_init(&text, 1024 * 1024);
    struct json_writer w = {.out = &text};
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++)
        fields_encode(reader_fields, &readers[i], &w, c->arena, NULL);
    json_array_end(&w);
    if (text.has_failed)
        return FAIL(e, TOO_LARGE, "The audience is too large to be shown");
    v->audience = arena_str(c->arena, buf_str(&text));
    return SUCCESS;
}

/* The domain has written its own records by now, in the words of the spec. */
static result show(struct call *c, int64_t id, struct err *e)
{
    struct link l;
    TRY(link_get(c->db, c->arena, &c->who, id, &l, e));
    struct link_view v = view_of(c, &l);
    call_object(c, "link", id, l.end_name);
    call_account(c, l.account_id);
    reply_object(c, link_fields, &v);
    return SUCCESS;
}

/* ---- looking ---- */

static result link_show(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Link", &id, e));
    return show(c, id, e);
}

static const char *const states[] = {"offered", "active", "suspended", "broken", NULL};
struct link_query {
    struct paging paging;
    struct str state;
};
static const struct field link_query_fields[] = {
    PAGING_ROWS(struct link_query, paging),
    TEXT("state", struct link_query, state, .words = states),
    FIELD_END,
};

static result link_search(struct call *c, struct err *e)
{
    const void *query;
    struct link *found;
    size_t n;
    TRY(call_query(c, &query, e));
    const struct link_query *q = query;
    TRY(link_list(c->db, c->arena, &c->who, 0, q->state, q->paging.after, q->paging.limit + 1, &found, &n, e));
    struct item_page page = item_page_of(c, &q->paging, false, views_of(c, found, n), sizeof(struct link_view), n);
    reply_object(c, link_page_fields, &page);
    return SUCCESS;
}

struct account_query {
    struct paging paging;
    bool audience;
};
static const struct field account_query_fields[] = {
    PAGING_ROWS(struct account_query, paging),
    FLAG("audience", struct account_query, audience, .doc = "Say of each link who could read now"),
    FIELD_END,
};

static result account_links(struct call *c, struct err *e)
{
    int64_t id;
    const void *query;
    struct managed_account account;
    struct link *found;
    size_t n;
    TRY(call_id(c, 0, "Managed Account", &id, e));
    TRY(account_get(c->db, c->arena, id, c->now, &account, e));
    TRY(call_query(c, &query, e));
    const struct account_query *q = query;
    TRY(link_list(c->db, c->arena, &c->who, id, STR_ABSENT, q->paging.after, q->paging.limit + 1, &found, &n, e));
    struct link_view *views = views_of(c, found, n);
    struct item_page page = item_page_of(c, &q->paging, false, views, sizeof *views, n);
    for (size_t i = 0; q->audience && i < page.items.n; i++)
        TRY(add_audience(c, (struct link_view *)page.items.at + i, e));
    reply_object(c, link_page_fields, &page);
    return SUCCESS;
}

/* ---- offering ---- */

struct offer_end {
    int64_t attribute_id, user_id, far_system_id;
    struct str far_user, far_credential, far_attribute;
};
static const char *check_line(struct str s)
{
    return text_has_control(s) ? "has control characters" : NULL;
}

static const struct field offer_end_fields[] = {
    ID("attributeId", struct offer_end, attribute_id, .doc = "An attribute's value, or"),
    ID("userId", struct offer_end, user_id, .doc = "a user's auto-login, or"),
    ID("followerSystemId", struct offer_end, far_system_id,
       .doc = "a managed system of platform Control Room, which is pushed to; with userName, or with the other two"),
    TEXT("userName", struct offer_end, far_user, .max = 255, .or_text = "", .check = check_line,
         .doc = "The user there whose auto-login it is"),
    TEXT("credentialName", struct offer_end, far_credential, .max = 255, .or_text = "", .check = check_line),
    TEXT("attributeName", struct offer_end, far_attribute, .max = 255, .or_text = "", .check = check_line),
    FIELD_END,
};
struct offer_body {
    struct str part, release;
    struct offer_end *end;
    bool replace;
};
static const char *const parts[] = {"password", "username", "privatekey", "passphrase", NULL};
static const char *const releases[] = {"consumers", "none", NULL};
static const struct field offer_fields[] = {
    TEXT("part", struct offer_body, part, .required = true, .words = parts),
    OBJECT("end", struct offer_body, end, struct offer_end, offer_end_fields, .required = true),
    TEXT("release", struct offer_body, release, .required = true, .words = releases),
    FLAG("replace", struct offer_body, replace, .doc = "A value that stands there goes"),
    FIELD_END,
};
static const struct body offer_body =
    BODY(struct offer_body, offer_fields,
         .example = "{\"part\":\"password\",\"end\":{\"attributeId\":3336},\"release\":\"consumers\","
                    "\"replace\":false}");

static result check_offer_end(const struct offer_end *end, struct err *e)
{
    bool is_far = end->far_system_id != 0, has_user = end->far_user.n > 0;
    bool has_value = end->far_credential.n > 0 && end->far_attribute.n > 0;
    if ((end->attribute_id != 0) + (end->user_id != 0) + is_far != 1)
        return FAIL(e, INVALID, "end: give attributeId, userId or followerSystemId");
    if (is_far ? has_user == (end->far_credential.n || end->far_attribute.n) || (!has_user && !has_value)
               : has_user || end->far_credential.n || end->far_attribute.n)
        return FAIL(e, INVALID,
                    "end: with followerSystemId goes userName, or credentialName and attributeName; with nothing else");
    return SUCCESS;
}

static struct far_end far_of(const struct offer_end *end)
{
    return (struct far_end){.system_id = end->far_system_id,
                            .user = end->far_user,
                            .credential = end->far_credential,
                            .attribute = end->far_attribute};
}

static result link_put(struct call *c, struct err *e)
{
    int64_t account_id, id;
    const void *body;
    struct managed_account account;
    TRY(call_id(c, 0, "Managed Account", &account_id, e));
    call_account(c, account_id);
    TRY(link_may_offer(c->db, c->arena, &c->who, account_id, c->now, &account, e));
    TRY(call_body(c, &body, e));
    const struct offer_body *in = body;
    TRY(check_offer_end(in->end, e));
    struct link_offer offer = {.account_id = account_id,
                               .attribute_id = in->end->attribute_id,
                               .user_id = in->end->user_id,
                               .far = far_of(in->end),
                               .part = in->part,
                               .release = in->release,
                               .replace = in->replace};
    TRY(link_offer(c->db, c->arena, c->service->keys, &c->who, &offer, c->now, &id, e));
    struct link l;
    TRY(link_get(c->db, c->arena, &c->who, id, &l, e));
    if (l.offered_at == c->now)
        call_is_recorded(c); /* else a present link got this release: the gate's record */
    call_detail(c, arena_printf(c->arena, "release: %.*s", STR_ARG(in->release)));
    return show(c, id, e);
}

/* ---- the other steps ---- */

struct accept_body {
    bool replace;
};
static const struct field accept_fields[] = {
    FLAG("replace", struct accept_body, replace, .doc = "A value that stands there goes"),
    FIELD_END,
};
static const struct body accept_body = BODY(struct accept_body, accept_fields, .example = "{\"replace\":false}");

static result accept_offer(struct call *c, struct err *e)
{
    int64_t id;
    const void *body;
    TRY(call_id(c, 0, "Link", &id, e));
    TRY(link_may_accept(c->db, c->arena, &c->who, id, e));
    TRY(call_body(c, &body, e));
    const struct accept_body *in = body;
    TRY(link_accept(c->db, c->arena, c->service->keys, &c->who, id, in->replace, c->now, e));
    call_is_recorded(c);
    return show(c, id, e);
}

struct approve_body {
    struct str reason;
};
static const struct field approve_fields[] = {
    TEXT("reason", struct approve_body, reason, .max = 1000, .doc = "Stands in the record", .example = "Change 4711"),
    FIELD_END,
};
static const struct body approve_body =
    BODY(struct approve_body, approve_fields, .example = "{\"reason\":\"Change 4711\"}");

/* An approver need not be a side of the link, so the answer is what he approved, not what he may look at later. */
static result approve_offer(struct call *c, struct err *e)
{
    int64_t id;
    const void *body;
    struct link l;
    TRY(call_id(c, 0, "Link", &id, e));
    TRY(link_may_approve(c->db, c->arena, &c->who, id, e));
    TRY(call_body(c, &body, e));
    const struct approve_body *in = body;
    TRY(link_approve(c->db, c->arena, c->service->keys, &c->who, id, in->reason, c->now, &l, e));
    call_is_recorded(c);
    struct link_view v = view_of(c, &l);
    reply_object(c, link_fields, &v);
    return SUCCESS;
}

static result resume_link(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Link", &id, e));
    TRY(link_resume(c->db, c->arena, c->service->keys, &c->who, id, c->now, e));
    call_is_recorded(c);
    return show(c, id, e);
}

struct verify_view {
    bool equal;
    int64_t version;
};
static const struct field verify_fields[] = {
    FLAG("equal", struct verify_view, equal),
    INT("version", struct verify_view, version),
    FIELD_END,
};

static result verify_link(struct call *c, struct err *e)
{
    int64_t id;
    struct verify_view v;
    TRY(call_id(c, 0, "Link", &id, e));
    TRY(link_verify(c->db, c->arena, c->service->keys, &c->who, id, &v.equal, &v.version, e));
    call_is_recorded(c);
    reply_object(c, verify_fields, &v);
    return SUCCESS;
}

static result remove_link(struct call *c, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Link", &id, e));
    TRY(link_end(c->db, c->arena, c->service->keys, &c->who, id, c->now, e));
    call_is_recorded(c);
    call_after_commit(c, rotation_wake, c->service->rotation);
    reply_none(c, 204);
    return SUCCESS;
}

#define OF_ACCOUNT "/managed-accounts/{id}/links"
const struct endpoint link_endpoints[] = {
    {HTTP_PUT, OF_ACCOUNT, MAY(ACCOUNT_MANAGEMENT), WRITES, "link.offer",
     "Offer a link; active at once when the caller has both sides", &offer_body, link_put, .reply = link_fields,
     .opens_secrets = true, .object = "account"},
    {HTTP_GET, OF_ACCOUNT, MAY_READ(ACCOUNT_MANAGEMENT), SEARCHES, UNRECORDED, "Links of an account", NO_BODY,
     account_links, .query = account_query_fields, .query_size = sizeof(struct account_query),
     .reply = link_page_fields, .object = "account"},
    {HTTP_GET, "/links", SIGNED_IN, SEARCHES, UNRECORDED, "Links that the caller is a side of", NO_BODY, link_search,
     .query = link_query_fields, .query_size = sizeof(struct link_query), .reply = link_page_fields},
    {HTTP_GET, "/links/{id}", SIGNED_IN, READS, UNRECORDED, "Show a link", NO_BODY, link_show, .reply = link_fields,
     .object = "link"},
    {HTTP_POST, "/links/{id}/accept", SIGNED_IN, WRITES, "link.accept", "Accept an offer: the far side", &accept_body,
     accept_offer, .reply = link_fields, .opens_secrets = true, .object = "link"},
    {HTTP_POST, "/links/{id}/approve", HAS_ROLE(ROLE_APPROVER, ROLE_REQUESTOR_APPROVER), WRITES, "link.approve",
     "Approve an offer: not the offerer", &approve_body, approve_offer, .reply = link_fields, .opens_secrets = true,
     .object = "link"},
    {HTTP_POST, "/links/{id}/resume", MAY(ACCOUNT_MANAGEMENT), WRITES, "link.resume", "Resume a suspended link",
     NO_BODY, resume_link, .reply = link_fields, .opens_secrets = true, .object = "link"},
    {HTTP_POST, "/links/{id}/verify", SIGNED_IN, WRITES, "link.verify",
     "Compare the copy with the account, inside the server", NO_BODY, verify_link, .reply = verify_fields,
     .opens_secrets = true, .object = "link"},
    {HTTP_DELETE, "/links/{id}", SIGNED_IN, WRITES, "link.unlink", "Unlink, or decline an offer; erases the copy",
     NO_BODY, remove_link, .status = 204, .object = "link"},
    {0},
};
