/* accounts/check.h: what the checks of this folder share; for this folder only. */
#pragma once

#include "base/field.h"
#include "db/db.h"

/* Columns hold "" where an optional text was not given. */
struct str text_or_empty(struct str s);
/* INVALID with the lines that err_add_line put into *found, else success. */
RESULT check_end(const struct err *found, struct err *e);
/* Names end up in lines: of logs, of records, of what is sent to a host. Control characters are refused. */
void check_no_control(const char *field, struct str name, struct err *found);
/* CONFLICT "<A what> with the name '…' already exists." */
RESULT name_taken(const char *what, struct str name, struct err *e);
/* "column IN (…)": the platforms of this entity type, and so the systems. */
void add_platforms_of(struct builder *b, const char *column, int64_t entity_type);
/* Does any row come? */
RESULT has_row(struct db *db, struct arena *a, struct sql sql, bool *ret, struct err *e);
/* The row of a user group by its number: "User Group not found". */
RESULT group_row(struct db *db, struct arena *a, int64_t number, int64_t *ret_id, struct err *e);
/* " LIMIT $ OFFSET $"; limit < 0: no limit. */
void add_page(struct builder *b, int64_t limit, int64_t offset);
/* Run "SELECT columns FROM … ORDER BY order LIMIT …", and count without the page. `from` is copied. */
RESULT query_page(struct db *db, struct arena *a, const char *columns, const struct builder *from, const char *order,
                  int64_t limit, int64_t offset, struct rows *ret, int64_t *ret_total, struct err *e);

/* Release durations and schedule, which systems and accounts have alike (passwordsafe-api 6.9, 6.10.3). */
struct terms {
    int64_t release_duration, max_release_duration, isa_release_duration;
    struct str change_frequency_type, change_time;
    int64_t change_frequency_days;
};
/* Take what was not given (0, "") from `otherwise`, then check all. */
void terms_complete(struct terms *t, const struct terms *otherwise, struct err *found);
enum { DURATION_MAX = 525600 };
void check_duration(const char *field, int64_t minutes, struct err *found);
/* "" or one of sudo, pbrun, pmrun as spelled here. */
void check_elevation(struct str *command, bool can_elevate, struct err *found);
RESULT check_password_rule(struct db *db, struct arena *a, int64_t id, struct err *found, struct err *e);

/* account_name.c: what the targets of a platform take for the name of an account, so that a typing error is said when
 * the account is taken on. `managed`: with its other names; NULL: a functional account's. */
struct managed_account;
void check_account_name(int64_t platform_id, struct str name, const struct managed_account *managed, struct err *found);
