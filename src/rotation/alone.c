/* rotation/alone.c: a part of a transaction that may fail by itself. */
#include "rotation/alone.h"

#include "audit/audit.h"
#include "base/log.h"

/* The savepoint has to go even where the whole work fails: that has one too, of the same name. */
static result undo(struct db *db, size_t noted, struct err *e)
{
    if (!db_is_in_transaction(db))
        return SUCCESS;
    TRY(db_rollback_to(db, e));
    audit_forget_since(db, noted);
    return SUCCESS;
}

static bool is_of_the_store(const struct db *db, enum code code)
{
    return code == STORE_FULL || code == BUSY || !db_is_in_transaction(db) || db_is_lost(db);
}

result alone_run(struct db *db, struct arena *a, const struct alone *with, const char **ret_why, struct err *e)
{
    struct err why = {0};
    size_t noted = audit_noted(db);
    *ret_why = NULL;
    TRY(db_savepoint(db, e));
    result r = with->run(db, with->argument, &why);
    if (is_ok(r))
        return db_release(db, e);
    TRY(undo(db, noted, e));
    if (is_of_the_store(db, r.code)) {
        *e = why;
        return r;
    }
    *ret_why = arena_cstr(a, str_of(why.text));
    log_error("%s: account %" PRId64 " is left out: %s", with->what, with->account_id, *ret_why);
    audit_note(db, "account.change.skipped", false, (struct audit_object){"account", with->account_id, STR_ABSENT},
               with->account_id, str_of(*ret_why));
    return SUCCESS;
}
