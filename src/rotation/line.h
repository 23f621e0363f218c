/* rotation/line.h: the line to a connector (docs/connector-protocol.md): typed calls over JSON lines.
 *
 * The only code of the server that gives a secret to another process. Every call blocks the calling worker thread, at
 * most until its deadline. A line belongs to one thread at a time. */
#pragma once

#include "base/field.h"
#include "base/secret.h"
#include "rotation/launcher.h"

struct line;

struct host_key {
    struct str type, sha256;
};

struct target_address {
    struct str name, address; /* address: numeric, resolved and checked by the caller */
    int64_t port, timeout_s;
    struct str instance, domain; /* "" where the target has none */
};

struct target_account {  /* as the target calls it */
    struct str name, dn; /* dn: of a directory; "" else */
};

struct login_secret { /* a password, or a private key with its passphrase */
    struct secret *password, *private_key, *passphrase;
};

struct functional_login {
    bool is_set;
    struct str account, elevation; /* "sudo" or "" */
    struct login_secret secret;
};

enum { FENCE_S_MAX = 3600 };
struct check_result {
    struct host_key host_key; /* also filled when the call fails for a host key */
    bool denies_password; /* when it fails: the functional account's is wrong, not just of no use (locked, expired) */
    bool can_change, can_compare, can_install_keys, has_fence;
    struct str scheme;             /* "$y$", "$6$" */
    int64_t fence_s;               /* with has_fence: over by itself after so many seconds, 1..FENCE_S_MAX */
    struct str fence_token;        /* names the functional session, which line_fence can end; "" else */
    struct opt_bool is_functional; /* the account is the functional one, whatever both are called; not set: not told */
    struct str text;
};

enum login_word { LOGIN_ACCEPTED, LOGIN_MUST_CHANGE, LOGIN_DENIED, LOGIN_LOCKED, LOGIN_EXPIRED };

enum change_part { CHANGE_PASSWORD, CHANGE_ADD_KEY, CHANGE_REMOVE_KEY };
struct change_request {
    struct target_account account;
    enum change_part part;
    struct secret *password; /* CHANGE_PASSWORD */
    struct str public_key;   /* CHANGE_ADD_KEY, CHANGE_REMOVE_KEY */
    struct secret *current;  /* method self when this or current_key is not NULL: the present password, */
    struct secret *current_key, *current_passphrase; /* or, to change keys, a present private key */
};

/* Start a connector of this kind ("ssh") and say hello. UNREACHABLE, word NO_CONNECTOR, when it cannot be started. */
RESULT line_open(struct launcher *l, const char *kind, struct line **ret, struct err *e);
void line_close(struct line *l); /* bye, or kill when it is stuck; NULL is fine */
/* The process ended, or a call went out of step: only line_close is left. */
bool line_is_broken(const struct line *l);
/* The last call failed, and by the connector's word a password had gone out that the target may count as a wrong one.
 */
bool line_has_guessed(const struct line *l);
/* Since this was last asked, some call, failed or not, has told that the target refused the functional account's
 * password in passing. */
bool line_take_denied(struct line *l);
/* Has every call succeeded, and is a functional session there? Then the line may serve another job (line_pool.h). */
bool line_may_serve_again(struct line *l);

/* What a check names beside the account: whom to speak to, and as whom. Borrowed. */
struct line_setup {
    const char *kind;
    struct target_address target;
    const struct host_key *keys;
    size_t key_count;
    const struct functional_login *functional; /* is_set false: nothing but the host key is looked at */
};
/* Was the last check of this line one of the very same setup? Secrets in constant time. */
bool line_was_set_up(const struct line *l, const struct line_setup *setup);

/* Errors of all calls: UNREACHABLE (nothing was sent to the target; e->word holds the protocol's code, such as
 * "host_key_unknown"), REFUSED (the target said no), UNCERTAIN (sent, or the connector died), INVALID.
 * Only line_change, line_push and line_restart ever return UNCERTAIN. */
/* `part` ("password", "key" or ""): what the connector need look at. Where the line was set up so before, its session
 * is used again. */
RESULT line_check(struct line *l, const struct line_setup *setup, struct target_account account, const char *part,
                  struct arena *a, struct check_result *ret, struct err *e);
RESULT line_change(struct line *l, const struct change_request *change, struct err *e);
RESULT line_login(struct line *l, struct target_account account, const struct login_secret *secret,
                  enum login_word *ret, struct err *e);
/* *ret_is_locked: the target keeps a lock beside the password that it compared. */
RESULT line_compare(struct line *l, struct target_account account, const struct secret *password, struct str public_key,
                    bool *ret_match, bool *ret_is_locked, struct err *e);
struct line_end {
    struct str user, login_name;      /* an auto-login there, or */
    struct str credential, attribute; /* an attribute's value */
};
/* After line_check, with a functional session: store the value there. UNCERTAIN as of line_change. */
RESULT line_push(struct line *l, const struct line_end *end, const struct secret *value, struct err *e);
/* After line_check, with a functional session: restart this service of the host. UNCERTAIN as of line_change; it may be
 * restarted again. */
RESULT line_restart(struct line *l, struct str service, struct err *e);
/* After line_check, with a functional session of its own: end the session that this fence_token of another process
 * names. On success it is over, and changes nothing any more. */
RESULT line_fence(struct line *l, struct str token, struct err *e);
RESULT line_inspect_key(struct line *l, const struct secret *private_key, const struct secret *passphrase,
                        struct arena *a, struct str *ret_public, bool *ret_is_encrypted, struct err *e);
RESULT line_make_key(struct line *l, struct str type, int64_t size, struct arena *a, struct secret **ret_private,
                     struct str *ret_public, struct err *e);
/* The most time any call may take from now on (a call's own bound is the target's timeout_s + 15 s). 0: no extra bound.
 */
void line_set_deadline(struct line *l, int64_t monotonic);
