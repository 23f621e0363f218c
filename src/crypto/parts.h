/* crypto/parts.h: a list of parts as bytes, each behind its length, so that no two lists look alike. */
#pragma once

#include "base/buf.h"

enum { NUMBER_BYTES = 8 };

static inline void big_endian_put(unsigned char out[NUMBER_BYTES], uint64_t v)
{
    for (int i = NUMBER_BYTES - 1; i >= 0; i--, v >>= 8)
        out[i] = (unsigned char)(v & 0xff);
}

static inline uint64_t big_endian_get(const unsigned char in[NUMBER_BYTES])
{
    uint64_t v = 0;
    for (int i = 0; i < NUMBER_BYTES; i++)
        v = v << 8 | in[i];
    return v;
}

static inline void parts_add(struct buf *b, struct str part)
{
    unsigned char length[NUMBER_BYTES];
    big_endian_put(length, part.n);
    buf_add_bytes(b, length, sizeof length);
    buf_add(b, part);
}

static inline void parts_add_number(struct buf *b, int64_t v)
{
    unsigned char number[NUMBER_BYTES];
    big_endian_put(number, (uint64_t)v);
    parts_add(b, (struct str){(const char *)number, sizeof number});
}
