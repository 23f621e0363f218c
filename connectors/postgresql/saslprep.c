/* postgresql/saslprep.c: map, normalise, check. */
#include "postgresql/saslprep.h"

#include <utf8proc.h>

#include "base/secret_open.h"

struct range {
    int32_t first, last;
};
#include "saslprep_tables.inc"

#define IS_IN(code, table) is_in((code), (table), sizeof(table) / sizeof((table)[0]))

static bool is_in(int32_t code, const struct range *table, size_t n)
{
    size_t from = 0;
    while (from < n) {
        size_t middle = from + (n - from) / 2;
        if (code > table[middle].last)
            from = middle + 1;
        else if (code < table[middle].first)
            n = middle;
        else
            return true;
    }
    return false;
}

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    return true;
}

/* *ret_n code points after the mapping; false when the bytes are no UTF-8. */
static bool map(struct str s, int32_t *codes, size_t *ret_n)
{
    size_t n = 0;
    for (size_t at = 0; at < s.n;) {
        int32_t code;
        ptrdiff_t length = utf8proc_iterate((const unsigned char *)s.p + at, (ptrdiff_t)(s.n - at), &code);
        if (length <= 0)
            return false;
        at += (size_t)length;
        if (IS_IN(code, spaces))
            codes[n++] = ' ';
        else if (!IS_IN(code, mapped_to_nothing))
            codes[n++] = code;
    }
    *ret_n = n;
    return true;
}

/* Both ends must come to the same bytes, so this looks, as PostgreSQL does, at what stands before the normalisation. */
static bool is_allowed(const int32_t *codes, size_t n)
{
    bool has_right_to_left = false, has_left_to_right = false;
    for (size_t i = 0; i < n; i++) {
        if (IS_IN(codes[i], prohibited))
            return false;
        has_right_to_left |= IS_IN(codes[i], right_to_left);
        has_left_to_right |= IS_IN(codes[i], left_to_right);
    }
    if (!has_right_to_left)
        return n > 0;
    return !has_left_to_right && IS_IN(codes[0], right_to_left) && IS_IN(codes[n - 1], right_to_left);
}

static struct str to_utf8(struct arena *a, const int32_t *codes, size_t n)
{
    char *bytes = arena_alloc(a, 4 * n + 1);
    size_t length = 0;
    for (size_t i = 0; i < n; i++)
        length += (size_t)utf8proc_encode_char(codes[i], (unsigned char *)bytes + length);
    return (struct str){bytes, length};
}

struct secret *saslprep(struct arena *a, const struct secret *password)
{
    const utf8proc_option_t nfkc = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
    struct str given = secret_open(password);
    int32_t *codes = arena_array(a, int32_t, given.n + 1);
    size_t n = 0;
    if (is_ascii(given) || !map(given, codes, &n) || !is_allowed(codes, n))
        return secret_copy(a, password);
    struct str mapped = to_utf8(a, codes, n);
    const unsigned char *bytes = (const unsigned char *)mapped.p;
    ptrdiff_t room = utf8proc_decompose(bytes, (ptrdiff_t)mapped.n, NULL, 0, nfkc);
    if (room <= 0)
        return secret_copy(a, password);
    int32_t *pieces = arena_array(a, int32_t, (size_t)room + 1);
    ptrdiff_t count = utf8proc_decompose(bytes, (ptrdiff_t)mapped.n, pieces, room, nfkc);
    count = count > 0 ? utf8proc_normalize_utf32(pieces, count, nfkc) : count;
    if (count <= 0)
        return secret_copy(a, password);
    struct str made = to_utf8(a, pieces, (size_t)count);
    return secret_new(a, made.p, made.n);
}
