/* activedirectory/directory.h: one LDAPS connection to a domain controller whose key is pinned.
 *
 * Every call blocks until the watchdog's deadline at most. A connection that has failed once is closed: libldap would
 * open another one by itself, without TLS. */
#pragma once

#include <ldap.h>

#include "common/target.h"

struct directory {
    LDAP *ldap;        /* NULL: not open */
    struct str base;   /* DC=lab,DC=test */
    struct str domain; /* lab.test */
    int64_t clock;     /* how far the domain controller's clock is before ours, microseconds */
    struct str sids;   /* of who has signed in, and its groups, as bytes; absent: not known */
};
#define AUTO_DIRECTORY __attribute__((cleanup(directory_close))) struct directory

enum login_word { LOGIN_ACCEPTED, LOGIN_MUST_CHANGE, LOGIN_DENIED, LOGIN_LOCKED, LOGIN_EXPIRED };
const char *login_word_text(enum login_word word);

/* libldap, its TLS and the digest of a pin have read all their files when this returns. */
void directory_prepare_libraries(void);

/* Connect, compare the key, and read which domain this is; no secret is sent. The texts live in a. `answer` gets the
 * key. Codes: unreachable, host_key_unknown, host_key_changed, bad_request. */
RESULT directory_open(const struct target *t, struct arena *a, struct directory *ret, struct answer *answer,
                      struct err *e);
void directory_close(struct directory *d); /* one that is not open is fine */
bool directory_is_open(const struct directory *d);
void directory_guard(const struct directory *d); /* let the watchdog end what waits on it */
int64_t directory_now(const struct directory *d);

/* One simple bind. A password that is not the account's, and an account that may not sign in, are words; `refused`: it
 * may not sign in for another reason. The domain controller also accepts the password before the present one for an
 * hour. Codes: unreachable, refused. */
RESULT directory_bind(struct directory *d, struct str name, const struct secret *password, struct arena *a,
                      enum login_word *ret, struct err *e);

/* Find out who has signed in, by whatever name: fills d->sids, where the domain controller says it. Codes: unreachable.
 */
RESULT directory_read_sids(struct directory *d, struct arena *a, struct err *e);

struct directory_search {
    struct str base;
    int scope;
    struct str filter;
    const char *const *attributes; /* NULL-terminated */
};
struct directory_entry {
    struct str dn;
    struct str *values; /* one per attribute: its values, a line each; absent when it has none */
    size_t n;           /* entries found: 0 or 1 */
};
/* Find one entry; its texts live in the arena. None is a success with n 0, more than one is a failure. Codes:
 * unreachable, unreadable. */
RESULT directory_find(struct directory *d, const struct directory_search *search, struct arena *a,
                      struct directory_entry *ret, struct err *e);

/* A definite answer to a modify request: the LDAP result code, and what the domain controller said. */
struct directory_reply {
    int code;
    uint32_t problem; /* the Windows error in front of the text, 0 when there is none */
    struct str text;
};
/* Codes: `unknown` when it was sent and no answer came; unsent. Everything that was answered is a success here. */
RESULT directory_modify(struct directory *d, struct str dn, LDAPMod **changes, struct arena *a,
                        struct directory_reply *ret, struct err *e);
