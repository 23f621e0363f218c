/* base/field_schema.c: the rows as an OpenAPI 3.0 schema. */
#include "base/field_row.h"

static void write_object(const struct field *fields, bool for_input, struct json_writer *w);

static void key_str(struct json_writer *w, const char *key, const char *value)
{
    if (!value)
        return;
    json_key(w, str_of(key));
    json_write_str(w, str_of(value));
}

static void key_int(struct json_writer *w, const char *key, int64_t value)
{
    json_key(w, str_of(key));
    json_write_int(w, value);
}

static void key_true(struct json_writer *w, const char *key)
{
    json_key(w, str_of(key));
    json_write_bool(w, true);
}

/* Input: whatever may be left out may be null. Output: what fields_encode writes as null. */
static bool is_nullable(const struct field *f, bool for_input)
{
    if (for_input)
        return !f->required;
    switch (f->kind) {
    case FIELD_INT:
    case FIELD_ID:
    case FIELD_ID_TEXT:
        return f->null_when_empty;
    case FIELD_FLAG:
    case FIELD_LIST:
    case FIELD_INTS:
    case FIELD_TEXTS:
        return false;
    default:
        return true;
    }
}

static void write_words(const struct field *f, bool has_null, struct json_writer *w)
{
    json_key(w, S("enum"));
    json_array_begin(w);
    for (const char *const *word = f->words; *word; word++)
        json_write_str(w, str_of(*word));
    if (has_null)
        json_write_null(w);
    json_array_end(w);
}

static void write_text_limits(const struct field *f, bool for_input, struct json_writer *w)
{
    int64_t min = f->required && f->min == 0 ? 1 : f->min;
    if (for_input && min > 0)
        key_int(w, "minLength", min);
    if (f->max > 0)
        key_int(w, "maxLength", f->max);
    if (f->words)
        write_words(f, is_nullable(f, for_input), w);
}

static void write_number(const struct field *f, struct json_writer *w)
{
    int64_t min, max;
    key_str(w, "type", "integer");
    key_str(w, "format", "int64");
    field_bounds(f, &min, &max);
    if (min != INT64_MIN)
        key_int(w, "minimum", min);
    if (max != INT64_MAX)
        key_int(w, "maximum", max);
}

/* What decoding takes as a number and as its digits in a text. */
static void write_number_or_digits(const struct field *f, struct json_writer *w)
{
    json_key(w, S("oneOf"));
    json_array_begin(w);
    json_object_begin(w);
    write_number(f, w);
    json_object_end(w);
    json_write_raw(w, S("{\"type\":\"string\",\"pattern\":\"^[0-9]*$\"}"));
    json_array_end(w);
}

static void write_array(const struct field *f, bool for_input, struct json_writer *w)
{
    key_str(w, "type", "array");
    if (for_input && f->min > 0)
        key_int(w, "minItems", f->min);
    if (for_input)
        key_int(w, "maxItems", (int64_t)field_list_max(f));
    json_key(w, S("items"));
    if (f->kind == FIELD_LIST) {
        fields_schema(f->of, for_input, w);
        return;
    }
    json_object_begin(w);
    key_str(w, "type", f->kind == FIELD_INTS ? "integer" : "string");
    if (f->kind == FIELD_INTS)
        key_str(w, "format", "int64");
    if (f->words)
        write_words(f, false, w);
    json_object_end(w);
}

static void write_type(const struct field *f, bool for_input, struct json_writer *w)
{
    bool is_id = f->kind == FIELD_ID || f->kind == FIELD_ID_TEXT;
    if (for_input && (is_id || f->takes_text))
        return write_number_or_digits(f, w);
    switch (f->kind) {
    case FIELD_TEXT:
        key_str(w, "type", "string");
        return write_text_limits(f, for_input, w);
    case FIELD_SECRET:
        key_str(w, "type", "string");
        key_str(w, "format", "password");
        return write_text_limits(f, for_input, w);
    case FIELD_INT:
    case FIELD_ID:
    case FIELD_OPT_INT:
        return write_number(f, w);
    case FIELD_ID_TEXT:
        key_str(w, "type", "string");
        return key_str(w, "pattern", "^[0-9]*$");
    case FIELD_FLAG:
    case FIELD_OPT_FLAG:
        return key_str(w, "type", "boolean");
    case FIELD_TIME: /* a time without a zone is no date-time of RFC 3339 */
        key_str(w, "type", "string");
        return key_str(w, "format", f->format == TIME_BARE ? NULL : "date-time");
    case FIELD_LIST:
    case FIELD_INTS:
    case FIELD_TEXTS:
        return write_array(f, for_input, w);
    case FIELD_OBJECT:
        return write_object(f->of, for_input, w);
    case FIELD_RAW:
    case FIELD_NONE:
        break;
    }
}

static void write_default(const struct field *f, struct json_writer *w)
{
    if (f->kind == FIELD_TEXT)
        return key_str(w, "default", f->or_text);
    if (f->kind == FIELD_INT && f->or_int != 0)
        return key_int(w, "default", f->or_int);
    if (f->kind == FIELD_FLAG && f->or_flag)
        return key_true(w, "default");
}

static void write_example(const struct field *f, struct json_writer *w)
{
    if (!f->example)
        return;
    switch (f->kind) {
    case FIELD_TEXT:
    case FIELD_SECRET:
    case FIELD_ID_TEXT:
    case FIELD_TIME:
        return key_str(w, "example", f->example);
    default:
        json_key(w, S("example"));
        json_write_raw(w, str_of(f->example));
    }
}

static void write_property(const struct field *f, bool for_input, struct json_writer *w)
{
    json_object_begin(w);
    write_type(f, for_input, w);
    if (is_nullable(f, for_input))
        key_true(w, "nullable");
    if (for_input && !f->required)
        write_default(f, w);
    key_str(w, "description", f->doc);
    write_example(f, w);
    json_object_end(w);
}

static bool is_part(const struct field *f, bool for_input)
{
    return for_input ? field_is_input(f) : field_is_output(f);
}

/* A reply has every output row: fields_encode writes them all; is_sometimes is for rows that several tables make one
 * document of. OpenAPI allows no empty "required". */
static void write_required(const struct field *fields, bool for_input, struct json_writer *w)
{
    bool has_any = false;
    for (const struct field *f = fields; f->name; f++) {
        if (!is_part(f, for_input) || (for_input ? !f->required : f->is_sometimes))
            continue;
        if (!has_any) {
            json_key(w, S("required"));
            json_array_begin(w);
        }
        has_any = true;
        json_write_str(w, str_of(f->name));
    }
    if (has_any)
        json_array_end(w);
}

static void write_object(const struct field *fields, bool for_input, struct json_writer *w)
{
    key_str(w, "type", "object");
    write_required(fields, for_input, w);
    json_key(w, S("properties"));
    json_object_begin(w);
    for (const struct field *f = fields; f->name; f++)
        if (is_part(f, for_input)) {
            json_key(w, str_of(f->name));
            write_property(f, for_input, w);
        }
    json_object_end(w);
}

void fields_schema(const struct field *fields, bool for_input, struct json_writer *w)
{
    json_object_begin(w);
    write_object(fields, for_input, w);
    json_object_end(w);
}
