/* api/passwordsafe/accounts.c: reading and deleting managed accounts (passwordsafe-api 6.10.2). */
#include "api/passwordsafe/face.h"
#include "rotation/change.h"

struct account_query {
    struct str name;
};
static const struct field query_fields[] = {
    TEXT("name", struct account_query, name, .max = 245, .doc = "The one of this name"),
    FIELD_END,
};

static result system_of_param(struct call *c, struct managed_system *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Managed System", &id, e));
    TRY(system_get(c->db, c->arena, id, ret, e));
    call_object(c, "system", id, ret->name);
    return SUCCESS;
}

static result account_show(struct call *c, struct err *e)
{
    struct managed_account m;
    TRY(account_of_param(c, 0, &m, e));
    reply_account(c, &m);
    return SUCCESS;
}

static result all_of_system(struct call *c, int64_t system_id, struct managed_account **ret, size_t *ret_n,
                            struct err *e)
{
    struct account_filter f = {.system_id = system_id, .limit = -1};
    int64_t total;
    return account_list(c->db, c->arena, &f, c->now, ret, ret_n, &total, e);
}

static result accounts_of_system(struct call *c, struct err *e)
{
    const void *query;
    struct managed_system s;
    struct managed_account one, *found;
    size_t n;
    TRY(system_of_param(c, &s, e));
    TRY(call_query(c, &query, e));
    struct str name = ((const struct account_query *)query)->name;
    if (name.n) {
        TRY(account_by_name(c->db, c->arena, s.id, name, c->now, &one, e));
        reply_account(c, &one);
        return SUCCESS;
    }
    TRY(all_of_system(c, s.id, &found, &n, e));
    reply_accounts(c, &(struct page){0}, found, n, (int64_t)n);
    return SUCCESS;
}

static result remove_one(struct call *c, int64_t id, struct err *e)
{
    TRY(change_may_delete_account(c->db, c->arena, id, c->now, e));
    return account_delete(c->db, id, c->now, e);
}

static result account_remove(struct call *c, struct err *e)
{
    struct managed_account m;
    TRY(account_of_param(c, 0, &m, e));
    TRY(remove_one(c, m.id, e));
    reply_none(c, 200);
    return SUCCESS;
}

static result account_remove_by_name(struct call *c, struct err *e)
{
    struct managed_system s;
    struct managed_account m;
    TRY(system_of_param(c, &s, e));
    TRY(account_by_name(c->db, c->arena, s.id, c->params[1], c->now, &m, e));
    record_account(c, &m);
    TRY(remove_one(c, m.id, e));
    reply_none(c, 200);
    return SUCCESS;
}

static result accounts_remove(struct call *c, struct err *e)
{
    struct managed_system s;
    struct managed_account *found;
    size_t n;
    TRY(system_of_param(c, &s, e));
    TRY(all_of_system(c, s.id, &found, &n, e));
    for (size_t i = 0; i < n; i++)
        TRY(remove_one(c, found[i].id, e));
    call_detail(c, arena_printf(c->arena, "%zu accounts", n));
    reply_none(c, 200);
    return SUCCESS;
}

const struct endpoint ps_account_endpoints[] = {
    {HTTP_GET, "/ManagedAccounts/{id}", MAY_READ(ACCOUNT_MANAGEMENT), READS, UNRECORDED, "Show a managed account",
     NO_BODY, account_show, .reply = ps_account_fields, .object = "account"},
    {HTTP_GET, "/ManagedSystems/{id}/ManagedAccounts", MAY_READ(ACCOUNT_MANAGEMENT), SEARCHES, UNRECORDED,
     "List a system's accounts, or show one by name", NO_BODY, accounts_of_system, .query = query_fields,
     .query_size = sizeof(struct account_query), .object = "system", .reply = ps_account_fields, .reply_is_any = true},
    {HTTP_DELETE, "/ManagedAccounts/{id}", MAY(ACCOUNT_MANAGEMENT), WRITES, "account.delete",
     "Delete a managed account", NO_BODY, account_remove, .object = "account"},
    {HTTP_DELETE, "/ManagedSystems/{id}/ManagedAccounts/{accountName}", MAY(ACCOUNT_MANAGEMENT), WRITES,
     "account.delete", "Delete the account of this name", NO_BODY, account_remove_by_name, .object = "system"},
    {HTTP_DELETE, "/ManagedSystems/{id}/ManagedAccounts", MAY(ACCOUNT_MANAGEMENT), WRITES, "account.delete",
     "Delete all accounts of a system", NO_BODY, accounts_remove, .object = "system"},
    {0},
};
