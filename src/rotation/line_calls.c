/* rotation/line_calls.c: the typed calls of a line: what each request says and what its answer means. */
#include "rotation/line_internal.h"

#include "base/scope.h"

/* A kept connector that does not answer is given up while the caller still waits: longer than it may take for that. */
enum { KEY_WORK_S = 40, AGAIN_MARGIN_S = 4 };

DEFINE_AUTOFREE(arena)

static RESULT check_secret(const struct secret *s, const char *what, struct err *e)
{
    if (s && (!secret_is_utf8(s) || secret_length(s) == 0))
        return FAIL(e, INVALID, "%s: not empty, UTF-8", what);
    return SUCCESS;
}

static RESULT check_login_secret(const struct login_secret *s, struct err *e)
{
    TRY(check_secret(s->password, "password", e));
    return check_secret(s->private_key, "private key", e);
}

static void write_login_secret(struct line *l, struct json_writer *w, const struct login_secret *s)
{
    line_write_secret(l, w, "password", s->password);
    line_write_secret(l, w, "private_key", s->private_key);
    line_write_secret(l, w, "passphrase", s->passphrase);
}

static struct str text_or_empty(struct str s)
{
    return str_is_set(s) ? s : S("");
}

static void write_target(struct json_writer *w, const struct target_address *target)
{
    json_key(w, S("target"));
    json_object_begin(w);
    line_write_text(w, "name", target->name);
    line_write_text(w, "address", target->address);
    json_key(w, S("port"));
    json_write_int(w, target->port);
    json_key(w, S("timeout_s"));
    json_write_int(w, target->timeout_s);
    line_write_text(w, "instance", text_or_empty(target->instance));
    line_write_text(w, "domain", text_or_empty(target->domain));
    json_object_end(w);
}

static void write_account(struct json_writer *w, struct target_account account)
{
    line_write_text(w, "account", account.name);
    line_write_text(w, "dn", text_or_empty(account.dn));
}

static void write_host_keys(struct json_writer *w, const struct line_setup *setup)
{
    json_key(w, S("host_keys"));
    json_array_begin(w);
    for (size_t i = 0; i < setup->key_count; i++) {
        json_object_begin(w);
        line_write_text(w, "type", setup->keys[i].type);
        line_write_text(w, "sha256", setup->keys[i].sha256);
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_functional(struct line *l, struct json_writer *w, const struct functional_login *functional)
{
    json_key(w, S("functional"));
    if (!functional->is_set) {
        json_write_null(w);
        return;
    }
    json_object_begin(w);
    line_write_text(w, "account", functional->account);
    write_login_secret(l, w, &functional->secret);
    line_write_text(w, "elevation", functional->elevation);
    json_object_end(w);
}

/* A connector that does not know the field knows of no other reason. */
static bool denies_password(const struct line_reply *r)
{
    bool is_wrong = r->result.n == 0 || str_equal(r->result, S("denied"));
    return str_equal(r->code, S("functional_denied")) && is_wrong;
}

RESULT line_check(struct line *l, const struct line_setup *setup, struct target_account account, const char *part,
                  struct arena *a, struct check_result *ret, struct err *e)
{
    bool is_again = line_was_set_up(l, setup);
    if (setup->functional->is_set)
        TRY(check_login_secret(&setup->functional->secret, e));
    line_set_setup(l, NULL);
    line_set_timeout(l, setup->target.timeout_s);
    struct json_writer w = line_begin(l, "check");
    write_target(&w, &setup->target);
    write_host_keys(&w, setup);
    write_functional(l, &w, setup->functional);
    write_account(&w, account);
    line_write_text(&w, "part", str_of(part));
    json_key(&w, S("again"));
    json_write_bool(&w, is_again);
    struct line_reply reply = {0};
    int64_t seconds = is_again ? setup->target.timeout_s + AGAIN_MARGIN_S : line_call_seconds(l);
    result done = line_exchange(l, &w, LINE_ASKS, seconds, a, &reply, e);
    if (reply.host_key)
        ret->host_key = *reply.host_key;
    ret->denies_password = denies_password(&reply);
    TRY(done);
    line_set_setup(l, setup_keep(setup));
    *ret = (struct check_result){
        .host_key = ret->host_key,
        .can_change = reply.can_change,
        .can_compare = reply.can_compare,
        .can_install_keys = reply.can_install_keys,
        .has_fence = str_equal(reply.fence, S("timeout")) && reply.fence_s > 0,
        .scheme = reply.scheme,
        .fence_s = reply.fence_s,
        .fence_token = str_equal(reply.fence, S("session")) ? reply.fence_token : S(""),
        .is_functional = reply.is_functional,
        .text = reply.text,
    };
    return SUCCESS;
}

RESULT line_change(struct line *l, const struct change_request *change, struct err *e)
{
    static const char *const parts[] = {
        [CHANGE_PASSWORD] = "password", [CHANGE_ADD_KEY] = "add_key", [CHANGE_REMOVE_KEY] = "remove_key"};
    AUTOFREE(arena) a = arena_new();
    TRY(check_secret(change->password, "password", e));
    TRY(check_secret(change->current, "current", e));
    TRY(check_secret(change->current_key, "current key", e));
    struct json_writer w = line_begin(l, "change");
    write_account(&w, change->account);
    line_write_text(&w, "part", str_of(parts[change->part]));
    line_write_text(&w, "method", change->current || change->current_key ? S("self") : S("functional"));
    if (change->part == CHANGE_PASSWORD)
        line_write_secret(l, &w, "password", change->password);
    else
        line_write_text(&w, "public_key", change->public_key);
    line_write_secret(l, &w, "current", change->current);
    line_write_secret(l, &w, "current_key", change->current_key);
    line_write_secret(l, &w, "current_passphrase", change->current_passphrase);
    struct line_reply reply = {0};
    return line_exchange(l, &w, LINE_CHANGES, line_call_seconds(l), a, &reply, e);
}

static RESULT read_login_word(struct str word, enum login_word *ret, struct err *e)
{
    static const char *const words[] = {[LOGIN_ACCEPTED] = "accepted",
                                        [LOGIN_MUST_CHANGE] = "must_change",
                                        [LOGIN_DENIED] = "denied",
                                        [LOGIN_LOCKED] = "locked",
                                        [LOGIN_EXPIRED] = "expired"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (str_equal(word, str_of(words[i]))) {
            *ret = (enum login_word)i;
            return SUCCESS;
        }
    return FAIL_AS(e, UNREACHABLE, "unsent", "the connector's answer to a login has no known word");
}

RESULT line_login(struct line *l, struct target_account account, const struct login_secret *secret,
                  enum login_word *ret, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    TRY(check_login_secret(secret, e));
    struct json_writer w = line_begin(l, "login");
    write_account(&w, account);
    write_login_secret(l, &w, secret);
    struct line_reply reply = {0};
    TRY(line_exchange(l, &w, LINE_ASKS, line_call_seconds(l), a, &reply, e));
    return read_login_word(reply.result, ret, e);
}

RESULT line_compare(struct line *l, struct target_account account, const struct secret *password, struct str public_key,
                    bool *ret_match, bool *ret_is_locked, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    TRY(check_secret(password, "password", e));
    struct json_writer w = line_begin(l, "compare");
    write_account(&w, account);
    line_write_secret(l, &w, "password", password);
    line_write_text(&w, "public_key", public_key);
    struct line_reply reply = {0};
    TRY(line_exchange(l, &w, LINE_ASKS, line_call_seconds(l), a, &reply, e));
    *ret_match = reply.match;
    *ret_is_locked = reply.locked;
    return SUCCESS;
}

RESULT line_push(struct line *l, const struct line_end *end, const struct secret *value, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    if (!secret_is_utf8(value))
        return FAIL(e, INVALID, "the value is not UTF-8");
    struct json_writer w = line_begin(l, "push");
    json_key(&w, S("end"));
    json_object_begin(&w);
    line_write_text(&w, "user", text_or_empty(end->user));
    line_write_text(&w, "login_name", text_or_empty(end->login_name));
    line_write_text(&w, "credential", text_or_empty(end->credential));
    line_write_text(&w, "attribute", text_or_empty(end->attribute));
    json_object_end(&w);
    line_write_secret(l, &w, "value", value);
    struct line_reply reply = {0};
    return line_exchange(l, &w, LINE_CHANGES, line_call_seconds(l), a, &reply, e);
}

RESULT line_restart(struct line *l, struct str service, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    struct json_writer w = line_begin(l, "restart");
    line_write_text(&w, "service", service);
    struct line_reply reply = {0};
    return line_exchange(l, &w, LINE_CHANGES, line_call_seconds(l), a, &reply, e);
}

RESULT line_fence(struct line *l, struct str token, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    struct json_writer w = line_begin(l, "fence");
    line_write_text(&w, "token", token);
    struct line_reply reply = {0};
    return line_exchange(l, &w, LINE_ASKS, line_call_seconds(l), a, &reply, e);
}

RESULT line_inspect_key(struct line *l, const struct secret *private_key, const struct secret *passphrase,
                        struct arena *a, struct str *ret_public, bool *ret_is_encrypted, struct err *e)
{
    TRY(check_secret(private_key, "private key", e));
    if (!private_key)
        return FAIL_AS(e, INVALID, "bad_key", "there is no private key");
    struct json_writer w = line_begin(l, "inspect_key");
    line_write_secret(l, &w, "private_key", private_key);
    line_write_secret(l, &w, "passphrase", secret_length(passphrase) > 0 ? passphrase : NULL);
    struct line_reply reply = {0};
    TRY(line_exchange(l, &w, LINE_ASKS, KEY_WORK_S, a, &reply, e));
    if (!str_is_set(reply.public_key))
        return FAIL_AS(e, UNREACHABLE, "unsent", "the connector's answer has no public key");
    *ret_public = reply.public_key;
    *ret_is_encrypted = reply.encrypted;
    return SUCCESS;
}

RESULT line_make_key(struct line *l, struct str type, int64_t size, struct arena *a, struct secret **ret_private,
                     struct str *ret_public, struct err *e)
{
    struct json_writer w = line_begin(l, "make_key");
    line_write_text(&w, "type", type);
    json_key(&w, S("size"));
    json_write_int(&w, size);
    struct line_reply reply = {0};
    TRY(line_exchange(l, &w, LINE_ASKS, KEY_WORK_S, a, &reply, e));
    if (!reply.private_key || !str_is_set(reply.public_key))
        return FAIL_AS(e, UNREACHABLE, "unsent", "the connector's answer has no key pair");
    *ret_private = reply.private_key;
    *ret_public = reply.public_key;
    return SUCCESS;
}
