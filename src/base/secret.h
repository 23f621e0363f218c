/* base/secret.h: a secret is a type.
 *
 * Opaque: nothing here turns one into a str, no log and no JSON writer takes one. It is opened only by the
 * few files that include base/secret_open.h (src/LAYERS names them): sealing and hashing, the encoder of rows
 * that reveal, the line to a connector. Lives in an arena (wiped with it). */
#pragma once

#include "base/arena.h"

struct secret;

struct secret *secret_new(struct arena *a, const void *bytes, size_t n); /* a copy */
struct secret *secret_copy(struct arena *a, const struct secret *s);     /* NULL gives NULL */
size_t secret_length(const struct secret *s);                            /* bytes; NULL is 0 */
bool secret_equal(const struct secret *a,
                  const struct secret *b); /* constant time in the contents; both NULL is true */
bool secret_has_any(const struct secret *s, const char *bytes,
                    size_t n); /* any of these bytes (U+0000, CR, LF) in it? */
bool secret_is_utf8(const struct secret *s);

/* Overwrite with zeros in a way that no compiler removes. */
void wipe(void *p, size_t n);
/* Constant time in the contents, not in the lengths. */
bool equal_constant_time(const void *a, const void *b, size_t n);
