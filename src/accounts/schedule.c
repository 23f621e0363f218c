/* accounts/schedule.c: when an account turns next. */
#include "accounts/schedule.h"

struct time_of_day {
    int hour, minute;
};

static bool digits_at(struct str s, size_t at, int most, int *ret)
{
    char tens = s.p[at], ones = s.p[at + 1];
    if (tens < '0' || tens > '9' || ones < '0' || ones > '9')
        return false;
    *ret = (tens - '0') * 10 + (ones - '0');
    return *ret <= most;
}

static bool parse(struct str s, struct time_of_day *ret)
{
    return s.n == 5 && s.p[2] == ':' && digits_at(s, 0, 23, &ret->hour) && digits_at(s, 3, 59, &ret->minute);
}

bool schedule_time_is_valid(struct str change_time)
{
    struct time_of_day ignored;
    return parse(change_time, &ignored);
}

int64_t schedule_on_date(int64_t date, struct str change_time)
{
    struct time_of_day at = {0};
    parse(change_time, &at);
    struct civil c = time_to_civil(date);
    return time_from_civil(
        (struct civil){.year = c.year, .month = c.month, .day = c.day, .hour = at.hour, .minute = at.minute});
}

/* Day 0 of the month after is the last day of this one: the clock normalises it. */
static int64_t day_of_month(int64_t t, int months_ahead, bool is_last, struct str change_time)
{
    struct civil c = time_to_civil(t);
    int64_t date = time_from_civil(
        (struct civil){.year = c.year, .month = c.month + months_ahead + is_last, .day = is_last ? 0 : 1});
    return schedule_on_date(date, change_time);
}

int64_t schedule_next(struct str type, int64_t days, struct str change_time, int64_t t)
{
    if (str_equal(type, S("xdays")))
        return schedule_on_date(t + (days < 1 ? 1 : days) * DAYS, change_time);
    bool is_last = str_equal(type, S("last"));
    int64_t next = day_of_month(t, 0, is_last, change_time);
    return next > t ? next : day_of_month(t, 1, is_last, change_time);
}

/* Neighbouring ids far from each other: the fractions of their multiples of the golden ratio. */
int64_t schedule_daily(int64_t account_id, int64_t t)
{
    uint64_t fraction = (uint64_t)account_id * UINT64_C(0x9E3779B97F4A7C15) >> 32;
    int64_t time_of_day = (int64_t)(fraction * (DAYS / SECONDS) >> 32) * SECONDS;
    int64_t next = schedule_on_date(t, S("00:00")) + time_of_day;
    return next > t ? next : next + DAYS;
}
