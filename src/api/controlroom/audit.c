/* api/controlroom/audit.c: the audit's rows on the wire (controlroom-api 7.5). */
#include "api/controlroom/face.h"

struct audit_view {
    struct audit_row row;
    struct str description, status, environment;
};
static const struct field message_fields[] = {
    ID_TEXT("id", struct audit_view, row.id),
    TEXT("activityType", struct audit_view, row.what),
    TEXT("eventDescription", struct audit_view, description),
    TEXT("status", struct audit_view, status),
    TEXT("userName", struct audit_view, row.user_name),
    ID_TEXT("createdBy", struct audit_view, row.user_id, .zero_is_text = true),
    TIME("createdOn", struct audit_view, row.at, .format = TIME_Z_MILLI),
    TEXT("hostName", struct audit_view, row.address),
    TEXT("objectName", struct audit_view, row.object_name),
    TEXT("source", struct audit_view, row.source),
    TEXT("environmentName", struct audit_view, environment),
    TEXT("requestId", struct audit_view, row.request_id),
    TEXT("detail", struct audit_view, row.detail),
    FIELD_END,
};

/* "credential.create" as the vendor's screens say it: "Add credential". */
static struct str description_of(struct arena *a, struct str what)
{
    static const struct {
        const char *verb, *shown;
    } words[] = {{"create", "Add"}, {"update", "Edit"}, {"delete", "Delete"}, {"read", "View"}};
    struct str verb = what;
    struct str noun = str_cut(&verb, '.');
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (str_equal(verb, str_of(words[i].verb)))
            return arena_printf(a, "%s %.*s", words[i].shown, STR_ARG(noun));
    return str_is_set(verb) ? arena_printf(a, "%.*s: %.*s", STR_ARG(noun), STR_ARG(verb)) : what;
}

static result message_search(struct call *c, struct err *e)
{
    struct listing l;
    struct counts counts;
    struct audit_row *found;
    size_t n;
    TRY(listing_of(c, audit_columns, &l, e));
    TRY(audit_list(c->db, c->arena, &l, &counts, &found, &n, e));
    struct audit_view *views = arena_array(c->arena, struct audit_view, n);
    for (size_t i = 0; i < n; i++)
        views[i] = (struct audit_view){.row = found[i],
                                       .description = description_of(c->arena, found[i].what),
                                       .status = found[i].is_success ? S("Successful") : S("Unsuccessful"),
                                       .environment = S("")};
    reply_page(c, &l, &counts, message_fields, views, sizeof *views, n);
    return SUCCESS;
}

const struct endpoint audit_endpoints[] = {
    {HTTP_POST, "/v1/audit/messages/list", MAY_READ(VIEW_AUDIT), SEARCHES, UNRECORDED, "Search the audit", &list_body,
     message_search, .reply_is_page = true, .reply = message_fields},
    {0},
};
