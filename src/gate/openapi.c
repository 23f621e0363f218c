/* gate/openapi.c: the OpenAPI 3 document of a module, and the plain list of rows, made from the rows. */
#include "gate/internal.h"

static const char *const method_words[HTTP_OTHER] = {NULL, "get", "post", "put", "delete", "head"};

static void write_text(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, str_of(key));
    json_write_str(w, str_of(text));
}

static void write_parameter(struct json_writer *w, struct str name, const char *in, bool is_required, const char *doc)
{
    json_object_begin(w);
    json_key(w, S("name"));
    json_write_str(w, name);
    write_text(w, "in", in);
    json_key(w, S("required"));
    json_write_bool(w, is_required);
    if (doc)
        write_text(w, "description", doc);
    json_key(w, S("schema"));
    json_write_raw(w, S("{\"type\":\"string\"}"));
    json_object_end(w);
}

static void write_parameters(struct json_writer *w, const struct endpoint *row, const char *path)
{
    json_key(w, S("parameters"));
    json_array_begin(w);
    struct str rest = str_of(path);
    for (ptrdiff_t at = str_find_char(rest, '{'); at >= 0; at = str_find_char(rest, '{')) {
        rest = str_sub(rest, (size_t)at + 1, rest.n);
        write_parameter(w, str_cut(&rest, '}'), "path", true, NULL);
    }
    for (const struct field *f = row->query; f && f->name; f++)
        write_parameter(w, str_of(f->name), "query", f->required, f->doc);
    json_array_end(w);
}

static void write_body(struct json_writer *w, const struct body *body)
{
    if (!body->size)
        return;
    json_key(w, S("requestBody"));
    json_object_begin(w);
    json_key(w, S("content"));
    json_object_begin(w);
    json_key(w, S("application/json"));
    json_object_begin(w);
    json_key(w, S("schema"));
    if (body->fields)
        fields_schema(body->fields, true, w);
    else
        json_write_raw(w, S("{}")); /* decoded by hand: the example says it */
    if (body->example) {
        json_key(w, S("example"));
        json_write_raw(w, str_of(body->example));
    }
    json_object_end(w);
    json_object_end(w);
    json_object_end(w);
}

static void write_item_schema(struct json_writer *w, const struct endpoint *row)
{
    if (row->reply)
        fields_schema(row->reply, false, w);
    else
        json_write_raw(w, S("{\"type\":\"object\"}"));
}

static void write_list_schema(struct json_writer *w, const struct endpoint *row)
{
    json_object_begin(w);
    write_text(w, "type", "array");
    json_key(w, S("items"));
    write_item_schema(w, row);
    json_object_end(w);
}

/* {"page":{…},"list":[…]} (controlroom-api 8.6) */
static void write_page_schema(struct json_writer *w, const struct endpoint *row)
{
    json_object_begin(w);
    write_text(w, "type", "object");
    json_key(w, S("required"));
    json_write_raw(w, S("[\"page\",\"list\"]"));
    json_key(w, S("properties"));
    json_object_begin(w);
    json_key(w, S("page"));
    json_write_raw(w, S("{\"type\":\"object\",\"required\":[\"offset\",\"total\",\"totalFilter\"],\"properties\":{"
                        "\"offset\":{\"type\":\"integer\"},\"total\":{\"type\":\"integer\"},"
                        "\"totalFilter\":{\"type\":\"integer\"}}}"));
    json_key(w, S("list"));
    write_list_schema(w, row);
    json_object_end(w);
    json_object_end(w);
}

/* {"TotalCount":n,"Data":[…]} (passwordsafe-api 3.4) */
static void write_envelope_schema(struct json_writer *w, const struct endpoint *row)
{
    json_object_begin(w);
    write_text(w, "type", "object");
    json_key(w, S("required"));
    json_write_raw(w, S("[\"TotalCount\",\"Data\"]"));
    json_key(w, S("properties"));
    json_object_begin(w);
    json_key(w, S("TotalCount"));
    json_write_raw(w, S("{\"type\":\"integer\"}"));
    json_key(w, S("Data"));
    write_list_schema(w, row);
    json_object_end(w);
    json_object_end(w);
}

static bool takes_limit(const struct endpoint *row)
{
    for (const struct field *f = row->query; f && f->name; f++)
        if (str_equal(str_of(f->name), S("limit")))
            return true;
    return false;
}

/* What the query decides: one object, an array, or with ?limit= an envelope. */
static void write_either_schema(struct json_writer *w, const struct endpoint *row)
{
    json_object_begin(w);
    json_key(w, S("oneOf"));
    json_array_begin(w);
    if (row->reply_is_any)
        write_item_schema(w, row);
    write_list_schema(w, row);
    if (takes_limit(row))
        write_envelope_schema(w, row);
    json_array_end(w);
    json_object_end(w);
}

static void write_reply_schema(struct json_writer *w, const struct endpoint *row)
{
    if (row->reply_is_text)
        json_write_raw(w, S("{\"type\":\"string\"}"));
    else if (row->reply_is_number)
        json_write_raw(w, S("{\"type\":\"integer\"}"));
    else if (row->reply_is_page)
        write_page_schema(w, row);
    else if (row->reply_is_any || (row->reply_is_list && takes_limit(row)))
        write_either_schema(w, row);
    else if (row->reply_is_list)
        write_list_schema(w, row);
    else
        write_item_schema(w, row);
}

static void write_responses(struct json_writer *w, const struct endpoint *row, struct arena *a)
{
    json_key(w, S("responses"));
    json_object_begin(w);
    json_key(w, arena_printf(a, "%d", row->status ? row->status : 200));
    json_object_begin(w);
    write_text(w, "description", "Success");
    if (row->reply || row->reply_is_text || row->reply_is_number || row->reply_is_any || row->reply_is_list ||
        row->reply_is_page) {
        json_key(w, S("content"));
        json_object_begin(w);
        json_key(w, S("application/json"));
        json_object_begin(w);
        json_key(w, S("schema"));
        write_reply_schema(w, row);
        json_object_end(w);
        json_object_end(w);
    }
    json_object_end(w);
    json_key(w, S("default"));
    json_write_raw(w, S("{\"description\":\"An error, in this face's own form\"}"));
    json_object_end(w);
}

static void write_operation(struct json_writer *w, const struct endpoint *row, const char *path, struct arena *a)
{
    json_key(w, str_of(method_words[row->method]));
    json_object_begin(w);
    write_text(w, "summary", row->doc);
    write_parameters(w, row, path);
    write_body(w, row->body);
    write_responses(w, row, a);
    json_key(w, S("security"));
    json_write_raw(w, row->may.who == WHO_PUBLIC ? S("[]") : S("[{\"token\":[]}]"));
    json_object_end(w);
}

static const char *row_path(const struct endpoint *row, bool second)
{
    return second ? row->also : row->path;
}

static bool is_first_of_path(const struct modules *module, const struct endpoint *until, bool until_second,
                             const char *path)
{
    for (const struct endpoint *const *table = module->tables; *table; table++)
        for (const struct endpoint *row = *table; row->path; row++)
            for (int second = 0; second < 2; second++) {
                if (row == until && second == until_second)
                    return true;
                const char *other = row_path(row, second);
                if (other && str_equal(str_of(other), str_of(path)))
                    return false;
            }
    return true;
}

static void write_path(struct json_writer *w, const struct modules *module, const char *path, const char *base,
                       struct arena *a)
{
    json_key(w, arena_printf(a, "%s%s", base, path));
    json_object_begin(w);
    for (const struct endpoint *const *table = module->tables; *table; table++)
        for (const struct endpoint *row = *table; row->path; row++)
            for (int second = 0; second < 2; second++) {
                const char *other = row_path(row, second);
                if (other && str_equal(str_of(other), str_of(path)))
                    write_operation(w, row, path, a);
            }
    json_object_end(w);
}

static void write_security(struct json_writer *w, const struct face_rules *face)
{
    json_key(w, S("components"));
    if (face->face == FACE_PASSWORDSAFE)
        json_write_raw(
            w, S("{\"securitySchemes\":{\"token\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"Authorization\","
                 "\"description\":\"PS-Auth key=…; runas=…;\"}}}"));
    else
        json_write_raw(w, S("{\"securitySchemes\":{\"token\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-"
                            "Authorization\"}}}"));
}

result gate_openapi(const struct face_rules *face, const struct modules *module, struct buf *out, struct err *e)
{
    struct arena *a = arena_new();
    struct json_writer w = {.out = out};
    json_object_begin(&w);
    write_text(&w, "openapi", "3.0.3");
    json_key(&w, S("info"));
    json_object_begin(&w);
    write_text(&w, "title", module->title);
    write_text(&w, "version", KEYTURN_VERSION);
    json_object_end(&w);
    json_key(&w, S("paths"));
    json_object_begin(&w);
    for (const struct endpoint *const *table = module->tables; *table; table++)
        for (const struct endpoint *row = *table; row->path; row++)
            for (int second = 0; second < 2; second++) {
                const char *path = row_path(row, second);
                if (path && is_first_of_path(module, row, second, path))
                    write_path(&w, module, path, face->bases[0], a);
            }
    json_object_end(&w);
    write_security(&w, face);
    json_object_end(&w);
    arena_free(a);
    return out->has_failed ? FAIL(e, INTERNAL, "the OpenAPI document of %s is too large", module->name) : SUCCESS;
}

static const char *const mode_words[] = {NULL, "READS", "SEARCHES", "WRITES", "REVEALS", "TARGETS"};
static const char *const who_words[] = {NULL, "PUBLIC", "SIGNED_IN", "HOLDS", "AAE_ADMIN", "ADMINISTRATOR", "DEVICE"};

static void describe_row(struct json_writer *w, const struct face_rules *face, const struct endpoint *row,
                         const char *path, struct arena *a)
{
    json_object_begin(w);
    write_text(w, "face", face->name);
    write_text(w, "method", method_words[row->method]);
    json_key(w, S("path"));
    json_write_str(w, arena_printf(a, "%s%s", face->bases[0], path));
    write_text(w, "who", who_words[row->may.who]);
    json_key(w, S("password"));
    json_write_bool(w, row->may.password_needed);
    write_text(w, "mode", mode_words[row->mode]);
    write_text(w, "audit", row->audit);
    json_key(w, S("takesBody"));
    json_write_bool(w, row->body->size > 0);
    json_key(w, S("decodesByHand"));
    json_write_bool(w, row->body->decode != NULL);
    write_text(w, "doc", row->doc);
    json_object_end(w);
}

void gate_describe(const struct face_rules *const *faces, struct buf *out)
{
    struct arena *a = arena_new();
    for (; *faces; faces++)
        for (const struct endpoint *const *table = (*faces)->tables; *table; table++)
            for (const struct endpoint *row = *table; row->path; row++)
                for (int second = 0; second < 2; second++) {
                    const char *path = row_path(row, second);
                    if (!path)
                        continue;
                    struct json_writer w = {.out = out};
                    describe_row(&w, *faces, row, path, a);
                    buf_add_char(out, '\n');
                }
    arena_free(a);
}
