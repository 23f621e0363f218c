/* api/who_passwordsafe.c: sessions, and PS-Auth headers that stand on the call itself (passwordsafe-api 2.7). */
#include <pthread.h>

#include "api/who.h"
#include "base/log.h"
#include "crypto/password.h"
#include "crypto/random.h"
#include "gate/service.h"

/* ---- a right (key, user, password) is remembered for 60 s, as a keyed hash under a key of this process ---- */

enum { REMEMBERED = 256 };
#define REMEMBER_FOR (60 * SECONDS)

static struct {
    pthread_mutex_t lock;
    bool has_key;
    char key[32];
    struct {
        unsigned char hash[HASH_BYTES];
        int64_t until;
    } slots[REMEMBERED];
    size_t next;
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* `password_hash` is part of it: a changed password forgets by itself. */
static struct str fingerprint(struct arena *a, const struct ps_auth *h, const struct user *u, struct str password_hash)
{
    pthread_mutex_lock(&memory.lock);
    if (!memory.has_key) {
        random_bytes(memory.key, sizeof memory.key);
        memory.has_key = true;
    }
    pthread_mutex_unlock(&memory.lock);
    struct str key = {memory.key, sizeof memory.key};
    struct str secret = keyed_hash(a, key, h->password);
    struct str all = arena_printf(a, "%" PRId64 "|%.*s|%.*s|", u->id, STR_ARG(h->key), STR_ARG(password_hash));
    char *joined = arena_alloc(a, all.n + secret.n);
    memcpy(joined, all.p, all.n);
    memcpy(joined + all.n, secret.p, secret.n);
    return keyed_hash_str(a, key, (struct str){joined, all.n + secret.n});
}

static bool is_remembered(struct str hash, int64_t now)
{
    bool found = false;
    pthread_mutex_lock(&memory.lock);
    for (size_t i = 0; i < REMEMBERED; i++)
        found |= memory.slots[i].until > now && equal_constant_time(memory.slots[i].hash, hash.p, HASH_BYTES);
    pthread_mutex_unlock(&memory.lock);
    return found;
}

static void remember(struct str hash, int64_t now)
{
    pthread_mutex_lock(&memory.lock);
    size_t i = memory.next++ % REMEMBERED;
    memcpy(memory.slots[i].hash, hash.p, HASH_BYTES);
    memory.slots[i].until = now + REMEMBER_FOR;
    pthread_mutex_unlock(&memory.lock);
}

/* ---- the header ---- */

static result not_authenticated(struct err *e)
{
    return FAIL(e, UNAUTHENTICATED, "Not authenticated");
}

/* Whatever was wrong: who guesses keys is not told which part of the header was right. */
static result alike(result r, struct err *e)
{
    return r.code == UNAUTHENTICATED ? not_authenticated(e) : r;
}

result ps_check_address(const struct call *c, const struct registration *r, struct err *e)
{
    if (registration_allows(r, c->who.address, c->who.is_loopback))
        return SUCCESS;
    log_warning("registration \"%.*s\" refused %.*s%s by its address rules", STR_ARG(r->name), STR_ARG(c->who.address),
                str_is_set(call_header(c, S("X-Forwarded-For"))) ? ", a proxy," : "");
    return not_authenticated(e);
}

/* Outputs untouched on failure: the header may still name somebody else. */
static result by_session(struct call *c, struct str cookie, struct caller *ret, struct err *e)
{
    struct caller who = *ret;
    struct registration r;
    TRY(alike(session_admit(c->db, c->arena, cookie, c->now, &who, &r, e), e));
    TRY(ps_check_address(c, &r, e));
    *ret = who;
    return SUCCESS;
}

result ps_check_header(struct call *c, const struct ps_auth *h, struct registration *ret_registration,
                       struct user *ret_user, struct err *e)
{
    bool may_use;
    TRY(alike(registration_by_key(c->db, c->arena, h->key, ret_registration, e), e));
    if (!ret_registration->is_active)
        return not_authenticated(e);
    TRY(ps_check_address(c, ret_registration, e));
    if (!is_ok(user_by_name(c->db, c->arena, h->user_name, ret_user, e)) || ret_user->is_disabled ||
        ret_user->is_quarantined)
        return not_authenticated(e);
    TRY(registration_has_user(c->db, c->arena, ret_registration->id, ret_user->id, &may_use, e));
    return may_use ? SUCCESS : not_authenticated(e);
}

static struct signin_claim claim_of(const struct call *c, const struct ps_auth *h, int64_t registration_id)
{
    return (struct signin_claim){.user_name = h->user_name,
                                 .password = h->password,
                                 .address = c->who.address,
                                 .registration_id = registration_id};
}

/* Who is not there costs the same time. */
static result check_password(struct call *c, const struct ps_auth *h, struct err *e)
{
    struct registration r = {0};
    struct user u;
    struct signin_look look;
    result known = ps_check_header(c, h, &r, &u, e);
    if (known.code != UNAUTHENTICATED)
        TRY(known);
    struct signin_claim claim = claim_of(c, h, r.id);
    TRY(signin_look(c->db, c->arena, &claim, c->now, &look, e));
    if (look.must_wait)
        return not_authenticated(e);
    if (!r.user_password_required)
        return is_ok(known) ? SUCCESS : not_authenticated(e);
    if (!is_ok(known) || !look.is_usable || look.password_hash.n == 0) {
        password_verify_nobody(h->password);
        return not_authenticated(e);
    }
    struct str hash = fingerprint(c->whole, h, &u, look.password_hash);
    if (!is_remembered(hash, c->now)) {
        if (!password_verify(look.password_hash, h->password))
            return not_authenticated(e);
        remember(hash, c->now);
    }
    c->proof = hash;
    return SUCCESS;
}

result ps_verify_header(struct call *c, struct err *e)
{
    struct ps_auth h;
    bool is_there;
    struct caller who = c->who;
    struct str cookie = session_cookie(c);
    if (cookie.n && is_ok(by_session(c, cookie, &who, e))) {
        c->needs_verifying = false;
        return SUCCESS;
    }
    TRY(ps_auth_of_call(c, &h, &is_there, e));
    return check_password(c, &h, e);
}

result ps_count_failure(struct call *c, struct err *e)
{
    struct ps_auth h;
    bool is_there;
    if (!is_ok(ps_auth_of_call(c, &h, &is_there, e)) || !is_there)
        return SUCCESS;
    struct signin_claim claim = claim_of(c, &h, 0);
    count_refusal(c, h.user_name, "signin", "wrong key, user or password");
    return signin_count_failure(c->db, c->arena, &claim, c->now, e);
}

static result by_header(struct call *c, const struct ps_auth *h, struct caller *ret, struct err *e)
{
    struct registration r;
    struct user u;
    struct signin_look look;
    TRY(ps_check_header(c, h, &r, &u, e));
    ret->password_at = 0;
    if (r.user_password_required) {
        struct signin_claim claim = claim_of(c, h, r.id);
        if (!str_is_set(c->proof)) /* never verified, so a wrong one was not counted either */
            return not_authenticated(e);
        TRY(signin_look(c->db, c->arena, &claim, c->now, &look, e));
        if (!equal_constant_time(fingerprint(c->arena, h, &u, look.password_hash).p, c->proof.p, HASH_BYTES))
            return not_authenticated(e);
        ret->password_at = c->now;
    }
    ret->user_id = u.id;
    ret->name = u.name;
    ret->registration_id = r.id;
    return SUCCESS;
}

/* ---- cookies ---- */

/* Bodies may be untyped here, so a browser could send them from anywhere: a foreign page is refused by what the browser
 * says. */
bool is_from_foreign_page(const struct call *c)
{
    if (str_equal_fold(call_header(c, S("Sec-Fetch-Site")), S("cross-site")))
        return true;
    struct str origin = call_header(c, S("Origin"));
    if (!origin.n)
        return false;
    ptrdiff_t at = str_find(origin, S("://"));
    return at < 0 || !str_equal_fold(str_sub(origin, (size_t)at + 3, origin.n), str_trim(call_header(c, S("Host"))));
}

result ps_check_bearer(struct call *c, struct str token, struct registration *ret_registration, struct caller *ret,
                       struct err *e)
{
    struct caller who = *ret;
    bool may_use;
    TRY(alike(bearer_admit(c->db, c->arena, token, c->now, &who, ret_registration, e), e));
    TRY(ps_check_address(c, ret_registration, e));
    TRY(registration_has_user(c->db, c->arena, ret_registration->id, who.user_id, &may_use, e));
    *ret = who;
    return may_use ? SUCCESS : FAIL_AS(e, DENIED, "4031", "The application user is in no active group");
}

static result find_who(struct call *c, struct caller *ret, bool *ret_by_cookie, struct err *e)
{
    struct ps_auth h;
    bool is_there;
    struct str cookie = session_cookie(c), token = token_of_call(c);
    *ret_by_cookie = cookie.n && is_ok(by_session(c, cookie, ret, e));
    if (*ret_by_cookie)
        return SUCCESS;
    struct registration r;
    TRY(ps_auth_of_call(c, &h, &is_there, e));
    if (is_there)
        return by_header(c, &h, ret, e);
    return token.n ? ps_check_bearer(c, token, &r, ret, e) : not_authenticated(e);
}

result who_by_passwordsafe(struct call *c, bool both, struct caller *ret, struct err *e)
{
    struct str address = c->who.address;
    bool is_loopback = c->who.is_loopback, by_cookie;
    TRY(find_who(c, ret, &by_cookie, e));
    ret->address = address;
    ret->is_loopback = is_loopback;
    ret->signed_in_on = FACE_PASSWORDSAFE;
    ret->carries_passwordsafe = true;
    ret->carries_controlroom = both && ret->password_at > 0;
    if (by_cookie && is_from_foreign_page(c))
        return FAIL_AS(e, DENIED, "4031", "This session's cookie came from a foreign page");
    return rights_of_user(c->db, c->arena, ret->user_id, ret->carries_controlroom, true, &ret->rights, e);
}

result ps_look(struct call *c, struct err *e)
{
    struct ps_auth h;
    bool is_there;
    result taken_apart = ps_auth_of_call(c, &h, &is_there, e);
    c->needs_verifying = is_ok(taken_apart) && is_there;
    if (session_cookie(c).n)
        return SUCCESS;
    TRY(taken_apart);
    return is_there || token_of_call(c).n ? SUCCESS : not_authenticated(e);
}
