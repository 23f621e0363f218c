/* rotation/follower.h: links whose end lies on another server: a user's auto-login or an attribute's value in another
 * Control Room (keyturn-api 3.1, rule 8). They come after the account's own commit, by jobs of kind `push`; nothing
 * that happens to them undoes it. Inside rotation/ only. */
#pragma once

#include "rotation/link_row.h"

/* What an end must be: a managed system of platform Control Room with a functional account; part and release that fit.
 * NOT_FOUND, INVALID, CONFLICT. */
RESULT follower_check(struct db *db, struct arena *a, const struct link *l, struct err *e);
/* The row of a new link's end; CONFLICT when that end has one. */
RESULT follower_make(struct db *db, struct arena *a, const struct link_offer *o, int64_t *ret_id, struct err *e);
/* The link that has this end; 0: none. */
RESULT follower_find(struct db *db, struct arena *a, const struct link_offer *o, int64_t *ret_link_id, struct err *e);
/* The account has another version (or the link has become active): behind since now, and pushed as soon as it may be.
 * In the account's own transaction. */
RESULT follower_turn(struct db *db, const struct link *l, int64_t now, struct err *e);
/* The store was wound back: every follower may have what it does not know of. */
RESULT follower_turn_all(struct db *db, struct arena *a, int64_t now, struct err *e);
/* Nothing is pushed any more: suspended, or about to end. What is on its way may still arrive. */
RESULT follower_stop(struct db *db, const struct link *l, const char *why, int64_t now, struct err *e);
/* The link's row has gone: so does its end's. What the other server holds stays there. */
RESULT follower_forget(struct db *db, const struct link *l, int64_t now, struct err *e);
/* The link that this job pushes; id 0: it has ended. */
RESULT follower_of_job(struct db *db, struct arena *a, int64_t job_id, struct link_row *ret, struct err *e);
