/* base/secret.c: the secret type, wiping, comparing in constant time. */
#include "base/secret.h"

#include <sodium.h>
#include <string.h>

#include "base/log.h"
#include "base/secret_open.h"
#include "base/text.h"

struct secret {
    size_t n;
    char bytes[];
};

struct secret *secret_with_room(struct arena *a, size_t n, char **ret_bytes)
{
    if (n > SIZE_MAX - sizeof(struct secret))
        die("out of memory: a secret of %zu bytes", n);
    struct secret *s = arena_alloc(a, sizeof(*s) + n);
    s->n = n;
    *ret_bytes = s->bytes;
    return s;
}

struct secret *secret_new(struct arena *a, const void *bytes, size_t n)
{
    char *room;
    struct secret *s = secret_with_room(a, n, &room);
    if (n > 0)
        memcpy(room, bytes, n);
    return s;
}

struct secret *secret_copy(struct arena *a, const struct secret *s)
{
    return s ? secret_new(a, s->bytes, s->n) : NULL;
}

size_t secret_length(const struct secret *s)
{
    return s ? s->n : 0;
}

void secret_set_length(struct secret *s, size_t n)
{
    if (n > s->n)
        die("secret_set_length: a secret cannot grow");
    wipe(s->bytes + n, s->n - n);
    s->n = n;
}

struct str secret_open(const struct secret *s)
{
    return s ? (struct str){s->bytes, s->n} : STR_ABSENT;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
    if (!a || !b)
        return a == b;
    return a->n == b->n && equal_constant_time(a->bytes, b->bytes, a->n);
}

bool secret_has_any(const struct secret *s, const char *bytes, size_t n)
{
    if (!s)
        return false;
    bool has = false;
    for (size_t i = 0; i < n; i++)
        has |= memchr(s->bytes, bytes[i], s->n) != NULL;
    return has;
}

bool secret_is_utf8(const struct secret *s)
{
    return text_is_utf8(secret_open(s));
}

void wipe(void *p, size_t n)
{
    if (n > 0)
        sodium_memzero(p, n);
}

bool equal_constant_time(const void *a, const void *b, size_t n)
{
    return n == 0 || sodium_memcmp(a, b, n) == 0;
}
