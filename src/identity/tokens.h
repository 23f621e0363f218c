/* identity/tokens.h: tokens of the Control Room face (controlroom-api 2.2). */
#pragma once

#include "crypto/token.h"
#include "identity/user.h"

struct tokens; /* this process's signer and the live verifiers; thread-safe */
/* Makes a key; nobody knows it before tokens_renew has stored its public half. Reads only. */
RESULT tokens_open(struct db *writer_db, int64_t now, struct tokens **ret, struct err *e);
void tokens_free(struct tokens *t);
/* Stores our key's public half; a new key every 24 h; reloads the keys of other processes; drops ended ones, and the
 * records of logged-out tokens that have expired. The tick calls it. May be called again after its transaction was
 * lost. */
RESULT tokens_renew(struct tokens *t, struct db *writer_db, int64_t now, struct err *e);
/* Nothing is signed any more: the key ends with the last token that it may have signed. */
RESULT tokens_retire(struct tokens *t, struct db *writer_db, int64_t now, struct err *e);
/* The keys of all servers, as the store has them now; any thread, any connection. */
RESULT tokens_reload(struct tokens *t, struct db *db, int64_t now, struct err *e);

struct token_claims {
    int64_t user_id, issued_at_s, ends_at_s;
    int64_t nano_time;
    int64_t password_at; /* µs; claim "pwdAt": 0 for a token got by an API key */
    int64_t api_key_id;  /* claim "apiKeyId"; 0: none */
    bool multiple_login;
};
/* Sign a token for the user: 20 minutes. Of `more` only password_at, api_key_id and multiple_login count. nanoTime
 * rises strictly within the process and stands above the user's tokens_valid_after. About 1 ms: in prepare, or for
 * refresh. */
RESULT tokens_issue(struct tokens *t, const struct user *u, const struct token_claims *more, int64_t now,
                    struct arena *a, struct str *ret, struct err *e);
/* Signature, alg, iss, exp, iat, and the claims; no store. A verified token is remembered until it expires, by its
 * keyed hash, so that the RSA check is not paid at each call. UNAUTHENTICATED. */
RESULT tokens_check(struct tokens *t, struct str token, int64_t now, struct arena *a, struct token_claims *ret,
                    struct err *e);
/* By the store: user exists, is enabled, nano_time above tokens_valid_after, token not logged out, API key still there.
 * Fills user_id, name, token_*, password_at and what it carries: a token got by a password carries the user's rights of
 * both faces, one got by an API key those of this face. Not the rights themselves. */
RESULT tokens_admit(struct db *db, struct arena *a, struct str token, const struct token_claims *claims, int64_t now,
                    struct caller *ret, struct err *e);
RESULT tokens_end(struct db *db, struct arena *a, struct str token, const struct token_claims *claims,
                  struct err *e); /* log out this one */
