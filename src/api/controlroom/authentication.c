/* api/controlroom/authentication.c: signing in and out, tokens (controlroom-api 2). */
#include "api/controlroom/face.h"
#include "api/controlroom/user_object.h"
#include "api/who.h"
#include "crypto/password.h"

static result invalid_credentials(struct err *e)
{
    return FAIL_AS(e, UNAUTHENTICATED, "UM1111", "Invalid credentials");
}

/* ---- signing in ---- */

struct signin_body {
    struct str user_name;
    struct secret *password, *api_key;
    bool is_multiple;
};
static const struct field signin_fields[] = {
    TEXT("username", struct signin_body, user_name, .required = true, .max = 512,
         .doc = "Any case; domain\\user where domains are used", .example = "priya"),
    SECRET("password", struct signin_body, password, .max = 1024, .doc = "This or apiKey", .example = "S3same!42"),
    SECRET("apiKey", struct signin_body, api_key, .max = 256, .doc = "Taken first when both are sent"),
    FLAG("multipleLogin", struct signin_body, is_multiple),
    FIELD_END,
};
static const struct body signin_body =
    BODY(struct signin_body, signin_fields,
         .example = "{\"username\":\"priya\",\"password\":\"S3same!42\",\"multipleLogin\":false}");

/* From the pool to the writer. */
struct attempt {
    struct signin_claim claim;
    struct signin_look look;
    int64_t api_key_id;
    bool was_right;   /* by what the pool saw */
    bool has_failed;  /* found by the writer: to be counted */
    struct str token; /* handed out only when the writer agrees */
};

static result read_claim(struct call *c, struct attempt *t, struct token_claims *ret_claims, struct err *e)
{
    const void *body;
    TRY(call_body(c, &body, e));
    const struct signin_body *in = body;
    bool has_key = secret_length(in->api_key) > 0;
    if (!has_key && secret_length(in->password) == 0)
        return FAIL(e, INVALID, "password: is required, or apiKey");
    t->claim = (struct signin_claim){.user_name = in->user_name,
                                     .password = has_key ? NULL : in->password,
                                     .api_key = has_key ? in->api_key : NULL,
                                     .address = c->who.address,
                                     .is_first = true};
    *ret_claims =
        (struct token_claims){.password_at = has_key ? 0 : c->now, .multiple_login = has_key || in->is_multiple};
    return SUCCESS;
}

/* A user who is unknown or may not sign in costs the same time. */
static result check_secret(struct call *c, struct attempt *t, struct err *e)
{
    struct err why;
    int64_t user_id = 0;
    if (t->claim.api_key) {
        result r = api_key_look(c->db, c->arena, t->claim.user_name, t->claim.api_key, &user_id, &t->api_key_id, &why);
        if (!is_ok(r) && r.code != UNAUTHENTICATED) {
            *e = why;
            return r;
        }
        t->was_right = is_ok(r) && user_id == t->look.user_id;
    } else if (t->look.password_hash.n > 0) {
        t->was_right = password_verify(t->look.password_hash, t->claim.password);
    } else {
        password_verify_nobody(t->claim.password);
    }
    t->was_right = t->was_right && t->look.is_usable;
    return SUCCESS;
}

/* A wrong secret does not fail here: only what the writer has seen fail is counted. */
static result signin_prepare(struct call *c, struct err *e)
{
    struct attempt *t = arena_new_of(c->whole, struct attempt);
    struct token_claims claims;
    struct user u;
    c->prepared = t;
    TRY(read_claim(c, t, &claims, e));
    c->who.name = t->claim.user_name;
    TRY(signin_look(c->db, c->whole, &t->claim, c->now, &t->look, e));
    if (t->look.must_wait) {
        count_refusal(c, t->claim.user_name, "signin", "has to wait");
        return invalid_credentials(e);
    }
    TRY(check_secret(c, t, e));
    if (t->was_right) {
        claims.api_key_id = t->api_key_id;
        TRY(user_get(c->db, c->arena, t->look.user_id, &u, e));
        TRY(tokens_issue(c->service->tokens, &u, &claims, c->now, c->whole, &t->token, e));
    }
    return t->look.delay_us > 0 ? call_park(c, 0, t->look.delay_us) : SUCCESS;
}

static result signin_prepare_v1(struct call *c, struct err *e)
{
    if (c->service->v1_login_is_off)
        return FAIL(e, NOT_FOUND, "Not found: this server has no v1 login; use /v2/authentication");
    return signin_prepare(c, e);
}

/* The key may have been deleted since. */
static result find_key_again(struct call *c, const struct attempt *t, bool *ret_is_right, struct err *e)
{
    struct err why;
    int64_t user_id, key_id;
    *ret_is_right = t->was_right;
    if (!t->claim.api_key || !t->was_right)
        return SUCCESS;
    result r = api_key_find(c->db, c->arena, t->claim.user_name, t->claim.api_key, c->now, &user_id, &key_id, &why);
    if (!is_ok(r) && r.code != UNAUTHENTICATED) {
        *e = why;
        return r;
    }
    *ret_is_right = is_ok(r) && user_id == t->look.user_id && key_id == t->api_key_id;
    return SUCCESS;
}

static result answer_signed_in(struct call *c, int64_t user_id, struct str token, struct err *e)
{
    struct user u;
    struct rights rights = {0};
    TRY(user_get(c->db, c->arena, user_id, &u, e));
    TRY(rights_of_user(c->db, c->arena, user_id, true, false, &rights, e));
    c->who.user_id = u.id;
    c->who.name = u.name;
    call_object(c, "user", u.id, u.name);
    reply_signed_in(c, token, &u, &rights);
    return SUCCESS;
}

static result signin(struct call *c, struct err *e)
{
    struct attempt *t = c->prepared;
    struct err why;
    bool is_right;
    t->has_failed = false;
    TRY(find_key_again(c, t, &is_right, e));
    result r = signin_record(c->db, c->arena, &t->claim, &t->look, is_right, c->now, &why);
    if (r.code == UNAUTHENTICATED) {
        t->has_failed = true;
        return invalid_credentials(e);
    }
    if (!is_ok(r)) {
        *e = why;
        return r;
    }
    return answer_signed_in(c, t->look.user_id, t->token, e);
}

static result signin_refused(struct call *c, struct err *e)
{
    const struct attempt *t = c->prepared;
    if (!t->has_failed)
        return SUCCESS;
    count_refusal(c, t->claim.user_name, "signin", t->claim.api_key ? "wrong API key" : "wrong password");
    return signin_count_failure(c->db, c->arena, &t->claim, c->now, e);
}

/* ---- tokens ---- */

struct token_text {
    struct str token;
};
static const struct field token_fields[] = {
    TEXT("token", struct token_text, token, .doc = "None: the token in the header"),
    FIELD_END,
};
static const struct body token_body = BODY(struct token_text, token_fields, .example = "{}");

static result read_token(struct call *c, const struct token_text *in, struct str *ret, struct err *e)
{
    struct str token = in->token.n > 0 ? in->token : token_of_call(c);
    if (token.n == 0)
        return FAIL_AS(e, UNAUTHENTICATED, "UM1117", "Access token expected in the 'X-Authorization' header");
    *ret = token;
    return SUCCESS;
}

/* Whose token it is becomes the caller. UNAUTHENTICATED in the face's words. */
static result admit_token(struct call *c, struct str token, struct token_claims *ret_claims, struct err *e)
{
    struct err why;
    result r = tokens_check(c->service->tokens, token, c->now, c->arena, ret_claims, &why);
    if (is_ok(r))
        r = tokens_admit(c->db, c->arena, token, ret_claims, c->now, &c->who, &why);
    if (r.code == UNAUTHENTICATED)
        return FAIL_AS(e, UNAUTHENTICATED, "UM1110", "Access token is not valid or has expired");
    if (!is_ok(r))
        *e = why;
    return r;
}

static result token_validate(struct call *c, struct err *e)
{
    const void *query;
    struct str token = STR_ABSENT;
    struct token_claims claims;
    struct err why;
    TRY(call_query(c, &query, e));
    result r = read_token(c, query, &token, &why);
    if (is_ok(r))
        r = admit_token(c, token, &claims, &why);
    if (!is_ok(r) && r.code != UNAUTHENTICATED) {
        *e = why;
        return r;
    }
    json_write_raw(reply_json(c), is_ok(r) ? S("{\"valid\":true}") : S("{\"valid\":false}"));
    return SUCCESS;
}

struct refreshing {
    struct str old, fresh;
};

static result refresh_prepare(struct call *c, struct err *e)
{
    const void *body;
    struct refreshing *t = arena_new_of(c->whole, struct refreshing);
    struct token_claims claims;
    struct user u;
    c->prepared = t;
    TRY(call_body(c, &body, e));
    TRY(read_token(c, body, &t->old, e));
    TRY(admit_token(c, t->old, &claims, e));
    TRY(user_get(c->db, c->arena, claims.user_id, &u, e));
    return tokens_issue(c->service->tokens, &u, &claims, c->now, c->whole, &t->fresh, e);
}

static result token_refresh(struct call *c, struct err *e)
{
    const struct refreshing *t = c->prepared;
    struct token_claims claims;
    TRY(admit_token(c, t->old, &claims, e));
    return answer_signed_in(c, claims.user_id, t->fresh, e);
}

static result signout(struct call *c, struct err *e)
{
    const void *body;
    struct str token;
    struct token_claims claims;
    TRY(call_body(c, &body, e));
    TRY(read_token(c, body, &token, e));
    TRY(admit_token(c, token, &claims, e));
    TRY(tokens_end(c->db, c->arena, token, &claims, e));
    call_object(c, "user", c->who.user_id, c->who.name);
    reply_none(c, 204);
    return SUCCESS;
}

static result signin_type(struct call *c, struct err *e)
{
    (void)e;
    json_write_raw(reply_json(c), S("{\"authType\":\"DATABASE\"}"));
    return SUCCESS;
}

struct fixed_answer {
    bool valid;
    struct str auth_type;
};
static const struct field valid_fields[] = {FLAG("valid", struct fixed_answer, valid), FIELD_END};
static const struct field type_fields[] = {TEXT("authType", struct fixed_answer, auth_type), FIELD_END};

const struct endpoint authentication_endpoints[] = {
    {HTTP_POST, "/v2/authentication", PUBLIC, WRITES, "signin", "Sign in with a password or an API key", &signin_body,
     signin, .prepare = signin_prepare, .refused = signin_refused, .reply = signed_in_fields},
    {HTTP_POST, "/v1/authentication", PUBLIC, WRITES, "signin", "Sign in, as version 11.3 does", &signin_body, signin,
     .prepare = signin_prepare_v1, .refused = signin_refused, .reply = signed_in_fields},
    {HTTP_GET, "/v1/authentication/token", PUBLIC, READS, UNRECORDED, "Is the token valid?", NO_BODY, token_validate,
     .also = "/v2/authentication/token", .query = token_fields, .query_size = sizeof(struct token_text),
     .reply = valid_fields},
    {HTTP_POST, "/v1/authentication/token", PUBLIC, WRITES, "signin.refresh", "A new token for one that is still valid",
     &token_body, token_refresh, .also = "/v2/authentication/token", .prepare = refresh_prepare,
     .reply = signed_in_fields},
    {HTTP_POST, "/v1/authentication/logout", PUBLIC, WRITES, "signout", "End a token", &token_body, signout,
     .status = 204},
    {HTTP_GET, "/v1/authentication/type", PUBLIC, READS, UNRECORDED, "How this server knows its users", NO_BODY,
     signin_type, .reply = type_fields},
    {0},
};
