/* accounts/directory.h: directories: Active Directory domains and LDAP servers (passwordsafe-api 6.5). */
#pragma once

#include "accounts/system.h"

struct directory {
    int64_t id, place_id;
    struct str domain_name;
    /* Platform, workgroup, port, forest and terms; a managed system made from it begins with these. */
    struct managed_system is;
};
RESULT directory_get(struct db *db, struct arena *a, int64_t id, struct directory *ret,
                     struct err *e); /* "Directory not found" */
RESULT directory_list(struct db *db, struct arena *a, struct directory **ret, size_t *ret_n, struct err *e); /* by id */
/* INVALID by the rules of 6.5. CONFLICT: the workgroup has this domain. */
RESULT directory_create(struct db *db, struct arena *a, const struct directory *with, int64_t now, int64_t *ret_id,
                        struct err *e);
/* The workgroup stays; while it is managed, platform and domain name too. */
RESULT directory_update(struct db *db, struct arena *a, const struct directory *with /* whole, id set */, int64_t now,
                        struct err *e);
RESULT directory_delete(struct db *db, struct arena *a, int64_t id, struct err *e); /* CONFLICT while managed */
