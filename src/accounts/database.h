/* accounts/database.h: databases, which stand on an asset (passwordsafe-api 6.4). */
#pragma once

#include "accounts/place.h"
#include "accounts/platform.h"

struct database {
    int64_t id, asset_id, workgroup_id, platform_id, port; /* port 0: the platform's; asset_id: the machine */
    int64_t place_id;                                      /* what a managed system refers to */
    struct str instance_name, version, template;
    bool is_default_instance;
};
RESULT database_get(struct db *db, struct arena *a, int64_t id, struct database *ret,
                    struct err *e); /* "Database not found" */
/* By id; asset_id 0: all. */
RESULT database_list(struct db *db, struct arena *a, int64_t asset_id, struct database **ret, size_t *ret_n,
                     struct err *e);
/* INVALID by the rules of 6.4. CONFLICT: the asset has this instance of this platform at this port already. */
RESULT database_create(struct db *db, struct arena *a, const struct database *with, int64_t now, int64_t *ret_id,
                       struct err *e);
/* The asset stays, and so does the platform while it is managed. Its managed system is called, and dialled, by what
 * stands here from now on. */
RESULT database_update(struct db *db, struct arena *a, const struct database *with /* whole, id set */, int64_t now,
                       struct err *e);
RESULT database_delete(struct db *db, struct arena *a, int64_t id, struct err *e); /* CONFLICT while managed */
/* What its managed system is called on this host: host\instance; of a default instance host\platform, with a port that
 * is not the platform's. */
struct str database_system_name(struct arena *a, const struct database *d, struct str host);
