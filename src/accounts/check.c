/* accounts/check.c: what the checks of this folder share. */
#include "accounts/check.h"

#include <string.h>

#include "accounts/platform.h"
#include "accounts/schedule.h"
#include "base/text.h"
#include "identity/rights.h"

struct str text_or_empty(struct str s)
{
    return str_is_set(s) ? s : S("");
}

result check_end(const struct err *found, struct err *e)
{
    if (found->code == OK)
        return SUCCESS;
    return FAIL(e, INVALID, "%s", found->text);
}

void check_no_control(const char *field, struct str name, struct err *found)
{
    if (text_has_control(name))
        err_add_line(found, "%s: control characters are not allowed", field);
}

result name_taken(const char *what, struct str name, struct err *e)
{
    return FAIL(e, CONFLICT, "%s with the name '%.*s' already exists.", what, STR_ARG(name));
}

result has_row(struct db *db, struct arena *a, struct sql sql, bool *ret, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a, sql, &r, e));
    *ret = r.n > 0;
    return SUCCESS;
}

result group_row(struct db *db, struct arena *a, int64_t number, int64_t *ret_id, struct err *e)
{
    struct rows r;
    TRY(db_query_one(
        db, a, SQL("SELECT id FROM roles WHERE face = $1 AND number = $2", P_INT(FACE_PASSWORDSAFE), P_INT(number)),
        "User Group", &r, e));
    *ret_id = row_int(&r, 0, 0);
    return SUCCESS;
}

void add_page(struct builder *b, int64_t limit, int64_t offset)
{
    builder_add(b, " LIMIT ");
    builder_param(b, P_INT(limit < 0 ? INT64_MAX : limit));
    builder_add(b, " OFFSET ");
    builder_param(b, P_INT(offset < 0 ? 0 : offset));
}

/* `head` and the statement that `from` holds, with its parameters. */
static struct builder begin_with(struct arena *a, const char *head, const char *columns, const struct builder *from)
{
    struct builder b;
    builder_init(&b, a);
    builder_add(&b, head);
    builder_add(&b, columns);
    builder_add(&b, " ");
    builder_add(&b, from->text.p);
    b.params_capacity = from->n + 8;
    b.params = arena_array(a, struct param, b.params_capacity);
    if (from->n)
        memcpy(b.params, from->params, from->n * sizeof(struct param));
    b.n = from->n;
    return b;
}

result query_page(struct db *db, struct arena *a, const char *columns, const struct builder *from, const char *order,
                  int64_t limit, int64_t offset, struct rows *ret, int64_t *ret_total, struct err *e)
{
    struct rows total;
    struct builder count = begin_with(a, "SELECT ", "COUNT(*)", from);
    TRY(db_query(db, a, builder_sql(&count), &total, e));
    struct builder page = begin_with(a, "SELECT ", columns, from);
    builder_add(&page, " ORDER BY ");
    builder_add(&page, order);
    add_page(&page, limit, offset);
    TRY(db_query(db, a, builder_sql(&page), ret, e));
    *ret_total = row_int(&total, 0, 0);
    return SUCCESS;
}

void add_platforms_of(struct builder *b, const char *column, int64_t entity_type)
{
    int64_t *ids = arena_array(b->arena, int64_t, platform_count);
    size_t n = 0;
    for (size_t i = 0; i < platform_count; i++)
        if (platforms[i].entity_type == entity_type)
            ids[n++] = platforms[i].id;
    builder_in(b, column, ids, n);
}

/* ---- terms ---- */

void check_duration(const char *field, int64_t minutes, struct err *found)
{
    if (minutes < 1 || minutes > DURATION_MAX)
        err_add_line(found, "%s: must be between 1 and %d", field, DURATION_MAX);
}

static void complete_durations(struct terms *t, const struct terms *otherwise, struct err *found)
{
    if (t->max_release_duration == 0)
        t->max_release_duration = otherwise->max_release_duration;
    if (t->isa_release_duration == 0)
        t->isa_release_duration = otherwise->isa_release_duration;
    /* A default must not break the rule that the caller kept. */
    if (t->release_duration == 0 && otherwise->release_duration > t->max_release_duration)
        t->release_duration = t->max_release_duration;
    else if (t->release_duration == 0)
        t->release_duration = otherwise->release_duration;
    check_duration("ReleaseDuration", t->release_duration, found);
    check_duration("MaxReleaseDuration", t->max_release_duration, found);
    check_duration("ISAReleaseDuration", t->isa_release_duration, found);
    if (t->release_duration > t->max_release_duration)
        err_add_line(found, "ReleaseDuration: must not exceed MaxReleaseDuration");
}

static bool is_one_of(struct str *word, const struct str *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal_fold(*word, words[i])) {
            *word = words[i];
            return true;
        }
    return false;
}

static void complete_schedule(struct terms *t, const struct terms *otherwise, struct err *found)
{
    static const struct str types[] = {{"first", 5}, {"last", 4}, {"xdays", 5}};
    bool is_own_type = t->change_frequency_type.n > 0;
    if (!is_own_type)
        t->change_frequency_type = otherwise->change_frequency_type;
    if (!is_one_of(&t->change_frequency_type, types, sizeof types / sizeof types[0]))
        err_add_line(found, "ChangeFrequencyType: must be first, last or xdays");
    if (t->change_frequency_days == 0 && is_own_type && str_equal(t->change_frequency_type, S("xdays")))
        err_add_line(found, "ChangeFrequencyDays: is required with xdays");
    else if (t->change_frequency_days == 0)
        t->change_frequency_days = otherwise->change_frequency_days;
    if (t->change_frequency_days < 0 || t->change_frequency_days > 999)
        err_add_line(found, "ChangeFrequencyDays: must be between 1 and 999");
    if (t->change_time.n == 0)
        t->change_time = otherwise->change_time;
    if (!schedule_time_is_valid(t->change_time))
        err_add_line(found, "ChangeTime: must be HH:MM");
}

void terms_complete(struct terms *t, const struct terms *otherwise, struct err *found)
{
    complete_durations(t, otherwise, found);
    complete_schedule(t, otherwise, found);
}

void check_elevation(struct str *command, bool can_elevate, struct err *found)
{
    static const struct str commands[] = {{"sudo", 4}, {"pbrun", 5}, {"pmrun", 5}};
    *command = text_or_empty(*command);
    if (command->n == 0)
        return;
    if (!can_elevate)
        err_add_line(found, "ElevationCommand: not supported by this platform");
    else if (!is_one_of(command, commands, sizeof commands / sizeof commands[0]))
        err_add_line(found, "ElevationCommand: must be sudo, pbrun or pmrun");
}

result check_password_rule(struct db *db, struct arena *a, int64_t id, struct err *found, struct err *e)
{
    bool exists;
    TRY(has_row(db, a, SQL("SELECT 1 FROM password_rules WHERE id = $1", P_INT(id)), &exists, e));
    if (!exists)
        err_add_line(found, "PasswordRuleID: unknown");
    return SUCCESS;
}
