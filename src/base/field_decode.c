/* base/field_decode.c: from JSON objects and form bodies into structs, as the rows say. */
#include "base/field_decode.h"

#include <string.h>

#include "base/log.h"
#include "base/text.h"

enum { ROWS_MAX = 128, UNKNOWN_SHOWN_MAX = 50, QUOTED_BYTES_MAX = 65536 };

/* Which rows of one object have come: the key, and a value that counts (null, and "" where it is required, do not). */
struct seen {
    bool key[ROWS_MAX], value[ROWS_MAX];
};

static result read_scalar(struct decoder *d, struct scalar *ret)
{
    bool flag = false;
    TRY(json_peek(d->j, &ret->type, d->e));
    switch (ret->type) {
    case JSON_STRING:
        return json_string(d->j, &ret->text, d->e);
    case JSON_NUMBER:
        return json_number_text(d->j, &ret->text, d->e);
    case JSON_TRUE:
    case JSON_FALSE:
        TRY(json_bool(d->j, &flag, d->e));
        ret->text = flag ? S("true") : S("false");
        return SUCCESS;
    default:
        return json_skip(d->j, d->e);
    }
}

static result decode_object(struct decoder *d, const struct place *outer, const struct field *fields, void *into);

static result decode_secret(struct decoder *d, const struct place *at, const struct field *f, enum json_type type,
                            struct secret **member)
{
    struct secret *secret = NULL;
    struct str number = STR_ABSENT;
    if (type == JSON_STRING) {
        TRY(json_secret(d->j, &secret, d->e));
    } else if (type == JSON_NUMBER && field_coerces(d)) {
        TRY(json_number_text(d->j, &number, d->e));
        secret = secret_new(d->arena, number.p, number.n);
        wipe((char *)number.p, number.n);
    } else {
        field_problem(d, at, "must be a string");
        return json_skip(d->j, d->e);
    }
    field_store_secret(d, at, f, secret, member);
    return SUCCESS;
}

static void *new_object(struct decoder *d, const struct field *f)
{
    void *object = arena_alloc(d->arena, f->size);
    fields_default(f->of, object);
    return object;
}

/* Room for one more. The capacity follows from the count: 4, and from there the next power of two. */
static void *next_slot(struct decoder *d, struct list *list, size_t size)
{
    size_t n = list->n;
    if (n == 0 || (n >= 4 && (n & (n - 1)) == 0)) {
        void *more = arena_alloc_array(d->arena, size, n == 0 ? 4 : 2 * n);
        if (n > 0)
            memcpy(more, list->at, n * size);
        list->at = more;
    }
    list->n++;
    return (char *)list->at + n * size;
}

/* The row of one element: the list's own limits count elements. */
static struct field element_of(const struct field *f)
{
    struct field element = *f;
    element.kind = f->kind == FIELD_INTS ? FIELD_INT : FIELD_TEXT;
    element.min = element.max = 0;
    element.required = false;
    return element;
}

static result decode_element(struct decoder *d, const struct place *at, const struct field *f, void *slot)
{
    struct scalar s = {0};
    if (f->kind == FIELD_LIST) {
        enum json_type type = JSON_NULL;
        TRY(json_peek(d->j, &type, d->e));
        if (type == JSON_OBJECT) {
            fields_default(f->of, slot);
            return decode_object(d, at, f->of, slot);
        }
        field_problem(d, at, "must be an object");
        return json_skip(d->j, d->e);
    }
    struct field element = element_of(f);
    TRY(read_scalar(d, &s));
    field_store_scalar(d, at, &element, &s, slot);
    return SUCCESS;
}

static result decode_list(struct decoder *d, const struct place *at, const struct field *f, struct list *list)
{
    size_t max = field_list_max(f);
    bool more, has_too_many = false;
    TRY(json_enter(d->j, '[', d->e));
    list->is_set = true;
    for (;;) {
        TRY(json_next_item(d->j, &more, d->e));
        if (!more)
            break;
        if (list->n < max) {
            struct place element = {at->outer, at->name, (ptrdiff_t)list->n};
            TRY(decode_element(d, &element, f, next_slot(d, list, f->size)));
        } else {
            has_too_many = true;
            TRY(json_skip(d->j, d->e));
        }
    }
    if (has_too_many)
        field_problem(d, at, arena_printf(d->arena, "more than %zu elements", max).p);
    else if ((int64_t)list->n < f->min)
        field_problem(d, at, arena_printf(d->arena, "fewer than %zu elements", (size_t)f->min).p);
    return SUCCESS;
}

static result decode_raw(struct decoder *d, const struct place *at, const struct field *f, struct str *member)
{
    const char *from = d->j->p; /* json_peek stands on the value */
    TRY(json_skip(d->j, d->e));
    struct str text = {from, (size_t)(d->j->p - from)};
    if (f->max > 0 && text.n > (size_t)f->max)
        field_problem(d, at, arena_printf(d->arena, "more than %zu bytes", (size_t)f->max).p);
    else
        *member = arena_str(d->arena, text);
    return SUCCESS;
}

/* A value that is there and not null. */
static result decode_value(struct decoder *d, const struct place *at, const struct field *f, enum json_type type,
                           void *member)
{
    struct scalar s = {0};
    switch (f->kind) {
    case FIELD_SECRET:
        return decode_secret(d, at, f, type, member);
    case FIELD_RAW:
        return decode_raw(d, at, f, member);
    case FIELD_OBJECT:
        if (type == JSON_OBJECT) {
            void *object = new_object(d, f);
            *(void **)member = object;
            return decode_object(d, at, f->of, object);
        }
        field_problem(d, at, "must be an object");
        return json_skip(d->j, d->e);
    case FIELD_LIST:
    case FIELD_INTS:
    case FIELD_TEXTS:
        if (type == JSON_ARRAY)
            return decode_list(d, at, f, member);
        field_problem(d, at, "must be an array");
        return json_skip(d->j, d->e);
    default:
        TRY(read_scalar(d, &s));
        field_store_scalar(d, at, f, &s, member);
        return SUCCESS;
    }
}

static bool is_key_of(const struct field *f, struct str key, unsigned flags)
{
    struct str alias = str_of(f->alias);
    if (flags & JSON_FOLD_KEYS)
        return str_equal_fold(key, str_of(f->name)) || (f->alias && str_equal_fold(key, alias));
    return str_equal(key, str_of(f->name)) || (f->alias && str_equal(key, alias));
}

static const struct field *find_row(const struct field *fields, struct str key, unsigned flags)
{
    for (const struct field *f = fields; f->name; f++)
        if (field_is_input(f) && is_key_of(f, key, flags)) {
            if (f - fields >= ROWS_MAX)
                die("field table: more than %d rows", ROWS_MAX);
            return f;
        }
    return NULL;
}

static size_t member_size(const struct field *f)
{
    switch (f->kind) {
    case FIELD_TEXT:
    case FIELD_RAW:
        return sizeof(struct str);
    case FIELD_FLAG:
        return sizeof(bool);
    case FIELD_OPT_INT:
        return sizeof(struct opt_int);
    case FIELD_OPT_FLAG:
        return sizeof(struct opt_bool);
    case FIELD_SECRET:
    case FIELD_OBJECT:
        return sizeof(void *);
    case FIELD_LIST:
    case FIELD_INTS:
    case FIELD_TEXTS:
        return sizeof(struct list);
    default:
        return sizeof(int64_t);
    }
}

/* Back to the default, for a duplicate key that wins. */
static void reset_member(const struct field *f, void *member)
{
    struct field rows[] = {*f, FIELD_END};
    memset(member, 0, member_size(f));
    rows[0].offset = 0;
    fields_default(rows, member);
}

/* "" where a value is required counts as none. */
static bool has_value(const struct field *f, const void *member)
{
    if (f->required && f->kind == FIELD_TEXT)
        return ((const struct str *)member)->n > 0 || !str_is_set(*(const struct str *)member);
    if (f->required && f->kind == FIELD_SECRET)
        return !*(struct secret *const *)member || secret_length(*(struct secret *const *)member) > 0;
    return true;
}

static result decode_member(struct decoder *d, const struct place *at, const struct field *f, void *member,
                            bool *ret_has_value)
{
    enum json_type type = JSON_NULL;
    TRY(json_peek(d->j, &type, d->e));
    if (type == JSON_NULL) {
        *ret_has_value = false;
        return json_null(d->j, d->e);
    }
    TRY(decode_value(d, at, f, type, member));
    *ret_has_value = has_value(f, member);
    return SUCCESS;
}

static void report_missing(struct decoder *d, const struct place *outer, const struct field *fields,
                           const struct seen *seen)
{
    for (const struct field *f = fields; f->name; f++) {
        struct place at = {outer, f->name, -1};
        if (f->required && field_is_input(f) && !seen->value[f - fields])
            field_problem(d, &at, "is required");
    }
}

static result decode_object(struct decoder *d, const struct place *outer, const struct field *fields, void *into)
{
    struct seen seen = {0};
    struct str key;
    bool more;
    TRY(json_enter(d->j, '{', d->e));
    for (;;) {
        TRY(json_next_key(d->j, &key, &more, d->e));
        if (!more)
            break;
        const struct field *f = find_row(fields, key, d->flags);
        struct place at = {outer, f ? f->name : NULL, -1};
        if (!f) {
            at.name = text_printable(d->arena, key, UNKNOWN_SHOWN_MAX).p;
            if (d->flags & JSON_REFUSE_UNKNOWN)
                field_problem(d, &at, "unknown field");
            TRY(json_skip(d->j, d->e));
            continue;
        }
        size_t row = (size_t)(f - fields);
        void *member = (char *)into + f->offset;
        if (seen.key[row] && (!(d->flags & JSON_LAST_WINS) || f->once || f->kind == FIELD_SECRET)) {
            field_problem(d, &at, "given twice");
            TRY(json_skip(d->j, d->e));
            continue;
        }
        if (seen.key[row])
            reset_member(f, member);
        seen.key[row] = true;
        TRY(decode_member(d, &at, f, member, &seen.value[row]));
    }
    report_missing(d, outer, fields, &seen);
    return SUCCESS;
}

result fields_decode(const struct field *fields, struct json *j, void *into, struct err *e)
{
    struct decoder d = {.j = j, .arena = j->arena, .flags = j->flags, .e = e};
    if (e)
        e->code = OK; /* what an earlier call left there is not ours to extend */
    fields_default(fields, into);
    TRY(decode_object(&d, NULL, fields, into));
    return (result){d.problems ? INVALID : OK};
}

/* A form's texts have no types: what takes any JSON gets a JSON string. */
static void store_quoted(struct decoder *d, const struct place *at, struct str value, struct str *member)
{
    AUTOBUF text;
    buf_init(&text, QUOTED_BYTES_MAX);
    struct json_writer w = {.out = &text};
    json_write_str(&w, value);
    if (text.has_failed)
        return field_problem(d, at, "is too long");
    *member = arena_str(d->arena, buf_str(&text));
}

static void store_pair(struct decoder *d, const struct place *at, const struct field *f, struct str value, void *member)
{
    if (!text_is_utf8(value))
        return field_problem(d, at, "is not UTF-8");
    struct scalar s = {JSON_STRING, value};
    struct field element = element_of(f);
    switch (f->kind) {
    case FIELD_SECRET:
        return field_store_secret(d, at, f, secret_new(d->arena, value.p, value.n), member);
    case FIELD_INTS:
    case FIELD_TEXTS:
        ((struct list *)member)->is_set = true;
        if (((struct list *)member)->n == field_list_max(f))
            field_problem(d, at, "too many elements");
        else
            field_store_scalar(d, at, &element, &s, next_slot(d, member, f->size));
        return;
    case FIELD_RAW:
        return store_quoted(d, at, value, member);
    case FIELD_OBJECT:
    case FIELD_LIST:
        return field_problem(d, at, "cannot be given in a form");
    default:
        return field_store_scalar(d, at, f, &s, member);
    }
}

/* A form sends an empty text for what was left open. */
static bool is_left_open(const struct field *f, struct str value)
{
    return value.n == 0 && f->kind != FIELD_TEXT && f->kind != FIELD_SECRET && f->kind != FIELD_TEXTS;
}

result fields_decode_pairs(const struct field *fields, const struct pair *pairs, size_t n, struct arena *a, void *into,
                           struct err *e)
{
    struct decoder d = {.arena = a, .flags = JSON_COERCE | JSON_FOLD_KEYS, .e = e};
    struct seen seen = {0};
    if (e)
        e->code = OK;
    fields_default(fields, into);
    for (size_t i = 0; i < n; i++) {
        const struct field *f = find_row(fields, pairs[i].key, d.flags);
        if (!f)
            continue;
        size_t row = (size_t)(f - fields);
        void *member = (char *)into + f->offset;
        struct place at = {NULL, f->name, -1};
        bool repeats = f->kind == FIELD_INTS || f->kind == FIELD_TEXTS;
        if (seen.key[row] && !repeats) {
            field_problem(&d, &at, "given twice");
            continue;
        }
        seen.key[row] = true;
        if (is_left_open(f, pairs[i].value))
            continue;
        store_pair(&d, &at, f, str_is_set(pairs[i].value) ? pairs[i].value : S(""), member);
        seen.value[row] = has_value(f, member);
    }
    report_missing(&d, NULL, fields, &seen);
    return (result){d.problems ? INVALID : OK};
}
