/* identity/role.h: Control Room roles and Password Safe user groups: rows of one table with a face, numbered per face.
 */
#pragma once

#include "identity/user.h"

struct role_right {
    enum right right;
    enum level level;
};
struct role {
    int64_t id, number;
    enum face face;
    struct str name, description;
    bool is_builtin, is_active;
    int64_t version, created_by, created_at, updated_by, updated_at;
    int64_t member_count;
    struct list rights;        /* of struct role_right */
    struct list members;       /* of int64_t: user ids */
    struct list registrations; /* of int64_t: Password Safe */
};

enum {
    ROLE_NUMBER_AAE_ADMIN = 1,
    ROLE_NUMBER_AAE_BASIC = 2,
    ROLE_NUMBER_LOCKER_ADMIN = 3,
    GROUP_NUMBER_ADMINISTRATORS = 1,
    ROLE_NUMBER_CUSTOM = 100
};

/* By number on its face. "Role not found" / "User Group not found". */
RESULT role_get(struct db *db, struct arena *a, enum face face, int64_t number, struct role *ret, struct err *e);
/* By name, any case; on the Control Room face built-in aliases too (AAE_Locker, AAE_Locker_Admin: controlroom-api 3).
 */
RESULT role_by_name(struct db *db, struct arena *a, enum face face, struct str name, struct role *ret, struct err *e);

struct role_change {
    struct str name, description;
    struct list rights;        /* of struct role_right; replaces when is_set */
    struct list members;       /* of int64_t user ids; replaces when is_set */
    struct list registrations; /* of int64_t; replaces when is_set */
    struct opt_bool is_active;
};
/* Keep I10; CONFLICT for a name taken, or one like a built-in (controlroom-api 3) on the Control Room face, and for any
 * change of a built-in one but its members, description and registrations. A new Control Room role without rights gets
 * the two that everybody is meant to have. INVALID for rights of the other face, unknown members and registrations. */
RESULT role_create(struct db *db, struct arena *a, const struct caller *who, enum face face,
                   const struct role_change *with, int64_t now, int64_t *ret_number, struct err *e);
RESULT role_update(struct db *db, struct arena *a, const struct caller *who, enum face face, int64_t number,
                   const struct role_change *with, int64_t now, struct err *e);
RESULT role_delete(struct db *db, struct arena *a, const struct caller *who, enum face face, int64_t number,
                   int64_t now, struct err *e); /* built-in: CONFLICT */
RESULT role_add_member(struct db *db, struct arena *a, const struct caller *who, enum face face, int64_t number,
                       int64_t user_id, int64_t now, struct err *e); /* CONFLICT already */
RESULT role_remove_member(struct db *db, struct arena *a, const struct caller *who, enum face face, int64_t number,
                          int64_t user_id, int64_t now, struct err *e);

extern const struct column role_columns[];
RESULT role_list(struct db *db, struct arena *a, enum face face, const struct listing *l, struct counts *ret_counts,
                 struct role **ret, size_t *ret_n, struct err *e);
RESULT role_list_all(struct db *db, struct arena *a, enum face face, struct role **ret, size_t *ret_n, struct err *e);

/* The built-in roles, groups and what init needs of them (controlroom-api 3, passwordsafe-api appendix A). */
RESULT role_make_builtins(struct db *db, struct arena *a, int64_t now, struct err *e);
