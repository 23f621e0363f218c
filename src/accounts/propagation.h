/* accounts/propagation.h: propagation actions (passwordsafe-api 7.11): what is done on systems once an account's change
 * was proved, which accounts have which, and where. Running them is rotation/propagation.h. */
#pragma once

#include "base/field.h"
#include "db/db.h"

enum { PROPAGATION_SERVICES = 1 };       /* the only type: a service of a Linux host is restarted */
enum { PROPAGATION_SYSTEMS_MAX = 1000 }; /* of one account */

struct propagation_action {
    int64_t id, type_id;
    struct str name, description, service;
};
RESULT propagation_get(struct db *db, struct arena *a, int64_t id, struct propagation_action *ret,
                       struct err *e); /* "Propagation Action not found" */
RESULT propagation_list(struct db *db, struct arena *a, struct propagation_action **ret, size_t *ret_n, struct err *e);
RESULT propagation_create(struct db *db, struct arena *a, const struct propagation_action *with, int64_t *ret_id,
                          struct err *e); /* INVALID, CONFLICT name taken */
RESULT propagation_update(struct db *db, struct arena *a, const struct propagation_action *with, struct err *e);
RESULT propagation_delete(struct db *db, struct arena *a, int64_t id, struct err *e); /* CONFLICT while assigned */

struct assigned_action {
    struct propagation_action is; /* first: by its id */
    struct str rules;             /* "10002,10003"; absent: on the account's own system */
};
RESULT propagation_assigned(struct db *db, struct arena *a, int64_t account_id, struct assigned_action **ret,
                            size_t *ret_n, struct err *e);
/* The action, if the account has it; id 0: it has not. */
RESULT propagation_find(struct db *db, struct arena *a, int64_t account_id, int64_t action_id,
                        struct propagation_action *ret, struct err *e);
/* On the systems of these rules (int64_t), which the caller has looked at; none: on the account's own. An assignment
 * that is there gets these rules instead. INVALID: nowhere to run, or on too many systems. */
RESULT propagation_assign(struct db *db, struct arena *a, int64_t account_id, int64_t action_id,
                          const struct list *rules, bool *ret_is_new, struct err *e);
RESULT propagation_unassign(struct db *db, int64_t account_id, int64_t action_id, struct err *e);
RESULT propagation_unassign_all(struct db *db, int64_t account_id, struct err *e);

/* Where the account's actions are to run, by system: Linux hosts, each once. */
struct propagation_target {
    int64_t system_id;
    struct str actions; /* their ids, in order: "2 5" */
};
RESULT propagation_targets(struct db *db, struct arena *a, int64_t account_id, struct propagation_target **ret,
                           size_t *ret_n, struct err *e);
