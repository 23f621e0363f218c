/* api/keyturn/told.c: setting again, adopting, abandoning (keyturn-api 4). */
#include "rotation/told.h"
#include "accounts/account.h"
#include "api/keyturn/job_view.h"
#include "rotation/change.h"
#include "rotation/rotation.h"

/* ---- set again ---- */

/* Nothing to wait for: it is done already. */
static result wait_for(struct call *c, int64_t job_id, int64_t wait_us, struct err *e)
{
    struct job j;
    TRY(job_get(c->db, c->arena, job_id, &j, e));
    if (wait_us == 0)
        return job_reply(c, &j, e);
    call_after_commit(c, rotation_wake, c->service->rotation);
    return call_park(c, job_id, wait_us);
}

static result set_again(struct call *c, struct err *e)
{
    struct job j;
    int64_t wait_us;
    TRY(job_of_call(c, false, &j, e));
    TRY(told_set_again(c->db, c->arena, &j, c->now, &wait_us, e));
    return wait_for(c, j.id, wait_us, e);
}

/* Woken by an earlier ending of the same job: there is another to come. */
static result wait_on(struct call *c, const struct job *j, struct err *e)
{
    int64_t wait_us;
    TRY(change_wait(c->db, c->arena, j->account_id, &wait_us, e));
    return call_park(c, j->id, wait_us);
}

static result set_again_end(struct call *c, struct err *e)
{
    struct job j;
    TRY(job_of_call(c, false, &j, e));
    if (j.is_open && !c->has_timed_out)
        return wait_on(c, &j, e);
    call_detail(c, j.state);
    return job_reply(c, &j, e);
}

/* ---- adopt ---- */

struct adopt_body {
    struct secret *password, *private_key, *passphrase;
};
static const struct field adopt_fields[] = {
    SECRET("password", struct adopt_body, password, .max = 1024, .doc = "That is live on the system",
           .example = "Typed-1!"),
    SECRET("privateKey", struct adopt_body, private_key, .max = 65536),
    SECRET("passphrase", struct adopt_body, passphrase, .max = 1024, .doc = "Of an encrypted privateKey"),
    FIELD_END,
};
static const struct body adopt_body = BODY(struct adopt_body, adopt_fields, .example = "{\"password\":\"Typed-1!\"}");

struct typed_key {
    struct str public_key;
    bool is_encrypted;
};

static struct secret *given(struct secret *s)
{
    return secret_length(s) > 0 ? s : NULL;
}

static bool may_break_glass(const struct caller *who)
{
    return rights_have(&who->rights, BREAK_GLASS, LEVEL_WRITE);
}

/* The job, once it is clear that he may adopt for its account. */
static result adoptable(struct call *c, struct job *ret, struct err *e)
{
    static const enum rule_role isa[] = {ROLE_ISA, ROLE_NONE};
    bool is_isa = false;
    bool is_glass = may_break_glass(&c->who);
    TRY(job_of_call(c, is_glass, ret, e));
    if (!is_glass)
        TRY(rule_role_on_account(c->db, c->arena, &c->who, isa, ret->account_id, &is_isa, e));
    if (is_glass || is_isa)
        return SUCCESS;
    return FAIL(e, DENIED, "You need the ISA role on a Smart Rule that holds the account, or Keyturn Break Glass");
}

static result adopt_prepare(struct call *c, struct err *e)
{
    struct job j;
    const void *body;
    struct err why;
    TRY(adoptable(c, &j, e));
    TRY(call_body(c, &body, e));
    const struct adopt_body *in = body;
    if (!given(in->private_key))
        return SUCCESS;
    struct typed_key *key = arena_new_of(c->whole, struct typed_key);
    result r = rotation_inspect_key(c->service->rotation, in->private_key, in->passphrase, c->whole, &key->public_key,
                                    &key->is_encrypted, &why);
    if (r.code == INVALID)
        return FAIL(e, INVALID, "privateKey: %s", why.text);
    if (!is_ok(r))
        *e = why;
    c->prepared = key;
    return r;
}

static result adopt(struct call *c, struct err *e)
{
    struct job j;
    const void *body;
    int64_t wait_us;
    TRY(adoptable(c, &j, e));
    TRY(call_body(c, &body, e));
    const struct adopt_body *in = body;
    const struct typed_key *key = c->prepared;
    struct adoption with = {.password = given(in->password),
                            .private_key = given(in->private_key),
                            .passphrase = given(in->passphrase),
                            .public_key = key ? key->public_key : STR_ABSENT,
                            .key_is_encrypted = key && key->is_encrypted,
                            .by = c->who.user_id};
    TRY(told_adopt(c->db, c->arena, c->service->keys, &j, &with, c->now, &wait_us, e));
    return wait_for(c, j.id, wait_us, e);
}

static result adopt_end(struct call *c, struct err *e)
{
    struct job j;
    TRY(adoptable(c, &j, e));
    if (j.is_open && !c->has_timed_out)
        return wait_on(c, &j, e);
    TRY(told_adopt_answer(&j, e));
    call_detail(c, j.reason);
    return job_reply(c, &j, e);
}

/* ---- abandon ---- */

struct abandon_body {
    struct str reason;
};
static const struct field abandon_fields[] = {
    TEXT("reason", struct abandon_body, reason, .required = true, .min = 10, .max = 400,
         .doc = "At least 10 characters; it goes to the record", .example = "host was scrapped"),
    FIELD_END,
};
static const struct body abandon_body =
    BODY(struct abandon_body, abandon_fields, .example = "{\"reason\":\"host was scrapped\"}");

static result abandon(struct call *c, struct err *e)
{
    struct job j;
    const void *body;
    TRY(job_of_call(c, true, &j, e));
    TRY(call_body(c, &body, e));
    const struct abandon_body *in = body;
    TRY(told_abandon(c->db, c->arena, &j, in->reason, c->now, e));
    call_detail(c, in->reason);
    TRY(job_get(c->db, c->arena, j.id, &j, e));
    return job_reply(c, &j, e);
}

const struct endpoint told_endpoints[] = {
    {HTTP_POST, "/jobs/{id}/set-again", MAY(ACCOUNT_MANAGEMENT), TARGETS, "job.set-again",
     "Send the same candidate of a job in drift once more, through the functional account", NO_BODY, set_again,
     .answer = set_again_end, .reply = job_fields, .opens_secrets = true, .object = "job"},
    {HTTP_POST, "/jobs/{id}/adopt", MAY_EITHER(ACCOUNT_MANAGEMENT, BREAK_GLASS), TARGETS, "job.adopt",
     "What is typed becomes current, once it is proved on the system; with Account Management the ISA role too",
     &adopt_body, adopt, .prepare = adopt_prepare, .answer = adopt_end, .reply = job_fields, .opens_secrets = true,
     .object = "job"},
    {HTTP_POST, "/jobs/{id}/abandon", MAY(BREAK_GLASS), WRITES, "job.abandon",
     "Give a change up: its candidate stays as a version, the account is free and unverified", &abandon_body, abandon,
     .reply = job_fields, .object = "job"},
    {0},
};
