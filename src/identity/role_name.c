/* identity/role_name.c: names of roles that must not be mistaken for built-in ones. */
#include "identity/role_name.h"

#include "base/text.h"

/* One code point of a well-formed text. */
static uint32_t next_code_point(struct str s, size_t *at)
{
    unsigned char first = (unsigned char)s.p[(*at)++];
    if (first < 0x80)
        return first;
    uint32_t c = first >= 0xF0 ? first & 0x07U : first >= 0xE0 ? first & 0x0FU : first & 0x1FU;
    while (*at < s.n && ((unsigned char)s.p[*at] & 0xC0U) == 0x80U)
        c = c << 6 | ((unsigned char)s.p[(*at)++] & 0x3FU);
    return c;
}

/* Blanks, underscores, hyphens, dots, and code points that nobody sees. */
static bool is_passed_over(uint32_t c)
{
    static const struct {
        uint32_t from, to;
    } ranges[] = {
        {0x00, 0x20},     {'-', '.'},         {'_', '_'},       {0x7F, 0xA0},     {0xAD, 0xAD},     {0x034F, 0x034F},
        {0x061C, 0x061C}, {0x115F, 0x1160},   {0x1680, 0x1680}, {0x17B4, 0x17B5}, {0x180B, 0x180F}, {0x2000, 0x2015},
        {0x2028, 0x202F}, {0x203F, 0x2040},   {0x2054, 0x2054}, {0x205F, 0x206F}, {0x3000, 0x3000}, {0x3164, 0x3164},
        {0xFE00, 0xFE0F}, {0xFE33, 0xFE34},   {0xFE4D, 0xFE4F}, {0xFEFF, 0xFEFF}, {0xFF0D, 0xFF0E}, {0xFF3F, 0xFF3F},
        {0xFFA0, 0xFFA0}, {0xE0000, 0xE0FFF},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (c >= ranges[i].from && c <= ranges[i].to)
            return true;
    return false;
}

/* The full-width letters look like the plain ones, and folding keeps them apart. */
static uint32_t plain(uint32_t c)
{
    return c >= 0xFF41 && c <= 0xFF5A ? c - 0xFF41 + 'a' : c;
}

bool role_name_looks_built_in(struct arena *a, struct str name)
{
    static const char prefix[] = {'a', 'a', 'e'};
    struct str key = text_key(a, name);
    size_t matched = 0;
    for (size_t at = 0; at < key.n && matched < sizeof prefix;) {
        uint32_t c = next_code_point(key, &at);
        if (is_passed_over(c))
            continue;
        if (plain(c) != (uint32_t)prefix[matched])
            return false;
        matched++;
    }
    return matched == sizeof prefix;
}

struct str role_name_lookup_key(struct arena *a, enum face face, struct str name)
{
    struct str key = text_key(a, name);
    if (face == FACE_CONTROLROOM && (str_equal(key, S("aae_locker")) || str_equal(key, S("aae_locker_admin"))))
        return S("aae_locker admin");
    return key;
}
