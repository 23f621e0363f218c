/* base/str.c: borrowed pieces of text. */
#include "base/str.h"

#include <string.h>

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

struct str str_of(const char *nul_terminated)
{
    if (!nul_terminated)
        return STR_ABSENT;
    return (struct str){nul_terminated, strlen(nul_terminated)};
}

bool str_equal(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_equal_fold(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (fold(a.p[i]) != fold(b.p[i]))
            return false;
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

ptrdiff_t str_find(struct str s, struct str part)
{
    if (part.n == 0)
        return 0;
    if (s.n < part.n)
        return -1;
    const char *at = memmem(s.p, s.n, part.p, part.n);
    return at ? at - s.p : -1;
}

ptrdiff_t str_find_char(struct str s, char c)
{
    if (s.n == 0)
        return -1;
    const char *at = memchr(s.p, c, s.n);
    return at ? at - s.p : -1;
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

struct str str_sub(struct str s, size_t from, size_t n)
{
    if (!s.p)
        return s;
    if (from > s.n)
        from = s.n;
    if (n > s.n - from)
        n = s.n - from;
    return (struct str){s.p + from, n};
}

struct str str_cut(struct str *s, char at)
{
    struct str whole = *s;
    ptrdiff_t i = str_find_char(whole, at);
    if (i < 0) {
        *s = STR_ABSENT;
        return whole;
    }
    *s = (struct str){whole.p + i + 1, whole.n - (size_t)i - 1};
    return (struct str){whole.p, (size_t)i};
}

bool str_to_int(struct str s, int64_t min, int64_t max, int64_t *ret)
{
    bool is_negative = s.n > 0 && s.p[0] == '-';
    size_t i = is_negative ? 1 : 0;
    if (i == s.n)
        return false;
    int64_t value = 0; /* gathered below zero, where INT64_MIN has room */
    for (; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, s.p[i] - '0', &value))
            return false;
    }
    if (!is_negative && __builtin_sub_overflow(0, value, &value))
        return false;
    if (value < min || value > max)
        return false;
    *ret = value;
    return true;
}

struct str str_from_int(int64_t v, char room[INT_TEXT_BYTES])
{
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    size_t at = INT_TEXT_BYTES;
    do
        room[--at] = (char)('0' + left % 10);
    while (left /= 10);
    if (v < 0)
        room[--at] = '-';
    return (struct str){room + at, INT_TEXT_BYTES - at};
}
