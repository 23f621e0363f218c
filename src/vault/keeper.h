/* vault/keeper.h: values and auto-logins that somebody else keeps (a link to a managed account, rotation/link.c). The
 * vault knows only `kept_by`, a number that is not 0, and asks here what that means. Set once by main, before anything
 * is served. */
#pragma once

#include "identity/caller.h"

struct keeper {
    /* Why it cannot be written by hand: *ret is "This value follows managed account web01/root". */
    result (*why_kept)(struct db *db, struct arena *a, int64_t kept_by, struct str *ret, struct err *e);
    /* May this consumer, who holds readmasked (or the device of an auto-login), read it in clear now? DENIED while
     * suspended; *ret_may false: he gets "". True: it has noted the release with the account; *ret_state is the word of
     * X-Keyturn-State ("" when proved), *ret_job the change under way (0: none). `can_wait`: with a change under way
     * the caller will wait and ask again, so nothing is noted now. */
    result (*may_read)(struct db *db, struct arena *a, int64_t kept_by, bool can_wait, int64_t now, bool *ret_may,
                       struct str *ret_state, int64_t *ret_job, struct err *e);
    /* The caller wants to assign the credential to a locker, take it out, or delete that locker: needs the account
     * side's right (keyturn-api 3.1 rule 5). DENIED. */
    result (*may_move)(struct db *db, struct arena *a, const struct caller *who, int64_t kept_by, struct err *e);
    /* A reader was added to the locker or its roles: recorded with the account (rule 5). */
    result (*audience_grew)(struct db *db, struct arena *a, int64_t kept_by, struct str how, struct err *e);
    /* The credential, the attribute's value or the auto-login is being deleted: end the link (rule 6). */
    result (*end)(struct db *db, struct arena *a, int64_t kept_by, int64_t now, struct err *e);
    /* The attribute is gone: whoever keeps its value, or was about to (a link only offered), lets go. */
    result (*attribute_gone)(struct db *db, struct arena *a, int64_t attribute_id, int64_t now, struct err *e);
};
void vault_set_keeper(const struct keeper *k);
const struct keeper *vault_keeper(void);
