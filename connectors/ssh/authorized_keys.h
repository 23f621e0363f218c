/* ssh/authorized_keys.h: an account's keys: add one beside the others, remove one, look for one. */
#pragma once

#include "ssh/command.h"

struct key_change {
    struct str account, line; /* line: "type base64 comment" */
    bool is_removal;
    bool is_own_session; /* the session is the account's own, so nothing is elevated */
};

/* May the functional account run the program of authorized_keys.c as this account? Runs nothing. */
RESULT authorized_keys_may_write(struct host *h, struct str account, struct arena *a, bool *ret, struct err *e);
/* Idempotent. Codes: bad_request, elevation_denied, unsent, refused, unknown. */
RESULT authorized_keys_change(struct host *h, ssh_session s, const struct key_change *change, struct arena *a,
                              struct err *e);
/* Codes: bad_request, unreadable, unreachable. */
RESULT authorized_keys_has(struct host *h, struct str account, struct str line, struct arena *a, bool *ret,
                           struct err *e);
