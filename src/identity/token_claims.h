/* identity/token_claims.h: a token's payload as text; for this folder only. */
#pragma once

#include "identity/tokens.h"

/* controlroom-api 2.2, and our pwdAt and apiKeyId. */
struct str claims_write(struct arena *a, const struct user *u, const struct token_claims *claims, struct str tenant);
/* UNAUTHENTICATED unless every claim that we write and read is there and iss is ours. */
RESULT claims_read(struct arena *a, struct str payload, struct token_claims *ret, struct err *e);
