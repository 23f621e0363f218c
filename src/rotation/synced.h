/* rotation/synced.h: synced accounts: a subscriber takes its parent's password (passwordsafe-api 6.11).
 *
 * The parent's change stands by itself. In the transaction that proves it each subscriber gets a job of its own, with
 * that password as its candidate; it is tried until it is done, and undoes nothing. A subscriber is not changed in any
 * other way. */
#pragma once

#include "rotation/change.h"

enum { SYNCED_MAX = 100 }; /* subscribers of one account: they get their jobs in one transaction */

/* From its parent's next change on; nothing turns now. INVALID: a chain, itself, no way to change it on its system;
 * CONFLICT: it is one already, or a change of it is under way (one that only waits is dropped). */
RESULT synced_add(struct db *db, struct arena *a, int64_t parent_id, int64_t subscriber_id, int64_t now, struct err *e);
/* It goes its own way again, with the password that it has. NOT_FOUND "… is not a synced account of …" */
RESULT synced_remove(struct db *db, struct arena *a, int64_t parent_id, int64_t subscriber_id, int64_t now,
                     struct err *e);
RESULT synced_remove_all(struct db *db, struct arena *a, int64_t parent_id, int64_t now, struct err *e);

/* A change of this account was proved, in this transaction: its subscribers are to follow; or it has followed itself.
 */
RESULT synced_proved(struct db *db, struct arena *a, const struct keyring *keys, const struct job *job, int64_t now,
                     struct err *e);
/* A test has proved the parent's version, which was only stored before: its subscribers are to follow. */
RESULT synced_tested(struct db *db, struct arena *a, const struct keyring *keys, int64_t parent_id, int64_t version,
                     int64_t now, struct err *e);
/* A subscriber that was in the middle of something when its parent turned. On the clockwork. */
RESULT synced_catch_up(struct db *db, struct arena *a, const struct keyring *keys, int64_t now, bool *ret_made,
                       struct err *e);
/* The parent's last proved password once more: the subscriber's system has another one. Nothing while a change is
 * unfinished, nor when none was ever proved: what is only stored is not spread. */
RESULT synced_again(struct db *db, struct arena *a, const struct keyring *keys,
                    const struct managed_account *subscriber, const char *trigger, int64_t now, bool *ret_made,
                    struct err *e);

/* Has the subscriber its parent's last proved password? */
RESULT synced_is_equal(struct db *db, struct arena *a, const struct keyring *keys,
                       const struct managed_account *subscriber, bool *ret, struct err *e);

/* INVALID when the account is a subscriber: what a caller is told who wants to change it. */
RESULT synced_refuse(const struct managed_account *account, struct err *e);
