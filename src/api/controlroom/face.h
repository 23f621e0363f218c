/* api/controlroom/face.h: the Control Room face: its tables, and what its files share. */
#pragma once

#include "gate/gate.h"
#include "gate/service.h"

extern const struct face_rules controlroom_face;

extern const struct endpoint authentication_endpoints[], credential_endpoints[], value_endpoints[], locker_endpoints[],
    locker_people_endpoints[], auto_login_endpoints[], vault_key_endpoints[], user_endpoints[], role_endpoints[],
    device_endpoints[], audit_endpoints[];

/* lists.c: the body of every …/list (controlroom-api 8), decoded against a list's columns. */
struct list_body {
    struct str filter, sort, page; /* raw JSON values; absent: none */
};
extern const struct body list_body; /* with the seed's example */
/* INVALID names the culprit. `columns` ends with a row without name. */
RESULT listing_of(struct call *c, const struct column *columns, struct listing *ret, struct err *e);
/* Rows to skip and rows wanted, as asked for: 0 is no limit, more than PAGE_MAX is cut to it (8.5). */
void listing_page(struct listing *l, int64_t offset, int64_t length);
/* {"page":{"offset":…,"total":…,"totalFilter":…},"list":[…]} */
void reply_page(struct call *c, const struct listing *l, const struct counts *counts, const struct field *rows,
                const void *items, size_t item_size, size_t n);
/* {"list":[…]} */
void reply_list(struct call *c, const struct field *rows, const void *items, size_t item_size, size_t n);

/* credentials.c: a struct credential (4.1) */
extern const struct field credential_fields[];

/* names.c */
const char *check_plain_name(struct str s); /* NULL when fine (4.1) */
