/* rotation/change.h: what a caller may ask of an account (passwordsafe-api 5.1 to 5.5), on the writer, in his
 * transaction. Rights are the handler's matter; states, candidates and jobs are here. */
#pragma once

#include "crypto/keyring.h"
#include "rotation/job.h"
#include "rotation/version.h"

struct change_wish {
    int64_t account_id;
    struct secret *password; /* NULL: none given */
    struct secret *private_key, *passphrase;
    struct str public_key;     /* given, or derived by the prepare step */
    struct str derived_public; /* what the private key's public half is (prepare step) */
    bool key_is_encrypted;
    bool update_system, is_queued;
    const char *trigger; /* "caller" … */
    int64_t by;          /* user id */
};
/* *ret_job 0: done (store only). Else the job to wait for, or that was queued. *ret_attached: the same wish is under
 * way already. Errors: INVALID, CONFLICT "… unfinished job: 88", NOT_FOUND. */
RESULT change_ask(struct db *db, struct arena *a, const struct keyring *keys, const struct change_wish *wish,
                  int64_t now, int64_t *ret_job, struct err *e);
/* Is there a way to change this account on its system at all? INVALID "Credential not changed: …" */
RESULT change_is_possible(struct db *db, struct arena *a, const struct managed_account *account, struct err *e);
/* What the server starts by itself: queued, as user 0, for the account's parent where it takes that one's password. One
 * change: nothing while another is unfinished. What is wrong with this account alone is noted, and no error. */
RESULT change_start(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, const char *trigger,
                    int64_t now, bool *ret_made, struct err *e);
/* The candidate of a wish: what was given; a password by rule where none was (5.1 #10). */
RESULT change_make_candidate(struct db *db, struct arena *a, const struct keyring *keys, const struct change_wish *wish,
                             int64_t now, int64_t *ret_number, struct err *e);
/* A job of kind `test` (waits for a change under way). Errors: INVALID "Test not run: failed-login budget spent until
 * HH:MM". */
RESULT change_ask_test(struct db *db, struct arena *a, int64_t account_id, int64_t by, int64_t now, int64_t *ret_job,
                       struct err *e);
/* How a test ended, or that it did not run (INVALID: budget; CONFLICT: a change is under way). */
RESULT change_test_answer(struct db *db, struct arena *a, const struct awaited_job *which, int64_t now,
                          bool *ret_success, struct err *e);
/* Finds out what can prove the account (job of kind `check`), in the background. */
RESULT change_ask_check(struct db *db, struct arena *a, int64_t account_id, int64_t by, int64_t now, struct err *e);
/* 5.5: a job of kind `system` and its children (whole.h). */
RESULT change_ask_system(struct db *db, struct arena *a, const struct keyring *keys, int64_t system_id, int64_t by,
                         int64_t now, int64_t *ret_job, struct err *e);
/* What the caller of an immediate change is told now that the job has ended or the wait is over (5.1 outcomes).
 * `may_know`: he has Account or System Management. When the wait is over and nothing was sent, the job is dropped here:
 * 400, never applied later. */
RESULT change_answer(struct db *db, struct arena *a, const struct awaited_job *which, bool may_know, int64_t now,
                     struct err *e);
/* How long to wait for a job of this system: its time-out + 10 s, at most 300 s. µs. */
RESULT change_wait(struct db *db, struct arena *a, int64_t account_id, int64_t *ret_us, struct err *e);
/* And for a test of one (5.3): its time-out, no more. */
RESULT change_test_wait(struct db *db, struct arena *a, int64_t account_id, int64_t *ret_us, struct err *e);

/* Deleting: CONFLICT while a job is unfinished or a link exists (its ends named as far as `names_ends`); what only
 * waits is dropped. */
RESULT change_may_delete_account(struct db *db, struct arena *a, int64_t account_id, int64_t now, struct err *e);
/* Its address, port or functional account: CONFLICT while a change of one of its accounts is under way there. */
RESULT change_may_move_system(struct db *db, struct arena *a, int64_t system_id, struct err *e);
/* A system is about to use this functional account: CONFLICT while that one's own password is being changed. */
RESULT change_may_use_functional(struct db *db, struct arena *a, struct opt_int functional_id, struct err *e);
/* The first credential of a new account (stored, unverified). */
RESULT change_store_first(struct db *db, struct arena *a, const struct keyring *keys, const struct change_wish *wish,
                          int64_t now, struct err *e);
/* The last proved version is current again, store only (keyturn-api 5 `restore`). CONFLICT. */
RESULT change_restore(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t by,
                      int64_t now, struct err *e);

/* keyturn-api 5 */
struct login_budget {
    int64_t left, until; /* until: when the window ends; 0: nothing spent */
};
/* Below, account_id may be -system_id: the functional account on this system has a budget too. */
/* Whose row an account's failed logins count on: its own, or its functional account's where it is that one. */
RESULT budget_row_of(struct db *db, struct arena *a, const struct managed_account *account, int64_t *ret,
                     struct err *e);
RESULT budget_get(struct db *db, struct arena *a, int64_t account_id, int64_t now, struct login_budget *ret,
                  struct err *e);
RESULT budget_spend(struct db *db, struct arena *a, int64_t account_id, int64_t now,
                    struct err *e);                                     /* a login of ours is about to be tried */
RESULT budget_refund(struct db *db, int64_t account_id, struct err *e); /* it worked: it was no failure */
