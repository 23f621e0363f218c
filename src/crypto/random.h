/* crypto/random.h: the system's randomness (libsodium). */
#pragma once

#include "base/secret.h"

void random_bytes(void *p, size_t n);
uint32_t random_below(uint32_t bound);                                  /* uniform, rejection sampling */
struct str random_text(struct arena *a, struct str alphabet, size_t n); /* uniform over the alphabet's bytes */
struct str random_hex(struct arena *a, size_t bytes);
struct secret *random_secret_text(struct arena *a, struct str alphabet, size_t n);
/* libsodium's start; call once per process before anything else of crypto. */
void crypto_start(void);
