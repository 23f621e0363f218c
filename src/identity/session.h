/* identity/session.h: sessions and bearer tokens of the Password Safe face (passwordsafe-api 2.5, 2.7). */
#pragma once

#include "identity/caller.h"
#include "identity/registration.h"

/* A fresh session: its id of 24 characters is returned once, its keyed hash stored. 20 minutes idle, 12 hours in all.
 */
RESULT session_create(struct db *db, struct arena *a, int64_t user_id, const struct registration *r,
                      int64_t password_at, int64_t now, struct secret **ret_id, struct err *e);
/* UNAUTHENTICATED when unknown, ended, or its user, registration or key version is not what it was, when the user may
 * not use the registration any more, or when that asks for a password by now and none was checked. Fills *ret but the
 * rights: a session with a checked password carries the user's rights of both faces, another one those of this face.
 * *ret_registration is for the address rules, which the caller asks. */
RESULT session_admit(struct db *db, struct arena *a, struct str id, int64_t now, struct caller *ret,
                     struct registration *ret_registration, struct err *e);
/* Renew the idle time, at most once a minute; on the writer. On a reader ask session_needs_touch. */
RESULT session_touch(struct db *db, struct str session_hash, int64_t now, struct err *e);
bool session_needs_touch(struct db *db, struct arena *a, struct str session_hash, int64_t now);
RESULT session_end(struct db *db, struct arena *a, struct str id, struct err *e); /* unknown: fine */

/* OAuth client credentials -> a bearer token (opaque), and back. UNAUTHENTICATED, all alike. Whether the user is in a
 * group is registration_has_user's answer: the face tells that apart (4031). Counting of failures is
 * signin_count_failure's. */
RESULT bearer_create(struct db *db, struct arena *a, struct str client_id, const struct secret *client_secret,
                     struct str address, bool is_loopback, int64_t now, struct secret **ret_token, int64_t *ret_seconds,
                     struct err *e);
/* As session_admit, but whether the user is in a group is the caller's to ask. */
RESULT bearer_admit(struct db *db, struct arena *a, struct str token, int64_t now, struct caller *ret,
                    struct registration *ret_registration, struct err *e);
