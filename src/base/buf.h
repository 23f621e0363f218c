/* base/buf.h: the only thing that grows. Born with its ceiling; remembers failure, so append freely and
 * check once. Freeing and growing wipe. */
#pragma once

#include "base/str.h"

struct buf {
    char *p;
    size_t n, capacity, ceiling;
    bool has_failed; /* an append would have passed the ceiling; nothing was appended since */
};

void buf_init(struct buf *b, size_t ceiling);
void buf_free(struct buf *b);  /* wipes; safe on a zeroed or freed one */
void buf_clear(struct buf *b); /* wipes, keeps the memory, forgets the failure */
void buf_add(struct buf *b, struct str s);
void buf_add_bytes(struct buf *b, const void *p, size_t n);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_drop_front(struct buf *b, size_t n); /* what stays moves to the front, what moved is wiped */
struct str buf_str(const struct buf *b);      /* borrowed until the next change */

#define AUTOBUF __attribute__((cleanup(buf_free))) struct buf
