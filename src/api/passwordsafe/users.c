/* api/passwordsafe/users.c: users as this face shows and makes them (passwordsafe-api 6.18). */
#include "accounts/request.h"
#include "api/passwordsafe/groups.h"
#include "crypto/password.h"
#include "identity/registration.h"
#include "identity/user.h"
#include "rotation/link.h"
#include "vault/auto_login.h"

/* What nobody here has is null; the secret only in the answer that made it. */
struct shown_user {
    struct user is;
    struct opt_int access_policy_id;
    struct str no_text, authentication;
    struct secret *client_secret;
    bool is_active;
};
#define IS struct shown_user
const struct field ps_user_fields[] = {
    ID("UserID", IS, is.id),
    TEXT("UserName", IS, is.name),
    TEXT("DomainName", IS, is.domain, .null_when_empty = true),
    TEXT("DistinguishedName", IS, no_text),
    TEXT("FirstName", IS, is.first_name),
    TEXT("LastName", IS, is.last_name),
    TEXT("EmailAddress", IS, is.email, .null_when_empty = true),
    TIME("LastLoginDate", IS, is.last_login_at, .format = TIME_BARE),
    TEXT("LastLoginAuthenticationType", IS, authentication),
    TEXT("LastLoginConfigurationName", IS, no_text),
    TEXT("LastLoginSAMLIDPURL", IS, no_text),
    TEXT("LastLoginSAMLURL", IS, no_text),
    FLAG("IsQuarantined", IS, is.is_quarantined),
    FLAG("IsActive", IS, is_active),
    TEXT("ClientID", IS, is.client_id, .null_when_empty = true),
    SECRET("ClientSecret", IS, client_secret),
    OPT_INT("AccessPolicyID", IS, access_policy_id),
    TEXT("UserType", IS, is.user_type),
    FIELD_END,
};

static struct shown_user shown_of(const struct user *u)
{
    return (struct shown_user){.is = *u,
                               .access_policy_id = {u->access_policy_id != 0, u->access_policy_id},
                               .authentication = u->last_login_at ? S("Internal") : S("N/A"),
                               .is_active = !u->is_disabled};
}

static void reply_users(struct call *c, const struct user *u, size_t n)
{
    struct shown_user *shown = arena_array(c->arena, struct shown_user, n);
    for (size_t i = 0; i < n; i++)
        shown[i] = shown_of(&u[i]);
    reply_array(c, ps_user_fields, shown, sizeof *shown, n);
}

static result user_of_param(struct call *c, struct user *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "User", &id, e));
    TRY(user_get(c->db, c->arena, id, ret, e));
    call_object(c, "user", id, ret->name);
    return SUCCESS;
}

static result answer(struct call *c, int64_t id, struct err *e)
{
    struct user u;
    TRY(user_get(c->db, c->arena, id, &u, e));
    call_object(c, "user", id, u.name);
    struct shown_user shown = shown_of(&u);
    reply_object(c, ps_user_fields, &shown);
    return SUCCESS;
}

/* ---- reading ---- */

struct user_query {
    struct str user_name;
    bool with_inactive;
};
static const struct field query_fields[] = {
    TEXT("username", struct user_query, user_name, .max = 512, .doc = "The one of this name"),
    FLAG("includeInactive", struct user_query, with_inactive),
    FIELD_END,
};

static result users_all(struct call *c, struct err *e)
{
    const void *query;
    struct user one, *found;
    size_t n;
    TRY(call_query(c, &query, e));
    const struct user_query *q = query;
    if (q->user_name.n) {
        TRY(user_by_name(c->db, c->arena, q->user_name, &one, e));
        struct shown_user shown = shown_of(&one);
        reply_object(c, ps_user_fields, &shown);
        return SUCCESS;
    }
    TRY(user_list_all(c->db, c->arena, q->with_inactive, 0, &found, &n, e));
    reply_users(c, found, n);
    return SUCCESS;
}

static result user_show(struct call *c, struct err *e)
{
    struct user u;
    TRY(user_of_param(c, &u, e));
    return answer(c, u.id, e);
}

static result users_of_group(struct call *c, struct err *e)
{
    struct role r;
    struct user *found;
    size_t n;
    TRY(group_of_param(c, 0, &r, e));
    TRY(user_list_all(c->db, c->arena, true, r.id, &found, &n, e));
    reply_users(c, found, n);
    return SUCCESS;
}

/* ---- making and changing ---- */

struct user_body {
    struct str user_type, user_name, first_name, last_name, email;
    struct secret *password;
    struct opt_int access_policy_id;
    struct opt_bool is_active, is_quarantined;
};
static const char *const user_types[] = {"BeyondInsight", "Application", "ActiveDirectory", "LdapDirectory", NULL};
#define USER_ROWS(is_new)                                                                                              \
    TEXT("UserType", struct user_body, user_type, .words = user_types, .doc = "BeyondInsight or Application"),         \
        TEXT("UserName", struct user_body, user_name, .required = (is_new), .max = 255, .example = "ci-bot"),          \
        TEXT("FirstName", struct user_body, first_name, .max = 255),                                                   \
        TEXT("LastName", struct user_body, last_name, .max = 255),                                                     \
        TEXT("EmailAddress", struct user_body, email, .max = 255),                                                     \
        SECRET("Password", struct user_body, password, .max = 1024, .doc = "Required for BeyondInsight"),              \
        OPT_INT("AccessPolicyID", struct user_body, access_policy_id,                                                  \
                .doc = "Of an application user: its registration"),                                                    \
        OPT_FLAG("IsActive", struct user_body, is_active)
static const struct field new_fields[] = {USER_ROWS(true), FIELD_END};
static const struct field change_fields[] = {
    USER_ROWS(false),
    OPT_FLAG("IsQuarantined", struct user_body, is_quarantined,
             .doc = "Another than it was needs Password Safe API Global Quarantine; false lifts a quarantine"),
    FIELD_END,
};
static const struct body new_body =
    BODY(struct user_body, new_fields,
         .example = "{\"UserType\":\"Application\",\"UserName\":\"ci-bot\",\"AccessPolicyID\":4}");
static const struct body change_body =
    BODY(struct user_body, change_fields, .example = "{\"FirstName\":\"Alice\",\"LastName\":\"Adams\"}");

/* Argon2id takes 180 ms: on the pool. A wrong body is the handler's to tell. */
static result hash_password(struct call *c, struct err *e)
{
    const void *body;
    struct err later;
    if (!is_ok(call_body(c, &body, &later)))
        return SUCCESS;
    const struct user_body *in = body;
    struct str *hash = arena_new_of(c->whole, struct str);
    if (secret_length(in->password) > 0)
        TRY(password_hash(in->password, c->whole, hash, e));
    c->prepared = hash;
    return SUCCESS;
}

static result user_edit_prepare(struct call *c, struct err *e)
{
    struct user u;
    TRY(user_of_param(c, &u, e));
    return hash_password(c, e);
}

static result group_user_prepare(struct call *c, struct err *e)
{
    struct role r;
    TRY(group_of_param(c, 0, &r, e));
    return hash_password(c, e);
}

static struct user_change change_of(const struct call *c, const struct user_body *in)
{
    const struct str *hash = c->prepared;
    return (struct user_change){.name = in->user_name.n ? in->user_name : STR_ABSENT,
                                .first_name = in->first_name,
                                .last_name = in->last_name,
                                .email = in->email,
                                .password_hash = hash ? *hash : STR_ABSENT,
                                .is_disabled = {in->is_active.is_set, !in->is_active.value},
                                .is_quarantined = in->is_quarantined,
                                .access_policy_id = in->access_policy_id};
}

static result check_new(const struct user_body *in, bool is_application, struct err *e)
{
    bool is_person = !in->user_type.n || str_equal(in->user_type, S("BeyondInsight"));
    if (!is_person && !is_application)
        return FAIL(e, INVALID, "UserType: %.*s is not supported", STR_ARG(in->user_type));
    if (is_person && secret_length(in->password) == 0)
        return FAIL(e, INVALID, "Password: is required");
    if (is_application && (!in->access_policy_id.is_set || in->access_policy_id.value == 0))
        return FAIL(e, INVALID, "AccessPolicyID: is required");
    return SUCCESS;
}

/* A number that leads nowhere would make a user who can never sign in. */
static result check_policy(struct call *c, const struct user_body *in, struct err *e)
{
    struct registration r;
    struct err why;
    if (!in->access_policy_id.is_set || in->access_policy_id.value == 0)
        return SUCCESS;
    result found = registration_get(c->db, c->arena, in->access_policy_id.value, &r, &why);
    if (found.code == NOT_FOUND || (is_ok(found) && !str_equal(r.type, S("apiaccesspolicy"))))
        return FAIL(e, INVALID, "AccessPolicyID: there is no such access policy");
    if (!is_ok(found))
        *e = why;
    return found;
}

/* An application user gets his id and secret with his answer, and never again. */
static result make(struct call *c, const struct list *groups, struct err *e)
{
    const void *body;
    struct user u;
    struct str client_id;
    struct secret *client_secret = NULL;
    int64_t id;
    TRY(call_body(c, &body, e));
    const struct user_body *in = body;
    bool is_application = str_equal(in->user_type, S("Application"));
    TRY(check_new(in, is_application, e));
    TRY(check_policy(c, in, e));
    struct user_change with = change_of(c, in);
    with.user_type = is_application ? S("Application") : S("BeyondInsight");
    with.group_numbers = *groups;
    if (is_application)
        with.password_hash = STR_ABSENT;
    TRY(user_create(c->db, c->arena, &c->who, &with, c->now, &id, e));
    if (is_application)
        TRY(user_new_client_secret(c->db, c->arena, &c->who, id, c->now, &client_id, &client_secret, e));
    TRY(user_get(c->db, c->arena, id, &u, e));
    call_object(c, "user", id, u.name);
    struct shown_user shown = shown_of(&u);
    shown.client_secret = client_secret;
    reply_revealing(c, ps_user_fields, &shown);
    return SUCCESS;
}

static result user_new(struct call *c, struct err *e)
{
    return make(c, &(struct list){0}, e);
}

static result user_new_in_group(struct call *c, struct err *e)
{
    struct role r;
    TRY(group_of_param(c, 0, &r, e));
    call_detail(c, arena_printf(c->arena, "in group %" PRId64 " %.*s", r.number, STR_ARG(r.name)));
    return make(c, &(struct list){.at = &r.number, .n = 1, .is_set = true}, e);
}

static result end_requests(struct call *c, int64_t user_id, struct err *e)
{
    int64_t *ended;
    size_t n;
    return request_terminate(c->db, c->arena, 0, 0, user_id, c->now, &ended, &n, e);
}

static result user_edit(struct call *c, struct err *e)
{
    const void *body;
    struct user u;
    TRY(user_of_param(c, &u, e));
    TRY(call_body(c, &body, e));
    const struct user_body *in = body;
    if (in->user_type.n && !str_equal(in->user_type, u.user_type))
        return FAIL(e, INVALID, "UserType: cannot be changed");
    if (in->is_quarantined.is_set && in->is_quarantined.value != u.is_quarantined &&
        !rights_have(&c->who.rights, GLOBAL_QUARANTINE, LEVEL_WRITE))
        return not_permitted(e);
    TRY(check_policy(c, in, e));
    struct user_change with = change_of(c, in);
    TRY(user_update(c->db, c->arena, &c->who, u.id, &with, c->now, e));
    bool is_shut_out = (with.is_disabled.is_set && with.is_disabled.value) ||
                       (with.is_quarantined.is_set && with.is_quarantined.value);
    if (is_shut_out)
        TRY(end_requests(c, u.id, e));
    return answer(c, u.id, e);
}

static result user_remove(struct call *c, struct err *e)
{
    struct user u;
    TRY(user_of_param(c, &u, e));
    TRY(auto_login_forget_user(c->db, c->arena, u.id, c->now, e));
    TRY(link_forget_user(c->db, c->arena, c->service->keys, u.id, c->who.user_id, c->now, e));
    TRY(user_delete(c->db, c->arena, &c->who, u.id, c->now, e));
    reply_none(c, 200);
    return SUCCESS;
}

static result user_quarantine(struct call *c, struct err *e)
{
    struct user u;
    struct user_change with = {.is_quarantined = {true, true}};
    TRY(user_of_param(c, &u, e));
    TRY(user_update(c->db, c->arena, &c->who, u.id, &with, c->now, e));
    TRY(end_requests(c, u.id, e));
    return answer(c, u.id, e);
}

static result client_secret_new(struct call *c, struct err *e)
{
    struct user u;
    struct str client_id;
    struct secret *client_secret;
    TRY(user_of_param(c, &u, e));
    if (!str_equal(u.user_type, S("Application")))
        return FAIL(e, INVALID, "Only an application user has a client secret");
    TRY(user_new_client_secret(c->db, c->arena, &c->who, u.id, c->now, &client_id, &client_secret, e));
    reply_secret(c, client_secret);
    return SUCCESS;
}

#define MAY_USERS MAY(USER_ACCOUNTS_MANAGEMENT)
const struct endpoint ps_user_endpoints[] = {
    {HTTP_GET, "/Users", MAY_READ(USER_ACCOUNTS_MANAGEMENT), SEARCHES, UNRECORDED, "List users, or show one by name",
     NO_BODY, users_all, .query = query_fields, .query_size = sizeof(struct user_query), .reply = ps_user_fields,
     .reply_is_any = true},
    {HTTP_GET, "/Users/{id}", MAY_READ(USER_ACCOUNTS_MANAGEMENT), READS, UNRECORDED, "Show a user", NO_BODY, user_show,
     .reply = ps_user_fields, .object = "user"},
    {HTTP_GET, "/UserGroups/{id}/Users", MAY_READ(USER_ACCOUNTS_MANAGEMENT), SEARCHES, UNRECORDED,
     "List the users of a group", NO_BODY, users_of_group, .reply_is_list = true, .reply = ps_user_fields,
     .object = "user group"},
    {HTTP_POST, "/Users", MAY_USERS, REVEALS, "user.create", "Create a user", &new_body, user_new, .status = 201,
     .prepare = hash_password, .reply = ps_user_fields},
    {HTTP_POST, "/UserGroups/{id}/Users", MAY_USERS, REVEALS, "user.create", "Create a user in a group", &new_body,
     user_new_in_group, .status = 201, .prepare = group_user_prepare, .reply = ps_user_fields, .object = "user group"},
    {HTTP_PUT, "/Users/{id}", MAY_USERS, WRITES, "user.update", "Change a user; what is left out stays", &change_body,
     user_edit, .prepare = user_edit_prepare, .reply = ps_user_fields, .object = "user"},
    {HTTP_DELETE, "/Users/{id}", MAY_USERS, WRITES, "user.delete", "Delete a user, with his auto-login", NO_BODY,
     user_remove, .object = "user"},
    {HTTP_POST, "/Users/{id}/Quarantine", MAY(GLOBAL_QUARANTINE), WRITES, "user.quarantine",
     "End a user's sessions and refuse his sign-in", NO_BODY, user_quarantine, .reply = ps_user_fields,
     .object = "user"},
    {HTTP_POST, "/Users/{id}/RecycleClientSecret", MAY_USERS, REVEALS, "user.secret",
     "A new client secret; the old one ends at once", NO_BODY, client_secret_new, .reply_is_text = true,
     .object = "user"},
    {0},
};
