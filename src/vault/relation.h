/* vault/relation.h: how a user stands to a locker (controlroom-api 5.2). Every rule of this folder asks here, and lists
 * take the same SQL; for this folder only. */
#pragma once

#include "vault/locker.h"

/* Lockers that a user consumes, and those that he manages or owns. Each ends where the user's id belongs. */
#define CONSUMED_LOCKERS                                                                                               \
    "SELECT k.locker_id FROM role_members m JOIN roles r ON r.id = m.role_id AND r.is_active = 1"                      \
    " JOIN locker_consumers k ON k.role_id = m.role_id WHERE m.user_id = "
#define MANAGED_LOCKERS "SELECT b.locker_id FROM locker_members b WHERE b.permission <> 'participate' AND b.user_id = "

struct relation {
    bool is_owner, is_manager, is_participant, is_consumer;
};
/* Of any user. Locker 0: none. */
RESULT locker_relation(struct db *db, struct arena *a, int64_t locker_id, int64_t user_id, struct relation *ret,
                       struct err *e);
static inline bool is_member(const struct relation *r)
{
    return r->is_owner || r->is_manager || r->is_participant;
}

/* A locker that the caller may see, else NOT_FOUND, and how he stands to it. */
struct locker_view {
    struct locker locker;
    struct relation relation;
    bool is_admin;
};
RESULT locker_look(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct locker_view *ret,
                   struct err *e);
