/* rotation/attempt.h: one worker's run of one job: what it knows, and the steps it takes. Inside rotation/ only. */
#pragma once

#include <inttypes.h>
#include <stdatomic.h>

#include "accounts/account.h"
#include "base/scope.h"
#include "rotation/change.h"
#include "rotation/line.h"
#include "rotation/own.h"
#include "rotation/rotation.h"
#include "rotation/turn.h"

enum proof { PROOF_UNKNOWN, PROOF_LOGIN, PROOF_COMPARE, PROOF_NONE };

/* What the verifier and logins said about one version. */
enum seen { SEEN_NOT, SEEN_LIVE, SEEN_CANNOT_TELL };

/* A candidate that is made in the transaction in which the first secret leaves (a commit less). */
struct candidate_wish {
    bool is_wanted;
    struct secret *private_key; /* made already, where the job has a key part */
    struct str public_key;
    int64_t number; /* the version, once it stands */
};

struct attempt {
    const struct rotation_config *config;
    struct db *db; /* the worker's reader */
    struct arena *arena;
    struct job job, entered; /* entered: the job as APPLYING leaves it, once that stands */
    struct managed_account account;
    struct managed_system system;
    struct target_account who; /* the account, as the target calls it */
    struct functional_login functional;
    int64_t functional_budget;  /* its row among the budgets */
    struct own own;             /* is the account that very one? */
    struct secret *own_present; /* then: its password as it was loaded */
    bool is_guessing;           /* its password may be the wrong one, so a failed login is spent before */
    struct str waits_for;       /* why it is to be tried again, with OWN_WAITS */
    bool has_spent, is_refunded, was_denied, was_both_denied; /* of the last own_connect */
    struct login_secret current, candidate; /* opened from the store: what is sent is what was read back */
    struct str candidate_public;            /* of the candidate's key */
    struct candidate_wish wish;
    bool has_password_part, has_key_part;
    bool key_is_ours; /* of the candidate: it was not there before we sent it */
    bool is_told;     /* a person has told the engine to run this job once more (run_told.c) */
    struct target_address target;
    struct line *line;
    struct check_result check;
    struct str just_read; /* what its steps say of a read within the quiet time; empty: there was none */
    bool is_denied; /* a login has refused the current password, now or before: no job of the server's own tries it */
    enum proof proof;
    enum turn_proof proved_how;
    bool has_kept_lock; /* as the last comparison saw it: one that an administrator takes off, or a change */
    bool is_login_paid, owes_login; /* paid for in advance; paid for and accepted, so no failure to count */
    int64_t next_until;             /* until then, monotonic, a proved change may claim what this worker does next */
    struct job next;                /* that; no id: nothing */
    int64_t acknowledged_at;        /* monotonic; 0: not in this attempt */
    int64_t verifying_at;           /* the same by the wall clock, for the steps */
    int64_t stale_us;               /* what readers still got the old one for; 0: it has not turned */
};

/* attempt.c */
/* How long what the job has sent may still reach the target, in µs; 0: it is over. */
int64_t attempt_fence_left(const struct attempt *t);
bool attempt_has_word(const struct err *e, const char *word);
/* A failure of the store's or of ours, not the target's: the job keeps its state, and is looked at again. */
bool attempt_is_ours(const struct err *why);
/* Of a propagation the job alone: the account may have gone, and its secrets are not needed. */
RESULT attempt_load(struct attempt *t, struct err *e);
RESULT attempt_open_versions(struct attempt *t, struct err *e);
RESULT attempt_load_functional(struct attempt *t, struct err *e); /* that of t->system; in a snapshot */
/* Record that secrets leave to a connector; then start it and look at the target: host key pinned, functional session,
 * what it may do. UNREACHABLE: nothing was sent; e->word says why. */
RESULT attempt_connect(struct attempt *t, struct err *e);
/* After a call that may have made sudo ask: what was refused there is spent from the functional account's budget. */
RESULT attempt_count_denied(struct attempt *t, struct err *e);
RESULT attempt_step(struct attempt *t, const char *step, bool is_ok, struct str text,
                    struct err *e); /* note it, durably */
/* A writer's step with the attempt as argument. */
RESULT attempt_write(struct attempt *t, result (*run)(struct db *db, void *attempt, struct err *e), struct err *e);

/* probe.c */
RESULT probe_find_proof(struct attempt *t, struct err *e);
RESULT probe_set_proof(struct attempt *t, enum proof proof, struct err *e);
/* Is this version's password the live one, by the verifier; SEEN_CANNOT_TELL where it cannot be read. */
RESULT probe_compare(struct attempt *t, const struct secret *password, enum seen *ret, struct err *e);
/* By a fresh login, within the budget (BUSY word "budget"). *ret_word: what it said. */
RESULT probe_login(struct attempt *t, const struct login_secret *secret, enum seen *ret, enum login_word *ret_word,
                   struct err *e);
/* Locked or expired: such a login says nothing of its password; and so says the error, UNREACHABLE "unusable". */
bool probe_is_unusable(enum login_word word);
result probe_cannot_tell(enum login_word word, struct err *e);
/* The current password, by a login; where one was denied before (the account's state says so), only for a person who
 * asks. Fills is_denied, which settle_refused goes by. */
RESULT probe_current(struct attempt *t, enum seen *ret, enum login_word *ret_word, struct err *e);
/* Pay for the login that will prove the candidate, in a transaction that is made anyway; where the budget is spent,
 * nothing is paid yet. settle_proved gives it back; or probe_pay_back, when it comes to something else. */
RESULT probe_pay_login(struct db *db, struct attempt *t, struct err *e);
RESULT probe_pay_back(struct attempt *t, struct err *e);
/* Is the candidate proved live? UNREACHABLE "unusable" where only a login would tell, and none is let in. Fills
 * proved_how. SEEN_CANNOT_TELL: it is there, but not let in. */
RESULT probe_candidate(struct attempt *t, enum seen *ret, struct err *e);

/* apply.c, resolve.c, test.c: run a job to its end, or to its next try. Errors are the store's (or the lease's loss:
 * CONFLICT). */
RESULT run_change(struct attempt *t, struct err *e);
RESULT run_resolve(struct attempt *t, struct err *e);
RESULT run_told(struct attempt *t, struct err *e);
RESULT told_failed(struct attempt *t, const struct err *why, struct err *e); /* nothing has changed: drift again */
RESULT run_test(struct attempt *t, struct err *e);
RESULT run_check(struct attempt *t, struct err *e);
RESULT run_audit(struct attempt *t, struct err *e);     /* compare.c */
RESULT run_push(struct attempt *t, struct err *e);      /* push.c */
RESULT run_propagate(struct attempt *t, struct err *e); /* propagate.c */
RESULT attempt_run(struct attempt *t, struct err *e);   /* run_job.c: whichever it is */
RESULT apply_candidate(struct attempt *t, struct err *e);
RESULT write_candidate(struct db *db, struct attempt *t, struct err *e); /* as t->wish says */

/* loaded.c: BUSY when the system or the account is another one by now than what was loaded: moved, renamed, given
 * another way to sign in. In the transaction that goes by it. */
RESULT loaded_still_holds(struct db *db, const struct attempt *t, struct err *e);
/* The same, of the system alone: a push goes to another one than its account's. */
RESULT loaded_system_holds(struct db *db, const struct attempt *t, struct err *e);

/* send.c. Before the candidate goes out: is its key there already? What it says is kept with APPLYING, for a later
 * attempt finds our own. */
void send_look_for_key(struct attempt *t);
/* REFUSED, INVALID, UNREACHABLE: nothing of it is on the target. UNCERTAIN: some of it may be. */
RESULT send_candidate(struct attempt *t, struct err *e);

/* old_keys.c. After a change of the key was proved: remove from the host every other key that a version says is ours.
 * What cannot be removed is left to the next such change; this one stands whatever comes of it. */
void old_keys_remove(struct attempt *t);

/* settle.c: how a job ends */
RESULT settle_proved(struct attempt *t, struct err *e);
/* Retried later when it was queued. With is_denied the account is marked `mismatch`, and only a synced one is retried.
 */
RESULT settle_refused(struct attempt *t, const struct err *why, struct err *e);
RESULT settle_drift(struct attempt *t, const char *why, struct err *e);
RESULT settle_unknown(struct attempt *t, const char *why, int64_t at, struct err *e); /* stays RESOLVING, next try at */
/* The same candidate was sent once more and refused, so nothing of it is known yet: stays RESOLVING under this code;
 * only when the old one is live after that is it refused. */
RESULT settle_refused_again(struct attempt *t, const char *why, int64_t at, struct err *e);
RESULT settle_plain(struct attempt *t, bool success, const char *code, struct str reason,
                    struct err *e); /* tests, checks */
/* A test compared or logged in: the job, and what is known of the version that was tested. */
RESULT settle_tested(struct attempt *t, bool is_live, enum turn_proof how, struct err *e);
