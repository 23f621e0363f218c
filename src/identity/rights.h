/* identity/rights.h: every right of both faces, once (controlroom-api 3, passwordsafe-api 4.3).
 *
 * The numbers stand in role_rights.right_id: never renumber, only add. */
#pragma once

#include "base/str.h"

enum face { FACE_NONE = 0, FACE_CONTROLROOM = 1, FACE_PASSWORDSAFE = 2, FACE_KEYTURN = 3 };
enum level { LEVEL_NONE = 0, LEVEL_READ = 1, LEVEL_WRITE = 3 };

enum right {
    RIGHT_NONE = 0,
    /* Control Room; held or not held: LEVEL_WRITE */
    MANAGE_CREDENTIALS = 1, /* every signed-in user has it */
    LOCKER_CREATE,
    LOCKER_CONSUME,
    CREATE_STANDARD,
    LOCKER_ADMINISTER,
    UPDATE_ANY,
    READ_MASKED,
    BOT_AUTOLOGIN,
    VIEW_BASIC_INFO,
    USER_MANAGEMENT,
    GENERATE_API_KEY,
    VIEW_AUDIT,
    /* Password Safe features */
    ACCOUNT_MANAGEMENT = 32,  /* AM */
    SYSTEM_MANAGEMENT,        /* SM */
    ROLE_MANAGEMENT,          /* RM */
    POLICY_MANAGEMENT,        /* PM */
    CONFIGURATION_MANAGEMENT, /* CM */
    GLOBAL_QUARANTINE,        /* GQ */
    TICKET_MANAGEMENT,
    ASSET_MANAGEMENT,         /* AS */
    USER_ACCOUNTS_MANAGEMENT, /* UM */
    SMART_RULE_ASSET,
    SMART_RULE_ACCOUNT,
    SMART_RULE_SYSTEM,
    QUICK_RULE_ACCESS,
    ATTRIBUTE_MANAGEMENT,
    DIRECTORY_QUERY,
    MANAGEMENT_CONSOLE,
    API_REGISTRATION, /* AR */
    SECRETS_SAFE,     /* SS */
    WORKFORCE_PASSWORDS,
    USER_AUDITS,
    BREAK_GLASS, /* ours; Administrators do not hold it by themselves */
    RIGHT_COUNT = 64
};

struct right_fact {
    enum right right;
    enum face face;
    int64_t wire_id;                    /* Control Room permission id, Password Safe PermissionID */
    const char *action, *resource_type; /* Control Room */
    const char *name;                   /* of the feature, or of the permission in the vendor's screens */
    bool is_reserved;                   /* updateany, readmasked, break-glass: keyturn-api 2.3 */
};
extern const struct right_fact right_facts[];
extern const size_t right_fact_count;
const struct right_fact *right_fact(enum right right);
const struct right_fact *right_by_wire_id(enum face face, int64_t wire_id);            /* NULL: unknown */
const struct right_fact *right_by_action(struct str action, struct str resource_type); /* Control Room; NULL: unknown */

/* What somebody holds: a level for each right, and the two built-in groups that are more than their rights. */
struct rights {
    unsigned char level[RIGHT_COUNT];
    bool is_aae_admin;     /* Control Room role 1 */
    bool is_administrator; /* Password Safe group 1: every feature at LEVEL_WRITE but BREAK_GLASS, every role check */
};
bool rights_include(const struct rights *have, const struct rights *wanted); /* have >= wanted in every point */
void rights_raise(struct rights *r, enum right right, enum level level);     /* to at least this level */
void rights_expand(struct rights *r); /* add what the two built-in groups hold by being what they are */
static inline bool rights_have(const struct rights *r, enum right right, enum level level)
{
    return r->level[right] >= (unsigned char)level;
}

/* Roles on smart rules (passwordsafe-api 4.4). */
enum rule_role {
    ROLE_NONE = 0,
    ROLE_REQUESTOR = 1,
    ROLE_APPROVER = 2,
    ROLE_REQUESTOR_APPROVER = 3,
    ROLE_ISA = 4,
    ROLE_AUDITOR = 5,
    ROLE_CREDENTIALS_MANAGER = 7,
    ROLE_RECORDED_REVIEWER = 8,
    ROLE_ACTIVE_REVIEWER = 9,
};
