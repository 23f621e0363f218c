/* rotation/link.h: links: what joins the faces (keyturn-api 3). An attribute's value or an auto-login follows an
 * account. */
#pragma once

#include "accounts/account.h"
#include "crypto/keyring.h"
#include "identity/user.h"

/* An end on another server (follower.h); system_id 0: the end is here. */
struct far_end {
    int64_t id, system_id, behind_since, last_try_at;
    struct str user, credential, attribute, last_text;
};
struct link {
    int64_t id, account_id, attribute_id, user_id, credential_id, offered_by, offered_at, accepted_by, accepted_at,
        approved_by, version, turned_at, last_read_at;
    struct str part, release, state, system_name, account_name, end_name;
    bool needs_approval, may_replace;
    struct list waits_for; /* of struct str: "accept", "approve" */
    struct far_end far;
};
struct link_offer {
    int64_t account_id, attribute_id, user_id;
    struct far_end far;
    struct str part, release;
    bool replace;
};
/* May the caller offer links of this account (404, 403), or accept this one? Before the body is looked at. */
RESULT link_may_offer(struct db *db, struct arena *a, const struct caller *who, int64_t account_id, int64_t now,
                      struct managed_account *ret, struct err *e);
RESULT link_may_accept(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct err *e);
/* Offer, and accept too when the caller has both sides. The same end and part again: release as given. DENIED tells
 * what is missing on the caller's own side only; CONFLICT, INVALID by the rules. */
RESULT link_offer(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who,
                  const struct link_offer *offer, int64_t now, int64_t *ret_id, struct err *e);
RESULT link_accept(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who, int64_t id,
                   bool replace, int64_t now, struct err *e);
RESULT link_may_approve(struct db *db, struct arena *a, const struct caller *who, int64_t id,
                        struct err *e); /* 404, 403 */
/* *ret: the link afterwards, for who need not be a side of it. The reason goes to the record. */
RESULT link_approve(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who, int64_t id,
                    struct str reason, int64_t now, struct link *ret, struct err *e);
RESULT link_resume(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who, int64_t id,
                   int64_t now, struct err *e);
/* Compared inside the server in constant time. CONFLICT when not active, or when the end is on another server. */
RESULT link_verify(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who, int64_t id,
                   bool *ret_equal, int64_t *ret_version, struct err *e);
/* Either side alone; erases the copy in this transaction (one on another server stays); queues a change when it was
 * read and the account is auto-managed. */
RESULT link_end(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who, int64_t id,
                int64_t now, struct err *e);
/* The user is about to be deleted: links to his auto-login and the offers that he made end (keyturn-api 2.2). */
RESULT link_forget_user(struct db *db, struct arena *a, const struct keyring *keys, int64_t user_id, int64_t by,
                        int64_t now, struct err *e);
/* A side of it, else NOT_FOUND "Link not found". */
RESULT link_get(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct link *ret, struct err *e);
RESULT link_list(struct db *db, struct arena *a, const struct caller *who,
                 int64_t account_id /* 0: all he is a side of */, struct str state, int64_t after, int64_t limit,
                 struct link **ret, size_t *ret_n, struct err *e);
/* Who could read now, and through which role or device (`?audience=true`). */
struct link_reader {
    int64_t user_id, role_number, device_id;
    struct str user_name, role_name, device_name;
};
RESULT link_audience(struct db *db, struct arena *a, const struct link *l, struct link_reader **ret, size_t *ret_n,
                     struct err *e);
RESULT link_count(struct db *db, struct arena *a, int64_t account_id, int64_t *ret, struct err *e);
RESULT link_suspend_account(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t now,
                            struct err *e); /* Terminate (passwordsafe-api 7.8) */
/* This system is another server now: whatever links push to it is pushed there. */
RESULT link_push_anew(struct db *db, struct arena *a, int64_t system_id, int64_t now, struct err *e);
/* CONFLICT while links push to this system. */
RESULT link_may_delete_system(struct db *db, struct arena *a, int64_t system_id, struct err *e);
/* The keeper that main gives to the vault. */
struct keeper;
const struct keeper *link_keeper(const struct keyring *keys);
/* turn.c: seal this version's parts anew under every active link. One whose end cannot take them: an error; but where
 * the version is proved, that link is suspended and its copy erased, and the others turn. */
RESULT link_turn_all(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t number,
                     bool is_proved, int64_t now, struct err *e);
/* Every row verifies (INTERNAL "link_broken"), and every end here would take this version (INVALID "link_refuses"; 0:
 * the rows alone). */
RESULT link_check_all(struct db *db, struct arena *a, const struct keyring *keys, int64_t account_id, int64_t number,
                      struct err *e);
