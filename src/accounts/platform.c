/* accounts/platform.c: the platforms that ship (passwordsafe-api 6.7). */
#include "accounts/platform.h"

#define TEXT_OF(literal)                                                                                               \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1                                                                                \
    }

const struct platform platforms[] = {
    {.id = 1,
     .entity_type = 1,
     .name = TEXT_OF("Windows"),
     .short_name = TEXT_OF("Windows"),
     .session_type = TEXT_OF("RDP"),
     .can_manage_passwords = true},
    {.id = PLATFORM_LINUX,
     .entity_type = 1,
     .name = TEXT_OF("Linux"),
     .short_name = TEXT_OF("Linux"),
     .session_type = TEXT_OF("SSH"),
     .has_port = true,
     .default_port = {true, 22},
     .can_elevate = true,
     .can_manage_passwords = true,
     .can_manage_keys = true,
     .can_store_keys = true,
     .connector = "ssh"},
    {.id = 4,
     .entity_type = 1,
     .name = TEXT_OF("AIX"),
     .short_name = TEXT_OF("AIX"),
     .session_type = TEXT_OF("SSH"),
     .has_port = true,
     .default_port = {true, 22},
     .can_elevate = true,
     .can_manage_passwords = true,
     .can_manage_keys = true,
     .can_store_keys = true},
    {.id = 8,
     .entity_type = 2,
     .name = TEXT_OF("Oracle"),
     .short_name = TEXT_OF("Oracle"),
     .has_port = true,
     .default_port = {true, 1521},
     .can_manage_passwords = true},
    {.id = PLATFORM_MYSQL,
     .entity_type = 2,
     .name = TEXT_OF("MySQL"),
     .short_name = TEXT_OF("MySQL"),
     .has_port = true,
     .default_port = {true, 3306},
     .can_manage_passwords = true,
     .connector = "mysql"},
    {.id = 11,
     .entity_type = 2,
     .name = TEXT_OF("MS SQL Server"),
     .short_name = TEXT_OF("MSSQL"),
     .has_port = true,
     .default_port = {true, 1433},
     .can_manage_passwords = true},
    {.id = PLATFORM_ACTIVE_DIRECTORY,
     .entity_type = 3,
     .name = TEXT_OF("Active Directory"),
     .short_name = TEXT_OF("AD"),
     .session_type = TEXT_OF("RDP"),
     .has_domain = true,
     .can_manage_passwords = true,
     .connector = "activedirectory",
     .dialled_port = 636},
    {.id = 46,
     .entity_type = 1,
     .name = TEXT_OF("Generic SSH device"),
     .short_name = TEXT_OF("SSH"),
     .session_type = TEXT_OF("SSH"),
     .has_port = true,
     .default_port = {true, 22},
     .can_manage_passwords = true},
    {.id = PLATFORM_POSTGRESQL,
     .entity_type = 2,
     .name = TEXT_OF("PostgreSQL"),
     .short_name = TEXT_OF("PostgreSQL"),
     .has_port = true,
     .default_port = {true, 5432},
     .can_manage_passwords = true,
     .connector = "postgresql"},
    /* The seed has no platform for it: an id of our own, out of the way of theirs. */
    {.id = PLATFORM_LDAP,
     .entity_type = 3,
     .name = TEXT_OF("LDAP"),
     .short_name = TEXT_OF("LDAP"),
     .has_port = true,
     .default_port = {true, 636},
     .can_manage_passwords = true,
     .connector = "ldap"},
    /* Where followers are (keyturn-api 3): values are pushed there, its users' own passwords are not managed. */
    {.id = PLATFORM_CONTROL_ROOM,
     .entity_type = 1,
     .name = TEXT_OF("Control Room"),
     .short_name = TEXT_OF("ControlRoom"),
     .has_port = true,
     .default_port = {true, 443},
     .connector = "controlroom"},
};
const size_t platform_count = sizeof platforms / sizeof platforms[0];

const struct platform *platform_by_id(int64_t id)
{
    for (size_t i = 0; i < platform_count; i++)
        if (platforms[i].id == id)
            return &platforms[i];
    return NULL;
}

bool platform_is_directory(int64_t id)
{
    const struct platform *p = platform_by_id(id);
    return p && p->entity_type == ENTITY_DIRECTORY;
}
