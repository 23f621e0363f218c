/* ldap/session.h: a connection whose server is pinned, waiting for its replies, and signing in on it. */
#pragma once

#include "ldap/directory.h"

void session_close(LDAP *ld);
static inline void ldap_free(struct ldap *ld)
{
    session_close(ld);
}
DEFINE_AUTOFREE(ldap)

/* Connect to the directory's address: TLS from the start on port 636, else StartTLS; then compare the server's public
 * key with the pinned ones. Nothing secret is sent. The key that was seen goes into the answer. Blocks until the
 * watchdog's deadline at most. Codes: unreachable, host_key_unknown, host_key_changed. */
RESULT session_open(struct directory *d, struct arena *a, struct answer *answer, LDAP **ret, struct err *e);

/* Wait for the next message of an operation; the caller frees it with ldap_msgfree. Fails with unreachable when there
 * is none before the watchdog's deadline or the connection broke. */
RESULT session_wait(LDAP *ld, int operation, LDAPMessage **ret, struct err *e);

/* How an operation ended: the result code of RFC 4511 and what the password policy adds to it. */
struct reply {
    int code;
    struct str text; /* the server's own words */
    bool has_policy;
    int grace; /* logins left with a password that has run out; -1: not said */
    LDAPPasswordPolicyError policy;
};
/* Take the final message of an operation apart, and free it. */
RESULT session_read_reply(LDAP *ld, LDAPMessage *message, struct arena *a, struct reply *ret, struct err *e);
/* The request that makes the server tell what its password policy thinks: to be freed with ldap_control_free. */
LDAPControl *session_policy_request(LDAP *ld);
/* What went wrong, for people: the policy's reason, the server's own words or the code's name. */
const char *reply_text(const struct reply *r, struct arena *a);
/* Did the server fail rather than refuse? Then it may answer otherwise in a moment. */
bool reply_is_failure(const struct reply *r);

enum login_word { LOGIN_ACCEPTED, LOGIN_MUST_CHANGE, LOGIN_DENIED, LOGIN_LOCKED, LOGIN_EXPIRED };
const char *login_word_text(enum login_word word);
/* A simple bind. Neither the name nor the password is empty: that would be let in as nobody. One guess is spent.
 * Codes: unreachable, refused (the server takes no such sign-in), bad_request. */
RESULT session_bind(LDAP *ld, const char *dn, const struct secret *password, struct arena *a, enum login_word *ret,
                    struct err *e);
