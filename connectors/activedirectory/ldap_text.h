/* activedirectory/ldap_text.h: what stands in a domain controller's texts: error numbers, times, flags. */
#pragma once

#include "base/arena.h"
#include "base/clock.h"

/* "0000052D: Constraint violation ..." gives 0x52d; 0 when no such number is in front. */
uint32_t ldap_text_problem(struct str text);
/* "80090308: ..., data 52e, v1db1" gives 0x52e; 0 when there is none. */
uint32_t ldap_text_data(struct str text);
/* Does this result code say for certain that nothing was changed? Server faults do not. */
bool ldap_text_is_definite(int code);
/* "20261122021500.0Z"; 0 when it is none. */
int64_t ldap_text_time(struct str generalized);
/* 100 ns since 1601, as pwdLastSet and accountExpires have it; 0 for "0", "never" and what is no number. */
int64_t ldap_text_file_time(struct str number);
/* A decimal number, which the directory writes with a sign; 0 when it is none. */
int64_t ldap_text_number(struct str number);
/* A value for a filter, with everything escaped that means something there. */
struct str ldap_text_in_filter(struct arena *a, struct str value);
