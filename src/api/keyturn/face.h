/* api/keyturn/face.h: our own face: its tables, and what its files share (keyturn-api). */
#pragma once

#include "gate/gate.h"
#include "gate/service.h"

extern const struct face_rules keyturn_face;
extern const struct face_rules pages_face; /* pages.h */

extern const struct endpoint health_endpoints[], link_endpoints[], job_endpoints[], account_endpoints[],
    host_key_endpoints[], keyturn_device_endpoints[], api_key_endpoints[], keyturn_audit_endpoints[], seal_endpoints[],
    told_endpoints[], glass_endpoints[], engine_endpoints[], propagation_action_endpoints[];

/* Who calls, for rows that are open to anybody and tell some more than others. */
RESULT keyturn_identify(struct call *c, struct caller *ret, struct err *e);
/* The face's own form of an error; the swagger pages use it too. */
void keyturn_write_error(struct call *c, const struct err *why, struct http_reply *reply);
void keyturn_write_plain_error(int status, const struct err *why, struct http_reply *reply);

/* ---- device.c's way in ---- */

/* What stands behind "Authorization: Keyturn-Device "; absent: nothing. */
struct str device_key_of_call(const struct call *c);
