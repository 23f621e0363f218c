/* activedirectory/ldap_text.c: error numbers, times and flags in what a domain controller says. */
#include "activedirectory/ldap_text.h"

#include <ldap.h>

static bool hex_digit(char c, uint32_t *ret)
{
    if (c >= '0' && c <= '9')
        *ret = (uint32_t)(c - '0');
    else if (c >= 'a' && c <= 'f')
        *ret = (uint32_t)(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
        *ret = (uint32_t)(c - 'A' + 10);
    else
        return false;
    return true;
}

static size_t read_hex(struct str text, uint32_t *ret)
{
    uint32_t value = 0, digit;
    size_t n = 0;
    while (n < text.n && n < 8 && hex_digit(text.p[n], &digit)) {
        value = value << 4 | digit;
        n++;
    }
    *ret = value;
    return n;
}

uint32_t ldap_text_problem(struct str text)
{
    uint32_t value;
    size_t n = read_hex(text, &value);
    return n == 8 && n < text.n && text.p[n] == ':' ? value : 0;
}

uint32_t ldap_text_data(struct str text)
{
    struct str mark = S(", data ");
    uint32_t value = 0;
    ptrdiff_t at = str_find(text, mark);
    if (at >= 0)
        (void)read_hex(str_sub(text, (size_t)at + mark.n, text.n), &value);
    return value;
}

bool ldap_text_is_definite(int code)
{
    static const int definite[] = {
        LDAP_ADMINLIMIT_EXCEEDED,      LDAP_STRONG_AUTH_REQUIRED,   LDAP_REFERRAL,
        LDAP_CONFIDENTIALITY_REQUIRED, LDAP_NO_SUCH_ATTRIBUTE,      LDAP_UNDEFINED_TYPE,
        LDAP_INAPPROPRIATE_MATCHING,   LDAP_CONSTRAINT_VIOLATION,   LDAP_TYPE_OR_VALUE_EXISTS,
        LDAP_INVALID_SYNTAX,           LDAP_NO_SUCH_OBJECT,         LDAP_INVALID_DN_SYNTAX,
        LDAP_INAPPROPRIATE_AUTH,       LDAP_INVALID_CREDENTIALS,    LDAP_INSUFFICIENT_ACCESS,
        LDAP_UNWILLING_TO_PERFORM,     LDAP_OBJECT_CLASS_VIOLATION, LDAP_UNAVAILABLE_CRITICAL_EXTENSION,
    };
    for (size_t i = 0; i < sizeof(definite) / sizeof(definite[0]); i++)
        if (code == definite[i])
            return true;
    return false;
}

static bool read_digits(struct str text, size_t at, size_t n, int *ret)
{
    int64_t value = 0;
    struct str part = str_sub(text, at, n);
    bool is_good = part.n == n && str_to_int(part, 0, 9999, &value);
    *ret = (int)value;
    return is_good;
}

int64_t ldap_text_time(struct str generalized)
{
    struct civil c = {0};
    bool is_good = str_ends(generalized, S("Z")) && read_digits(generalized, 0, 4, &c.year) &&
                   read_digits(generalized, 4, 2, &c.month) && read_digits(generalized, 6, 2, &c.day) &&
                   read_digits(generalized, 8, 2, &c.hour) && read_digits(generalized, 10, 2, &c.minute) &&
                   read_digits(generalized, 12, 2, &c.second) && c.year >= 1970 && c.month >= 1 && c.month <= 12 &&
                   c.day >= 1;
    return is_good ? time_from_civil(c) : 0;
}

int64_t ldap_text_file_time(struct str number)
{
    const int64_t from_1601_to_1970 = INT64_C(11644473600) * SECONDS;
    int64_t value = 0;
    if (!str_to_int(number, 1, INT64_MAX - 1, &value) || value / 10 <= from_1601_to_1970)
        return 0;
    return value / 10 - from_1601_to_1970;
}

int64_t ldap_text_number(struct str number)
{
    int64_t value = 0;
    bool is_negative = str_starts(number, S("-"));
    if (!str_to_int(str_sub(number, is_negative ? 1 : 0, number.n), 0, INT64_MAX, &value))
        return 0;
    return is_negative ? -value : value;
}

struct str ldap_text_in_filter(struct arena *a, struct str value)
{
    struct berval from = {.bv_len = value.n, .bv_val = (char *)value.p}, escaped = {0};
    if (ldap_bv2escaped_filter_value(&from, &escaped) != 0)
        return S("");
    struct str ret = arena_str(a, (struct str){escaped.bv_val, escaped.bv_len});
    if (escaped.bv_val != from.bv_val)
        ber_memfree(escaped.bv_val);
    return ret;
}
