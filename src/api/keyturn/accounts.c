/* api/keyturn/accounts.c: what is known about an account's password, never the password (keyturn-api 5). */
#include "accounts/account.h"
#include "api/keyturn/face.h"
#include "rotation/change.h"
#include "rotation/link.h"
#include "rotation/release.h"

struct version_view {
    struct version version;
    struct list parts;
};
static const struct field version_fields[] = {
    INT("version", struct version_view, version.number),
    TEXTS("parts", struct version_view, parts),
    TEXT("standing", struct version_view, version.standing),
    FLAG("lastProved", struct version_view, version.is_last_proved),
    TIME("madeAt", struct version_view, version.made_at, .format = TIME_Z_MILLI),
    ID("madeBy", struct version_view, version.made_by),
    TEXT("provedBy", struct version_view, version.proved_by, .null_when_empty = true),
    TIME("provedAt", struct version_view, version.proved_at, .format = TIME_Z_MILLI),
    FIELD_END,
};
static const struct field budget_fields[] = {
    INT("left", struct login_budget, left),
    TIME("until", struct login_budget, until, .format = TIME_Z_MILLI),
    FIELD_END,
};

struct synced_view { /* of an account that takes another one's password */
    int64_t parent_id, lag_seconds;
    bool is_behind;
};
static const struct field synced_fields[] = {
    ID("parentId", struct synced_view, parent_id),
    FLAG("behind", struct synced_view, is_behind),
    INT("lagSeconds", struct synced_view, lag_seconds),
    FIELD_END,
};

struct state_view {
    struct managed_account account;
    struct str state;
    int64_t job_id, links;
    struct login_budget *budget;
    struct synced_view *synced;
    struct list versions;
};
static const struct field state_fields[] = {
    ID("accountId", struct state_view, account.id),
    TEXT("state", struct state_view, state),
    TEXT("proof", struct state_view, account.proof, .null_when_empty = true),
    TIME("lastVerified", struct state_view, account.last_verified_at, .format = TIME_Z_MILLI),
    TIME("lastChanged", struct state_view, account.last_change_at, .format = TIME_Z_MILLI),
    TIME("lastRead", struct state_view, account.last_read_at, .format = TIME_Z_MILLI),
    ID("jobId", struct state_view, job_id, .null_when_empty = true),
    OBJECT("loginBudget", struct state_view, budget, struct login_budget, budget_fields),
    INT("links", struct state_view, links),
    OBJECT("synced", struct state_view, synced, struct synced_view, synced_fields),
    LIST("versions", struct state_view, versions, struct version_view, version_fields),
    FIELD_END,
};

static struct version_view version_view_of(struct call *c, const struct version *v)
{
    struct str *parts = arena_array(c->arena, struct str, 3);
    size_t n = 0;
    if (v->has_password)
        parts[n++] = S("password");
    if (v->has_private_key)
        parts[n++] = S("privatekey");
    if (v->has_passphrase)
        parts[n++] = S("passphrase");
    return (struct version_view){.version = *v, .parts = {.at = parts, .n = n}};
}

/* A change under way says more than the state that the account is left in. */
static result find_state(struct call *c, struct state_view *v, struct err *e)
{
    struct job open;
    struct str told;
    int64_t wait_for;
    TRY(job_open_change(c->db, c->arena, v->account.id, &open, e));
    TRY(release_state(c->db, c->arena, v->account.id, &told, &wait_for, e));
    bool is_under_way = str_equal(told, S("changing")) || str_equal(told, S("unknown"));
    v->state = is_under_way ? told : v->account.state;
    v->job_id = open.id;
    return SUCCESS;
}

/* How long it has not followed: since its parent's first change that it lacks. */
static struct synced_view *synced_view_of(struct call *c, const struct managed_account *m)
{
    if (!m->parent_account_id)
        return NULL;
    struct synced_view *v = arena_new_of(c->arena, struct synced_view);
    bool is_behind = m->sync_since > 0;
    *v = (struct synced_view){.parent_id = m->parent_account_id,
                              .is_behind = is_behind,
                              .lag_seconds = is_behind ? (c->now - m->sync_since) / SECONDS : 0};
    return v;
}

static result show(struct call *c, const struct managed_account *account, struct err *e)
{
    struct state_view v = {.account = *account, .budget = arena_new_of(c->arena, struct login_budget)};
    struct version *versions;
    size_t n;
    int64_t budget_row;
    TRY(find_state(c, &v, e));
    v.synced = synced_view_of(c, account);
    TRY(budget_row_of(c->db, c->arena, account, &budget_row, e));
    TRY(budget_get(c->db, c->arena, budget_row, c->now, v.budget, e));
    TRY(link_count(c->db, c->arena, account->id, &v.links, e));
    TRY(version_list(c->db, c->arena, account->id, &versions, &n, e));
    struct version_view *views = arena_array(c->arena, struct version_view, n);
    for (size_t i = 0; i < n; i++)
        views[i] = version_view_of(c, &versions[i]);
    v.versions = (struct list){.at = views, .n = n};
    reply_object(c, state_fields, &v);
    return SUCCESS;
}

static result find(struct call *c, struct managed_account *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Managed Account", &id, e));
    TRY(account_get(c->db, c->arena, id, c->now, ret, e));
    call_object(c, "account", id, ret->name);
    call_account(c, id);
    return SUCCESS;
}

static result state_show(struct call *c, struct err *e)
{
    static const enum rule_role isa[] = {ROLE_ISA, ROLE_NONE};
    struct managed_account account;
    bool is_isa = false;
    TRY(find(c, &account, e));
    if (!rights_have(&c->who.rights, ACCOUNT_MANAGEMENT, LEVEL_READ)) {
        TRY(rule_role_on_account(c->db, c->arena, &c->who, isa, account.id, &is_isa, e));
        if (!is_isa)
            return FAIL(e, DENIED, "You need the ISA role on a Smart Rule that holds the account");
    }
    return show(c, &account, e);
}

static result restore(struct call *c, struct err *e)
{
    struct managed_account account;
    TRY(find(c, &account, e));
    TRY(change_restore(c->db, c->arena, c->service->keys, account.id, c->who.user_id, c->now, e));
    TRY(find(c, &account, e));
    return show(c, &account, e);
}

const struct endpoint account_endpoints[] = {
    {HTTP_GET, "/managed-accounts/{id}/state", MAY_OR_ROLE(ACCOUNT_MANAGEMENT, LEVEL_READ, ROLE_ISA), READS, UNRECORDED,
     "What is known about the account's password", NO_BODY, state_show, .reply = state_fields, .object = "account"},
    {HTTP_POST, "/managed-accounts/{id}/restore", MAY(ACCOUNT_MANAGEMENT), WRITES, "account.restore",
     "The last proved version is current again, in the store only", NO_BODY, restore, .reply = state_fields,
     .opens_secrets = true, .object = "account"},
    {0},
};
