/* base/text.c: Unicode folding, classes and lengths; base64, hex and percent encodings. */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/log.h"
#include "base/secret.h"

/* The length of the character at p in bytes, 0 when it is not well-formed. */
static size_t next_character(const char *p, size_t n, utf8proc_int32_t *ret)
{
    utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)n, ret);
    return length > 0 && *ret >= 0 ? (size_t)length : 0;
}

bool text_is_utf8(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        utf8proc_int32_t point;
        size_t length = c != 0 && c < 0x80 ? 1 : c == 0 ? 0 : next_character(s.p + i, s.n - i, &point);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

size_t text_length(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

static bool is_blank(utf8proc_int32_t point)
{
    switch (utf8proc_category(point)) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return true;
    default:
        return (point >= 0x09 && point <= 0x0D) || point == 0x85;
    }
}

struct str text_trim(struct str s)
{
    utf8proc_int32_t point;
    while (s.n > 0) {
        size_t length = next_character(s.p, s.n, &point);
        if (length == 0 || !is_blank(point))
            break;
        s = str_sub(s, length, s.n);
    }
    while (s.n > 0) {
        size_t at = s.n - 1;
        while (at > 0 && ((unsigned char)s.p[at] & 0xC0) == 0x80)
            at--;
        if (next_character(s.p + at, s.n - at, &point) != s.n - at || !is_blank(point))
            break;
        s.n = at;
    }
    return s;
}

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    return true;
}

static struct str lower_ascii(struct arena *a, struct str s)
{
    char *key = arena_alloc(a, s.n + 1);
    for (size_t i = 0; i < s.n; i++)
        key[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] - 'A' + 'a' : s.p[i]);
    return (struct str){key, s.n};
}

static struct str mapped(struct arena *a, struct str s, unsigned options)
{
    utf8proc_uint8_t *out = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)s.p, (utf8proc_ssize_t)s.n, &out,
                                      (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE | options));
    if (n < 0 && n != UTF8PROC_ERROR_NOMEM)
        return arena_str(a, s); /* not UTF-8: the bytes are the key */
    if (n < 0)
        die("out of memory: folding %zu bytes", s.n);
    struct str ret = arena_str(a, (struct str){(const char *)out, (size_t)n});
    wipe(out, (size_t)n);
    free(out);
    return ret;
}

struct str text_key(struct arena *a, struct str s)
{
    s = text_trim(s);
    if (is_ascii(s))
        return lower_ascii(a, s);
    /* Composing first puts marks in order: U+0345 folds to a letter, which marks do not move across. */
    return mapped(a, mapped(a, s, 0), UTF8PROC_CASEFOLD);
}

bool text_is_plain_name(struct str s)
{
    bool may_mark = false; /* a mark belongs to the letter or digit before it */
    for (size_t i = 0; i < s.n;) {
        utf8proc_int32_t point;
        size_t length = next_character(s.p + i, s.n - i, &point);
        if (length == 0)
            return false;
        switch (utf8proc_category(point)) {
        case UTF8PROC_CATEGORY_LU:
        case UTF8PROC_CATEGORY_LL:
        case UTF8PROC_CATEGORY_LT:
        case UTF8PROC_CATEGORY_LM:
        case UTF8PROC_CATEGORY_LO:
        case UTF8PROC_CATEGORY_ND:
            may_mark = true;
            break;
        case UTF8PROC_CATEGORY_MN:
        case UTF8PROC_CATEGORY_MC:
        case UTF8PROC_CATEGORY_ME:
            if (!may_mark)
                return false;
            break;
        default:
            if (point != ' ' && point != '_' && point != '-' && point != '.')
                return false;
            may_mark = false;
        }
        i += length;
    }
    return s.n > 0;
}

bool text_has_control(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        utf8proc_int32_t point;
        size_t length = next_character(s.p + i, s.n - i, &point);
        if (length == 0 || utf8proc_category(point) == UTF8PROC_CATEGORY_CC)
            return true;
        i += length;
    }
    return false;
}

struct str text_start(struct str s, size_t max_bytes)
{
    struct str start = str_sub(s, 0, max_bytes);
    while (start.n > 0 && start.n < s.n && ((unsigned char)s.p[start.n] & 0xC0) == 0x80)
        start.n--;
    return start;
}

struct str text_printable(struct arena *a, struct str s, size_t n)
{
    if (n > s.n)
        n = s.n;
    char *ret = arena_alloc(a, n + 1);
    for (size_t i = 0; i < n; i++)
        ret[i] = (char)(s.p[i] >= 0x20 && s.p[i] < 0x7F ? s.p[i] : '?');
    return (struct str){ret, n};
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool text_is_hex(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (hex_value(s.p[i]) < 0)
            return false;
    return s.n > 0;
}

struct str hex_encode(struct arena *a, struct str bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *ret = arena_alloc_array(a, 2, bytes.n + 1);
    for (size_t i = 0; i < bytes.n; i++) {
        ret[2 * i] = digits[(unsigned char)bytes.p[i] >> 4];
        ret[2 * i + 1] = digits[(unsigned char)bytes.p[i] & 15];
    }
    return (struct str){ret, 2 * bytes.n};
}

bool hex_decode(struct arena *a, struct str text, struct str *ret)
{
    if (text.n % 2 != 0 || (text.n > 0 && !text_is_hex(text)))
        return false;
    char *bytes = arena_alloc(a, text.n / 2 + 1);
    for (size_t i = 0; i < text.n; i += 2)
        bytes[i / 2] = (char)((unsigned)hex_value(text.p[i]) << 4 | (unsigned)hex_value(text.p[i + 1]));
    *ret = (struct str){bytes, text.n / 2};
    return true;
}

static const char base64_standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static struct str encode_64(struct arena *a, struct str bytes, const char *alphabet)
{
    char *ret = arena_alloc_array(a, 4, bytes.n / 3 + 2);
    unsigned held = 0, bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < bytes.n; i++) {
        held = (held << 8 | (unsigned char)bytes.p[i]) & 0xFFFF;
        for (bits += 8; bits >= 6; bits -= 6)
            ret[n++] = alphabet[held >> (bits - 6) & 63];
    }
    if (bits > 0)
        ret[n++] = alphabet[held << (6 - bits) & 63];
    return (struct str){ret, n};
}

/* Bits that encode nothing must be zero: one value has one spelling. */
static bool decode_64(struct arena *a, struct str text, const char *alphabet, struct str *ret)
{
    if (text.n % 4 == 1)
        return false;
    char *bytes = arena_alloc(a, text.n / 4 * 3 + 3);
    unsigned held = 0, bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        const char *at = memchr(alphabet, text.p[i], 64);
        if (!at)
            return false;
        held = (held << 6 | (unsigned)(at - alphabet)) & 0xFFFF;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes[n++] = (char)(held >> bits & 0xFF);
        }
    }
    if ((held & ((1U << bits) - 1)) != 0)
        return false;
    *ret = (struct str){bytes, n};
    return true;
}

struct str base64_encode(struct arena *a, struct str bytes)
{
    struct str text = encode_64(a, bytes, base64_standard);
    size_t padding = (4 - text.n % 4) % 4;
    memset((char *)text.p + text.n, '=', padding);
    text.n += padding;
    return text;
}

bool base64_decode(struct arena *a, struct str text, struct str *ret)
{
    if (text.n > 0 && text.n % 4 == 0) {
        if (text.p[text.n - 1] == '=')
            text.n--;
        if (text.p[text.n - 1] == '=')
            text.n--;
    }
    return decode_64(a, text, base64_standard, ret);
}

struct str base64url_encode(struct arena *a, struct str bytes)
{
    return encode_64(a, bytes, base64_url);
}

bool base64url_decode(struct arena *a, struct str text, struct str *ret)
{
    return decode_64(a, text, base64_url, ret);
}

bool percent_decode(struct arena *a, struct str s, bool plus_is_space, struct str *ret)
{
    char *text = arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            if (s.n - i < 3 || hex_value(s.p[i + 1]) < 0 || hex_value(s.p[i + 2]) < 0)
                return false;
            c = (char)((unsigned)hex_value(s.p[i + 1]) << 4 | (unsigned)hex_value(s.p[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0')
            return false;
        text[n++] = c;
    }
    *ret = (struct str){text, n};
    return true;
}

bool text_is_fingerprint(struct str s)
{
    struct str rest = str_sub(s, 7, s.n);
    if (!str_starts(s, S("SHA256:")) || rest.n != 43)
        return false;
    for (size_t i = 0; i < rest.n; i++) {
        char c = rest.p[i];
        bool is_base64 =
            (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
        if (!is_base64)
            return false;
    }
    return true;
}
