/* identity/tokens.c: making, checking and ending tokens of the Control Room face. */
#include "identity/tokens.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "identity/keyed.h"
#include "identity/token_cache.h"
#include "identity/token_claims.h"

enum { VERIFIERS_MAX = 64, TOKEN_LIFE_S = 20 * 60, AHEAD_MAX_S = 60 };
#define KEY_RENEWED_AFTER (24 * HOURS)
#define KEY_USED_FOR      (25 * HOURS) /* a tick may be late */
#define TOKEN_LIFE        (TOKEN_LIFE_S * SECONDS)

struct live_key {
    struct str public_key; /* ours to free */
    int64_t ends_at;
    struct token_verifier *verifier;
};
struct key_ring {
    struct live_key keys[VERIFIERS_MAX]; /* our own, then newest first */
    size_t n;
};

struct tokens {
    pthread_rwlock_t lock; /* signer, made_at, ring */
    struct token_signer *signer;
    int64_t made_at;
    struct key_ring ring;
    struct token_cache *cache;
    struct str tenant; /* in `whole` */
    struct arena *whole;
};

static void live_key_free(struct live_key *k)
{
    token_verifier_free(k->verifier);
    free((char *)k->public_key.p);
}

void tokens_free(struct tokens *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->ring.n; i++)
        live_key_free(&t->ring.keys[i]);
    token_signer_free(t->signer);
    token_cache_free(t->cache);
    arena_free(t->whole);
    pthread_rwlock_destroy(&t->lock);
    free(t);
}

/* ---- keys ---- */

/* Its last token may have been signed now. */
static RESULT end_key(struct db *db, struct str public_key, int64_t now, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE token_keys SET ends_at = $2 WHERE public_key = $1 AND ends_at > $2", P_BLOB(public_key),
                      P_INT(now + TOKEN_LIFE)),
                  e);
}

/* Only whoever renews writes `signer` and `made_at`, so he may read them without the lock. */
static RESULT make_key(struct tokens *t, struct db *db, int64_t now, struct err *e)
{
    struct token_signer *fresh;
    TRY(token_signer_new(&fresh, e));
    if (t->signer) {
        result r = end_key(db, token_signer_public(t->signer), now, e);
        if (!is_ok(r)) {
            token_signer_free(fresh);
            return r;
        }
    }
    pthread_rwlock_wrlock(&t->lock);
    struct token_signer *former = t->signer;
    t->signer = fresh;
    t->made_at = now;
    pthread_rwlock_unlock(&t->lock);
    token_signer_free(former);
    return SUCCESS;
}

static int64_t own_key_ends_at(const struct tokens *t)
{
    return t->made_at + KEY_USED_FOR + TOKEN_LIFE;
}

/* After a lost transaction the store may not have our key, though tokens are signed with it. */
static RESULT publish_key(struct tokens *t, struct db *db, struct arena *a, int64_t now, struct err *e)
{
    struct rows rows;
    struct str public_key = token_signer_public(t->signer);
    TRY(db_query(db, a, SQL("SELECT id FROM token_keys WHERE public_key = $1", P_BLOB(public_key)), &rows, e));
    if (rows.n > 0)
        return SUCCESS;
    TRY(db_notify(db, S("tokens"), e));
    return db_run(db,
                  SQL("INSERT INTO token_keys (public_key, created_at, ends_at) VALUES ($1, $2, $3)",
                      P_BLOB(public_key), P_INT(now), P_INT(own_key_ends_at(t))),
                  e);
}

static struct live_key *find_key(struct key_ring *ring, struct str public_key)
{
    for (size_t i = 0; i < ring->n; i++)
        if (str_equal(ring->keys[i].public_key, public_key))
            return &ring->keys[i];
    return NULL;
}

/* A verifier that we know already moves over, so that no key is parsed twice. */
static void take_key(struct key_ring *former, struct key_ring *next, struct str public_key, int64_t ends_at)
{
    struct live_key *taken = find_key(next, public_key), *known = find_key(former, public_key), fresh = {0};
    if (taken) {
        taken->ends_at = ends_at;
        return;
    }
    if (next->n == VERIFIERS_MAX)
        return;
    if (known) {
        fresh = *known;
        *known = (struct live_key){0};
    } else if (is_ok(token_verifier_new(public_key, &fresh.verifier, NULL))) {
        char *copy = malloc(public_key.n);
        if (!copy)
            die("no memory for a token key");
        memcpy(copy, public_key.p, public_key.n);
        fresh.public_key = (struct str){copy, public_key.n};
    } else {
        log_error("a token key in the store is not readable; tokens signed with it are refused");
        return;
    }
    fresh.ends_at = ends_at;
    next->keys[next->n++] = fresh;
}

/* Our own key first: we take what we sign, whatever became of its row and however many others there are. */
static void take_ring(struct tokens *t, const struct rows *rows)
{
    struct key_ring next = {0};
    pthread_rwlock_wrlock(&t->lock);
    take_key(&t->ring, &next, token_signer_public(t->signer), own_key_ends_at(t));
    for (size_t i = 0; i < rows->n; i++)
        take_key(&t->ring, &next, row_blob(rows, i, 0), row_int(rows, i, 1));
    bool has_ended = false;
    for (size_t i = 0; i < t->ring.n; i++) {
        has_ended = has_ended || t->ring.keys[i].verifier;
        live_key_free(&t->ring.keys[i]);
    }
    t->ring = next;
    if (has_ended)
        token_cache_clear(t->cache);
    pthread_rwlock_unlock(&t->lock);
}

RESULT tokens_reload(struct tokens *t, struct db *db, int64_t now, struct err *e)
{
    struct arena *a = arena_new();
    struct rows rows;
    result r = db_query(db, a,
                        SQL("SELECT public_key, ends_at FROM token_keys WHERE ends_at > $1 ORDER BY id DESC LIMIT $2",
                            P_INT(now), P_INT(VERIFIERS_MAX)),
                        &rows, e);
    if (is_ok(r))
        take_ring(t, &rows);
    arena_free(a);
    return r;
}

static RESULT renew(struct tokens *t, struct db *db, struct arena *a, int64_t now, struct err *e)
{
    if (!t->signer || now - t->made_at >= KEY_RENEWED_AFTER)
        TRY(make_key(t, db, now, e));
    TRY(publish_key(t, db, a, now, e));
    TRY(db_run(db, SQL("DELETE FROM token_keys WHERE ends_at <= $1", P_INT(now)), e));
    TRY(db_run(db,
               SQL("DELETE FROM ended_tokens WHERE hash IN (SELECT hash FROM ended_tokens WHERE ends_at <= $1"
                   " LIMIT 500)",
                   P_INT(now)),
               e));
    return tokens_reload(t, db, now, e);
}

RESULT tokens_renew(struct tokens *t, struct db *writer_db, int64_t now, struct err *e)
{
    struct arena *a = arena_new();
    result r = renew(t, writer_db, a, now, e);
    arena_free(a);
    return r;
}

RESULT tokens_retire(struct tokens *t, struct db *writer_db, int64_t now, struct err *e)
{
    return end_key(writer_db, token_signer_public(t->signer), now, e);
}

RESULT tokens_open(struct db *writer_db, int64_t now, struct tokens **ret, struct err *e)
{
    struct tokens *t = calloc(1, sizeof *t);
    if (!t)
        die("no memory for the tokens");
    pthread_rwlock_init(&t->lock, NULL);
    t->cache = token_cache_new();
    t->whole = arena_new();
    struct rows rows = {0};
    result r = db_query(writer_db, t->whole, SQL("SELECT value FROM settings WHERE name = 'installation'"), &rows, e);
    t->tenant = is_ok(r) && rows.n > 0 ? row_text(&rows, 0, 0) : S("");
    if (is_ok(r))
        r = make_key(t, writer_db, now, e);
    if (!is_ok(r)) {
        tokens_free(t);
        return r;
    }
    *ret = t;
    return SUCCESS;
}

/* ---- tokens ---- */

/* Above the user's tokens_valid_after, too: a token made in the same microsecond as the change would be dead. */
static int64_t next_nano_time(int64_t valid_after)
{
    static _Atomic int64_t last;
    int64_t before = atomic_load(&last), next;
    do {
        next = clock_now() * 1000;
        if (next < (valid_after + 1) * 1000)
            next = (valid_after + 1) * 1000;
        if (next <= before)
            next = before + 1;
    } while (!atomic_compare_exchange_weak(&last, &before, next));
    return next;
}

RESULT tokens_issue(struct tokens *t, const struct user *u, const struct token_claims *more, int64_t now,
                    struct arena *a, struct str *ret, struct err *e)
{
    struct token_claims claims = {
        .user_id = u->id,
        .issued_at_s = now / SECONDS,
        .ends_at_s = now / SECONDS + TOKEN_LIFE_S,
        .nano_time = next_nano_time(u->tokens_valid_after),
        .password_at = more->password_at,
        .api_key_id = more->api_key_id,
        .multiple_login = more->multiple_login,
    };
    struct str payload = claims_write(a, u, &claims, t->tenant);
    if (!str_is_set(payload))
        return FAIL(e, CONFLICT, "The user's licence words do not fit into a token");
    pthread_rwlock_rdlock(&t->lock);
    result r = now - t->made_at > KEY_USED_FOR ? FAIL(e, INTERNAL, "the token key has not been renewed in time")
                                               : token_sign(t->signer, payload, a, ret, e);
    pthread_rwlock_unlock(&t->lock);
    return r;
}

static RESULT refuse(struct err *e)
{
    return FAIL(e, UNAUTHENTICATED, "Access token is not valid or has expired");
}

static RESULT check_times(const struct token_claims *claims, int64_t now, struct err *e)
{
    int64_t now_s = now / SECONDS;
    return claims->ends_at_s > now_s && claims->issued_at_s <= now_s + AHEAD_MAX_S ? SUCCESS : refuse(e);
}

/* Under the read lock until it is remembered: a key that ends meanwhile takes what was remembered along. */
static RESULT verify(struct tokens *t, struct str token, struct str hash, int64_t now, struct arena *a,
                     struct token_claims *ret, struct err *e)
{
    struct token_verifier *verifiers[VERIFIERS_MAX];
    size_t n = 0;
    struct str payload;
    struct token_claims claims;
    for (size_t i = 0; i < t->ring.n; i++)
        if (t->ring.keys[i].ends_at > now)
            verifiers[n++] = t->ring.keys[i].verifier;
    if (!is_ok(token_verify(verifiers, n, token, a, &payload, NULL)))
        return refuse(e);
    TRY(claims_read(a, payload, &claims, e));
    TRY(check_times(&claims, now, e));
    token_cache_put(t->cache, hash, &claims);
    *ret = claims;
    return SUCCESS;
}

RESULT tokens_check(struct tokens *t, struct str token, int64_t now, struct arena *a, struct token_claims *ret,
                    struct err *e)
{
    struct token_claims claims;
    if (token.n == 0)
        return refuse(e);
    struct str hash = token_cache_hash(t->cache, a, token);
    if (token_cache_find(t->cache, hash, now, &claims)) {
        TRY(check_times(&claims, now, e));
        *ret = claims;
        return SUCCESS;
    }
    pthread_rwlock_rdlock(&t->lock);
    result r = verify(t, token, hash, now, a, ret, e);
    pthread_rwlock_unlock(&t->lock);
    return r;
}

RESULT tokens_admit(struct db *db, struct arena *a, struct str token, const struct token_claims *claims, int64_t now,
                    struct caller *ret, struct err *e)
{
    struct rows rows;
    struct str hash;
    TRY(check_times(claims, now, e));
    TRY(keyed_hash_of_str(db, a, token, &hash, e));
    TRY(db_query(db, a,
                 SQL("SELECT u.name, u.tokens_valid_after FROM users u WHERE u.id = $1 AND u.is_deleted = 0"
                     " AND u.is_disabled = 0 AND u.is_quarantined = 0"
                     " AND NOT EXISTS (SELECT 1 FROM ended_tokens t WHERE t.hash = $2)"
                     " AND ($3 = 0 OR EXISTS (SELECT 1 FROM api_keys k WHERE k.id = $3 AND k.user_id = u.id))",
                     P_INT(claims->user_id), P_BLOB(hash), P_INT(claims->api_key_id)),
                 &rows, e));
    if (rows.n == 0 || claims->nano_time / 1000 <= row_int(&rows, 0, 1))
        return refuse(e);
    ret->user_id = claims->user_id;
    ret->name = row_text(&rows, 0, 0);
    ret->signed_in_on = FACE_CONTROLROOM;
    ret->carries_controlroom = true;
    ret->carries_passwordsafe = claims->password_at != 0;
    ret->password_at = claims->password_at;
    ret->token_hash = hash;
    ret->token_ends_at = claims->ends_at_s * SECONDS;
    return SUCCESS;
}

RESULT tokens_end(struct db *db, struct arena *a, struct str token, const struct token_claims *claims, struct err *e)
{
    struct str hash;
    TRY(keyed_hash_of_str(db, a, token, &hash, e));
    return db_run(db,
                  SQL("INSERT INTO ended_tokens (hash, ends_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", P_BLOB(hash),
                      P_INT(claims->ends_at_s * SECONDS)),
                  e);
}
