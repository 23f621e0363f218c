/* api/controlroom/lists.c: the body and the answer of every list: sort, page, envelope (controlroom-api 8). */
#include "api/controlroom/face.h"
#include "api/controlroom/filter.h"

/* What it holds is known only together with the list's columns: kept as text until listing_of(). */
static const struct field body_fields[] = {
    RAW("filter", struct list_body, filter,
        .doc = "operator: NONE, lt, le, eq, ne, ge, gt, substring, startswith with field and value; and, or, not with "
               "operands"),
    RAW("sort", struct list_body, sort, .doc = "[{field, direction}], the strongest first; none: id, descending"),
    RAW("page", struct list_body, page, .doc = "offset, and length: 0 is no limit, at most 10000"),
    FIELD_END,
};
const struct body list_body =
    BODY(struct list_body, body_fields,
         .example = "{\"filter\":{\"operator\":\"NONE\",\"operands\":[null],\"field\":\"string\",\"value\":\"string\"},"
                    "\"sort\":[{\"field\":\"string\",\"direction\":\"asc\"}],\"page\":{\"offset\":0,\"length\":0}}");

/* ---- sort ---- */

struct sort_entry {
    struct str field, direction;
};
static const struct field sort_fields[] = {
    TEXT("field", struct sort_entry, field),
    TEXT("direction", struct sort_entry, direction, .doc = "asc (none: this) or desc"),
    FIELD_END,
};

/* The word that the seed's example has for a name. */
static bool is_placeholder(struct str name)
{
    return name.n == 0 || str_equal(name, S("string"));
}

static result read_sort_entry(struct call *c, const struct column *columns, struct json *j, struct listing *l,
                              struct err *e)
{
    struct sort_entry entry = {0};
    TRY(fields_decode(sort_fields, j, &entry, e));
    if (is_placeholder(entry.field))
        return SUCCESS;
    bool is_descending = str_equal_fold(entry.direction, S("desc"));
    if (entry.direction.n && !is_descending && !str_equal_fold(entry.direction, S("asc")))
        return FAIL(e, INVALID, "sort: direction must be asc or desc");
    if (l->sort_count == SORTS_MAX)
        return FAIL(e, INVALID, "sort: more than %d fields", SORTS_MAX);
    struct sort *sort = &l->sorts[l->sort_count++];
    sort->is_descending = is_descending;
    return column_find(c, columns, "sort", entry.field, &sort->column, e);
}

static result read_sort(struct call *c, const struct column *columns, struct str raw, struct listing *l, struct err *e)
{
    struct json j;
    enum json_type type;
    bool more = true;
    if (!str_is_set(raw))
        return SUCCESS;
    json_init(&j, raw, c->face->json_flags, c->arena);
    TRY(json_peek(&j, &type, e));
    if (type == JSON_OBJECT)
        return read_sort_entry(c, columns, &j, l, e);
    if (type != JSON_ARRAY)
        return FAIL(e, INVALID, "sort: must be an array");
    TRY(json_enter(&j, '[', e));
    for (;;) {
        TRY(json_next_item(&j, &more, e));
        if (!more)
            return SUCCESS;
        TRY(json_peek(&j, &type, e));
        if (type == JSON_NULL)
            TRY(json_null(&j, e));
        else if (type == JSON_OBJECT)
            TRY(read_sort_entry(c, columns, &j, l, e));
        else
            return FAIL(e, INVALID, "sort: each must be {field, direction}");
    }
}

/* ---- page ---- */

struct page {
    int64_t offset, length;
};
static const struct field page_fields[] = {
    INT("offset", struct page, offset, .min = 0, .max = INT64_MAX),
    INT("length", struct page, length, .min = 0, .max = INT64_MAX),
    FIELD_END,
};
struct page_holder {
    struct page *page;
};
static const struct field page_holder_fields[] = {
    OBJECT("page", struct page_holder, page, struct page, page_fields),
    FIELD_END,
};

/* Read in an object of its own, so that "1000" is taken for 1000 and an error says "page.length". */
static result read_page(struct call *c, struct str raw, struct page *ret, struct err *e)
{
    struct json j;
    struct page_holder holder = {0};
    if (!str_is_set(raw))
        return SUCCESS;
    json_init(&j, arena_printf(c->arena, "{\"page\":%.*s}", STR_ARG(raw)), c->face->json_flags | JSON_COERCE, c->arena);
    TRY(fields_decode(page_holder_fields, &j, &holder, e));
    if (holder.page)
        *ret = *holder.page;
    return SUCCESS;
}

result listing_of(struct call *c, const struct column *columns, struct listing *ret, struct err *e)
{
    const void *body;
    struct listing l = {0};
    struct page page = {0};
    TRY(call_body(c, &body, e));
    const struct list_body *in = body;
    TRY(filter_read(c, columns, in->filter, &l.where, e));
    TRY(read_sort(c, columns, in->sort, &l, e));
    TRY(read_page(c, in->page, &page, e));
    listing_page(&l, page.offset, page.length);
    *ret = l;
    return SUCCESS;
}

void listing_page(struct listing *l, int64_t offset, int64_t length)
{
    l->offset = offset;
    l->length = length > 0 && length < PAGE_MAX ? length : PAGE_MAX;
}

/* ---- answers ---- */

static void write_list(struct call *c, const struct field *rows, const void *items, size_t item_size, size_t n)
{
    json_key(reply_json(c), S("list"));
    reply_array(c, rows, items, item_size, n);
}

void reply_list(struct call *c, const struct field *rows, const void *items, size_t item_size, size_t n)
{
    struct json_writer *w = reply_json(c);
    json_object_begin(w);
    write_list(c, rows, items, item_size, n);
    json_object_end(w);
}

static void write_number(struct json_writer *w, struct str key, int64_t value)
{
    json_key(w, key);
    json_write_int(w, value);
}

void reply_page(struct call *c, const struct listing *l, const struct counts *counts, const struct field *rows,
                const void *items, size_t item_size, size_t n)
{
    struct json_writer *w = reply_json(c);
    json_object_begin(w);
    json_key(w, S("page"));
    json_object_begin(w);
    write_number(w, S("offset"), l->offset);
    write_number(w, S("total"), counts->total);
    write_number(w, S("totalFilter"), counts->filtered);
    json_object_end(w);
    write_list(c, rows, items, item_size, n);
    json_object_end(w);
}
