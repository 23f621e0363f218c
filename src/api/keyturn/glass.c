/* api/keyturn/glass.c: break-glass: a version that nobody else is shown (keyturn-api 5). */
#include "rotation/glass.h"
#include "accounts/account.h"
#include "api/keyturn/face.h"
#include "base/log.h"

#define PASSWORD_AT_MOST (10 * MINUTES)

struct glass_body {
    int64_t version;
    struct str reason;
};
static const struct field glass_fields[] = {
    INT("version", struct glass_body, version, .required = true, .min = 1, .max = INT64_MAX,
        .doc = "Of those that GET state lists", .example = "13"),
    TEXT("reason", struct glass_body, reason, .required = true, .min = 10, .max = 400,
         .doc = "At least 10 characters; it goes to the record", .example = "outage of the host"),
    FIELD_END,
};
static const struct body glass_body =
    BODY(struct glass_body, glass_fields, .example = "{\"version\":13,\"reason\":\"outage of the host\"}");

struct glass_view {
    int64_t version;
    struct secret *password, *private_key, *passphrase;
};
static const struct field view_fields[] = {
    INT("version", struct glass_view, version),
    SECRET("password", struct glass_view, password, .null_when_empty = true),
    SECRET("privateKey", struct glass_view, private_key, .null_when_empty = true),
    SECRET("passphrase", struct glass_view, passphrase, .null_when_empty = true),
    FIELD_END,
};

static void tell(void *line)
{
    log_error("%s", (const char *)line);
}

/* Whoever watches the log is told, as soon as it stands. */
static void notify(struct call *c, const struct managed_account *m, const struct glass_body *in)
{
    struct str line =
        arena_printf(c->whole, "break-glass: user %.*s (%" PRId64 ") has read version %" PRId64 " of %.*s/%.*s: %.*s%c",
                     STR_ARG(c->who.name), c->who.user_id, in->version, STR_ARG(m->system_name), STR_ARG(m->name),
                     STR_ARG(in->reason), 0);
    call_after_commit(c, tell, (char *)line.p);
}

static result break_glass(struct call *c, struct err *e)
{
    struct managed_account m;
    struct login_secret opened;
    int64_t id;
    const void *body;
    TRY(call_id(c, 0, "Managed Account", &id, e));
    TRY(account_get(c->db, c->arena, id, c->now, &m, e));
    call_object(c, "account", id, arena_printf(c->arena, "%.*s/%.*s", STR_ARG(m.system_name), STR_ARG(m.name)));
    call_account(c, id);
    if (c->who.password_at + PASSWORD_AT_MOST < c->now)
        return FAIL_AS(e, DENIED, "password.required",
                       "Sign in with your password again: it was checked %d minutes ago",
                       (int)((c->now - c->who.password_at) / MINUTES));
    TRY(call_body(c, &body, e));
    const struct glass_body *in = body;
    TRY(glass_break(c->db, c->arena, c->service->keys, id, in->version, c->now, &opened, e));
    call_detail(c, arena_printf(c->arena, "version %" PRId64 ": %.*s", in->version, STR_ARG(in->reason)));
    notify(c, &m, in);
    struct glass_view v = {in->version, opened.password, opened.private_key, opened.passphrase};
    reply_revealing(c, view_fields, &v);
    return SUCCESS;
}

const struct endpoint glass_endpoints[] = {
    {HTTP_POST, "/managed-accounts/{id}/break-glass", MAY(BREAK_GLASS), REVEALS, "account.break-glass",
     "Any version of the account's credential; signed in with a password at most 10 minutes ago", &glass_body,
     break_glass, .reply = view_fields, .opens_secrets = true, .object = "account"},
    {0},
};
