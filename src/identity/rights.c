/* identity/rights.c: the table of rights, and what follows from it. */
#include "identity/rights.h"

#include <stddef.h>

#define PERMISSION(r, id, act, type, shown, ...)                                                                       \
    {                                                                                                                  \
        .right = (r), .face = FACE_CONTROLROOM, .wire_id = (id), .action = (act), .resource_type = (type),             \
        .name = (shown), __VA_ARGS__                                                                                   \
    }
#define FEATURE(r, id, shown, ...)                                                                                     \
    {                                                                                                                  \
        .right = (r), .face = FACE_PASSWORDSAFE, .wire_id = (id), .name = (shown), __VA_ARGS__                         \
    }

/* 59, 211 and 20 are what the vendors' own servers use; 52 and 76 are ids that clients carry (passwordsafe-api 4.3). */
const struct right_fact right_facts[] = {
    PERMISSION(MANAGE_CREDENTIALS, 59, "managecredentials", "credentials", "Manage my credentials and lockers"),
    PERMISSION(LOCKER_CREATE, 60, "create", "locker", "Manage my lockers"),
    PERMISSION(LOCKER_CONSUME, 61, "consume", "locker", "Consume a locker"),
    PERMISSION(LOCKER_ADMINISTER, 62, "administer", "locker", "Administer ALL lockers"),
    PERMISSION(CREATE_STANDARD, 211, "createstandard", "credentialattribute",
               "Create standard attributes for a credential"),
    PERMISSION(UPDATE_ANY, 212, "updateany", "credentialattributevalue",
               "View and edit ALL credentials attributes value", .is_reserved = true),
    PERMISSION(READ_MASKED, 213, "readmasked", "credentialattributevalue", "Read masked values", .is_reserved = true),
    PERMISSION(BOT_AUTOLOGIN, 214, "botautologinapi", "credentialattributevalue", "Bot Auto-Login Credentials API"),
    PERMISSION(VIEW_BASIC_INFO, 30, "viewuserrolebasicinfo", "usermanagement", "View users' and roles' basic info"),
    PERMISSION(USER_MANAGEMENT, 31, "usermanagement", "usermanagement", "Manage users and roles"),
    PERMISSION(GENERATE_API_KEY, 32, "generateapikey", "usermanagement", "Generate API-Key"),
    PERMISSION(VIEW_AUDIT, 33, "viewall", "audit", "View everyone's audit log actions"),

    FEATURE(ACCOUNT_MANAGEMENT, 20, "Password Safe Account Management"),
    FEATURE(SYSTEM_MANAGEMENT, 21, "Password Safe System Management"),
    FEATURE(ROLE_MANAGEMENT, 22, "Password Safe Role Management"),
    FEATURE(POLICY_MANAGEMENT, 23, "Password Safe Policy Management"),
    FEATURE(CONFIGURATION_MANAGEMENT, 24, "Password Safe Configuration Management"),
    FEATURE(GLOBAL_QUARANTINE, 25, "Password Safe API Global Quarantine"),
    FEATURE(TICKET_MANAGEMENT, 26, "Password Safe Ticket System Management"),
    FEATURE(ASSET_MANAGEMENT, 2, "Asset Management"),
    FEATURE(USER_ACCOUNTS_MANAGEMENT, 3, "User Accounts Management"),
    FEATURE(SMART_RULE_ASSET, 4, "Smart Rule Management – Asset"),
    FEATURE(SMART_RULE_ACCOUNT, 5, "Smart Rule Management – Managed Account"),
    FEATURE(SMART_RULE_SYSTEM, 6, "Smart Rule Management – Managed System"),
    FEATURE(QUICK_RULE_ACCESS, 7, "Quick Rule access"),
    FEATURE(ATTRIBUTE_MANAGEMENT, 8, "Attribute Management"),
    FEATURE(DIRECTORY_QUERY, 9, "Directory Query / Credential Management"),
    FEATURE(MANAGEMENT_CONSOLE, 52, "Management Console Access"),
    FEATURE(API_REGISTRATION, 10, "API Registration Management"),
    FEATURE(SECRETS_SAFE, 76, "Secrets Safe"),
    FEATURE(WORKFORCE_PASSWORDS, 77, "Workforce Passwords"),
    FEATURE(USER_AUDITS, 78, "User Audits"),
    FEATURE(BREAK_GLASS, 1000, "Keyturn Break Glass", .is_reserved = true),
};
const size_t right_fact_count = sizeof right_facts / sizeof right_facts[0];

/* Not AAE_Locker Admin's `administer`: "admin" of lockers never means AAE_Admin (controlroom-api 3). */
static const enum right of_aae_admin[] = {
    MANAGE_CREDENTIALS, LOCKER_CREATE,   CREATE_STANDARD,  BOT_AUTOLOGIN,
    VIEW_BASIC_INFO,    USER_MANAGEMENT, GENERATE_API_KEY, VIEW_AUDIT,
};

const struct right_fact *right_fact(enum right right)
{
    for (size_t i = 0; i < right_fact_count; i++)
        if (right_facts[i].right == right)
            return &right_facts[i];
    return NULL;
}

const struct right_fact *right_by_wire_id(enum face face, int64_t wire_id)
{
    for (size_t i = 0; i < right_fact_count; i++)
        if (right_facts[i].face == face && right_facts[i].wire_id == wire_id)
            return &right_facts[i];
    return NULL;
}

const struct right_fact *right_by_action(struct str action, struct str resource_type)
{
    for (size_t i = 0; i < right_fact_count; i++) {
        const struct right_fact *fact = &right_facts[i];
        if (fact->face == FACE_CONTROLROOM && str_equal_fold(str_of(fact->action), action) &&
            str_equal_fold(str_of(fact->resource_type), resource_type))
            return fact;
    }
    return NULL;
}

bool rights_include(const struct rights *have, const struct rights *wanted)
{
    for (size_t i = 0; i < RIGHT_COUNT; i++)
        if (have->level[i] < wanted->level[i])
            return false;
    return (have->is_aae_admin || !wanted->is_aae_admin) && (have->is_administrator || !wanted->is_administrator);
}

void rights_raise(struct rights *r, enum right right, enum level level)
{
    if (r->level[right] < (unsigned char)level)
        r->level[right] = (unsigned char)level;
}

void rights_expand(struct rights *r)
{
    if (r->is_aae_admin)
        for (size_t i = 0; i < sizeof of_aae_admin / sizeof of_aae_admin[0]; i++)
            rights_raise(r, of_aae_admin[i], LEVEL_WRITE);
    if (r->is_administrator)
        for (size_t i = 0; i < right_fact_count; i++)
            if (right_facts[i].face == FACE_PASSWORDSAFE && right_facts[i].right != BREAK_GLASS)
                rights_raise(r, right_facts[i].right, LEVEL_WRITE);
}
