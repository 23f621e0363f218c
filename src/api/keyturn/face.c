/* api/keyturn/face.c: our own face: who may sign in here (keyturn-api 2.1), and errors in its form (section 1). */
#include "api/keyturn/face.h"

#include "api/who.h"

/* ---- who calls ---- */

static const struct str device_scheme = {"Keyturn-Device ", 15};

struct str device_key_of_call(const struct call *c)
{
    struct str value = str_trim(call_header(c, S("Authorization")));
    if (!str_equal_fold(str_sub(value, 0, device_scheme.n), device_scheme))
        return STR_ABSENT;
    struct str key = str_trim(str_sub(value, device_scheme.n, value.n));
    return key.n ? key : STR_ABSENT;
}

static result not_signed_in(struct err *e)
{
    return FAIL(e, UNAUTHENTICATED, "Not authenticated");
}

/* Our tokens have three parts; the bearer tokens of the Password Safe face have one. */
static bool is_controlroom_token(struct str token)
{
    ptrdiff_t first = str_find_char(token, '.');
    return first > 0 && str_find_char(str_sub(token, (size_t)first + 1, token.n), '.') > 0;
}

static result look(struct call *c, struct err *e)
{
    if (c->row->may.who == WHO_DEVICE)
        return device_key_of_call(c).n ? SUCCESS : not_signed_in(e);
    return is_controlroom_token(token_of_call(c)) ? SUCCESS : ps_look(c, e);
}

/* A device acts as its default user; which device it is stands in the record's detail. */
static result identify_device(struct call *c, struct caller *ret, struct err *e)
{
    struct device d;
    struct signin_look guesses;
    struct signin_claim claim = {.address = c->who.address};
    TRY(signin_look(c->db, c->arena, &claim, c->now, &guesses, e));
    if (guesses.must_wait)
        return not_signed_in(e);
    TRY(device_by_key(c->db, c->arena, device_key_of_call(c), &d, e));
    ret->user_id = d.default_user_id;
    ret->name = d.default_user_name;
    ret->signed_in_on = FACE_KEYTURN;
    return SUCCESS;
}

result keyturn_identify(struct call *c, struct caller *ret, struct err *e)
{
    struct str token = token_of_call(c);
    if (is_controlroom_token(token))
        TRY(who_by_token(c, token, true, ret, e));
    else
        TRY(who_by_passwordsafe(c, true, ret, e));
    if (ret->password_at == 0)
        return FAIL_AS(e, DENIED, "password.required",
                       "Sign in with a password: this session has none that was checked");
    return SUCCESS;
}

static result identify(struct call *c, struct caller *ret, struct err *e)
{
    return c->row->may.who == WHO_DEVICE ? identify_device(c, ret, e) : keyturn_identify(c, ret, e);
}

/* ---- errors ---- */

static const char missing_right[] = "forbidden";

static const char *code_of(const struct err *why)
{
    static const char *const codes[CODE_COUNT] = {
        [OK] = "internal",
        [NOT_FOUND] = "not.found",
        [UNAUTHENTICATED] = "unauthenticated",
        [DENIED] = missing_right,
        [CONFLICT] = "conflict",
        [INVALID] = "invalid",
        [TOO_LARGE] = "payload.too.large",
        [NOT_ALLOWED] = "method.not.allowed",
        [UNSUPPORTED] = "unsupported.media.type",
        [BUSY] = "busy",
        [SEALED] = "sealed",
        [REFUSED] = "invalid",
        [UNREACHABLE] = "invalid",
        [UNCERTAIN] = "conflict",
        [DRIFT] = "invalid",
        [STORE_FULL] = "busy",
        [INTERNAL] = "internal",
    };
    bool needs_password = why->word && str_equal(str_of(why->word), S("password.required"));
    return needs_password ? why->word : codes[why->code];
}

static const char *level_word(const struct right_fact *fact, enum level level)
{
    if (fact->face == FACE_CONTROLROOM)
        return "";
    return level == LEVEL_WRITE ? " (Read/Write)" : " (Read)";
}

static const char *rule_role_word(enum rule_role role)
{
    switch (role) {
    case ROLE_ISA:
        return "the ISA role";
    case ROLE_APPROVER:
    case ROLE_REQUESTOR_APPROVER:
        return "the Approver role";
    default:
        return "a role";
    }
}

/* "You need A (Read), or the ISA role on a Smart Rule": from the row itself. */
static struct str missing_of(const struct call *c)
{
    const struct may *may = &c->row->may;
    if (may->who == WHO_AAE_ADMIN)
        return S("You need the role AAE_Admin");
    if (may->who == WHO_ADMINISTRATOR)
        return S("You need the role AAE_Admin or membership in Administrators");
    struct str text = STR_ABSENT;
    for (size_t i = 0; i < sizeof may->any_of / sizeof may->any_of[0]; i++) {
        const struct right_fact *fact = may->any_of[i].right ? right_fact(may->any_of[i].right) : NULL;
        if (fact)
            text = arena_printf(c->arena, "%.*s%s%s%s", STR_ARG(text), text.n ? ", or " : "You need ", fact->name,
                                level_word(fact, may->any_of[i].level));
    }
    if (may->roles[0])
        text = arena_printf(c->arena, "%.*s%s%s on a Smart Rule", STR_ARG(text), text.n ? ", or " : "You need ",
                            rule_role_word(may->roles[0]));
    return text;
}

static void write_lines(struct json_writer *w, struct str lines)
{
    json_array_begin(w);
    while (str_is_set(lines) && lines.n)
        json_write_str(w, str_cut(&lines, '\n'));
    json_array_end(w);
}

static void write_body(const char *code, struct str text, bool has_details, struct http_reply *reply)
{
    struct json_writer w = {.out = &reply->body};
    struct str rest = text;
    reply->content_type = "application/json";
    json_object_begin(&w);
    json_key(&w, S("code"));
    json_write_str(&w, str_of(code));
    json_key(&w, S("message"));
    json_write_str(&w, str_cut(&rest, '\n'));
    json_key(&w, S("details"));
    if (has_details)
        write_lines(&w, text);
    else
        json_write_null(&w);
    json_object_end(&w);
}

static void write_why(const struct err *why, struct str text, struct http_reply *reply)
{
    if (why->code == INTERNAL)
        text = S("An unexpected problem occurred");
    write_body(code_of(why), text, why->code == INVALID, reply);
}

void keyturn_write_error(struct call *c, const struct err *why, struct http_reply *reply)
{
    bool is_row_refusal = why->code == DENIED && why->word == missing_right;
    write_why(why, is_row_refusal ? missing_of(c) : str_of(why->text), reply);
}

void keyturn_write_plain_error(int status, const struct err *why, struct http_reply *reply)
{
    reply->status = status;
    write_why(why, str_of(why->text), reply);
}

/* ---- the face ---- */

static const struct endpoint *const tables[] = {
    health_endpoints,
    link_endpoints,
    job_endpoints,
    account_endpoints,
    host_key_endpoints,
    keyturn_device_endpoints,
    api_key_endpoints,
    keyturn_audit_endpoints,
    seal_endpoints,
    told_endpoints,
    glass_endpoints,
    engine_endpoints,
    propagation_action_endpoints,
    NULL,
};
static const struct modules modules[] = {
    {"keyturn", "Keyturn", tables},
    {0},
};
static const char *const bases[] = {"/api/v1", NULL};

const struct face_rules keyturn_face = {
    .face = FACE_KEYTURN,
    .name = "keyturn",
    .bases = bases,
    .body_rule = BODY_JSON_ONLY,
    .json_flags = JSON_REFUSE_UNKNOWN,
    .refuses_unknown_query = true,
    .body_max = 1024 * 1024,
    .tables = tables,
    .look = look,
    .verify = ps_verify_header,
    .count_failure = ps_count_failure,
    .identify = identify,
    .write_error = keyturn_write_error,
    .write_plain_error = keyturn_write_plain_error,
    .not_permitted = {.code = DENIED, .word = missing_right, .text = "You lack the right to do this"},
    .modules = modules,
};
