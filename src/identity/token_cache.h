/* identity/token_cache.h: verified tokens, so that RSA is not paid at each call; for this folder only. Thread-safe. */
#pragma once

#include "identity/tokens.h"

struct token_cache;
struct token_cache *token_cache_new(void);
void token_cache_free(struct token_cache *c);
/* Under a key of this process: what stands in a slot is no token. */
struct str token_cache_hash(const struct token_cache *c, struct arena *a, struct str token);
bool token_cache_find(struct token_cache *c, struct str hash, int64_t now, struct token_claims *ret);
void token_cache_put(struct token_cache *c, struct str hash, const struct token_claims *claims);
void token_cache_clear(struct token_cache *c); /* a key has ended */
