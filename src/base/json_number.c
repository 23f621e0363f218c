/* base/json_number.c: numbers as text and as exact integers. */
#include "base/json_read.h"

static bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static const char *after_digits(const char *p, const char *end)
{
    while (is_digit(p, end))
        p++;
    return p;
}

result json_number_text(struct json *j, struct str *ret, struct err *e)
{
    json_skip_blanks(j);
    const char *p = j->p;
    if (p < j->end && *p == '-')
        p++;
    if (!is_digit(p, j->end))
        return json_wrong(j, p, e, "a digit is expected");
    p = *p == '0' ? p + 1 : after_digits(p, j->end);
    if (is_digit(p, j->end))
        return json_wrong(j, p, e, "a number has a leading zero");
    if (p < j->end && *p == '.') {
        if (!is_digit(++p, j->end))
            return json_wrong(j, p, e, "a digit is expected");
        p = after_digits(p, j->end);
    }
    if (p < j->end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < j->end && (*p == '+' || *p == '-'))
            p++;
        if (!is_digit(p, j->end))
            return json_wrong(j, p, e, "a digit is expected");
        p = after_digits(p, j->end);
    }
    *ret = (struct str){j->p, (size_t)(p - j->p)};
    j->p = p;
    return SUCCESS;
}

static int64_t exponent_of(struct str number)
{
    ptrdiff_t at = 0;
    while (at < (ptrdiff_t)number.n && number.p[at] != 'e' && number.p[at] != 'E')
        at++;
    if (at == (ptrdiff_t)number.n)
        return 0;
    struct str text = str_sub(number, (size_t)at + 1, number.n);
    bool is_negative = text.p[0] == '-';
    if (text.p[0] == '-' || text.p[0] == '+')
        text = str_sub(text, 1, text.n);
    int64_t value, far = INT64_C(1) << 40; /* beyond the length of any text */
    if (!str_to_int(text, 0, far, &value))
        value = far;
    return is_negative ? -value : value;
}

/* Exact: the digits are walked with the point where the exponent puts it; what follows it must be zeros. */
static bool number_to_int(struct str number, int64_t *ret)
{
    bool is_negative = number.p[0] == '-';
    struct str digits = str_sub(number, is_negative, number.n);
    int64_t point = 0, seen = 0, value = 0; /* gathered below zero, where INT64_MIN has room */
    while ((size_t)point < digits.n && is_digit(digits.p + point, digits.p + digits.n))
        point++;
    point += exponent_of(number);
    for (size_t i = 0; i < digits.n && digits.p[i] != 'e' && digits.p[i] != 'E'; i++) {
        if (digits.p[i] == '.')
            continue;
        int digit = digits.p[i] - '0';
        if (seen++ >= point) {
            if (digit != 0)
                return false;
        } else if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digit, &value)) {
            return false;
        }
    }
    for (; value != 0 && seen < point; seen++)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    if (!is_negative && __builtin_sub_overflow(0, value, &value))
        return false;
    *ret = value;
    return true;
}

result json_int(struct json *j, int64_t *ret, struct err *e)
{
    struct str number = S("");
    TRY(json_number_text(j, &number, e));
    if (!number_to_int(number, ret))
        return json_wrong(j, number.p, e, "a whole number of at most 64 bits is expected");
    return SUCCESS;
}
