/* accounts/place.h: workgroups and assets (passwordsafe-api 6.2, 6.3). */
#pragma once

#include "base/field.h"
#include "db/db.h"

struct workgroup {
    int64_t id;
    struct str name, organization; /* organization: the one GUID of this installation */
};
RESULT workgroup_get(struct db *db, struct arena *a, int64_t id, struct workgroup *ret,
                     struct err *e); /* "Workgroup not found" */
RESULT workgroup_by_name(struct db *db, struct arena *a, struct str name, struct workgroup *ret, struct err *e);
RESULT workgroup_list(struct db *db, struct arena *a, struct workgroup **ret, size_t *ret_n, struct err *e);
RESULT workgroup_create(struct db *db, struct arena *a, struct str name, int64_t *ret_id,
                        struct err *e); /* CONFLICT "… already exists" */
RESULT organization_id(struct db *db, struct arena *a, struct str *ret, struct err *e);

struct asset {
    int64_t id, workgroup_id, created_at, updated_at;
    struct str name, ip_address, dns_name, domain_name, mac_address, asset_type, description, operating_system;
};
RESULT asset_get(struct db *db, struct arena *a, int64_t id, struct asset *ret, struct err *e);
RESULT asset_by_name(struct db *db, struct arena *a, int64_t workgroup_id, struct str name, struct asset *ret,
                     struct err *e);
/* By id; limit < 0: no limit. *ret_total: without limit and offset. */
RESULT asset_list(struct db *db, struct arena *a, int64_t workgroup_id, int64_t limit, int64_t offset,
                  struct asset **ret, size_t *ret_n, int64_t *ret_total, struct err *e);
/* Given members are ANDed; at least one, else INVALID. */
RESULT asset_search(struct db *db, struct arena *a, const struct asset *like, int64_t limit, int64_t offset,
                    struct asset **ret, size_t *ret_n, int64_t *ret_total, struct err *e);
RESULT asset_create(struct db *db, struct arena *a, const struct asset *with, int64_t now, int64_t *ret_id,
                    struct err *e); /* default name: the padded address */
RESULT asset_update(struct db *db, struct arena *a, const struct asset *with /* whole, id set */, int64_t now,
                    struct err *e);
RESULT asset_delete(struct db *db, int64_t id, struct err *e); /* CONFLICT while managed */

/* The place of a database or a directory: a row beside the assets' that no call above finds. `key`: unique among the
 * places of its workgroup, ignoring case. CONFLICT. */
RESULT place_create(struct db *db, struct arena *a, int64_t workgroup_id, int64_t entity_type, struct str key,
                    int64_t now, int64_t *ret_id, struct err *e);
RESULT place_rename(struct db *db, struct arena *a, int64_t id, struct str key, int64_t now, struct err *e);
