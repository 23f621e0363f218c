/* gate/form.c: query and body into structs, once per call; what was wrong is kept until the handler asks. */
#include "base/text.h"
#include "gate/internal.h"

enum { PAIRS_MAX = 200 };

/* "a=b&c" into decoded pairs. False: a bad escape, not UTF-8, or too many. */
static bool split_pairs(struct str text, struct arena *a, struct pair *pairs, size_t *ret_n)
{
    size_t n = 0;
    struct str rest = text;
    while (str_is_set(rest) && rest.n > 0) {
        struct str value = str_cut(&rest, '&');
        if (value.n == 0)
            continue;
        struct str key = str_cut(&value, '=');
        if (n == PAIRS_MAX || !percent_decode(a, key, true, &pairs[n].key))
            return false;
        pairs[n].value = S("");
        if (str_is_set(value) && !percent_decode(a, value, true, &pairs[n].value))
            return false;
        if (!text_is_utf8(pairs[n].key) || !text_is_utf8(pairs[n].value))
            return false;
        n++;
    }
    *ret_n = n;
    return true;
}

static bool is_known(const struct field *fields, struct str key)
{
    for (const struct field *f = fields; f && f->name; f++)
        if (str_equal(str_of(f->name), key) || (f->alias && str_equal(str_of(f->alias), key)))
            return true;
    return false;
}

static result decode_query(struct call *c, void *into, struct err *e)
{
    struct pair pairs[PAIRS_MAX];
    size_t n = 0;
    const struct field *rows = c->row->query;
    if (!split_pairs(c->http->query, c->whole, pairs, &n)) {
        /* Text that is no query at all is ignored on one face only (passwordsafe-api 1.7). */
        if (c->face->face != FACE_PASSWORDSAFE)
            return FAIL(e, INVALID, "query: not a well-formed query string");
        n = 0;
    }
    for (size_t i = 0; c->face->refuses_unknown_query && i < n; i++)
        if (!is_known(rows, pairs[i].key))
            return FAIL(e, INVALID, "%.*s: unknown query word", STR_ARG(text_printable(c->whole, pairs[i].key, 50)));
    static const struct field none[] = {FIELD_END};
    return fields_decode_pairs(rows ? rows : none, pairs, n, c->whole, into, e);
}

void call_decode_query(struct gate_call *gc)
{
    struct call *c = &gc->call;
    if (!c->row->query && !c->face->refuses_unknown_query)
        return;
    gc->has_query = true;
    gc->query = arena_alloc(c->whole, c->row->query_size);
    (void)!is_ok(decode_query(c, gc->query, &gc->query_err));
}

/* A line end is a blank, too; 0: nothing but blanks. */
static char first_byte(struct str text)
{
    size_t at = 0;
    while (at < text.n && (text.p[at] == ' ' || text.p[at] == '\t' || text.p[at] == '\r' || text.p[at] == '\n'))
        at++;
    return at < text.n ? text.p[at] : 0;
}

enum body_kind { BODY_NOTHING, BODY_JSON, BODY_FORM, BODY_OTHER };

static enum body_kind body_kind(const struct call *c, struct str text)
{
    char first = first_byte(text);
    if (!first)
        return BODY_NOTHING;
    if (c->face->body_rule == BODY_ALWAYS_JSON)
        return BODY_JSON;
    struct str type = http_header_get(c->http, S("Content-Type"));
    type = str_trim(str_cut(&type, ';'));
    if (str_equal_fold(type, S("application/json")))
        return BODY_JSON;
    if (c->face->body_rule == BODY_JSON_ONLY)
        return BODY_OTHER;
    if (str_equal_fold(type, S("application/x-www-form-urlencoded")))
        return BODY_FORM;
    if (type.n > 0)
        return BODY_OTHER;
    return first == '{' || first == '[' ? BODY_JSON : BODY_FORM;
}

static result decode_json(struct call *c, struct str text, void *into, struct err *e)
{
    struct json j;
    json_init(&j, text, c->face->json_flags, c->whole);
    enum json_type type;
    TRY(json_peek(&j, &type, e));
    if (type == JSON_NULL) {
        TRY(json_null(&j, e));
        TRY(json_end(&j, e));
        json_init(&j, S("{}"), c->face->json_flags, c->whole);
    } else if (type != JSON_OBJECT && !c->row->body->decode) {
        return FAIL(e, INVALID, "body: must be a JSON object");
    }
    if (c->row->body->decode)
        TRY(c->row->body->decode(c, &j, into, e));
    else
        TRY(fields_decode(c->row->body->fields, &j, into, e));
    return json_end(&j, e);
}

static result decode_form(struct call *c, struct str text, void *into, struct err *e)
{
    struct pair pairs[PAIRS_MAX];
    size_t n = 0;
    if (c->row->body->decode)
        return FAIL(e, INVALID, "body: must be JSON");
    if (!split_pairs(text, c->whole, pairs, &n))
        return FAIL(e, INVALID, "body: not a well-formed form");
    return fields_decode_pairs(c->row->body->fields, pairs, n, c->whole, into, e);
}

static result decode_body(struct call *c, void *into, struct err *e)
{
    struct str text = buf_str(&c->http->body);
    switch (body_kind(c, text)) {
    case BODY_NOTHING:
        return decode_json(c, S("{}"), into, e);
    case BODY_JSON:
        return decode_json(c, text, into, e);
    case BODY_FORM:
        return decode_form(c, text, into, e);
    case BODY_OTHER:
        break;
    }
    return FAIL(e, UNSUPPORTED, "This content type is not taken here; send application/json");
}

void call_decode_body(struct gate_call *gc)
{
    struct call *c = &gc->call;
    if (!c->row->body->size)
        return;
    gc->has_body = true;
    gc->body = arena_alloc(c->whole, c->row->body->size);
    (void)!is_ok(decode_body(c, gc->body, &gc->body_err));
}
