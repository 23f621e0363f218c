/* api/who.h: who calls, for every face: Control Room tokens, Password Safe sessions and PS-Auth headers
 * (keyturn-api 2.1). */
#pragma once

#include "gate/gate.h"
#include "identity/signin.h"

/* The token in X-Authorization, or in Authorization: Bearer; absent when there is none (an empty header is none). */
struct str token_of_call(const struct call *c);

/* A sign-in that failed, for the record: counted, and written without anybody waiting. `user_name` as it was sent. */
void count_refusal(const struct call *c, struct str user_name, const char *what, const char *reason);

/* By a Control Room token: fills *ret with the rights of that face, and of Password Safe too when `both`. */
RESULT who_by_token(struct call *c, struct str token, bool both, struct caller *ret, struct err *e);

/* ---- Password Safe (passwordsafe-api 2) ---- */

struct ps_auth { /* the PS-Auth header, taken apart (2.2) */
    struct str key, user_name;
    struct secret *password; /* NULL: no pwd element */
};
/* *ret_is_there false: the call carries no PS-Auth header at all. UNAUTHENTICATED: it does, but a malformed one. */
RESULT ps_auth_of_call(const struct call *c, struct ps_auth *ret, bool *ret_is_there, struct err *e);
struct str session_cookie(const struct call *c); /* absent: none */
/* By what the browser says in Sec-Fetch-Site and Origin. A cookie from there is not believed: DENIED. */
bool is_from_foreign_page(const struct call *c);

/* Is there anything on the call that might name somebody here? Sets c->needs_verifying when there is a PS-Auth header,
 * beside a cookie, too: whether that is any good only the store knows. */
RESULT ps_look(struct call *c, struct err *e);
/* A PS-Auth header, with its password or without: on the pool. A right password is remembered for 60 s. With a session
 * that is good the header is not looked at, and c->needs_verifying is cleared. UNAUTHENTICATED: wrong, or too many
 * guesses before it. */
RESULT ps_verify_header(struct call *c, struct err *e);
/* On the writer, after ps_verify_header failed: count the guess. */
RESULT ps_count_failure(struct call *c, struct err *e);
/* Cookie, else header, else bearer; address rules at every call; rights of Password Safe, and of the Control Room too
 * when `both`. A cookie from a foreign page: DENIED. */
RESULT who_by_passwordsafe(struct call *c, bool both, struct caller *ret, struct err *e);

/* The registration's address rules against this call's address. A refusal is logged with both: the answer, which is the
 * same 401 as ever, tells nobody why. */
RESULT ps_check_address(const struct call *c, const struct registration *r, struct err *e);

/* An application user's token, with the address rules. DENIED: he is in no active group, and
 * *ret says who. */
RESULT ps_check_bearer(struct call *c, struct str token, struct registration *ret_registration, struct caller *ret,
                       struct err *e);

/* What SignAppin and GET Auth share: the header's registration and user checked by the store, all but the password. */
RESULT ps_check_header(struct call *c, const struct ps_auth *h, struct registration *ret_registration,
                       struct user *ret_user, struct err *e);
