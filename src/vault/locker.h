/* vault/locker.h: lockers, their members and consumers (controlroom-api 5). */
#pragma once

#include "vault/credential.h"

struct locker {
    int64_t id;
    struct str name, description;
    int64_t version, created_by, created_at, updated_by, updated_at;
};
struct locker_member {
    int64_t user_id;
    struct str user_name, permission; /* "own", "manage", "participate" */
};
struct locker_consumer {
    int64_t role_number;
    struct str role_name;
};

/* Visible to the caller, else NOT_FOUND "Locker not found". */
RESULT locker_get(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct locker *ret,
                  struct err *e);
RESULT locker_create(struct db *db, struct arena *a, const struct caller *who, struct str name, struct str description,
                     int64_t now, int64_t *ret_id, struct err *e);
/* May the caller edit it? 404, 403: before the body is looked at. */
RESULT locker_may_edit(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct locker *ret,
                       struct err *e);
RESULT locker_update(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct str name,
                     struct str description, struct opt_int version, int64_t now, struct err *e);
RESULT locker_delete(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now, struct err *e);
extern const struct column locker_columns[];
RESULT locker_list(struct db *db, struct arena *a, const struct caller *who, const struct listing *l,
                   struct counts *ret_counts, struct locker **ret, size_t *ret_n, struct err *e);

RESULT locker_members(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct locker_member **ret,
                      size_t *ret_n, struct err *e);
/* Own and admin only (5.2): 404, 403 before the body. */
RESULT locker_may_administer(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct locker *ret,
                             struct err *e);
RESULT locker_set_member(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t user_id,
                         struct str permission, int64_t now, struct locker_member *ret, struct err *e);
RESULT locker_remove_member(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t user_id,
                            int64_t now, struct err *e);
RESULT locker_consumers(struct db *db, struct arena *a, const struct caller *who, int64_t id,
                        struct locker_consumer **ret, size_t *ret_n, struct err *e);
RESULT locker_add_consumer(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t role_number,
                           int64_t now, struct locker_consumer *ret, struct err *e);
RESULT locker_remove_consumer(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t role_number,
                              int64_t now, struct err *e);
/* A role got a member or a right, a user a role: whoever follows an account in a locker that this role consumes may
 * have a new reader; recorded with the account (keyturn-api 3.1 rule 5). */
RESULT locker_role_grew(struct db *db, struct arena *a, int64_t role_number, struct str how, struct err *e);
RESULT locker_credentials(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct credential **ret,
                          size_t *ret_n, struct err *e);
RESULT locker_assign(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t credential_id,
                     int64_t now, struct err *e);
RESULT locker_take_out(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t credential_id,
                       int64_t now, struct err *e);
