/* base/clock.c: the clocks, and times as text. */
#include "base/clock.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

enum { TIME_TEXT_BYTES = 48 };

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    if (clock_gettime(id, &t) != 0)
        die("clock_gettime failed");
    return t.tv_sec * SECONDS + t.tv_nsec / 1000;
}

/* From the monotonic clock to the one that is followed; 0: none is. */
static _Atomic int64_t followed;

int64_t clock_now(void)
{
    int64_t offset = atomic_load_explicit(&followed, memory_order_relaxed);
    return offset ? read_clock(CLOCK_MONOTONIC) + offset : read_clock(CLOCK_REALTIME);
}

void clock_follow(int64_t now)
{
    atomic_store_explicit(&followed, now - read_clock(CLOCK_MONOTONIC), memory_order_relaxed);
}

int64_t clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_since_boot(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Howard Hinnant's days_from_civil: years begin in March, so that the leap day is the last of its year. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    if (month <= 2)
        year--;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, struct civil *c)
{
    days += 719468;
    int64_t era = floor_div(days, 146097);
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    c->day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    c->month = (int)(month < 10 ? month + 3 : month - 9);
    c->year = (int)(year_of_era + era * 400 + (c->month <= 2));
}

struct civil time_to_civil(int64_t t)
{
    struct civil c = {0};
    int64_t days = floor_div(t, DAYS);
    int64_t rest = t - days * DAYS;
    civil_from_days(days, &c);
    c.hour = (int)(rest / HOURS);
    c.minute = (int)(rest % HOURS / MINUTES);
    c.second = (int)(rest % MINUTES / SECONDS);
    c.micro = (int)(rest % SECONDS);
    return c;
}

int64_t time_from_civil(struct civil c)
{
    int64_t months = (int64_t)c.month - 1;
    int64_t year = c.year + floor_div(months, 12);
    int64_t month = months - floor_div(months, 12) * 12 + 1;
    int64_t days = days_from_civil(year, month, 1) + c.day - 1;
    return days * DAYS + c.hour * HOURS + c.minute * MINUTES + c.second * SECONDS + c.micro;
}

/* At least `width` digits, and the character behind them. */
static char *put(char *at, int value, size_t width, char behind)
{
    char room[INT_TEXT_BYTES];
    struct str digits = str_from_int(value, room);
    for (; width > digits.n; width--)
        *at++ = '0';
    memcpy(at, digits.p, digits.n);
    at += digits.n;
    *at++ = behind;
    return at;
}

struct str time_format(struct arena *a, int64_t t, enum time_format format)
{
    struct civil c = time_to_civil(t);
    char *text = arena_alloc(a, TIME_TEXT_BYTES), *end = text;
    end = put(end, c.year, 4, '-');
    end = put(end, c.month, 2, '-');
    end = put(end, c.day, 2, 'T');
    end = put(end, c.hour, 2, ':');
    end = put(end, c.minute, 2, ':');
    end = put(end, c.second, 2, format == TIME_Z_SECOND ? 'Z' : '.');
    if (format == TIME_Z_MICRO)
        end = put(end, c.micro, 6, 'Z');
    if (format == TIME_Z_MILLI)
        end = put(end, c.micro / 1000, 3, 'Z');
    if (format == TIME_BARE) {
        end = put(end, c.micro, 6, '0');
        while (end[-1] == '0')
            end--;
        if (end[-1] == '.')
            end--;
    }
    return (struct str){text, (size_t)(end - text)};
}

/* Take exactly n digits. */
static bool take_digits(struct str *s, size_t n, int *ret)
{
    int64_t value;
    struct str digits = str_sub(*s, 0, n);
    if (digits.n != n || digits.p[0] == '-' || !str_to_int(digits, 0, 999999, &value))
        return false;
    *s = str_sub(*s, n, s->n);
    *ret = (int)value;
    return true;
}

static bool take_char(struct str *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = str_sub(*s, 1, s->n);
    return true;
}

static bool take_date(struct str *s, struct civil *c)
{
    if (!take_digits(s, 4, &c->year) || !take_char(s, '-') || !take_digits(s, 2, &c->month) || !take_char(s, '-') ||
        !take_digits(s, 2, &c->day))
        return false;
    if (c->year < 1970 || c->month < 1 || c->month > 12 || c->day < 1)
        return false;
    /* A day that the month does not have comes back as one of the next month. */
    return time_to_civil(time_from_civil(*c)).month == c->month;
}

/* 1 to 9 digits; what is finer than a microsecond is dropped. */
static bool take_fraction(struct str *s, int *ret_micro)
{
    int micro = 0, n = 0;
    for (; n < 9 && s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9'; n++) {
        if (n < 6)
            micro = micro * 10 + (s->p[0] - '0');
        *s = str_sub(*s, 1, s->n);
    }
    if (n == 0)
        return false;
    for (; n < 6; n++)
        micro *= 10;
    *ret_micro = micro;
    return true;
}

static bool take_zone(struct str *s, int64_t *ret_offset)
{
    *ret_offset = 0;
    if (s->n == 0 || take_char(s, 'Z') || take_char(s, 'z'))
        return true;
    bool is_west = s->p[0] == '-';
    if (!take_char(s, '+') && !take_char(s, '-'))
        return false;
    int hours, minutes;
    if (!take_digits(s, 2, &hours) || !take_char(s, ':') || !take_digits(s, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_offset = (hours * HOURS + minutes * MINUTES) * (is_west ? -1 : 1);
    return true;
}

bool time_parse(struct str s, int64_t *ret)
{
    struct civil c = {0};
    int64_t offset = 0;
    if (!take_date(&s, &c))
        return false;
    if (s.n > 0) {
        if (!take_char(&s, 'T') && !take_char(&s, 't'))
            return false;
        if (!take_digits(&s, 2, &c.hour) || !take_char(&s, ':') || !take_digits(&s, 2, &c.minute) ||
            !take_char(&s, ':') || !take_digits(&s, 2, &c.second))
            return false;
        if (c.hour > 23 || c.minute > 59 || c.second > 59)
            return false;
        if (take_char(&s, '.') && !take_fraction(&s, &c.micro))
            return false;
        if (!take_zone(&s, &offset) || s.n > 0)
            return false;
    }
    int64_t t = time_from_civil(c) - offset;
    if (t < 0 || time_to_civil(t).year > 9999)
        return false;
    *ret = t;
    return true;
}
