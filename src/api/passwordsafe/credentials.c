/* api/passwordsafe/credentials.c: the five calls that set, test and change credentials (passwordsafe-api 5.1 to 5.5).
 */
#include "api/passwordsafe/face.h"
#include "rotation/change.h"
#include "rotation/rotation.h"

struct credentials_body {
    struct secret *password, *new_password, *private_key, *passphrase;
    struct str public_key;
    struct opt_bool update_system, queue;
};
#define IN struct credentials_body
#define CREDENTIAL_ROWS                                                                                                \
    SECRET("Password", IN, password, .doc = "None: a random one is made", .example = "N3w-Pa55!"),                     \
        SECRET("NewPassword", IN, new_password, .doc = "The same; this one counts when both are given"),               \
        TEXT("PublicKey", IN, public_key, .max = 65536, .doc = "Required with PrivateKey when UpdateSystem is true"),  \
        SECRET("PrivateKey", IN, private_key, .max = 65536),                                                           \
        SECRET("Passphrase", IN, passphrase, .max = 1024, .doc = "Of an encrypted PrivateKey"),                        \
        OPT_FLAG("UpdateSystem", IN, update_system, .once = true, .doc = "None: true. False: only store it")
static const struct field set_fields[] = {CREDENTIAL_ROWS, FIELD_END};
static const struct field change_fields[] = {
    OPT_FLAG("Queue", IN, queue, .doc = "None: false. True: queue the change, and answer at once"),
    CREDENTIAL_ROWS,
    FIELD_END,
};
static const struct body set_body =
    BODY(IN, set_fields, .example = "{\"Password\":\"N3w-Pa55!\",\"UpdateSystem\":true}");
static const struct body change_body = BODY(IN, change_fields, .example = "{\"Queue\":false}");

/* ---- which account, and may he? ---- */

static result check_role(struct call *c, const struct managed_account *m, struct err *e)
{
    static const enum rule_role roles[] = {ROLE_ISA, ROLE_CREDENTIALS_MANAGER, ROLE_NONE};
    bool has_role;
    if (rights_have(&c->who.rights, ACCOUNT_MANAGEMENT, LEVEL_WRITE))
        return SUCCESS;
    TRY(rule_role_on_account(c->db, c->arena, &c->who, roles, m->id, &has_role, e));
    return has_role ? SUCCESS : not_permitted(e);
}

static result account_by_id(struct call *c, struct managed_account *ret, struct err *e)
{
    TRY(account_of_param(c, 0, ret, e));
    return check_role(c, ret, e);
}

struct place_query {
    struct str workgroup, asset, account;
};
static const struct field place_fields[] = {
    TEXT("workgroupName", struct place_query, workgroup, .required = true, .max = 256, .doc = "Name of the Workgroup"),
    TEXT("assetName", struct place_query, asset, .required = true, .max = 128, .doc = "Name of the asset"),
    TEXT("accountName", struct place_query, account, .required = true, .max = 300,
         .doc = "Name of the managed account"),
    FIELD_END,
};

static result account_by_names(struct call *c, struct managed_account *ret, struct err *e)
{
    const void *query;
    TRY(call_query(c, &query, e));
    const struct place_query *q = query;
    TRY(account_by_place(c->db, c->arena, q->workgroup, q->asset, q->account, c->now, ret, e));
    record_account(c, ret);
    return check_role(c, ret, e);
}

static result account_of_call(struct call *c, struct managed_account *ret, struct err *e)
{
    return c->param_count > 0 ? account_by_id(c, ret, e) : account_by_names(c, ret, e);
}

/* ---- asking ---- */

static struct secret *given(struct secret *s)
{
    return secret_length(s) > 0 ? s : NULL;
}

static result set_prepare(struct call *c, struct err *e)
{
    struct managed_account m;
    const void *body;
    TRY(account_of_call(c, &m, e));
    TRY(call_body(c, &body, e));
    const struct credentials_body *in = body;
    return inspect_key(c, in->private_key, in->passphrase, e);
}

static result wait_for(struct call *c, int64_t job_id, int64_t wait_us, struct err *e)
{
    struct job j;
    TRY(job_get(c->db, c->arena, job_id, &j, e));
    c->job_mark = job_store_epoch(&j);
    return call_park(c, job_id, wait_us);
}

/* Done at once (stored only), queued, or to be waited for. */
static result ask(struct call *c, const struct managed_account *m, const struct credentials_body *in, bool is_queued,
                  struct err *e)
{
    const struct key_facts *key = c->prepared;
    struct secret *newer = given(in->new_password);
    struct change_wish wish = {.account_id = m->id,
                               .password = newer ? newer : given(in->password),
                               .private_key = given(in->private_key),
                               .passphrase = given(in->passphrase),
                               .public_key = in->public_key,
                               .derived_public = key ? key->public_key : STR_ABSENT,
                               .key_is_encrypted = key && key->is_encrypted,
                               .update_system = !in->update_system.is_set || in->update_system.value,
                               .is_queued = is_queued,
                               .trigger = "caller",
                               .by = c->who.user_id};
    int64_t job, wait_us;
    TRY(change_ask(c->db, c->arena, c->service->keys, &wish, c->now, &job, e));
    if (job)
        call_after_commit(c, rotation_wake, c->service->rotation);
    reply_none(c, 204);
    if (!job || is_queued)
        return SUCCESS;
    TRY(change_wait(c->db, c->arena, m->id, &wait_us, e));
    return wait_for(c, job, wait_us, e);
}

static result set(struct call *c, struct err *e)
{
    struct managed_account m;
    const void *body;
    TRY(account_of_call(c, &m, e));
    TRY(call_body(c, &body, e));
    return ask(c, &m, body, false, e);
}

struct queue_query {
    struct opt_bool queue;
};
static const struct field queue_fields[] = {
    OPT_FLAG("queue", struct queue_query, queue, .doc = "As in the body, which counts when both are given"),
    FIELD_END,
};

static result change(struct call *c, struct err *e)
{
    struct managed_account m;
    const void *body, *query;
    TRY(account_of_call(c, &m, e));
    TRY(call_body(c, &body, e));
    TRY(call_query(c, &query, e));
    const struct credentials_body *in = body;
    const struct queue_query *q = query;
    bool is_queued = in->queue.is_set ? in->queue.value : q->queue.is_set && q->queue.value;
    return ask(c, &m, in, is_queued, e);
}

/* ---- answering when the job has ended, or the wait is over ---- */

/* What the question has done in the store stands (a job that was never sent is dropped), so this is an answer, not a
 * failure. */
static result tell(struct call *c, const struct managed_account *m, const char *what, const struct err *why)
{
    struct str name = arena_printf(c->arena, "%.*s/%.*s", STR_ARG(m->system_name), STR_ARG(m->name));
    audit_note(c->db, what, false, (struct audit_object){"account", m->id, name}, m->id, str_of(why->text));
    call_is_recorded(c);
    reply_status(c, status_of(why->code));
    reply_bytes(c, "text/plain; charset=utf-8", str_of(why->text));
    return SUCCESS;
}

static bool is_outcome(enum code code)
{
    return code == REFUSED || code == UNREACHABLE || code == UNCERTAIN || code == DRIFT || code == CONFLICT ||
           code == INVALID;
}

static result change_end(struct call *c, struct err *e)
{
    struct managed_account m;
    struct err why;
    TRY(account_of_call(c, &m, e));
    bool may_know = rights_have(&c->who.rights, ACCOUNT_MANAGEMENT, LEVEL_READ) ||
                    rights_have(&c->who.rights, SYSTEM_MANAGEMENT, LEVEL_READ);
    const struct awaited_job job = {c->job_id, m.id, c->job_mark};
    result r = change_answer(c->db, c->arena, &job, may_know, c->now, &why);
    if (is_outcome(r.code))
        return tell(c, &m, c->row->audit, &why);
    if (is_ok(r))
        reply_none(c, 204);
    else
        *e = why;
    return r;
}

/* ---- testing ---- */

struct test_answer {
    bool success;
};
static const struct field test_fields[] = {
    FLAG("Success", struct test_answer, success, .doc = "The stored credential is the live one"),
    FIELD_END,
};

static result test(struct call *c, struct err *e)
{
    struct managed_account m;
    int64_t job, wait_us;
    TRY(account_of_param(c, 0, &m, e));
    TRY(change_ask_test(c->db, c->arena, m.id, c->who.user_id, c->now, &job, e));
    TRY(change_test_wait(c->db, c->arena, m.id, &wait_us, e));
    call_after_commit(c, rotation_wake, c->service->rotation);
    return wait_for(c, job, wait_us, e);
}

static result test_end(struct call *c, struct err *e)
{
    struct managed_account m;
    struct test_answer out;
    struct err why;
    TRY(account_of_param(c, 0, &m, e));
    const struct awaited_job job = {c->job_id, m.id, c->job_mark};
    result r = change_test_answer(c->db, c->arena, &job, c->now, &out.success, &why);
    if (is_outcome(r.code))
        return tell(c, &m, c->row->audit, &why);
    if (is_ok(r)) {
        call_detail(c, out.success ? S("success") : S("no success"));
        reply_object(c, test_fields, &out);
    } else {
        *e = why;
    }
    return r;
}

/* ---- all accounts of a system ---- */

static result change_system(struct call *c, struct err *e)
{
    int64_t id, job;
    struct managed_system s;
    TRY(call_id(c, 0, "Managed System", &id, e));
    TRY(system_get(c->db, c->arena, id, &s, e));
    call_object(c, "system", id, s.name);
    TRY(change_ask_system(c->db, c->arena, c->service->keys, id, c->who.user_id, c->now, &job, e));
    call_detail(c, arena_printf(c->arena, "job %" PRId64, job));
    call_after_commit(c, rotation_wake, c->service->rotation);
    reply_none(c, 204);
    return SUCCESS;
}

#define MAY_SET MAY_OR_ROLE(ACCOUNT_MANAGEMENT, LEVEL_WRITE, ROLE_ISA, ROLE_CREDENTIALS_MANAGER)
const struct endpoint ps_credential_endpoints[] = {
    {HTTP_PUT, "/ManagedAccounts/{id}/Credentials", MAY_SET, TARGETS, "account.credentials.set",
     "Set an account's credentials, on its system too unless UpdateSystem is false", &set_body, set, .status = 204,
     .prepare = set_prepare, .answer = change_end, .opens_secrets = true, .object = "account"},
    {HTTP_PUT, "/Credentials", MAY_SET, TARGETS, "account.credentials.set",
     "The same by the names of workgroup, asset and account", &set_body, set, .status = 204, .prepare = set_prepare,
     .answer = change_end, .query = place_fields, .query_size = sizeof(struct place_query), .opens_secrets = true},
    {HTTP_POST, "/ManagedAccounts/{id}/Credentials/Test", MAY(ACCOUNT_MANAGEMENT), TARGETS, "account.credentials.test",
     "Is the stored credential the live one?", NO_BODY, test, .answer = test_end, .reply = test_fields,
     .opens_secrets = true, .object = "account"},
    {HTTP_POST, "/ManagedAccounts/{id}/Credentials/Change", MAY(ACCOUNT_MANAGEMENT), TARGETS,
     "account.credentials.change", "Make new credentials and set them on the system, now or in the queue", &change_body,
     change, .status = 204, .prepare = set_prepare, .answer = change_end, .query = queue_fields,
     .query_size = sizeof(struct queue_query), .opens_secrets = true, .object = "account"},
    {HTTP_POST, "/ManagedSystems/{id}/ManagedAccounts/Credentials/Change", MAY(GLOBAL_QUARANTINE), WRITES,
     "system.credentials.change", "Queue a change for every active account of a system", NO_BODY, change_system,
     .status = 204, .opens_secrets = true, .object = "system"},
    {0},
};
