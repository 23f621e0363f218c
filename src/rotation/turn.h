/* rotation/turn.h: the only code that makes a version current. The account, its local links and the audit turn in one
 * transaction. */
#pragma once

#include "rotation/version.h"

enum turn_proof { TURN_STORED_ONLY, TURN_BY_LOGIN, TURN_BY_COMPARE };

/* Make `number` current: the one before becomes previous, older ones retired; every active link of the account is
 * sealed anew with it, and so is the functional account whose password it is (own.h); dates move. TURN_STORED_ONLY
 * leaves the account `unverified` and the last proved version marked as such. INTERNAL before anything is written when
 * a link's row does not verify (its MAC): the turn stops, and alerts. A link that cannot take it stops one that is only
 * stored, and is suspended where the version is proved.
 */
RESULT turn_account(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t number,
                    enum turn_proof proof, int64_t by, int64_t now, struct err *e);
/* A Test proved this version: no version moves, the account becomes proved. Nothing when another one is current by now.
 */
RESULT turn_mark_proved(struct db *db, struct arena *a, int64_t account_id, int64_t number, enum turn_proof proof,
                        int64_t now, struct err *e);
/* A Test, or a login before a change, found that this version is not the live one (`mismatch`), or the resolver that
 * none is (`drift`). Nothing when another one is current by now. */
RESULT turn_mark_lost(struct db *db, int64_t account_id, int64_t number, bool is_drift, struct err *e);
/* What was sent to it was given up: nobody knows which version is the live one. */
RESULT turn_mark_unverified(struct db *db, int64_t account_id, struct err *e);
/* The account is called otherwise on its system now: nobody has proved that, and links carry its name. INVALID,
 * CONFLICT: one of them cannot take it. */
RESULT turn_renamed(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t now,
                    struct err *e);
/* The system stands elsewhere now: nobody has proved anything there. */
RESULT turn_moved(struct db *db, int64_t system_id, struct err *e);
/* Do all links of the account verify, and would they take this version (0: none yet)? Asked before anything is sent. */
RESULT turn_check_links(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t number,
                        struct err *e);
