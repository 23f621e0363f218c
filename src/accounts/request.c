/* accounts/request.c: reading requests, and who may ask for what. */
#include "accounts/request_row.h"

#include "accounts/member.h"

const enum rule_role requestor_roles[] = {ROLE_REQUESTOR, ROLE_REQUESTOR_APPROVER, ROLE_NONE};
const enum rule_role approver_roles[] = {ROLE_APPROVER, ROLE_REQUESTOR_APPROVER, ROLE_NONE};
const enum rule_role requestor_or_isa_roles[] = {ROLE_REQUESTOR, ROLE_REQUESTOR_APPROVER, ROLE_ISA, ROLE_NONE};
const enum rule_role isa_roles[] = {ROLE_ISA, ROLE_NONE};

#define REQUEST_COLUMNS                                                                                                \
    "q.id, q.user_id, q.account_id, COALESCE(m.system_id, 0), q.min_approvers, q.duration_minutes, q.created_at, "     \
    "q.approved_at, q.ends_at, q.ended_at, q.kind, q.access_type, q.reason, q.status, COALESCE(s.name, ''), m.name, "  \
    "u.name, q.rotate_on_checkin, q.was_released, m.domain_name"
#define REQUEST_FROM                                                                                                   \
    " FROM requests q JOIN managed_accounts m ON m.id = q.account_id JOIN users u ON u.id = q.user_id"                 \
    " LEFT JOIN managed_systems s ON s.id = m.system_id"

static struct request request_of(const struct rows *r, size_t i)
{
    return (struct request){.id = row_int(r, i, 0),
                            .user_id = row_int(r, i, 1),
                            .account_id = row_int(r, i, 2),
                            .system_id = row_int(r, i, 3),
                            .min_approvers = row_int(r, i, 4),
                            .duration_minutes = row_int(r, i, 5),
                            .created_at = row_int(r, i, 6),
                            .approved_at = row_int(r, i, 7),
                            .ends_at = row_int(r, i, 8),
                            .ended_at = row_int(r, i, 9),
                            .kind = row_text(r, i, 10),
                            .access_type = row_text(r, i, 11),
                            .reason = row_text(r, i, 12),
                            .status = row_text(r, i, 13),
                            .system_name = row_text(r, i, 14),
                            .account_name = row_text(r, i, 15),
                            .user_name = row_text(r, i, 16),
                            .rotate_on_checkin = row_flag(r, i, 17),
                            .was_released = row_flag(r, i, 18),
                            .domain_name = row_text(r, i, 19)};
}

result request_get(struct db *db, struct arena *a, int64_t id, struct request *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT " REQUEST_COLUMNS REQUEST_FROM " WHERE q.id = $1", P_INT(id)), "Request", &r,
                     e));
    *ret = request_of(&r, 0);
    return SUCCESS;
}

bool request_is_over(const struct request *r, int64_t now)
{
    bool is_open = str_equal(r->status, S("Active")) || str_equal(r->status, S("Pending"));
    return !is_open || r->ends_at <= now;
}

/* ---- roles ---- */

static result denied(const char *word, struct err *e)
{
    return FAIL_AS(e, DENIED, word, "The caller has no role that allows this");
}

result must_have_role(struct db *db, struct arena *a, const struct caller *who, const enum rule_role *roles,
                      const enum rule_role *other, const char *word_of_other, struct err *e)
{
    bool has, has_other = false;
    TRY(rule_role_anywhere(db, a, who, roles, &has, e));
    if (has)
        return SUCCESS;
    if (other)
        TRY(rule_role_anywhere(db, a, who, other, &has_other, e));
    return denied(has_other ? word_of_other : "4031", e);
}

result must_have_role_on(struct db *db, struct arena *a, const struct caller *who, const enum rule_role *roles,
                         const enum rule_role *other, const char *word_of_other, int64_t account_id, struct err *e)
{
    bool has, has_other = false;
    TRY(rule_role_on_account(db, a, who, roles, account_id, &has, e));
    if (has)
        return SUCCESS;
    if (other)
        TRY(rule_role_on_account(db, a, who, other, account_id, &has_other, e));
    return denied(has_other ? word_of_other : "4031", e);
}

/* ---- reading ---- */

result request_running(struct db *db, struct arena *a, const struct caller *who, int64_t id, int64_t now,
                       struct request *ret, struct err *e)
{
    struct request r;
    TRY(request_get(db, a, id, &r, e));
    if (r.user_id != who->user_id)
        return FAIL_AS(e, DENIED, "4031", "The request is another user's");
    if (request_is_over(&r, now))
        return FAIL(e, NOT_FOUND, "Request not found");
    if (str_equal(r.status, S("Pending")))
        return FAIL_AS(e, DENIED, "4034", "The request has not been approved yet");
    *ret = r;
    return SUCCESS;
}

static result add_status(struct builder *b, struct str status, struct err *e)
{
    if (status.n == 0 || str_equal(status, S("all")))
        builder_add(b, " q.status IN ('Active', 'Pending')");
    else if (str_equal(status, S("active")))
        builder_add(b, " q.status = 'Active'");
    else if (str_equal(status, S("pending")))
        builder_add(b, " q.status = 'Pending'");
    else
        return FAIL(e, INVALID, "status: must be all, active or pending");
    return SUCCESS;
}

/* To decide, or decided and still open, on the accounts that he approves for; never his own. */
static void add_to_decide(struct builder *b, const struct caller *who)
{
    builder_add(b, " AND q.min_approvers > 0 AND q.user_id <>");
    builder_param(b, P_INT(who->user_id));
    if (who->rights.is_administrator)
        return;
    builder_add(b, " AND EXISTS (SELECT 1 FROM role_members k JOIN roles g ON g.id = k.role_id AND g.face = 2"
                   " AND g.is_active = 1 JOIN rule_access x ON x.role_id = g.id AND x.level >= 1"
                   " JOIN rule_roles y ON y.role_id = x.role_id AND y.rule_id = x.rule_id AND y.rule_role IN (2, 3)"
                   " JOIN smart_rules r ON r.id = x.rule_id WHERE" RULE_HOLDS_ACCOUNT "AND k.user_id =");
    builder_param(b, P_INT(who->user_id));
    builder_add(b, ")");
}

result request_list(struct db *db, struct arena *a, const struct caller *who, struct str status, struct str queue,
                    int64_t now, struct request **ret, size_t *ret_n, struct err *e)
{
    struct builder b;
    struct rows r;
    bool is_own = queue.n == 0 || str_equal(queue, S("req"));
    if (!is_own && !str_equal(queue, S("app")))
        return FAIL(e, INVALID, "queue: must be req or app");
    builder_init(&b, a);
    builder_add(&b, "SELECT " REQUEST_COLUMNS REQUEST_FROM " WHERE");
    TRY(add_status(&b, status, e));
    builder_add(&b, " AND m.deleted_at = 0 AND q.ends_at >");
    builder_param(&b, P_INT(now));
    if (is_own) {
        TRY(must_have_role(db, a, who, requestor_or_isa_roles, approver_roles, "4033", e));
        /* Not by his index: a robot's own requests of years are many, the open ones of all are few. */
        builder_add(&b, " AND q.user_id + 0 =");
        builder_param(&b, P_INT(who->user_id));
    } else {
        TRY(must_have_role(db, a, who, approver_roles, requestor_roles, "4032", e));
        add_to_decide(&b, who);
    }
    builder_add(&b, " ORDER BY q.id");
    TRY(db_query(db, a, builder_sql(&b), &r, e));
    *ret = arena_array(a, struct request, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = request_of(&r, i);
    *ret_n = r.n;
    return SUCCESS;
}
