/* identity/token_cache.c: verified tokens in a fixed number of slots; a newer one takes an older one's place. */
#include "identity/token_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/locked.h"
#include "crypto/password.h"
#include "crypto/random.h"

enum { SLOTS = 1024, LOCKS = 64, CACHE_KEY_BYTES = 32 };

struct slot {
    unsigned char hash[HASH_BYTES];
    struct token_claims claims; /* ends_at_s 0: empty */
};

struct token_cache {
    char *key;
    pthread_mutex_t locks[LOCKS]; /* slot i is under lock i % LOCKS */
    struct slot slots[SLOTS];
};

struct token_cache *token_cache_new(void)
{
    struct token_cache *c = calloc(1, sizeof *c);
    if (!c)
        die("no memory for the tokens");
    c->key = locked_alloc(CACHE_KEY_BYTES);
    random_bytes(c->key, CACHE_KEY_BYTES);
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&c->locks[i], NULL);
    return c;
}

void token_cache_free(struct token_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&c->locks[i]);
    locked_free(c->key);
    free(c);
}

struct str token_cache_hash(const struct token_cache *c, struct arena *a, struct str token)
{
    return keyed_hash_str(a, (struct str){c->key, CACHE_KEY_BYTES}, token);
}

static size_t slot_of(struct str hash)
{
    size_t number;
    memcpy(&number, hash.p, sizeof number);
    return number % SLOTS;
}

bool token_cache_find(struct token_cache *c, struct str hash, int64_t now, struct token_claims *ret)
{
    size_t i = slot_of(hash);
    struct slot *slot = &c->slots[i];
    pthread_mutex_lock(&c->locks[i % LOCKS]);
    bool is_there =
        slot->claims.ends_at_s > now / SECONDS && equal_constant_time(slot->hash, hash.p, sizeof slot->hash);
    if (is_there)
        *ret = slot->claims;
    pthread_mutex_unlock(&c->locks[i % LOCKS]);
    return is_there;
}

void token_cache_put(struct token_cache *c, struct str hash, const struct token_claims *claims)
{
    size_t i = slot_of(hash);
    pthread_mutex_lock(&c->locks[i % LOCKS]);
    memcpy(c->slots[i].hash, hash.p, sizeof c->slots[i].hash);
    c->slots[i].claims = *claims;
    pthread_mutex_unlock(&c->locks[i % LOCKS]);
}

void token_cache_clear(struct token_cache *c)
{
    for (size_t i = 0; i < SLOTS; i++) {
        pthread_mutex_lock(&c->locks[i % LOCKS]);
        c->slots[i] = (struct slot){0};
        pthread_mutex_unlock(&c->locks[i % LOCKS]);
    }
}
