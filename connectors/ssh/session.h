/* ssh/session.h: a connection to the host whose key is known, and signing in on it. */
#pragma once

#include "ssh/host.h"

enum login_word { LOGIN_ACCEPTED, LOGIN_MUST_CHANGE, LOGIN_DENIED, LOGIN_LOCKED, LOGIN_EXPIRED };
const char *login_word_text(enum login_word word);

/* Connect to the host's address and compare its key with the host's list. Nothing secret is sent. h->seen is filled
 * when a key was shown. Blocks until the watchdog's deadline at most. Codes: unreachable, host_key_unknown,
 * host_key_changed. */
RESULT session_open(struct host *h, struct str account, struct arena *a, ssh_session *ret, struct err *e);

/* Sign in with the password or the key. is_by_method_only: the method `password`, which lets an account in that must
 * change its password first; else keyboard-interactive where the host has it. At most one guess is spent,
 * and told of (common/guess.h). Codes: unreachable, refused (the host asks for something else), bad_key and its kin. */
RESULT session_login(ssh_session s, const struct ssh_login *login, bool is_by_method_only, struct arena *a,
                     enum login_word *ret, struct err *e);
