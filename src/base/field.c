/* base/field.c: what a row means to all its readers, and defaults. */
#include "base/field_row.h"

bool field_is_input(const struct field *f)
{
    return f->is_input || !f->is_output;
}

bool field_is_output(const struct field *f)
{
    return f->is_output || !f->is_input;
}

void field_bounds(const struct field *f, int64_t *ret_min, int64_t *ret_max)
{
    bool is_id = f->kind == FIELD_ID || f->kind == FIELD_ID_TEXT;
    bool has_any = f->min != 0 || f->max != 0;
    *ret_min = has_any ? f->min : is_id ? 0 : INT64_MIN;
    *ret_max = has_any && f->max >= f->min ? f->max : INT64_MAX;
}

size_t field_list_max(const struct field *f)
{
    return f->max > 0 ? (size_t)f->max : 1000;
}

/* Only what differs from zero is written: two rows may share a member. */
static void set_default(const struct field *f, void *member)
{
    switch (f->kind) {
    case FIELD_TEXT:
        if (f->or_text)
            *(struct str *)member = str_of(f->or_text);
        break;
    case FIELD_INT:
    case FIELD_ID:
    case FIELD_ID_TEXT:
    case FIELD_TIME:
        if (f->or_int)
            *(int64_t *)member = f->or_int;
        break;
    case FIELD_FLAG:
        if (f->or_flag)
            *(bool *)member = true;
        break;
    case FIELD_NONE:
    case FIELD_OPT_INT:
    case FIELD_OPT_FLAG:
    case FIELD_SECRET:
    case FIELD_OBJECT:
    case FIELD_LIST:
    case FIELD_INTS:
    case FIELD_TEXTS:
    case FIELD_RAW:
        break;
    }
}

void fields_default(const struct field *fields, void *into)
{
    for (const struct field *f = fields; f->name; f++)
        set_default(f, (char *)into + f->offset);
}
