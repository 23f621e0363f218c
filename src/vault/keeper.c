/* vault/keeper.c: the one keeper, and asking it about many values. */
#include "vault/keeper.h"

#include "base/log.h"
#include "vault/kept.h"

static const struct keeper *the_keeper;

void vault_set_keeper(const struct keeper *k)
{
    the_keeper = k;
}

const struct keeper *vault_keeper(void)
{
    if (!the_keeper)
        die("a value is kept by somebody else, and nobody is there to ask");
    return the_keeper;
}

RESULT refuse_kept(struct db *db, struct arena *a, int64_t kept_by, struct err *e)
{
    if (kept_by == 0)
        return SUCCESS;
    struct str why;
    TRY(vault_keeper()->why_kept(db, a, kept_by, &why, e));
    return FAIL(e, CONFLICT, "%.*s", STR_ARG(why));
}

RESULT may_move_all(struct db *db, struct arena *a, const struct caller *who, struct list numbers, struct err *e)
{
    const int64_t *kept_by = numbers.at;
    for (size_t i = 0; i < numbers.n; i++)
        TRY(vault_keeper()->may_move(db, a, who, kept_by[i], e));
    return SUCCESS;
}

RESULT audience_grew_all(struct db *db, struct arena *a, struct list numbers, struct str how, struct err *e)
{
    const int64_t *kept_by = numbers.at;
    for (size_t i = 0; i < numbers.n; i++)
        TRY(vault_keeper()->audience_grew(db, a, kept_by[i], how, e));
    return SUCCESS;
}

RESULT end_all(struct db *db, struct arena *a, struct list numbers, int64_t now, struct err *e)
{
    const int64_t *kept_by = numbers.at;
    for (size_t i = 0; i < numbers.n; i++)
        TRY(vault_keeper()->end(db, a, kept_by[i], now, e));
    return SUCCESS;
}

RESULT attribute_gone(struct db *db, struct arena *a, int64_t attribute_id, int64_t now, struct err *e)
{
    if (!the_keeper || !the_keeper->attribute_gone)
        return SUCCESS;
    return the_keeper->attribute_gone(db, a, attribute_id, now, e);
}
