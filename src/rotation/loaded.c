/* rotation/loaded.c: an attempt goes by what it has loaded. Somebody may have moved the system meanwhile, or renamed
 * the account: what was done over there is then nothing to record here. */
#include "rotation/attempt.h"
#include "rotation/principal.h"

static bool is_same_opt(struct opt_int a, struct opt_int b)
{
    return a.is_set == b.is_set && (!a.is_set || a.value == b.value);
}

static bool is_same_place(const struct managed_system *a, const struct managed_system *b)
{
    return a->platform_id == b->platform_id && str_equal(a->host_name, b->host_name) &&
           str_equal(a->ip_address, b->ip_address) && str_equal(a->dns_name, b->dns_name) &&
           is_same_opt(a->port, b->port) && str_equal(a->instance_name, b->instance_name) &&
           a->is_default_instance == b->is_default_instance &&
           is_same_opt(a->functional_account_id, b->functional_account_id);
}

result loaded_still_holds(struct db *db, const struct attempt *t, struct err *e)
{
    struct managed_account account;
    struct managed_system system;
    TRY(account_get(db, t->arena, t->account.id, clock_now(), &account, e));
    TRY(system_get(db, t->arena, account.system_id, &system, e));
    bool is_same_account = account.system_id == t->account.system_id && !principal_changed(&t->account, &account);
    if (is_same_account && is_same_place(&system, &t->system))
        return SUCCESS;
    return FAIL(e, BUSY, "the system or the account was changed since it was loaded");
}
