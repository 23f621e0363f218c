/* base/field_value.c: one decoded value into its member: coercion, limits, checks, and what is wrong with it. */
#include <inttypes.h>

#include "base/field_decode.h"
#include "base/text.h"

static struct str path(struct decoder *d, const struct place *at)
{
    struct str outer = at->outer ? path(d, at->outer) : S("");
    const char *dot = at->outer ? "." : "";
    if (at->index < 0)
        return arena_printf(d->arena, "%.*s%s%s", STR_ARG(outer), dot, at->name);
    return arena_printf(d->arena, "%.*s%s%s[%td]", STR_ARG(outer), dot, at->name, at->index);
}

void field_problem(struct decoder *d, const struct place *at, const char *reason)
{
    d->problems++;
    struct str name = path(d, at);
    err_add_line(d->e, "%.*s: %s", STR_ARG(name), reason);
}

static void bound_problem(struct decoder *d, const struct place *at, const char *less_or_more, int64_t bound,
                          const char *unit)
{
    field_problem(d, at, arena_printf(d->arena, "%s than %" PRId64 " %s", less_or_more, bound, unit).p);
}

bool field_coerces(const struct decoder *d)
{
    return d->flags & JSON_COERCE;
}

static void check_words(struct decoder *d, const struct place *at, const struct field *f, struct str *text)
{
    AUTOBUF list;
    buf_init(&list, 1000);
    for (const char *const *word = f->words; *word; word++) {
        if (str_equal_fold(*text, str_of(*word))) {
            *text = str_of(*word);
            return;
        }
        buf_printf(&list, "%s%s", word == f->words ? "" : ", ", *word);
    }
    field_problem(d, at, arena_printf(d->arena, "must be one of %.*s", STR_ARG(buf_str(&list))).p);
}

static void store_text(struct decoder *d, const struct place *at, const struct field *f, struct str text,
                       struct str *member)
{
    if (!f->keeps_blanks)
        text = text_trim(text);
    int64_t length = (int64_t)text_length(text);
    const char *reason = f->check ? f->check(text) : NULL;
    if (f->words && length == 0 && field_coerces(d))
        return; /* typed clients send every field they know: an empty word is none (passwordsafe-api 1.7, 6.10.3) */
    if (f->max > 0 && length > f->max)
        bound_problem(d, at, "more", f->max, "characters");
    else if (length < f->min && (length > 0 || !f->required))
        bound_problem(d, at, "fewer", f->min, "characters");
    else if (reason && (length > 0 || !f->required))
        field_problem(d, at, reason);
    else if (f->words && (length > 0 || !f->required))
        check_words(d, at, f, &text);
    *member = text;
}

static bool scalar_to_int(struct decoder *d, const struct scalar *s, bool takes_text, int64_t *ret)
{
    if (s->type == JSON_STRING)
        return takes_text && str_to_int(str_trim(s->text), INT64_MIN, INT64_MAX, ret);
    struct json number;
    json_init(&number, s->text, 0, d->arena);
    return s->type == JSON_NUMBER && is_ok(json_int(&number, ret, NULL));
}

static void store_int(struct decoder *d, const struct place *at, const struct field *f, const struct scalar *s,
                      int64_t *member)
{
    bool is_id = f->kind == FIELD_ID || f->kind == FIELD_ID_TEXT;
    int64_t value = 0, min, max;
    bool is_no_id = is_id && s->type == JSON_STRING && s->text.n == 0; /* "" is 0 */
    if (!is_no_id && !scalar_to_int(d, s, is_id || f->takes_text || field_coerces(d), &value)) {
        field_problem(d, at, is_id ? "must be an id" : "must be a whole number");
        return;
    }
    field_bounds(f, &min, &max);
    if (value >= min && value <= max)
        *member = value;
    else if (is_id && f->min == 0 && f->max == 0)
        field_problem(d, at, "must be an id");
    else if (max == INT64_MAX)
        field_problem(d, at, arena_printf(d->arena, "must be at least %" PRId64, min).p);
    else
        field_problem(d, at, arena_printf(d->arena, "must be between %" PRId64 " and %" PRId64, min, max).p);
}

static void store_flag(struct decoder *d, const struct place *at, const struct scalar *s, bool *member)
{
    bool is_exact = s->type == JSON_TRUE || s->type == JSON_FALSE;
    struct str text = field_coerces(d) || is_exact ? str_trim(s->text) : STR_ABSENT;
    if (str_equal_fold(text, S("true")) || str_equal(text, S("1")))
        *member = true;
    else if (str_equal_fold(text, S("false")) || str_equal(text, S("0")))
        *member = false;
    else
        field_problem(d, at, "must be true or false");
}

void field_store_secret(struct decoder *d, const struct place *at, const struct field *f, struct secret *secret,
                        struct secret **member)
{
    int64_t length = (int64_t)secret_length(secret);
    if (f->max > 0 && length > f->max)
        bound_problem(d, at, "more", f->max, "bytes");
    else if (length < f->min && (length > 0 || !f->required))
        bound_problem(d, at, "fewer", f->min, "bytes");
    *member = secret;
}

void field_store_scalar(struct decoder *d, const struct place *at, const struct field *f, const struct scalar *s,
                        void *member)
{
    unsigned before = d->problems;
    int64_t value = 0;
    bool is_text = s->type == JSON_STRING || (s->type == JSON_NUMBER && field_coerces(d));
    switch (f->kind) {
    case FIELD_INT:
    case FIELD_ID:
    case FIELD_ID_TEXT:
        return store_int(d, at, f, s, member);
    case FIELD_FLAG:
        return store_flag(d, at, s, member);
    case FIELD_OPT_INT:
        store_int(d, at, f, s, &value);
        *(struct opt_int *)member = (struct opt_int){before == d->problems, value};
        return;
    case FIELD_OPT_FLAG:
        ((struct opt_bool *)member)->is_set = true;
        return store_flag(d, at, s, &((struct opt_bool *)member)->value);
    case FIELD_TIME:
        if (s->type != JSON_STRING || !time_parse(str_trim(s->text), member))
            field_problem(d, at, "must be a time such as 2025-01-05T09:12:33Z");
        return;
    default:
        break;
    }
    if (is_text)
        store_text(d, at, f, s->text, member);
    else
        field_problem(d, at, "must be a string");
}
