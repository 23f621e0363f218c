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

static const char changed[] = "the system or the account was changed since it was loaded";

result loaded_system_holds(struct db *db, const struct attempt *t, struct err *e)
{
    struct managed_system system;
    TRY(system_get(db, t->arena, t->system.id, &system, e));
    return is_same_place(&system, &t->system) ? SUCCESS : FAIL(e, BUSY, "%s", changed);
}

result loaded_still_holds(struct db *db, const struct attempt *t, struct err *e)
{
    struct managed_account account;
    TRY(account_get(db, t->arena, t->account.id, clock_now(), &account, e));
    if (account.system_id != t->system.id || principal_changed(&t->account, &account))
        return FAIL(e, BUSY, "%s", changed);
    return loaded_system_holds(db, t, e);
}
