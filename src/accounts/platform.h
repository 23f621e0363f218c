/* accounts/platform.h: the platforms that ship (passwordsafe-api 6.7), entity types, and the word for what is not
 * managed here. */
#pragma once

#include "base/field.h"

enum { ENTITY_ASSET = 1, ENTITY_DATABASE = 2, ENTITY_DIRECTORY = 3 };
enum {
    PLATFORM_LINUX = 2,
    PLATFORM_MYSQL = 10,
    PLATFORM_ACTIVE_DIRECTORY = 25,
    PLATFORM_POSTGRESQL = 79,
    PLATFORM_LDAP = 1001,
    PLATFORM_CONTROL_ROOM = 1002
};
struct platform {
    int64_t id, entity_type;
    struct str name, short_name, session_type; /* session_type absent: null */
    bool has_port;
    struct opt_int default_port;
    bool can_elevate, has_domain, can_manage_passwords, can_manage_keys, can_store_keys;
    const char *connector; /* "ssh"; NULL: this server has no connector for it yet */
    int64_t dialled_port;  /* where there is no default_port that clients see */
};
extern const struct platform platforms[];
extern const size_t platform_count;
const struct platform *platform_by_id(int64_t id); /* NULL: unknown */
bool platform_is_directory(int64_t id);
