/* base/arena.c: memory of a request or a job, in a few chunks that are wiped together. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"

enum { FIRST_CHUNK_BYTES = 16384, CHUNK_BYTES_MAX = 1 << 20, LARGE_BYTES = 4096 };

struct chunk {
    struct chunk *next;
    size_t size, used; /* what stands behind `used` is zero */
    _Alignas(max_align_t) char bytes[];
};

struct arena {
    struct chunk *shared; /* many objects each, newest first */
    struct chunk *alone;  /* one object each */
    size_t bytes;
};

static struct chunk *chunk_new(struct chunk **list, size_t size)
{
    if (size > SIZE_MAX - sizeof(struct chunk))
        die("out of memory: %zu bytes", size);
    struct chunk *c = calloc(1, sizeof(*c) + size);
    if (!c)
        die("out of memory: %zu bytes", size);
    c->size = size;
    c->next = *list;
    *list = c;
    return c;
}

/* Wipe and free all, or all but the oldest. */
static void chunks_free(struct chunk **list, bool keeps_oldest)
{
    while (*list && !(keeps_oldest && !(*list)->next)) {
        struct chunk *c = *list;
        *list = c->next;
        wipe(c->bytes, c->used);
        free(c);
    }
}

struct arena *arena_new(void)
{
    struct arena *a = calloc(1, sizeof(*a));
    if (!a)
        die("out of memory: %zu bytes", sizeof(*a));
    return a;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    chunks_free(&a->shared, false);
    chunks_free(&a->alone, false);
    free(a);
}

void arena_reset(struct arena *a)
{
    chunks_free(&a->alone, false);
    chunks_free(&a->shared, true);
    if (a->shared) {
        wipe(a->shared->bytes, a->shared->used);
        a->shared->used = 0;
    }
    a->bytes = 0;
}

static void *place_alone(struct arena *a, size_t n)
{
    struct chunk *c = chunk_new(&a->alone, n);
    c->used = n;
    return c->bytes;
}

#ifdef KEYTURN_DEBUG_ARENA

static void *place(struct arena *a, size_t n)
{
    return place_alone(a, n);
}

#else

static void *place(struct arena *a, size_t n)
{
    if (n > LARGE_BYTES)
        return place_alone(a, n);
    size_t alignment = _Alignof(max_align_t);
    size_t wanted = (n + alignment - 1) / alignment * alignment;
    struct chunk *c = a->shared;
    if (!c)
        c = chunk_new(&a->shared, FIRST_CHUNK_BYTES);
    else if (wanted > c->size - c->used)
        c = chunk_new(&a->shared, c->size < CHUNK_BYTES_MAX ? c->size * 2 : CHUNK_BYTES_MAX);
    void *p = c->bytes + c->used;
    c->used += wanted;
    return p;
}

#endif

void *arena_alloc(struct arena *a, size_t n)
{
    if (n == 0)
        n = 1;
    a->bytes += n;
    return place(a, n);
}

size_t arena_bytes(const struct arena *a)
{
    return a->bytes;
}

void *arena_alloc_array(struct arena *a, size_t size, size_t n)
{
    size_t bytes;
    if (__builtin_mul_overflow(size, n, &bytes))
        die("out of memory: %zu times %zu bytes", n, size);
    return arena_alloc(a, bytes);
}

struct str arena_str(struct arena *a, struct str s)
{
    if (!s.p)
        return s;
    return (struct str){arena_cstr(a, s), s.n};
}

const char *arena_cstr(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.n + 1);
    if (s.n > 0)
        memcpy(copy, s.p, s.n);
    return copy;
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = format ? vsnprintf(NULL, 0, format, arguments) : -1;
    va_end(arguments);
    if (n < 0)
        die("arena_printf: bad format");
    char *text = arena_alloc(a, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return (struct str){text, (size_t)n};
}
