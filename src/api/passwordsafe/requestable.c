/* api/passwordsafe/requestable.c: GET ManagedAccounts: what a requestor can see (passwordsafe-api 6.10.1). */
#include "api/passwordsafe/face.h"

enum { LIMIT_DEFAULT = 1000, LIMIT_MAX = 100000 };

struct requestable_query {
    struct str system_name, account_name, workgroup_name, application_name, ip_address, type;
    struct opt_int system_id, limit, offset;
};
#define Q struct requestable_query
static const char *const types[] = {"system", "recent", "domainlinked", "database", "cloud", "application", NULL};
static const struct field query_fields[] = {
    TEXT("systemName", Q, system_name, .max = 255, .doc = "With accountName: the answer is one object"),
    TEXT("accountName", Q, account_name, .max = 1000),
    OPT_INT("systemID", Q, system_id),
    TEXT("workgroupName", Q, workgroup_name, .max = 256),
    TEXT("applicationDisplayName", Q, application_name, .max = 256),
    TEXT("ipAddress", Q, ip_address, .max = 46),
    TEXT("type", Q, type, .words = types),
    OPT_INT("limit", Q, limit, .doc = "None: 1000"),
    OPT_INT("offset", Q, offset),
    FIELD_END,
};

struct shown_requestable {
    struct requestable is;
    struct opt_int no_number;
    struct str no_text;
    bool off;
};
#define IS struct shown_requestable
static const struct field requestable_fields[] = {
    ID("PlatformID", IS, is.platform_id),
    ID("SystemId", IS, is.account.system_id),
    TEXT("SystemName", IS, is.account.system_name),
    TEXT("InstanceName", IS, is.account.instance_name, .null_when_empty = true),
    TEXT("DomainName", IS, is.account.domain_name, .null_when_empty = true),
    ID("AccountId", IS, is.account.id),
    TEXT("AccountName", IS, is.account.name),
    TEXT("UserPrincipalName", IS, is.account.user_principal_name, .null_when_empty = true),
    TEXT("AccountDescription", IS, is.account.description, .null_when_empty = true),
    OPT_INT("ApplicationID", IS, no_number),
    TEXT("ApplicationDisplayName", IS, no_text),
    INT("MaximumReleaseDuration", IS, is.max_release_duration),
    INT("DefaultReleaseDuration", IS, is.release_duration),
    TIME("LastChangeDate", IS, is.account.last_change_at, .format = TIME_BARE),
    TIME("NextChangeDate", IS, is.account.next_change_at, .format = TIME_BARE),
    INT("ChangeState", IS, is.account.change_state),
    FLAG("IsChanging", IS, is.account.is_changing),
    FLAG("IsISAAccess", IS, is.is_isa_access),
    TEXT("PreferredNodeID", IS, no_text),
    FLAG("TotpEnabled", IS, off),
    TEXT("TotpParameters", IS, no_text),
    FIELD_END,
};

static result page_of_query(const Q *q, int64_t *ret_limit, int64_t *ret_offset, struct err *e)
{
    if (q->limit.is_set && q->limit.value < 1)
        return FAIL(e, INVALID, "limit: must be at least 1");
    if (q->offset.is_set && q->offset.value < 0)
        return FAIL(e, INVALID, "offset: must be at least 0");
    *ret_limit = q->limit.is_set ? q->limit.value : LIMIT_DEFAULT;
    *ret_limit = *ret_limit < LIMIT_MAX ? *ret_limit : LIMIT_MAX;
    *ret_offset = q->offset.value;
    return SUCCESS;
}

/* Linked accounts, clouds and applications: this server has none. */
static bool is_of_other_kind(const Q *q)
{
    return q->application_name.n || str_equal(q->type, S("domainlinked")) || str_equal(q->type, S("cloud")) ||
           str_equal(q->type, S("application"));
}

static int64_t entity_type_of(struct str type)
{
    if (str_equal(type, S("database")))
        return ENTITY_DATABASE;
    return str_equal(type, S("system")) ? ENTITY_ASSET : 0;
}

/* The page is cut here when the address decides, for it stands with the system. */
static result keep_address(struct call *c, struct str address, struct requestable *found, size_t *n, struct err *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        struct managed_system s;
        TRY(system_get(c->db, c->arena, found[i].account.system_id, &s, e));
        if (str_equal_fold(s.ip_address, address))
            found[kept++] = found[i];
    }
    *n = kept;
    return SUCCESS;
}

static result find(struct call *c, const Q *q, int64_t limit, int64_t offset, struct requestable **ret, size_t *ret_n,
                   struct err *e)
{
    struct requestable_filter f = {.system_name = q->system_name,
                                   .account_name = q->account_name,
                                   .workgroup_name = q->workgroup_name,
                                   .system_id = q->system_id.value,
                                   .entity_type = entity_type_of(q->type),
                                   .limit = q->ip_address.n ? LIMIT_MAX : limit,
                                   .offset = q->ip_address.n ? 0 : offset};
    *ret_n = 0;
    *ret = NULL;
    if (is_of_other_kind(q))
        return SUCCESS;
    TRY(account_requestable(c->db, c->arena, &c->who, &f, c->now, ret, ret_n, e));
    if (!q->ip_address.n)
        return SUCCESS;
    TRY(keep_address(c, q->ip_address, *ret, ret_n, e));
    size_t skipped = (size_t)offset < *ret_n ? (size_t)offset : *ret_n;
    *ret += skipped;
    *ret_n -= skipped;
    *ret_n = *ret_n < (size_t)limit ? *ret_n : (size_t)limit;
    return SUCCESS;
}

/* One object or a list: the shape rule of 6.10.1. */
static result requestable_list(struct call *c, struct err *e)
{
    const void *query;
    struct requestable *found;
    size_t n;
    int64_t limit, offset;
    TRY(call_query(c, &query, e));
    const Q *q = query;
    TRY(page_of_query(q, &limit, &offset, e));
    bool is_named = q->system_name.n && q->account_name.n;
    bool is_qualified =
        str_equal(q->type, S("domainlinked")) && !q->system_name.n && str_find_char(q->account_name, '\\') > 0;
    TRY(find(c, q, is_named ? 1 : limit, is_named ? 0 : offset, &found, &n, e));
    if (n == 0 && (is_named || is_qualified))
        return FAIL(e, NOT_FOUND, "Managed Account not found");
    struct shown_requestable *shown = arena_array(c->arena, struct shown_requestable, n);
    for (size_t i = 0; i < n; i++)
        shown[i].is = found[i];
    if (is_named || (is_qualified && n == 1))
        reply_object(c, requestable_fields, shown);
    else
        reply_array(c, requestable_fields, shown, sizeof *shown, n);
    return SUCCESS;
}

const struct endpoint ps_requestable_endpoints[] = {
    {HTTP_GET, "/ManagedAccounts", SIGNED_IN, SEARCHES, UNRECORDED, "The accounts that the caller may request", NO_BODY,
     requestable_list, .query = query_fields, .query_size = sizeof(Q), .reply = requestable_fields,
     .reply_is_any = true},
    {0},
};
