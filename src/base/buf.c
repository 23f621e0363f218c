/* base/buf.c: the buffer that grows up to its ceiling. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"

enum { FIRST_CAPACITY = 128 };

void buf_init(struct buf *b, size_t ceiling)
{
    *b = (struct buf){.ceiling = ceiling};
}

void buf_free(struct buf *b)
{
    if (b->p) {
        wipe(b->p, b->capacity);
        free(b->p);
    }
    *b = (struct buf){.ceiling = b->ceiling};
}

void buf_clear(struct buf *b)
{
    if (b->p)
        wipe(b->p, b->n);
    b->n = 0;
    b->has_failed = false;
}

/* Room for n more bytes, and for the NUL that vsnprintf leaves behind them. False: the ceiling. */
static bool reserve(struct buf *b, size_t n)
{
    if (b->has_failed || n > b->ceiling || b->n > b->ceiling - n) {
        b->has_failed = true;
        return false;
    }
    size_t wanted = b->n + n + 1;
    if (wanted <= b->capacity)
        return true;
    size_t capacity = b->capacity ? b->capacity : FIRST_CAPACITY;
    while (capacity < wanted)
        capacity = capacity > SIZE_MAX / 2 ? wanted : capacity * 2;
    char *grown = malloc(capacity);
    if (!grown)
        die("out of memory: %zu bytes", capacity);
    if (b->p) {
        memcpy(grown, b->p, b->n);
        wipe(b->p, b->capacity);
        free(b->p);
    }
    b->p = grown;
    b->capacity = capacity;
    return true;
}

void buf_add_bytes(struct buf *b, const void *p, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n > 0)
        memcpy(b->p + b->n, p, n);
    b->n += n;
}

void buf_add(struct buf *b, struct str s)
{
    buf_add_bytes(b, s.p, s.n);
}

void buf_add_char(struct buf *b, char c)
{
    buf_add_bytes(b, &c, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (n < 0)
        die("buf_printf: bad format");
    if (reserve(b, (size_t)n)) {
        vsnprintf(b->p + b->n, (size_t)n + 1, format, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void buf_drop_front(struct buf *b, size_t n)
{
    if (n > b->n)
        n = b->n;
    if (n == 0)
        return;
    memmove(b->p, b->p + n, b->n - n);
    wipe(b->p + b->n - n, n);
    b->n -= n;
}

struct str buf_str(const struct buf *b)
{
    return b->p ? (struct str){b->p, b->n} : S("");
}
