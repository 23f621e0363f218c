/* identity/signin.h: signing in, on both faces. This file: guessing slowed (keyturn-api 2.4). The parts have headers of
 * their own: tokens (controlroom-api 2.2), registrations (passwordsafe-api 2.1), sessions (2.7), API keys and devices
 * (keyturn-api 7).
 *
 * Hashing takes 180 ms, so a sign-in is three steps: signin_look (reads, no writer), a password_verify in the call's
 * prepare step, and signin_record on the writer, which is the one that decides. */
#pragma once

#include "identity/api_key.h"
#include "identity/device.h"
#include "identity/registration.h"
#include "identity/session.h"
#include "identity/tokens.h"
#include "identity/user.h"

#define ADDRESS_KNOWN_FOR       (30 * DAYS)
#define GUESSES_FORGOTTEN_AFTER (24 * HOURS) /* since the last failure; longer than any wait */

struct signin_claim {
    struct str user_name; /* as sent; absent only for client ids and keys found by hash: then only the address counts */
    struct secret *password; /* or */
    struct secret *api_key;
    struct str address;      /* the client's */
    int64_t registration_id; /* Password Safe */
    bool is_first;           /* a sign-in of its own, not a header that comes with each call: moves last_login_at */
};
struct signin_look {
    int64_t user_id; /* 0: unknown; hash all the same (password_verify_nobody) */
    struct str password_hash;
    bool must_wait;   /* refused at once with the normal 401, nothing hashed */
    int64_t delay_us; /* at most 2 s, before the answer */
    bool is_usable;   /* exists, enabled, not quarantined */
};
RESULT signin_look(struct db *db, struct arena *a, const struct signin_claim *claim, int64_t now,
                   struct signin_look *ret, struct err *e);
/* Decide: `was_right` is what the hash said against the look's. UNAUTHENTICATED (all alike) when it was wrong, when the
 * user may not sign in or has another password by now, and when other failures have made him wait since the look, were
 * the guess right or wrong: of any number of guesses at once only so many are answered. A failure is not counted here,
 * for the work's savepoint goes: call signin_count_failure from work.refuse. Success by a password or an API key
 * forgets the pair's failures and remembers the address; any, on a first call, moves last_login_at. */
RESULT signin_record(struct db *db, struct arena *a, const struct signin_claim *claim, const struct signin_look *look,
                     bool was_right, int64_t now, struct err *e);
/* Nothing is counted against a pair or an address that has to wait: what was refused unseen is no guess. */
RESULT signin_count_failure(struct db *db, struct arena *a, const struct signin_claim *claim, int64_t now,
                            struct err *e);
/* "10.1.2.3/32", "2001:db8:0:1::/64": what counters and known addresses are kept by. "-" for what is no address. */
struct str signin_address_key(struct arena *a, struct str address);
