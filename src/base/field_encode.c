/* base/field_encode.c: from structs to JSON objects, as the rows say. */
#include "base/field_row.h"

static void write_text(const struct field *f, struct str text, struct json_writer *w)
{
    json_write_str(w, f->null_when_empty && text.n == 0 ? STR_ABSENT : text);
}

static void write_id_text(const struct field *f, int64_t id, struct json_writer *w)
{
    char room[INT_TEXT_BYTES];
    if (id != 0 || f->zero_is_text)
        json_write_str(w, str_from_int(id, room));
    else
        write_text(f, S(""), w);
}

static void write_int(bool is_null, int64_t value, struct json_writer *w)
{
    if (is_null)
        json_write_null(w);
    else
        json_write_int(w, value);
}

static void write_list(const struct field *f, const struct list *list, struct json_writer *w, struct arena *scratch,
                       field_reveal reveal)
{
    json_array_begin(w);
    for (size_t i = 0; i < list->n; i++) {
        const void *element = (const char *)list->at + i * f->size;
        if (f->kind == FIELD_LIST)
            fields_encode(f->of, element, w, scratch, reveal);
        else if (f->kind == FIELD_INTS)
            json_write_int(w, *(const int64_t *)element);
        else
            json_write_str(w, *(const struct str *)element);
    }
    json_array_end(w);
}

static void write_member(const struct field *f, const void *member, struct json_writer *w, struct arena *scratch,
                         field_reveal reveal)
{
    switch (f->kind) {
    case FIELD_TEXT:
        return write_text(f, *(const struct str *)member, w);
    case FIELD_INT:
    case FIELD_ID:
        return write_int(f->null_when_empty && *(const int64_t *)member == 0, *(const int64_t *)member, w);
    case FIELD_ID_TEXT:
        return write_id_text(f, *(const int64_t *)member, w);
    case FIELD_FLAG:
        return json_write_bool(w, *(const bool *)member);
    case FIELD_OPT_INT:
        return write_int(!((const struct opt_int *)member)->is_set, ((const struct opt_int *)member)->value, w);
    case FIELD_OPT_FLAG:
        if (((const struct opt_bool *)member)->is_set)
            return json_write_bool(w, ((const struct opt_bool *)member)->value);
        return json_write_null(w);
    case FIELD_TIME:
        if (*(const int64_t *)member != 0)
            return json_write_str(w, time_format(scratch, *(const int64_t *)member, f->format));
        return json_write_null(w);
    case FIELD_OBJECT:
        if (*(void *const *)member)
            return fields_encode(f->of, *(void *const *)member, w, scratch, reveal);
        return json_write_null(w);
    case FIELD_LIST:
    case FIELD_INTS:
    case FIELD_TEXTS:
        return write_list(f, member, w, scratch, reveal);
    case FIELD_RAW:
        if (str_is_set(*(const struct str *)member))
            return json_write_raw(w, *(const struct str *)member);
        return json_write_null(w);
    case FIELD_SECRET:
        if (reveal && *(struct secret *const *)member)
            return reveal(w, *(struct secret *const *)member);
        break;
    case FIELD_NONE:
        break;
    }
    json_write_null(w);
}

void fields_encode(const struct field *fields, const void *from, struct json_writer *w, struct arena *scratch,
                   field_reveal reveal)
{
    json_object_begin(w);
    for (const struct field *f = fields; f->name; f++) {
        if (!field_is_output(f))
            continue;
        json_key(w, str_of(f->name));
        write_member(f, (const char *)from + f->offset, w, scratch, reveal);
    }
    json_object_end(w);
}
