/* common/check.h: the way of a check (docs/connector-protocol.md): through the session that an earlier one has left, or
 * through a new one; and what it finds out. */
#pragma once

#include "common/target.h"

struct findings {
    bool can_change, can_compare, can_install_keys;
    struct str scheme, text;
    int64_t fence_s;               /* an attempt is over by itself after so long; 0: nothing sees to that */
    struct str fence_token;        /* or it can be ended by this; absent: it cannot */
    struct opt_bool is_functional; /* the account is the one that has signed in, whatever the names; not set: unknown */
};

/* What each kind does in its own manner, with its own state and request. */

/* Through the session that is there. The word is `unreachable` when that has ended; nothing that changes anything was
 * sent. */
typedef result check_again(void *state, const void *request, struct arena *a, struct findings *found, struct err *e);
/* Sign in anew, and look. Fills answer->host_key, also when it fails. */
typedef result check_first(void *state, const void *request, struct arena *a, struct answer *answer,
                           struct findings *found, struct err *e);
struct check_way {
    check_again *look_again;
    check_first *look_first;
    void (*forget)(void *state); /* the session */
};

/* is_kept: this very target and sign-in were checked before, and the session is still there. */
RESULT check_look(const struct check_way *way, const struct target *t, bool is_kept, void *state, const void *request,
                  struct arena *a, struct answer *answer, struct findings *found, struct err *e);
/* The functional account was not let in, for what the text of *e says. `word`: what a login of it would have answered,
 * or "refused" where that would have proved nothing. */
RESULT check_denied(struct answer *answer, const char *word, struct err *e);
/* The same, with a text of the word. */
RESULT check_denied_by_word(struct answer *answer, const char *word, struct err *e);
void findings_write(const struct findings *found, struct json_writer *w);
