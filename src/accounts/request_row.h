/* accounts/request_row.h: what the files of the requests share; for this folder only. */
#pragma once

#include "accounts/request.h"

/* Over at this moment, whether or not anybody has written it down yet. */
bool request_is_over(const struct request *r, int64_t now);
RESULT request_get(struct db *db, struct arena *a, int64_t id, struct request *ret,
                   struct err *e); /* "Request not found" */

extern const enum rule_role requestor_roles[], approver_roles[], requestor_or_isa_roles[], isa_roles[];
/* DENIED "4031", or `word_of_other` for one who has only the roles of `other` (which may be NULL). */
RESULT must_have_role(struct db *db, struct arena *a, const struct caller *who, const enum rule_role *roles,
                      const enum rule_role *other, const char *word_of_other, struct err *e);
RESULT must_have_role_on(struct db *db, struct arena *a, const struct caller *who, const enum rule_role *roles,
                         const enum rule_role *other, const char *word_of_other, int64_t account_id, struct err *e);
/* Written with this status; what was released is settled by the next tick. */
RESULT request_end(struct db *db, int64_t id, const char *status, int64_t now, struct err *e);
