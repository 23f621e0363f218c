/* api/passwordsafe/synced.c: synced accounts (passwordsafe-api 6.11). */
#include "rotation/synced.h"
#include "api/passwordsafe/face.h"

static result subscriber_of_param(struct call *c, struct managed_account *parent, int64_t *ret_id, struct err *e)
{
    struct managed_account subscriber;
    TRY(account_of_param(c, 0, parent, e));
    TRY(call_id(c, 1, "Managed Account", ret_id, e));
    return account_get(c->db, c->arena, *ret_id, c->now, &subscriber, e);
}

static result list(struct call *c, struct err *e)
{
    struct managed_account parent, *found;
    size_t n;
    int64_t total;
    TRY(account_of_param(c, 0, &parent, e));
    struct account_filter f = {.parent_id = parent.id, .limit = -1};
    TRY(account_list(c->db, c->arena, &f, c->now, &found, &n, &total, e));
    reply_accounts(c, &(struct page){0}, found, n, total);
    return SUCCESS;
}

static result add(struct call *c, struct err *e)
{
    struct managed_account parent, subscriber;
    int64_t id;
    TRY(subscriber_of_param(c, &parent, &id, e));
    TRY(synced_add(c->db, c->arena, parent.id, id, c->now, e));
    TRY(account_get(c->db, c->arena, id, c->now, &subscriber, e));
    reply_account(c, &subscriber);
    return SUCCESS;
}

static result remove_one(struct call *c, struct err *e)
{
    struct managed_account parent;
    int64_t id;
    TRY(subscriber_of_param(c, &parent, &id, e));
    TRY(synced_remove(c->db, c->arena, parent.id, id, c->now, e));
    reply_none(c, 200);
    return SUCCESS;
}

static result remove_all(struct call *c, struct err *e)
{
    struct managed_account parent;
    TRY(account_of_param(c, 0, &parent, e));
    TRY(synced_remove_all(c->db, c->arena, parent.id, c->now, e));
    reply_none(c, 200);
    return SUCCESS;
}

const struct endpoint ps_synced_endpoints[] = {
    {HTTP_GET, "/ManagedAccounts/{id}/SyncedAccounts", MAY_READ(ACCOUNT_MANAGEMENT), SEARCHES, UNRECORDED,
     "List the accounts that take this one's password", NO_BODY, list, .object = "account", .reply = ps_account_fields,
     .reply_is_any = true},
    {HTTP_POST, "/ManagedAccounts/{id}/SyncedAccounts/{syncedID}", MAY(ACCOUNT_MANAGEMENT), WRITES, "account.sync",
     "From its next change on this account's password is another one's, too", NO_BODY, add, .status = 201,
     .object = "account", .reply = ps_account_fields},
    {HTTP_DELETE, "/ManagedAccounts/{id}/SyncedAccounts/{syncedID}", MAY(ACCOUNT_MANAGEMENT), WRITES, "account.unsync",
     "One account goes its own way again", NO_BODY, remove_one, .object = "account"},
    {HTTP_DELETE, "/ManagedAccounts/{id}/SyncedAccounts", MAY(ACCOUNT_MANAGEMENT), WRITES, "account.unsync",
     "All of them do", NO_BODY, remove_all, .object = "account"},
    {0},
};
