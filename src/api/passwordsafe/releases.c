/* api/passwordsafe/releases.c: the calls that hand a credential out (passwordsafe-api 5.6, 7.7). */
#include "accounts/request.h"
#include "api/passwordsafe/face.h"
#include "rotation/release.h"

#define WAIT_MAX (2 * SECONDS) /* keyturn-api 2.8 */

struct part_query {
    struct str type;
};
static const char *const parts[] = {"password", "dsskey", "passphrase", NULL};
static const struct field part_fields[] = {
    TEXT("type", struct part_query, type, .words = parts, .doc = "None: password"),
    FIELD_END,
};

static result part_of_call(struct call *c, enum release_part *ret, struct err *e)
{
    const void *query;
    TRY(call_query(c, &query, e));
    struct str type = ((const struct part_query *)query)->type;
    *ret = str_equal(type, S("dsskey"))       ? RELEASE_PRIVATE_KEY
           : str_equal(type, S("passphrase")) ? RELEASE_PASSPHRASE
                                              : RELEASE_PASSWORD;
    return SUCCESS;
}

/* Into the answer, with the word about it. The request is marked: its end may start a change. */
static result hand_out(struct call *c, int64_t request_id, const struct release *r, struct err *e)
{
    TRY(request_mark_released(c->db, request_id, e));
    if (r->state.n)
        reply_header(c, "X-Keyturn-State", r->state);
    reply_secret(c, r->secret);
    return SUCCESS;
}

static result credential_read(struct call *c, struct err *e)
{
    int64_t id;
    struct request request;
    enum release_part part;
    struct release r;
    TRY(call_id(c, 0, "Request", &id, e));
    TRY(request_running(c->db, c->arena, &c->who, id, c->now, &request, e));
    call_account(c, request.account_id);
    call_object(c, "account", request.account_id,
                arena_printf(c->arena, "%.*s/%.*s", STR_ARG(request.system_name), STR_ARG(request.account_name)));
    TRY(part_of_call(c, &part, e));
    call_detail(c, arena_printf(c->arena, "request %" PRId64 ", %s", id, parts[part]));
    TRY(release_current(c->db, c->arena, c->service->keys, request.account_id, part, c->was_parked, c->now, &r, e));
    if (r.wait_for)
        return call_park(c, r.wait_for, WAIT_MAX);
    return hand_out(c, id, &r, e);
}

/* ---- ISA: request and credential in one call ---- */

struct isa_body {
    int64_t system_id, account_id;
    struct opt_int minutes;
    struct str reason;
};
static const struct field isa_fields[] = {
    ID("SystemID", struct isa_body, system_id, .required = true, .example = "5"),
    ID("AccountID", struct isa_body, account_id, .required = true, .example = "14"),
    OPT_INT("DurationMinutes", struct isa_body, minutes, .doc = "None: the account's ISAReleaseDuration"),
    TEXT("Reason", struct isa_body, reason, .max = 1000, .or_text = "", .example = "incident"),
    FIELD_END,
};
static const struct body isa_body =
    BODY(struct isa_body, isa_fields,
         .example = "{\"SystemID\":5,\"AccountID\":14,\"DurationMinutes\":15,\"Reason\":\"incident\"}");

static result isa_account(struct call *c, const struct isa_body *in, struct managed_account *ret, struct err *e)
{
    static const enum rule_role roles[] = {ROLE_ISA, ROLE_NONE};
    bool has_role;
    TRY(account_get(c->db, c->arena, in->account_id, c->now, ret, e));
    record_account(c, ret);
    TRY(rule_role_on_account(c->db, c->arena, &c->who, roles, ret->id, &has_role, e));
    return has_role && ret->system_id == in->system_id ? SUCCESS : not_permitted(e);
}

static result isa_read(struct call *c, struct err *e)
{
    const void *body;
    struct managed_account m;
    enum release_part part;
    struct release r;
    int64_t request_id;
    TRY(call_body(c, &body, e));
    const struct isa_body *in = body;
    TRY(isa_account(c, in, &m, e));
    TRY(part_of_call(c, &part, e));
    TRY(release_current(c->db, c->arena, c->service->keys, m.id, part, c->was_parked, c->now, &r, e));
    if (r.wait_for)
        return call_park(c, r.wait_for, WAIT_MAX);
    int64_t minutes = in->minutes.is_set ? in->minutes.value : m.isa_release_duration;
    TRY(request_create_isa(c->db, c->arena, &c->who, m.id, minutes, in->reason, c->now, &request_id, e));
    call_detail(c,
                arena_printf(c->arena, "request %" PRId64 ", %s: %.*s", request_id, parts[part], STR_ARG(in->reason)));
    return hand_out(c, request_id, &r, e);
}

const struct endpoint ps_release_endpoints[] = {
    {HTTP_GET, "/Credentials/{requestId}", SIGNED_IN, REVEALS, "account.release",
     "The credential of the caller's own, running request", NO_BODY, credential_read, .query = part_fields,
     .query_size = sizeof(struct part_query), .reply_is_text = true, .opens_secrets = true, .object = "request"},
    {HTTP_POST, "/ISARequests", HAS_ROLE(ROLE_ISA), REVEALS, "account.release",
     "Request a credential as ISA, and get it", &isa_body, isa_read, .status = 201, .query = part_fields,
     .query_size = sizeof(struct part_query), .reply_is_text = true, .opens_secrets = true},
    {0},
};
