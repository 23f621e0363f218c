/* crypto/password.h: Argon2id for what people choose; keyed BLAKE2b for what the system's randomness made. */
#pragma once

#include "base/result.h"
#include "base/secret.h"

/* Argon2id, 64 MiB, about 180 ms of CPU: never on an event loop. An encoded text that carries its parameters. */
RESULT password_hash(const struct secret *password, struct arena *a, struct str *ret_encoded, struct err *e);
bool password_verify(struct str encoded, const struct secret *password);
/* Spend the time of a verification for a user that does not exist. */
void password_verify_nobody(const struct secret *password);

/* Keyed BLAKE2b-256, by which API keys, session ids and client secrets are found. The key stands in the store,
 * unsealed. */
struct str keyed_hash(struct arena *a, struct str key, const struct secret *value);
struct str keyed_hash_str(struct arena *a, struct str key, struct str value);

/* Unkeyed BLAKE2b-256: chains and digests. */
enum { HASH_BYTES = 32 };
struct hasher {
    _Alignas(64) unsigned char state[384];
};
void hasher_start(struct hasher *h);
void hasher_add(struct hasher *h, struct str part); /* length-prefixed: no two lists of parts hash alike */
void hasher_end(struct hasher *h, unsigned char ret[HASH_BYTES]);
