/* rotation/own.h: a managed account that is its system's own functional account. Its password and the one with which
 * the vault signs in are the same, and turn together (docs/decisions/0010). Inside rotation/ only. */
#pragma once

#include "rotation/turn.h"

struct attempt;

struct own {
    int64_t functional_id; /* 0: it is not, or the vault signs in there with a key alone */
    bool is_unsure;        /* its name is that one's, but another host or domain stands in it */
    int64_t others;        /* systems that use the same functional account, and are not of the same directory */
};
RESULT own_find(struct db *db, struct arena *a, const struct managed_account *account, struct own *ret, struct err *e);
/* INVALID: a change would lock the vault out of the others; or it cannot be told whether it is that account. */
RESULT own_check_alone(const struct own *o, struct err *e);
/* The target knows it by whatever name. REFUSED "functional_shared": its last check says otherwise than own_find. */
RESULT own_check_told(const struct attempt *t, struct err *e);
/* Whose row among the budgets the failed sign-ins of a system's functional account count on: negative; the systems of
 * one directory have one, and those of a functional account that is a domain's. */
RESULT own_budget_row(struct db *db, struct arena *a, const struct managed_system *s, int64_t *ret, struct err *e);
/* Version `number` of the account is about to become current: so does the functional account's password. Nothing when
 * it is no system's own, or of several; nor by the first credential of an account that was just taken on. */
RESULT own_turn(struct db *db, struct arena *a, const struct keyring *keys, const struct managed_account *account,
                int64_t number, enum turn_proof proof, int64_t now, struct err *e);

/* ---- who waits for whom: decided on the writer. BUSY, e->word OWN_WAITS: nothing was sent, the job is tried again
 * ----
 */
#define OWN_WAITS "functional_busy"

/* Secrets are about to leave to the connector of this attempt: not while the password of its functional account is
 * being changed. CONFLICT: the job is another worker's by now. */
RESULT own_let_hand_over(struct db *db, struct attempt *t, struct err *e);
/* It is about to sign in as the functional account: not while those who are at it already could spend all that is left
 * of its failed logins (BUSY "budget" when nothing is). */
RESULT own_let_sign_in(struct db *db, struct attempt *t, struct err *e);
/* APPLYING is about to be entered: an own change waits for the jobs that may still sign in with the old password. */
RESULT own_let_apply(struct db *db, struct attempt *t, struct err *e);
/* After the store was wound back: which of the open audits are of such accounts; the others wait for them. */
RESULT own_mark_audits(struct db *db, struct arena *a, struct err *e);
/* What a job came to; where it was told to wait (OWN_WAITS), its lease is given back, and it is tried again in 2 s. */
RESULT own_waited(struct attempt *t, result came_to, struct err *e);

/* ---- signing in while it is not known which password is live ---- */

enum own_guess { OWN_AS_KNOWN, OWN_NEW, OWN_OLD };
/* attempt_connect with the candidate, or the password in use so far. Spends from the functional account's budget first:
 * at most one failed login a call. UNREACHABLE "functional_denied": not let in; where t->was_denied says that it is the
 * wrong one, the next call tries the other one. */
RESULT own_connect(struct attempt *t, enum own_guess guess, struct err *e);
/* Whether both have been denied, one after the other, and that means drift: nothing that is under way may still make
 * one of them the live one. */
bool own_is_lost(const struct attempt *t);
/* A password, not a key, has let this attempt in, and it was the one in use so far. */
bool own_old_let_in(const struct attempt *t);
