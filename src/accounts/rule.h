/* accounts/rule.h: smart rules (the built-in ones and quick rules) and what user groups may do on them
 * (passwordsafe-api 6.15-6.17). */
#pragma once

#include "base/field.h"
#include "db/db.h"
#include "identity/caller.h"

struct smart_rule {
    int64_t id, processed_at;
    struct str title, description, category, rule_type, kind;
    int64_t level; /* of the group asked about; else the caller's */
};
/* The caller's access to a rule: Administrators LEVEL_WRITE. */
RESULT rule_get(struct db *db, struct arena *a, int64_t id, struct smart_rule *ret,
                struct err *e); /* "Smart Rule not found" */
RESULT rule_by_title(struct db *db, struct arena *a, struct str title, struct smart_rule *ret, struct err *e);
RESULT rule_level(struct db *db, struct arena *a, const struct caller *who, int64_t rule_id, enum level *ret,
                  struct err *e);
RESULT rule_list(struct db *db, struct arena *a, const struct caller *who, struct str rule_type /* absent: all */,
                 struct smart_rule **ret, size_t *ret_n, struct err *e);
RESULT quick_rule_list(struct db *db, struct arena *a, bool of_accounts, bool of_systems, struct smart_rule **ret,
                       size_t *ret_n, struct err *e); /* of either type, or both, whatever the caller's level */
RESULT rule_list_of_group(struct db *db, struct arena *a, int64_t group_number, struct smart_rule **ret, size_t *ret_n,
                          struct err *e);
struct quick_rule_new {
    struct str title, description, category, rule_type;
    struct list members; /* of int64_t */
};
RESULT quick_rule_create(struct db *db, struct arena *a, const struct quick_rule_new *with, int64_t now,
                         int64_t *ret_id, struct err *e);
RESULT quick_rule_set_members(struct db *db, struct arena *a, int64_t id, const struct list *ids, int64_t now,
                              struct err *e); /* INVALID when empty */
RESULT quick_rule_add_member(struct db *db, struct arena *a, int64_t id, int64_t member_id, int64_t now, struct err *e);
RESULT quick_rule_remove_member(struct db *db, struct arena *a, int64_t id, int64_t member_id, int64_t now,
                                struct err *e);               /* the last: INVALID */
RESULT rule_delete(struct db *db, int64_t id, struct err *e); /* built-in: CONFLICT */
RESULT rule_process(struct db *db, int64_t id, int64_t now,
                    struct err *e); /* rules are computed when they are asked: only the date moves */
/* I10: whoever adds a member gives every role that groups have on this rule. DENIED unless the caller holds each of
 * them on what is new (a rule of systems will also hold accounts that do not exist yet: Administrators only, once it
 * has roles). Ask before the change. */
RESULT quick_rule_may_hold(struct db *db, struct arena *a, const struct caller *who, int64_t id,
                           const struct list *member_ids, struct err *e);

/* A group's access. Roles need an access level first: INVALID "… AccessLevel before setting roles". I10 is asked by the
 * caller. */
RESULT rule_set_level(struct db *db, struct arena *a, int64_t group_number, int64_t rule_id, enum level level,
                      struct err *e);
RESULT rule_set_roles(struct db *db, struct arena *a, int64_t group_number, int64_t rule_id, const int64_t *roles,
                      size_t n, int64_t access_policy_id, struct err *e);
RESULT rule_roles(struct db *db, struct arena *a, int64_t group_number, int64_t rule_id, int64_t **ret, size_t *ret_n,
                  struct err *e);
const char *rule_role_name(int64_t role); /* NULL: unknown */
/* The rows that init makes: "All Managed Accounts", "All Managed Systems", "All Assets"; policy 5000; password rule 0;
 * workgroup 1. */
RESULT accounts_make_builtins(struct db *db, struct arena *a, int64_t now, struct err *e);
