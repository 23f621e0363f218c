/* rotation/attempt.c: what an attempt needs, loaded from the store; and its way to the target. */
#include "rotation/attempt.h"

#include "accounts/functional.h"
#include "audit/audit.h"
#include "rotation/address.h"
#include "rotation/fence.h"
#include "rotation/hostkey.h"
#include "rotation/line_pool.h"
#include "rotation/principal.h"

struct write_step {
    struct attempt *t;
    result (*run)(struct db *db, void *attempt, struct err *e);
};

static result run_write_step(struct db *db, void *argument, struct err *e)
{
    struct write_step *s = argument;
    audit_act_as_server(db);
    return s->run(db, s->t, e);
}

result attempt_write(struct attempt *t, result (*run)(struct db *db, void *attempt, struct err *e), struct err *e)
{
    struct write_step s = {t, run};
    return writer_do(t->config->writer, run_write_step, &s, e);
}

/* ---- loading ---- */

result attempt_load_functional(struct attempt *t, struct err *e)
{
    t->functional.is_set = false;
    TRY(own_budget_row(t->db, t->arena, &t->system, &t->functional_budget, e));
    if (t->account.use_own_credentials || !t->system.functional_account_id.is_set)
        return SUCCESS;
    struct functional_account f;
    struct functional_secret secret;
    TRY(functional_get(t->db, t->arena, t->system.functional_account_id.value, &f, e));
    TRY(functional_open(t->db, t->arena, t->config->keys, f.id, &secret, e));
    t->functional = (struct functional_login){
        .is_set = true,
        .account = principal_of_functional(t->arena, &f),
        .elevation = t->system.elevation_command.n ? t->system.elevation_command : f.elevation_command,
        .secret = {.password = secret.password, .private_key = secret.private_key, .passphrase = secret.passphrase}};
    return SUCCESS;
}

static enum proof proof_of(struct str word)
{
    if (str_equal(word, S("login")))
        return PROOF_LOGIN;
    return str_equal(word, S("compare")) ? PROOF_COMPARE : PROOF_UNKNOWN;
}

result attempt_open_versions(struct attempt *t, struct err *e)
{
    t->current = (struct login_secret){0};
    t->candidate = (struct login_secret){0};
    if (t->account.current_version)
        TRY(version_open(t->db, t->arena, t->config->keys, t->account.id, t->account.current_version, &t->current, e));
    if (!t->job.version)
        return SUCCESS;
    struct version v;
    TRY(version_get(t->db, t->arena, t->account.id, t->job.version, &v, e));
    t->candidate_public = v.public_key;
    t->key_is_ours = v.key_is_ours;
    return version_open(t->db, t->arena, t->config->keys, t->account.id, t->job.version, &t->candidate, e);
}

static result open_secrets(struct attempt *t, struct err *e)
{
    TRY(attempt_open_versions(t, e));
    /* Whatever the account's versions say: the old one is what the vault signs in with. */
    if (t->own.functional_id && t->functional.is_set) {
        t->own_present = t->functional.secret.password;
        if (str_equal(t->job.kind, S("change")))
            t->current.password = t->own_present;
    }
    return SUCCESS;
}

static result load_all(struct attempt *t, struct err *e)
{
    int64_t epoch = t->job.epoch;
    TRY(job_get(t->db, t->arena, t->job.id, &t->job, e));
    if (!t->job.is_open || t->job.epoch != epoch)
        return FAIL(e, CONFLICT, "job %" PRId64 " is no longer this worker's", t->job.id);
    if (str_equal(t->job.kind, S("propagate")))
        return SUCCESS;
    TRY(account_get(t->db, t->arena, t->job.account_id, clock_now(), &t->account, e));
    TRY(system_get(t->db, t->arena, t->account.system_id, &t->system, e));
    TRY(attempt_load_functional(t, e));
    if (!str_equal(t->job.kind, S("push")))
        TRY(own_find(t->db, t->arena, &t->account, &t->own, e));
    t->who = principal_of_account(&t->account);
    t->proof = proof_of(t->account.proof);
    t->has_password_part = str_find(t->job.parts, S("password")) >= 0;
    t->has_key_part = str_find(t->job.parts, S("key")) >= 0;
    return open_secrets(t, e);
}

result attempt_load(struct attempt *t, struct err *e)
{
    TRY(db_snapshot(t->db, e));
    result r = load_all(t, e);
    db_snapshot_end(t->db);
    return r;
}

/* ---- the way to the target ---- */

static result note_functional_denied(struct db *db, void *argument, struct err *e)
{
    struct attempt *t = argument;
    result spent = budget_spend(db, t->arena, t->functional_budget, clock_now(), e);
    return spent.code == BUSY ? SUCCESS : spent;
}

static result note_hand_over(struct db *db, void *argument, struct err *e)
{
    struct attempt *t = argument;
    if (t->wish.is_wanted)
        TRY(write_candidate(db, t, e));
    TRY(own_let_hand_over(db, t, e));
    TRY(t->is_guessing ? budget_spend(db, t->arena, t->functional_budget, clock_now(), e) : own_let_sign_in(db, t, e));
    bool is_propagation = str_equal(t->job.kind, S("propagate"));
    const char *whose = is_propagation         ? ", the functional account's alone"
                        : t->functional.is_set ? ", with the functional account's"
                                               : "";
    struct audit_object object = {
        "account", t->account.id,
        arena_printf(t->arena, "%.*s/%.*s", STR_ARG(t->account.system_name), STR_ARG(t->account.name))};
    audit_note(db, "secret.handed", true, object, t->account.id,
               arena_printf(t->arena, "to the connector of job %" PRId64 "%s", t->job.id, whose));
    return SUCCESS;
}

static result load_host_keys(struct attempt *t, struct host_key *keys, size_t *ret_n, struct err *e)
{
    struct host_key_row *rows;
    size_t n = 0;
    TRY(db_snapshot(t->db, e));
    result r = hostkey_trusted(t->db, t->arena, t->system.id, &rows, &n, e);
    db_snapshot_end(t->db);
    TRY(r);
    for (size_t i = 0; i < n; i++)
        keys[i] = (struct host_key){rows[i].type, rows[i].sha256};
    *ret_n = n;
    return SUCCESS;
}

static result pin_host_key(struct db *db, void *argument, struct err *e)
{
    struct attempt *t = argument;
    bool is_pinned;
    TRY(hostkey_pin(db, t->arena, t->system.id, t->check.host_key.type, t->check.host_key.sha256, clock_now(),
                    &is_pinned, e));
    if (is_pinned)
        audit_note(db, "hostkey.pinned", true, (struct audit_object){"system", t->system.id, t->system.name},
                   t->account.id, t->check.host_key.sha256);
    return SUCCESS;
}

static result keep_seen_key(struct db *db, void *argument, struct err *e)
{
    struct attempt *t = argument;
    TRY(hostkey_saw(db, t->system.id, t->check.host_key.type, t->check.host_key.sha256, clock_now(), e));
    audit_note(db, "hostkey.refused", false, (struct audit_object){"system", t->system.id, t->system.name},
               t->account.id, t->check.host_key.sha256);
    return SUCCESS;
}

/* What is sent is what was read back. */
static result open_candidate(struct attempt *t, struct err *e)
{
    t->wish.is_wanted = false;
    t->job.version = t->wish.number;
    TRY(db_snapshot(t->db, e));
    result r = open_secrets(t, e);
    db_snapshot_end(t->db);
    return r;
}

static struct str host_of(const struct managed_system *s)
{
    return s->ip_address.n ? s->ip_address : s->dns_name.n ? s->dns_name : s->host_name;
}

static result find_target(struct attempt *t, struct err *e)
{
    const struct platform *p = platform_by_id(t->system.platform_id);
    int64_t port = p->default_port.is_set ? p->default_port.value : p->dialled_port;
    bool has_dns_name = str_find_char(t->system.host_name, '.') >= 0;
    t->target =
        (struct target_address){.name = t->system.host_name,
                                .port = t->system.port.is_set ? t->system.port.value : port,
                                .timeout_s = t->system.timeout_s,
                                .instance = t->system.is_default_instance ? S("") : t->system.instance_name,
                                .domain = t->system.directory_id.is_set && has_dns_name ? t->system.host_name : S("")};
    return address_resolve(t->arena, host_of(&t->system), t->target.port, &t->config->dial, &t->target.address, e);
}

int64_t attempt_fence_left(const struct attempt *t)
{
    return fence_left(t->job.fence, t->config->boot, t->job.sent_at, t->system.timeout_s);
}

bool attempt_has_word(const struct err *e, const char *word)
{
    return e->word && str_equal(str_of(e->word), str_of(word));
}

bool attempt_is_ours(const struct err *why)
{
    return why->code == CONFLICT || why->code == INTERNAL || why->code == STORE_FULL ||
           (why->code == BUSY && !attempt_has_word(why, "budget"));
}

/* Of the account's rights only those that this job needs are looked at; tests look at the password. */
static const char *part_of(const struct attempt *t)
{
    if (!t->has_key_part)
        return "password";
    return t->has_password_part ? "" : "key";
}

/* A kept line first. One that has died meanwhile has sent nothing, and another takes its place. Where the functional
 * account's own password is in question, only a new sign-in tells. */
static result check_with_known_keys(struct attempt *t, size_t *ret_known, struct err *e)
{
    struct host_key keys[TRUSTED_KEYS_MAX];
    TRY(load_host_keys(t, keys, ret_known, e));
    const struct line_setup setup = {.kind = platform_by_id(t->system.platform_id)->connector,
                                     .target = t->target,
                                     .keys = keys,
                                     .key_count = *ret_known,
                                     .functional = &t->functional};
    line_close(TAKE(t->line));
    t->line = t->own.functional_id ? NULL : line_pool_take(t->config->lines, &setup);
    if (t->line) {
        result r = line_check(t->line, &setup, t->who, part_of(t), t->arena, &t->check, e);
        if (!line_is_broken(t->line))
            return r;
        line_close(TAKE(t->line));
    }
    TRY(line_open(t->config->launcher, setup.kind, &t->line, e));
    return line_check(t->line, &setup, t->who, part_of(t), t->arena, &t->check, e);
}

/* No key known: the host showed one and got no secret. It is pinned durably first, then asked again, with what is known
 * then: somebody may have approved another one in between. */
static result first_use(struct attempt *t, struct err *e)
{
    size_t known;
    TRY(attempt_write(t, pin_host_key, e));
    return check_with_known_keys(t, &known, e);
}

static result not_approved(const struct attempt *t, struct err *e)
{
    return FAIL_AS(e, UNREACHABLE, "host_key_unknown",
                   "the host key %.*s is not approved (SshKeyEnforcementMode 2); approve it first",
                   STR_ARG(t->check.host_key.sha256));
}

/* Denied; or never told, after the password had gone out. */
static bool may_have_failed_to_log_in(const struct attempt *t, const struct err *why)
{
    return attempt_has_word(why, "functional_denied") || (t->line && line_has_guessed(t->line));
}

/* Twice, as a host does it: sudo's second question gets no answer. Once is spent already by who guesses. */
static result note_password_denied(struct db *db, void *argument, struct err *e)
{
    struct attempt *t = argument;
    if (!t->is_guessing)
        TRY(note_functional_denied(db, t, e));
    return note_functional_denied(db, t, e);
}

result attempt_count_denied(struct attempt *t, struct err *e)
{
    return t->line && line_take_denied(t->line) ? attempt_write(t, note_password_denied, e) : SUCCESS;
}

result attempt_connect(struct attempt *t, struct err *e)
{
    size_t known = 0;
    TRY(find_target(t, e));
    TRY(attempt_write(t, note_hand_over, e));
    if (t->wish.is_wanted)
        TRY(open_candidate(t, e));
    t->has_spent = t->is_guessing;
    result r = check_with_known_keys(t, &known, e);
    if (!is_ok(r) && attempt_has_word(e, "host_key_unknown") && known == 0 && t->check.host_key.sha256.n) {
        if (t->system.ssh_key_enforcement == 2)
            return not_approved(t, e);
        r = first_use(t, e);
    }
    if (is_ok(r))
        return attempt_count_denied(t, e);
    struct err why = *e;
    TRY(attempt_count_denied(t, e));
    *e = why;
    if (may_have_failed_to_log_in(t, e) && t->functional.secret.password && !t->is_guessing) {
        struct err denied = *e;
        TRY(attempt_write(t, note_functional_denied, e));
        *e = denied;
    }
    if ((attempt_has_word(e, "host_key_changed") || attempt_has_word(e, "host_key_unknown")) &&
        t->check.host_key.sha256.n) {
        TRY(attempt_write(t, keep_seen_key, e));
        return FAIL_AS(e, UNREACHABLE, "host_key_changed",
                       "the host key changed: the host now shows %.*s. Nothing was sent. If that is right, accept it: "
                       "POST /api/v1/managed-systems/%" PRId64 "/host-keys/{keyId}/accept",
                       STR_ARG(t->check.host_key.sha256), t->system.id);
    }
    return r;
}

/* ---- notes ---- */

struct note {
    struct attempt *t;
    const char *step;
    bool is_ok;
    struct str text;
};

static result write_note(struct db *db, void *argument, struct err *e)
{
    struct note *n = argument;
    audit_act_as_server(db);
    return job_note(db, n->t->arena, &n->t->job, n->step, n->is_ok, n->text, clock_now(), e);
}

result attempt_step(struct attempt *t, const char *step, bool is_ok, struct str text, struct err *e)
{
    struct note n = {t, step, is_ok, text};
    return writer_do(t->config->writer, write_note, &n, e);
}
