/* identity/user.h: the one user table of both faces (keyturn-api 2.2). User 0 is the server itself. */
#pragma once

#include "base/field.h"
#include "db/filter.h"
#include "identity/caller.h"

struct role_ref {
    int64_t id;     /* of the row */
    int64_t number; /* on the wire */
    struct str name;
    int64_t version;
};
struct user {
    int64_t id;
    struct str name, user_type, domain, first_name, last_name, email, description,
        license_features /* comma-separated */;
    bool has_password, enable_auto_login, is_disabled, is_quarantined;
    int64_t access_policy_id, last_login_at, version, created_by, created_at, updated_by, updated_at;
    int64_t tokens_valid_after; /* tokens made until then are dead */
    struct str client_id;
    struct list roles;  /* of struct role_ref: Control Room roles */
    struct list groups; /* of struct role_ref: Password Safe groups */
};

RESULT user_get(struct db *db, struct arena *a, int64_t id, struct user *ret, struct err *e); /* "User not found" */
RESULT user_by_name(struct db *db, struct arena *a, struct str name, struct user *ret, struct err *e); /* any case */
/* Only the id: "name", or "DOMAIN\\name" of a user who has this domain. NOT_FOUND. */
RESULT user_id_by_name(struct db *db, struct arena *a, struct str name, int64_t *ret, struct err *e);
RESULT user_exists(struct db *db, struct arena *a, int64_t id, bool *ret_is_enabled, struct err *e); /* NOT_FOUND */

struct user_change { /* absent members keep what is stored; create needs name and (for people) password_hash */
    struct str name, user_type, domain, first_name, last_name, email, description, license_features;
    struct str password_hash; /* made by password_hash() in a prepare step */
    struct opt_bool enable_auto_login, is_disabled, is_quarantined;
    struct opt_int access_policy_id;
    struct list role_numbers;  /* of int64_t, replaces the Control Room roles when is_set */
    struct list group_numbers; /* of int64_t, replaces the Password Safe groups when is_set */
};
/* `who` NULL: init. Everything here keeps I10 (identity/grant.h) and ends tokens and sessions where keyturn-api 2.2
 * says so. Errors: CONFLICT name taken; INVALID "roles: …" unknown; DENIED. */
RESULT user_create(struct db *db, struct arena *a, const struct caller *who, const struct user_change *with,
                   int64_t now, int64_t *ret_id, struct err *e);
RESULT user_update(struct db *db, struct arena *a, const struct caller *who, int64_t id, const struct user_change *with,
                   int64_t now, struct err *e);
/* His own password; `old` was verified by the caller's prepare step against this very hash, else CONFLICT. */
RESULT user_set_own_password(struct db *db, int64_t id, struct str old_hash, struct str new_hash, int64_t now,
                             struct err *e);
/* May he be deleted? CONFLICT "owns credentials", "has an open request". The modules above add their own part first
 * (auto-logins, links: rotation/unlink). The row stays, marked deleted, its name freed: its key becomes "DELETED:<id>",
 * which no name has, since a key is folded to lower case. DENIED for one who holds more than the caller. */
RESULT user_delete(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now, struct err *e);
/* A new client id and secret for an application user; the secret is shown once. */
RESULT user_new_client_secret(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now,
                              struct str *ret_client_id, struct secret **ret_secret, struct err *e);
/* End every token and session of the user on both faces, now. */
RESULT user_end_sessions(struct db *db, int64_t id, int64_t now, struct err *e);
/* Only the tokens of the Control Room face: he has lost a role there. */
RESULT user_end_tokens(struct db *db, int64_t id, int64_t now, struct err *e);
/* His roles on one face: a list of struct role_ref. */
RESULT user_groups(struct db *db, struct arena *a, int64_t id, enum face face, struct list *ret, struct err *e);

extern const struct column user_columns[]; /* controlroom-api 8.3 */
RESULT user_list(struct db *db, struct arena *a, const struct listing *l, struct counts *ret_counts, struct user **ret,
                 size_t *ret_n, struct err *e);
/* Password Safe: all, by id; or members of a group (the row's id). Inactive is disabled. */
RESULT user_list_all(struct db *db, struct arena *a, bool with_inactive, int64_t group_id_or_0, struct user **ret,
                     size_t *ret_n, struct err *e);
