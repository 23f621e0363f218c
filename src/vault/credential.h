/* vault/credential.h: credentials and their attributes: what they are and who may do what (controlroom-api 4). No value
 * here. */
#pragma once

#include "base/field.h"
#include "db/filter.h"
#include "identity/caller.h"

enum { ATTRIBUTES_MAX = 50 };

struct attribute {
    int64_t id, credential_id;
    struct str name, description;
    bool user_provided, masked, password_flag;
    int64_t version, created_by, created_at, updated_by, updated_at;
};
struct credential {
    int64_t id;
    struct str name, description, external_name; /* external_name: always "" */
    int64_t owner_id, locker_id;                 /* locker_id 0: in none */
    struct list attributes;                      /* of struct attribute, in order of creation */
    int64_t version, created_by, created_at, updated_by, updated_at;
};

/* How the caller stands to a credential; all false: it does not exist for him (NOT_FOUND). */
struct standing {
    bool is_owner, is_consumer, is_manager, is_locker_owner, is_locker_admin, is_participant;
    bool can_see; /* owner; consumers, managers, owners of its locker; AAE_Locker Admin */
};
RESULT credential_standing(struct db *db, struct arena *a, const struct caller *who, const struct credential *c,
                           struct standing *ret, struct err *e);

/* Visible to the caller, else NOT_FOUND "Credential not found". */
RESULT credential_get(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct credential *ret,
                      struct standing *ret_standing, struct err *e);

/* What is absent: create takes "" and false (user_provided: INVALID), update keeps what is stored. */
struct attribute_change {
    int64_t id; /* 0: not given */
    struct str name, description;
    struct opt_bool user_provided, masked, password_flag;
    struct opt_int version;
};
struct credential_change {
    struct str name, description;
    struct list attributes; /* of struct attribute_change; update: not is_set leaves them alone */
    struct opt_int version;
};
/* DENIED (standard attributes need CREATE_STANDARD), INVALID, CONFLICT. */
RESULT credential_create(struct db *db, struct arena *a, const struct caller *who, const struct credential_change *with,
                         int64_t now, struct credential *ret, struct err *e);
/* Who may update at all, and is the credential in a state for it? 404, 403, 409 of the locker, before the body is
 * looked at. */
RESULT credential_may_update(struct db *db, struct arena *a, const struct caller *who, int64_t id,
                             struct credential *ret, struct err *e);
/* The rest of controlroom-api 4.3 "Update" with its order of checks and its matching of attributes. `present` is what
 * credential_may_update gave in this transaction. Where a value stands in the way, CONFLICT's second line names the
 * values' ids. */
RESULT credential_update(struct db *db, struct arena *a, const struct caller *who, const struct credential *present,
                         const struct credential_change *with, int64_t now, struct err *e);
RESULT credential_delete(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now,
                         struct str *ret_name, struct err *e);
RESULT credential_transfer(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t new_owner_id,
                           int64_t now, struct err *e);

/* As it stands now, whoever asks: for the answer to a change that was permitted and took the caller's sight of it. */
RESULT credential_after(struct db *db, struct arena *a, int64_t id, struct credential *ret, struct err *e);

extern const struct column credential_columns[];
/* What the caller may see; `consumed`: only those he consumes through one of his roles. With attributes. */
RESULT credential_list(struct db *db, struct arena *a, const struct caller *who, bool consumed, const struct listing *l,
                       struct counts *ret_counts, struct credential **ret, size_t *ret_n, struct err *e);
/* Load the attributes of many credentials with few statements. */
RESULT credential_load_attributes(struct db *db, struct arena *a, struct credential *credentials, size_t n,
                                  struct err *e);
/* All kept_by numbers of a credential's values, of a locker's credentials. */
RESULT credential_keepers(struct db *db, struct arena *a, int64_t credential_id, struct list *ret_numbers,
                          struct err *e);
RESULT locker_keepers(struct db *db, struct arena *a, int64_t locker_id, struct list *ret_numbers, struct err *e);
