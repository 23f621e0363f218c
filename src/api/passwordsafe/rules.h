/* api/passwordsafe/rules.h: what the files about smart rules share. */
#pragma once

#include "accounts/rule.h"
#include "api/passwordsafe/face.h"

struct shown_smart_rule {
    struct smart_rule is;
    struct str organization;
    int64_t status;
    bool is_read_only;
};
extern const struct field ps_smart_rule_fields[];
RESULT reply_smart_rule(struct call *c, const struct smart_rule *r, struct err *e);
RESULT reply_smart_rules(struct call *c, const struct field *rows, const struct smart_rule *found, size_t n,
                         struct err *e);

struct title_query {
    struct paging paging;
    struct str title, type;
    struct opt_bool feedback;
};
extern const struct field ps_title_query_fields[];
#define TITLE_QUERY .query = ps_title_query_fields, .query_size = sizeof(struct title_query)

/* The rule that the path names: NOT_FOUND; DENIED below this level of the caller's. */
RESULT smart_rule_of_param(struct call *c, enum level level, struct smart_rule *ret, struct err *e);
RESULT smart_rule_by_title(struct call *c, struct str title, enum level level, struct smart_rule *ret, struct err *e);
/* Its members, a page of them. */
RESULT reply_rule_accounts(struct call *c, int64_t rule_id, struct err *e);
RESULT reply_rule_systems(struct call *c, int64_t rule_id, struct err *e);
