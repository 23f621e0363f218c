/* api/passwordsafe/authentication.c: signing in and out, and tokens for application users (passwordsafe-api 2). */
#include "api/passwordsafe/face.h"
#include "api/who.h"
#include "base/text.h"
#include "crypto/password.h"

static result not_authenticated(struct err *e)
{
    return FAIL(e, UNAUTHENTICATED, "Not authenticated");
}

/* ---- what a signed-in client is told ---- */

struct signed_in {
    int64_t user_id;
    struct str sid, email, user_name, name;
};
static const struct field signed_in_fields[] = {
    ID("UserId", struct signed_in, user_id),       TEXT("SID", struct signed_in, sid),
    TEXT("EmailAddress", struct signed_in, email), TEXT("UserName", struct signed_in, user_name),
    TEXT("Name", struct signed_in, name),          FIELD_END,
};

static void reply_signed_in(struct call *c, const struct user *u)
{
    struct str full = str_trim(arena_printf(c->arena, "%.*s %.*s", STR_ARG(u->first_name), STR_ARG(u->last_name)));
    struct signed_in out = {
        .user_id = u->id,
        .email = u->email,
        .user_name = u->domain.n ? arena_printf(c->arena, "%.*s\\%.*s", STR_ARG(u->domain), STR_ARG(u->name)) : u->name,
        .name = full.n ? full : u->name};
    reply_object(c, signed_in_fields, &out);
}

/* ---- SignAppin ---- */

struct attempt { /* from the pool to the writer */
    struct ps_auth header;
    bool has_header;
    bool was_checked, was_right; /* the password, by what the pool saw */
    struct signin_look look;
    bool has_failed; /* found by the writer: to be counted */
};

static struct signin_claim claim_of(const struct call *c, const struct attempt *t, const struct registration *r)
{
    return (struct signin_claim){.user_name = t->header.user_name,
                                 .password = r && r->user_password_required ? t->header.password : NULL,
                                 .address = c->who.address,
                                 .registration_id = r ? r->id : 0,
                                 .is_first = true};
}

/* An unknown user costs the same time. */
static void check_password(struct attempt *t)
{
    t->was_checked = true;
    if (!t->header.password)
        return;
    if (t->look.password_hash.n > 0)
        t->was_right = password_verify(t->look.password_hash, t->header.password) && t->look.is_usable;
    else
        password_verify_nobody(t->header.password);
}

/* A wrong key or password does not fail here: only what the writer has seen fail is counted. */
static result signin_prepare(struct call *c, struct err *e)
{
    struct attempt *t = arena_new_of(c->whole, struct attempt);
    struct registration r;
    struct err why;
    c->prepared = t;
    TRY(ps_auth_of_call(c, &t->header, &t->has_header, e));
    if (!t->has_header)
        return SUCCESS;
    result found = registration_by_key(c->db, c->arena, t->header.key, &r, &why);
    if (found.code == UNAUTHENTICATED)
        return SUCCESS;
    if (!is_ok(found)) {
        *e = why;
        return found;
    }
    struct signin_claim claim = claim_of(c, t, &r);
    TRY(signin_look(c->db, c->whole, &claim, c->now, &t->look, e));
    if (!r.user_password_required || t->look.must_wait)
        return SUCCESS;
    check_password(t);
    return t->look.delay_us > 0 ? call_park(c, 0, t->look.delay_us) : SUCCESS;
}

static result start_session(struct call *c, const struct user *u, const struct registration *r, int64_t password_at,
                            struct err *e)
{
    struct secret *id;
    TRY(session_create(c->db, c->arena, u->id, r, password_at, c->now, &id, e));
    c->who.user_id = u->id;
    c->who.name = u->name;
    call_object(c, "user", u->id, u->name);
    reply_signed_in(c, u);
    reply_cookie(c, "ASP.NET_SessionId", id,
                 c->http->is_tls ? "path=/; Secure; HttpOnly; SameSite=Strict" : "path=/; HttpOnly; SameSite=Strict");
    return SUCCESS;
}

static result signin_by_header(struct call *c, struct attempt *t, struct err *e)
{
    struct registration r;
    struct user u;
    TRY(ps_check_header(c, &t->header, &r, &u, e));
    if (r.user_password_required && !t->was_checked)
        return not_authenticated(e);
    struct signin_claim claim = claim_of(c, t, &r);
    bool is_right = t->was_right || !r.user_password_required;
    TRY(signin_record(c->db, c->arena, &claim, &t->look, is_right, c->now, e));
    return start_session(c, &u, &r, r.user_password_required ? c->now : 0, e);
}

static result signin_by_token(struct call *c, struct str token, struct err *e)
{
    struct caller who = c->who;
    struct registration r;
    struct user u;
    if (!token.n)
        return not_authenticated(e);
    result checked = ps_check_bearer(c, token, &r, &who, e);
    c->who.user_id = who.user_id; /* whom a refusal is about */
    c->who.name = who.name;
    TRY(checked);
    TRY(user_get(c->db, c->arena, who.user_id, &u, e));
    return start_session(c, &u, &r, 0, e);
}

static result signin(struct call *c, struct err *e)
{
    struct attempt *t = c->prepared;
    struct err why;
    t->has_failed = false;
    result r = t->has_header ? signin_by_header(c, t, &why) : signin_by_token(c, token_of_call(c), &why);
    if (r.code == UNAUTHENTICATED) {
        t->has_failed = true;
        return not_authenticated(e);
    }
    if (!is_ok(r))
        *e = why;
    return r;
}

static result signin_refused(struct call *c, struct err *e)
{
    const struct attempt *t = c->prepared;
    if (!t->has_failed)
        return SUCCESS;
    count_refusal(c, t->has_header ? t->header.user_name : S(""), "signin",
                  t->has_header ? "wrong key, user or password" : "wrong token");
    struct signin_claim claim = claim_of(c, t, NULL);
    return signin_count_failure(c->db, c->arena, &claim, c->now, e);
}

static result who_am_i(struct call *c, struct err *e)
{
    struct user u;
    TRY(user_get(c->db, c->arena, c->who.user_id, &u, e));
    reply_signed_in(c, &u);
    return SUCCESS;
}

/* Always 200: clients sign out without a session, too (2.6). But a foreign page ends nobody's (2.7). */
static result signout(struct call *c, struct err *e)
{
    struct str cookie = session_cookie(c);
    struct caller who = c->who;
    struct registration r;
    struct err why = {.code = UNAUTHENTICATED};
    reply_none(c, 200);
    result admitted = {UNAUTHENTICATED};
    if (cookie.n && text_is_utf8(cookie))
        admitted = session_admit(c->db, c->arena, cookie, c->now, &who, &r, &why);
    if (admitted.code == UNAUTHENTICATED) {
        call_is_recorded(c);
        return SUCCESS;
    }
    if (!is_ok(admitted)) {
        *e = why;
        return admitted;
    }
    c->who.user_id = who.user_id;
    c->who.name = who.name;
    call_object(c, "user", who.user_id, who.name);
    if (is_from_foreign_page(c))
        return not_permitted(e);
    return session_end(c->db, c->arena, cookie, e);
}

/* ---- OAuth client credentials (2.5) ---- */

struct token_body {
    struct str grant_type, client_id;
    struct secret *client_secret;
};
static const struct field token_body_fields[] = {
    TEXT("grant_type", struct token_body, grant_type, .max = 64, .example = "client_credentials"),
    TEXT("client_id", struct token_body, client_id, .max = 256, .doc = "Or in an Authorization: Basic header"),
    SECRET("client_secret", struct token_body, client_secret, .max = 1024),
    FIELD_END,
};
static const struct body token_body =
    BODY(struct token_body, token_body_fields,
         .example = "{\"grant_type\":\"client_credentials\",\"client_id\":\"6138d050\",\"client_secret\":\"ab12\"}");

struct token_answer {
    struct secret *access_token;
    int64_t expires_in;
    struct str token_type, scope;
};
static const struct field token_fields[] = {
    SECRET("access_token", struct token_answer, access_token),
    INT("expires_in", struct token_answer, expires_in, .doc = "Seconds"),
    TEXT("token_type", struct token_answer, token_type),
    TEXT("scope", struct token_answer, scope),
    FIELD_END,
};

static void take_basic(struct call *c, struct token_body *in)
{
    struct str header = str_trim(call_header(c, S("Authorization"))), pair;
    if (!str_equal_fold(str_sub(header, 0, 6), S("Basic ")) ||
        !base64_decode(c->arena, str_trim(str_sub(header, 6, header.n)), &pair))
        return;
    struct str id = str_cut(&pair, ':');
    if (!str_is_set(pair))
        return;
    in->client_id = id;
    in->client_secret = secret_new(c->arena, pair.p, pair.n);
}

static result read_token_body(struct call *c, struct token_body *ret, struct err *e)
{
    const void *body;
    struct err why;
    result r = call_body(c, &body, &why);
    if (r.code == INVALID)
        return FAIL_AS(e, INVALID, "invalid_request", "%s", why.text);
    if (!is_ok(r)) {
        *e = why;
        return r;
    }
    *ret = *(const struct token_body *)body;
    if (secret_length(ret->client_secret) == 0)
        take_basic(c, ret);
    if (!str_equal(ret->grant_type, S("client_credentials")))
        return FAIL_AS(e, INVALID, "unsupported_grant_type", "grant_type: must be client_credentials");
    return SUCCESS;
}

static struct signin_claim address_claim(const struct call *c)
{
    return (struct signin_claim){.address = c->who.address};
}

static result token_new(struct call *c, struct err *e)
{
    struct token_body in = {0};
    struct signin_look look;
    struct signin_claim claim = address_claim(c);
    struct token_answer out = {.token_type = S("Bearer"), .scope = S("publicapi")};
    struct err why;
    TRY(read_token_body(c, &in, e));
    TRY(signin_look(c->db, c->arena, &claim, c->now, &look, e));
    result r = {UNAUTHENTICATED};
    if (!look.must_wait && in.client_id.n && in.client_secret)
        r = bearer_create(c->db, c->arena, in.client_id, in.client_secret, c->who.address, c->who.is_loopback, c->now,
                          &out.access_token, &out.expires_in, &why);
    if (r.code == UNAUTHENTICATED)
        return FAIL_AS(e, INVALID, "invalid_client", "Unknown client, or a wrong secret");
    if (!is_ok(r)) {
        *e = why;
        return r;
    }
    call_detail(c, arena_printf(c->arena, "client %.*s", STR_ARG(in.client_id)));
    reply_revealing(c, token_fields, &out);
    return SUCCESS;
}

static result token_refused(struct call *c, struct err *e)
{
    struct token_body in = {0};
    struct err why;
    if (!is_ok(read_token_body(c, &in, &why)))
        return SUCCESS;
    struct signin_claim claim = address_claim(c);
    count_refusal(c, S(""), "token.create", "wrong client id or secret");
    return signin_count_failure(c->db, c->arena, &claim, c->now, e);
}

/* ---- */

struct version {
    struct str version;
};
static const struct field version_fields[] = {TEXT("Version", struct version, version), FIELD_END};

/* The release of the vendor's server whose answers these are: clients compare it. */
static result version_show(struct call *c, struct err *e)
{
    (void)e;
    struct version out = {S("24.3.0.1000")};
    reply_object(c, version_fields, &out);
    return SUCCESS;
}

const struct endpoint ps_authentication_endpoints[] = {
    {HTTP_POST, "/Auth/SignAppin", PUBLIC, WRITES, "signin", "Open a session by a PS-Auth header or a bearer token",
     NO_BODY, signin, .prepare = signin_prepare, .refused = signin_refused, .reply = signed_in_fields},
    {HTTP_GET, "/Auth", SIGNED_IN, READS, UNRECORDED, "Who am I?", NO_BODY, who_am_i, .reply = signed_in_fields},
    {HTTP_POST, "/Auth/Signout", PUBLIC, WRITES, "signout", "End the session, if there is one", NO_BODY, signout},
    {HTTP_POST, "/Auth/connect/token", PUBLIC, REVEALS, "token.create", "A bearer token for an application user",
     &token_body, token_new, .refused = token_refused, .reply = token_fields},
    {HTTP_GET, "/Configuration/Version", SIGNED_IN, READS, UNRECORDED, "The version that clients know this API by",
     NO_BODY, version_show, .reply = version_fields},
    {0},
};
