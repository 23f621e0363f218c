/* api/passwordsafe/face.c: the Password Safe face: who calls, and errors in its own form (passwordsafe-api 1 to 3). */
#include "api/passwordsafe/face.h"

#include "api/who.h"

/* ---- sessions are renewed by use (2.7) ---- */

struct renewal {
    struct work work; /* first: it is found by its work */
    struct arena *arena;
    struct str session_hash;
    int64_t now;
};

static result renewal_run(struct db *db, struct work *w, struct err *e)
{
    const struct renewal *r = (const struct renewal *)w;
    return session_touch(db, r->session_hash, r->now, e);
}

static void renewal_done(struct work *w, result outcome, const struct err *why)
{
    (void)outcome;
    (void)why;
    arena_free(((struct renewal *)w)->arena);
}

/* A read has no write transaction to renew in, and a write that fails loses its own: so the renewal is a work by
 * itself, once a minute. One that the queue refuses is made up for by the next call. */
static void renew_session(struct call *c, struct str session_hash)
{
    if (!session_hash.n || !session_needs_touch(c->db, c->arena, session_hash, c->now))
        return;
    struct arena *a = arena_new();
    struct renewal *r = arena_new_of(a, struct renewal);
    r->work = (struct work){.run = renewal_run, .done = renewal_done, .bytes = sizeof *r};
    r->arena = a;
    r->session_hash = arena_str(a, session_hash);
    r->now = c->now;
    if (!is_ok(writer_submit(c->service->writer, &r->work, NULL)))
        arena_free(a);
}

static result identify(struct call *c, struct caller *ret, struct err *e)
{
    TRY(who_by_passwordsafe(c, false, ret, e));
    renew_session(c, ret->session_hash);
    return SUCCESS;
}

/* ---- errors (3) ---- */

static bool is_sub_code(const char *word)
{
    int64_t number;
    struct str s = str_of(word);
    return s.n == 4 && str_to_int(s, 1000, 9999, &number);
}

static struct str text_of(const struct err *why)
{
    switch (why->code) {
    case UNAUTHENTICATED:
        return S("Not authenticated");
    case DENIED:
        return is_sub_code(why->word) ? str_of(why->word) : S("4031");
    case SEALED:
        return S("Vault is sealed");
    case STORE_FULL:
        return S("The store is full; nothing was changed");
    case INTERNAL:
        return S("An unexpected problem occurred");
    case CONFLICT:
        return is_sub_code(why->word) ? str_of(why->word) : str_of(why->text);
    default:
        return str_of(why->text);
    }
}

/* Only the token call has errors in JSON (2.5): its words are not numbers. */
static bool is_oauth(const struct err *why)
{
    static const char *const words[] = {"invalid_client", "invalid_request", "unsupported_grant_type"};
    for (size_t i = 0; why->code == INVALID && i < sizeof words / sizeof words[0]; i++)
        if (str_equal(str_of(why->word), str_of(words[i])))
            return true;
    return false;
}

static void write_oauth(const struct err *why, struct http_reply *reply)
{
    struct json_writer w = {.out = &reply->body};
    reply->content_type = "application/json; charset=utf-8";
    json_object_begin(&w);
    json_key(&w, S("error"));
    json_write_str(&w, str_of(why->word));
    json_key(&w, S("error_description"));
    json_write_str(&w, str_of(why->text));
    json_object_end(&w);
}

static void write_plain_error(int status, const struct err *why, struct http_reply *reply)
{
    reply->status = status;
    reply->content_type = "text/plain; charset=utf-8";
    buf_add(&reply->body, text_of(why));
}

static void write_error(struct call *c, const struct err *why, struct http_reply *reply)
{
    (void)c;
    if (is_oauth(why))
        write_oauth(why, reply);
    else
        write_plain_error(reply->status, why, reply);
}

static const struct endpoint *const tables[] = {
    ps_authentication_endpoints, ps_workgroup_endpoints,     ps_asset_endpoints,          ps_platform_endpoints,
    ps_functional_endpoints,     ps_system_endpoints,        ps_system_new_endpoints,     ps_database_endpoints,
    ps_directory_endpoints,      ps_account_endpoints,       ps_account_change_endpoints, ps_synced_endpoints,
    ps_requestable_endpoints,    ps_credential_endpoints,    ps_release_endpoints,        ps_request_endpoints,
    ps_terminate_endpoints,      ps_password_rule_endpoints, ps_smart_rule_endpoints,     ps_quick_rule_endpoints,
    ps_group_endpoints,          ps_permission_endpoints,    ps_rule_access_endpoints,    ps_user_endpoints,
    ps_access_policy_endpoints,  ps_registration_endpoints,  ps_propagation_endpoints,    NULL};
static const struct modules modules[] = {
    {"passwordsafe", "Password Safe", tables},
    {0},
};
static const char *const bases[] = {"/BeyondTrust/api/public/v3", "/eEye.RetinaCS.Server/api/public/v3", NULL};

const struct face_rules passwordsafe_face = {
    .face = FACE_PASSWORDSAFE,
    .name = "passwordsafe",
    .json_type = "application/json; charset=utf-8",
    .bases = bases,
    .folds_path = true,
    .body_rule = BODY_JSON_OR_FORM,
    .json_flags = JSON_FOLD_KEYS | JSON_LENIENT | JSON_LAST_WINS | JSON_COERCE,
    .body_max = 4 * 1024 * 1024,
    .tables = tables,
    .look = ps_look,
    .verify = ps_verify_header,
    .count_failure = ps_count_failure,
    .identify = identify,
    .write_error = write_error,
    .write_plain_error = write_plain_error,
    .not_permitted = {.code = DENIED, .word = "4031", .text = "You do not have permission to do this"},
    .modules = modules,
};
