/* api/passwordsafe/access_policies.c: what a request must bring, to read (passwordsafe-api 7.9). */
#include "accounts/request.h"

#include "api/passwordsafe/face.h"

struct access_type {
    struct str name;
    bool is_session, records_session;
    int64_t min_approvers, max_concurrent;
};
static const struct field access_type_fields[] = {
    TEXT("AccessType", struct access_type, name),
    FLAG("IsSession", struct access_type, is_session),
    FLAG("RecordSession", struct access_type, records_session),
    INT("MinApprovers", struct access_type, min_approvers),
    INT("MaxConcurrent", struct access_type, max_concurrent),
    FIELD_END,
};

struct schedule {
    int64_t id;
    bool require_reason, require_ticket;
    struct opt_int ticket_system_id;
    struct list access_types;
};
static const struct field schedule_fields[] = {
    ID("ScheduleID", struct schedule, id),
    FLAG("RequireReason", struct schedule, require_reason),
    FLAG("RequireTicketSystem", struct schedule, require_ticket),
    OPT_INT("TicketSystemID", struct schedule, ticket_system_id),
    LIST("AccessTypes", struct schedule, access_types, struct access_type, access_type_fields),
    FIELD_END,
};

struct shown_policy {
    struct access_policy is;
    struct list schedules;
};
static const struct field policy_fields[] = {
    ID("AccessPolicyID", struct shown_policy, is.id),
    TEXT("Name", struct shown_policy, is.name),
    TEXT("Description", struct shown_policy, is.description),
    LIST("Schedules", struct shown_policy, schedules, struct schedule, schedule_fields),
    FIELD_END,
};

/* A policy holds at any hour and for every access type alike. */
static struct shown_policy shown_of(struct arena *a, const struct access_policy *p)
{
    struct access_type *types = arena_array(a, struct access_type, 2);
    struct schedule *schedule = arena_new_of(a, struct schedule);
    types[0] =
        (struct access_type){.name = S("View"), .min_approvers = p->min_approvers, .max_concurrent = p->max_concurrent};
    types[1] = (struct access_type){
        .name = S("SSH"), .is_session = true, .min_approvers = p->min_approvers, .max_concurrent = p->max_concurrent};
    *schedule = (struct schedule){.id = 1, .require_reason = p->require_reason, .access_types = {.at = types, .n = 2}};
    return (struct shown_policy){.is = *p, .schedules = {.at = schedule, .n = 1}};
}

static result policies_all(struct call *c, struct err *e)
{
    struct access_policy *found;
    size_t n;
    TRY(access_policy_list(c->db, c->arena, &found, &n, e));
    struct shown_policy *shown = arena_array(c->arena, struct shown_policy, n);
    for (size_t i = 0; i < n; i++)
        shown[i] = shown_of(c->arena, &found[i]);
    reply_array(c, policy_fields, shown, sizeof *shown, n);
    return SUCCESS;
}

const struct endpoint ps_access_policy_endpoints[] = {
    {HTTP_GET, "/AccessPolicies", MAY_READ(ROLE_MANAGEMENT), READS, UNRECORDED, "List access policies", NO_BODY,
     policies_all, .reply_is_list = true, .reply = policy_fields},
    {0},
};
