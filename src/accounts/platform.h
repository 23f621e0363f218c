/* accounts/platform.h: the platforms that ship (passwordsafe-api 6.7), entity types, and the word for what is not
 * managed here. */
#pragma once

#include "base/field.h"

struct platform {
    int64_t id, entity_type;
    struct str name, short_name, session_type; /* session_type absent: null */
    bool has_port;
    struct opt_int default_port;
    bool can_elevate, has_domain, can_manage_passwords, can_manage_keys, can_store_keys;
    const char *connector; /* "ssh"; NULL: this server has no connector for it yet */
};
extern const struct platform platforms[];
extern const size_t platform_count;
const struct platform *platform_by_id(int64_t id); /* NULL: unknown */
