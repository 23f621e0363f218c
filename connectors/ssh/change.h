/* ssh/change.h: setting a password, through the functional account or as the account itself. */
#pragma once

#include "ssh/session.h"

enum { CHANGE_FENCE_S = 6 }; /* timeout -k 1 5: over for certain after that */

/* Find the form in which the functional account may run chpasswd, by running it without input: it changes nothing.
 * Sets h->change_elevation and h->has_fence. */
RESULT change_find_way(struct host *h, struct arena *a, bool *ret_may, struct err *e);
/* Open a session as the account itself. is_by_method_only as for session_login. Codes: those of session_open and
 * session_login; refused when its own secret does not let it in. */
RESULT change_open_own(struct host *h, const struct ssh_login *login, bool is_by_method_only, struct arena *a,
                       ssh_session *ret, enum login_word *ret_word, struct err *e);
/* passwd(1) on a terminal, prompt by prompt; so neither password may have control characters (policy). Codes:
 * unreachable, unsent, refused, policy, unknown. */
RESULT self_change_run(struct host *h, struct str account, const struct secret *current, const struct secret *password,
                       struct arena *a, struct err *e);
