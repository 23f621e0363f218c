/* gate/reply.c: replies into the call's buffer. The one place of the server's faces that writes a secret. */
#include "base/log.h"
#include "base/secret_open.h"
#include "gate/internal.h"

static struct json_writer *begin_json(struct call *c)
{
    struct gate_call *gc = gate_of(c);
    gc->content_type = "application/json";
    return &gc->writer;
}

static void write_secret(struct json_writer *w, const struct secret *s)
{
    json_write_str(w, s ? secret_open(s) : S(""));
}

static void must_reveal(const struct call *c)
{
    if (c->row->mode != REVEALS)
        die("%s reveals a secret, but its mode is not REVEALS", c->row->path);
}

void reply_status(struct call *c, int status)
{
    gate_of(c)->status = status;
}

void reply_header(struct call *c, const char *name, struct str value)
{
    struct gate_call *gc = gate_of(c);
    if (gc->header_count == CALL_HEADERS_MAX)
        die("%s sends too many headers", c->row->path);
    gc->headers[gc->header_count++] = (struct http_header){str_of(name), arena_str(c->arena, value)};
}

void reply_cookie(struct call *c, const char *name, const struct secret *value, const char *attributes)
{
    struct str id = secret_open(value);
    reply_header(c, "Set-Cookie", arena_printf(c->arena, "%s=%.*s; %s", name, STR_ARG(id), attributes));
}

struct json_writer *reply_json(struct call *c)
{
    return begin_json(c);
}

void reply_object(struct call *c, const struct field *rows, const void *object)
{
    fields_encode(rows, object, begin_json(c), c->arena, NULL);
}

void reply_array(struct call *c, const struct field *rows, const void *items, size_t item_size, size_t n)
{
    struct json_writer *w = begin_json(c);
    json_array_begin(w);
    for (size_t i = 0; i < n; i++)
        fields_encode(rows, (const char *)items + i * item_size, w, c->arena, NULL);
    json_array_end(w);
}

void reply_revealing(struct call *c, const struct field *rows, const void *object)
{
    must_reveal(c);
    fields_encode(rows, object, begin_json(c), c->arena, write_secret);
}

void reply_secret(struct call *c, const struct secret *s)
{
    must_reveal(c);
    write_secret(begin_json(c), s);
}

void reply_text(struct call *c, struct str json_string_content)
{
    json_write_str(begin_json(c), json_string_content);
}

void reply_none(struct call *c, int status)
{
    struct gate_call *gc = gate_of(c);
    gc->status = status;
    gc->content_type = NULL;
    buf_clear(&gc->out);
}

void reply_lent(struct call *c, const char *content_type, struct str bytes)
{
    struct gate_call *gc = gate_of(c);
    gc->content_type = content_type;
    gc->lent = bytes;
}

void reply_bytes(struct call *c, const char *content_type, struct str bytes)
{
    struct gate_call *gc = gate_of(c);
    gc->content_type = content_type;
    buf_add(&gc->out, bytes);
}
