/* mysql/verifier.h: what the server keeps instead of a password. */
#pragma once

#include "base/secret.h"

enum scheme { SCHEME_NONE, SCHEME_NATIVE, SCHEME_ED25519 };

/* NONE for a plugin that has no password which we could set. */
enum scheme scheme_of_plugin(struct str plugin);
/* At most 16 characters. */
const char *scheme_text(enum scheme scheme);
/* native: '*' and the hex of SHA1(SHA1(password)); ed25519: the public key that the password is the seed of. */
struct str verifier_make(enum scheme scheme, const struct secret *password, struct arena *a);
bool verifier_matches(enum scheme scheme, struct str stored, const struct secret *password, struct arena *a);
