/* base/secret_open.h: the way into a secret. Only the files that src/LAYERS lists under `secret_open` may include this.
 */
#pragma once

#include "base/secret.h"

/* Borrowed bytes; they live as long as the secret. Never log them, never copy them into anything unwiped. */
struct str secret_open(const struct secret *s);
/* Room for n bytes to be filled in place (decoders, unsealing). */
struct secret *secret_with_room(struct arena *a, size_t n, char **ret_bytes);
/* Shorten after filling. */
void secret_set_length(struct secret *s, size_t n);
