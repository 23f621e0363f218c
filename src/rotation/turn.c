/* rotation/turn.c: the only code that makes a version current. */
#include "rotation/turn.h"

#include "accounts/schedule.h"
#include "audit/audit.h"
#include "rotation/link.h"
#include "rotation/own.h"
#include "rotation/propagation.h"

static const char *proof_word(enum turn_proof proof)
{
    return proof == TURN_BY_LOGIN ? "login" : proof == TURN_BY_COMPARE ? "compare" : "";
}

result turn_renamed(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t now,
                    struct err *e)
{
    struct managed_account account;
    TRY(db_run(
        db,
        SQL("UPDATE managed_accounts SET state = 'unverified' WHERE id = $1 AND state = 'proved'", P_INT(account_id)),
        e));
    TRY(account_get(db, a, account_id, now, &account, e));
    if (!account.current_version)
        return SUCCESS;
    TRY(link_check_all(db, a, keys, account_id, account.current_version, e));
    return link_turn_all(db, a, keys, account_id, account.current_version, false, now, e);
}

result turn_moved(struct db *db, int64_t system_id, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE managed_accounts SET state = CASE WHEN state = 'proved' THEN 'unverified' ELSE state END,"
                      " proof = '' WHERE system_id = $1",
                      P_INT(system_id)),
                  e);
}

result turn_check_links(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t number,
                        struct err *e)
{
    return link_check_all(db, a, keys, account_id, number, e);
}

/* A version loses "last proved" only here, when another one was proved. */
static result mark_version_proved(struct db *db, int64_t account_id, int64_t number, enum turn_proof proof, int64_t now,
                                  struct err *e)
{
    TRY(db_run(db,
               SQL("UPDATE versions SET is_last_proved = 0 WHERE account_id = $1 AND number <> $2", P_INT(account_id),
                   P_INT(number)),
               e));
    return db_run(db,
                  SQL("UPDATE versions SET is_last_proved = 1, proved_by = $3, proved_at = $4 "
                      "WHERE account_id = $1 AND number = $2",
                      P_INT(account_id), P_INT(number), P_TEXT(str_of(proof_word(proof))), P_INT(now)),
                  e);
}

static result move_standings(struct db *db, int64_t account_id, int64_t number, int64_t before, struct err *e)
{
    TRY(db_run(db,
               SQL("UPDATE versions SET standing = 'retired' WHERE account_id = $1 AND standing IN ('previous', "
                   "'pending') AND "
                   "number <> $2",
                   P_INT(account_id), P_INT(number)),
               e));
    if (before != number)
        TRY(db_run(db,
                   SQL("UPDATE versions SET standing = 'previous' WHERE account_id = $1 AND number = $2",
                       P_INT(account_id), P_INT(before)),
                   e));
    return db_run(db,
                  SQL("UPDATE versions SET standing = 'current' WHERE account_id = $1 AND number = $2",
                      P_INT(account_id), P_INT(number)),
                  e);
}

static result move_account(struct db *db, const struct managed_account *account, int64_t number, enum turn_proof proof,
                           int64_t now, struct err *e)
{
    bool has_dates = account->auto_management && !account->parent_account_id;
    int64_t next = has_dates ? schedule_next(account->change_frequency_type, account->change_frequency_days,
                                             account->change_time, now)
                             : 0;
    bool is_proved = proof != TURN_STORED_ONLY;
    return db_run(
        db,
        SQL("UPDATE managed_accounts SET current_version = $2, state = $3, last_change_at = $4, next_change_at = $5, "
            "last_verified_at = CASE WHEN $6 = 1 THEN $4 ELSE last_verified_at END WHERE id = $1",
            P_INT(account->id), P_INT(number), P_TEXT(is_proved ? S("proved") : S("unverified")), P_INT(now),
            P_INT(next), P_INT(is_proved)),
        e);
}

result turn_account(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t number,
                    enum turn_proof proof, int64_t by, int64_t now, struct err *e)
{
    struct managed_account account;
    TRY(account_get(db, a, account_id, now, &account, e));
    TRY(link_check_all(db, a, keys, account_id, 0, e));
    TRY(own_turn(db, a, keys, &account, number, proof, now, e));
    TRY(move_standings(db, account_id, number, account.current_version, e));
    TRY(move_account(db, &account, number, proof, now, e));
    if (proof != TURN_STORED_ONLY)
        TRY(mark_version_proved(db, account_id, number, proof, now, e));
    TRY(link_turn_all(db, a, keys, account_id, number, proof != TURN_STORED_ONLY, now, e));
    /* What no system has been seen to have is no reason to restart anything. */
    if (proof != TURN_STORED_ONLY)
        TRY(propagation_turn(db, a, account_id, now, e));
    struct audit_object object = {"account", account_id,
                                  arena_printf(a, "%.*s/%.*s", STR_ARG(account.system_name), STR_ARG(account.name))};
    audit_note(db, proof == TURN_STORED_ONLY ? "account.stored" : "account.changed", true, object, account_id,
               arena_printf(a, "version %" PRId64 ", %s, by user %" PRId64, number,
                            proof == TURN_STORED_ONLY ? "stored only" : proof_word(proof), by));
    return SUCCESS;
}

result turn_mark_proved(struct db *db, struct arena *a, int64_t account_id, int64_t number, enum turn_proof proof,
                        int64_t now, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("UPDATE managed_accounts SET state = 'proved', last_verified_at = $2 WHERE id = $1 AND "
                     "current_version = $3 RETURNING id",
                     P_INT(account_id), P_INT(now), P_INT(number)),
                 &r, e));
    return r.n ? mark_version_proved(db, account_id, number, proof, now, e) : SUCCESS;
}

/* Drift says more than a mismatch does, and stays. */
result turn_mark_lost(struct db *db, int64_t account_id, int64_t number, bool is_drift, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE managed_accounts SET state = $2 WHERE id = $1 AND current_version = $3 AND "
                      "($2 = 'drift' OR state <> 'drift')",
                      P_INT(account_id), P_TEXT(is_drift ? S("drift") : S("mismatch")), P_INT(number)),
                  e);
}

result turn_mark_unverified(struct db *db, int64_t account_id, struct err *e)
{
    return db_run(db, SQL("UPDATE managed_accounts SET state = 'unverified' WHERE id = $1", P_INT(account_id)), e);
}
