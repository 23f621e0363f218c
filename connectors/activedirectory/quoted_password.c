/* activedirectory/quoted_password.c: UTF-8 to UTF-16LE, between quotation marks. */
#include "activedirectory/quoted_password.h"

#include "base/secret_open.h"

static char *put_unit(char *at, uint32_t unit)
{
    at[0] = (char)(unit & 0xff);
    at[1] = (char)(unit >> 8 & 0xff);
    return at + 2;
}

/* The text is well-formed: password_check has looked. */
static uint32_t take_point(struct str *text)
{
    unsigned char first = (unsigned char)text->p[0];
    size_t more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    uint32_t point = more ? first & (0x3fu >> more) : first;
    for (size_t i = 1; i <= more && i < text->n; i++)
        point = point << 6 | ((unsigned char)text->p[i] & 0x3fu);
    *text = str_sub(*text, more + 1, text->n);
    return point;
}

struct str quoted_password(const struct secret *password, struct arena *a)
{
    struct str text = secret_open(password);
    char *bytes = arena_alloc(a, 2 * text.n + 4), *at = put_unit(bytes, '"');
    while (text.n > 0) {
        uint32_t point = take_point(&text);
        if (point < 0x10000) {
            at = put_unit(at, point);
            continue;
        }
        at = put_unit(at, 0xd800 + ((point - 0x10000) >> 10));
        at = put_unit(at, 0xdc00 + ((point - 0x10000) & 0x3ff));
    }
    at = put_unit(at, '"');
    return (struct str){bytes, (size_t)(at - bytes)};
}
