/* accounts/schedule.h: when an account turns next (passwordsafe-api 8.2). Pure arithmetic. */
#pragma once

#include "base/clock.h"

/* `type`: "first", "last", "xdays"; change_time "HH:MM" UTC. Strictly after t. */
int64_t schedule_next(struct str type, int64_t days, struct str change_time, int64_t t);
/* The day that this instant lies in, at change_time. */
int64_t schedule_on_date(int64_t date, struct str change_time);
/* Once a day, at a time of day of the account's own: all of them spread over the day. Strictly after t. */
int64_t schedule_daily(int64_t account_id, int64_t t);
bool schedule_time_is_valid(struct str change_time);
