/* api/passwordsafe/terminate.c: ending every open request of an account, a system or a user (passwordsafe-api 7.8). */
#include "accounts/request.h"
#include "api/passwordsafe/face.h"
#include "identity/user.h"
#include "rotation/link.h"

struct terminate_query {
    bool feedback;
};
static const struct field query_fields[] = {
    FLAG("feedback", struct terminate_query, feedback, .doc = "true: 200 with the list of what was ended"),
    FIELD_END,
};

static result terminate(struct call *c, int64_t account_id, int64_t system_id, int64_t user_id, struct err *e)
{
    const void *query;
    int64_t *ended;
    size_t n;
    TRY(call_query(c, &query, e));
    TRY(take_reason(c, e));
    TRY(request_terminate(c->db, c->arena, account_id, system_id, user_id, c->now, &ended, &n, e));
    if (!((const struct terminate_query *)query)->feedback) {
        reply_none(c, 204);
        return SUCCESS;
    }
    struct json_writer *w = reply_json(c);
    reply_status(c, 200);
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(w);
        json_key(w, S("RequestID"));
        json_write_int(w, ended[i]);
        json_object_end(w);
    }
    json_array_end(w);
    return SUCCESS;
}

/* Who reads through a link reads no more, either (keyturn-api 3.1, rule 7). */
static result of_account(struct call *c, struct err *e)
{
    struct managed_account m;
    TRY(account_of_param(c, 0, &m, e));
    TRY(link_suspend_account(c->db, c->arena, c->service->keys, m.id, c->now, e));
    return terminate(c, m.id, 0, 0, e);
}

static result of_system(struct call *c, struct err *e)
{
    int64_t id;
    struct managed_system s;
    TRY(call_id(c, 0, "Managed System", &id, e));
    TRY(system_get(c->db, c->arena, id, &s, e));
    call_object(c, "system", id, s.name);
    return terminate(c, 0, id, 0, e);
}

static result of_user(struct call *c, struct err *e)
{
    int64_t id;
    struct user u;
    TRY(call_id(c, 0, "User", &id, e));
    TRY(user_get(c->db, c->arena, id, &u, e));
    call_object(c, "user", id, u.name);
    return terminate(c, 0, 0, id, e);
}

#define QUERY .query = query_fields, .query_size = sizeof(struct terminate_query)
const struct endpoint ps_terminate_endpoints[] = {
    {HTTP_POST, "/ManagedAccounts/{id}/Requests/Terminate", MAY(GLOBAL_QUARANTINE), WRITES, "account.terminate",
     "End an account's open requests and suspend its links", &ps_reason_body, of_account, .status = 204, QUERY,
     .object = "account"},
    {HTTP_POST, "/ManagedSystems/{id}/Requests/Terminate", MAY(GLOBAL_QUARANTINE), WRITES, "system.terminate",
     "End a system's open requests", &ps_reason_body, of_system, .status = 204, QUERY, .object = "system"},
    {HTTP_POST, "/Users/{id}/Requests/Terminate", MAY(GLOBAL_QUARANTINE), WRITES, "user.terminate",
     "End a user's open requests", &ps_reason_body, of_user, .status = 204, QUERY, .object = "user"},
    {0},
};
