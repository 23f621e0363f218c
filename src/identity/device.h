/* identity/device.h: devices, which hand out the login of their default user (keyturn-api 7). */
#pragma once

#include "base/secret.h"
#include "db/filter.h"

struct device {
    int64_t id, default_user_id, last_seen, updated_by, updated_at;
    struct str host_name, nickname, default_user_name;
};
/* The key is shown once. CONFLICT host name taken; NOT_FOUND user. */
RESULT device_create(struct db *db, struct arena *a, const struct device *with, int64_t by, int64_t now,
                     int64_t *ret_id, struct secret **ret_key, struct err *e);
RESULT device_update(struct db *db, struct arena *a, const struct device *with, int64_t by, int64_t now, struct err *e);
RESULT device_delete(struct db *db, int64_t id, struct err *e);
RESULT device_new_key(struct db *db, struct arena *a, int64_t id, struct secret **ret_key, struct err *e);
RESULT device_get(struct db *db, struct arena *a, int64_t id, struct device *ret,
                  struct err *e); /* "Device not found" */
RESULT device_by_key(struct db *db, struct arena *a, struct str key, struct device *ret,
                     struct err *e);                                       /* UNAUTHENTICATED */
RESULT device_seen(struct db *db, int64_t id, int64_t now, struct err *e); /* moves last_seen; on the writer */
extern const struct column device_columns[];
RESULT device_list(struct db *db, struct arena *a, const struct listing *l, struct counts *ret_counts,
                   struct device **ret, size_t *ret_n, struct err *e);
