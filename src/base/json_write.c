/* base/json_write.c: the streaming JSON writer. */
#include "base/json.h"
#include "base/text.h"

static void begin_value(struct json_writer *w)
{
    if (w->needs_comma)
        buf_add_char(w->out, ',');
    w->needs_comma = true;
}

static void open_with(struct json_writer *w, char bracket)
{
    begin_value(w);
    buf_add_char(w->out, bracket);
    w->needs_comma = false;
}

static void close_with(struct json_writer *w, char bracket)
{
    buf_add_char(w->out, bracket);
    w->needs_comma = true;
}

void json_object_begin(struct json_writer *w)
{
    open_with(w, '{');
}

void json_object_end(struct json_writer *w)
{
    close_with(w, '}');
}

void json_array_begin(struct json_writer *w)
{
    open_with(w, '[');
}

void json_array_end(struct json_writer *w)
{
    close_with(w, ']');
}

static void add_escape(struct buf *out, unsigned char c)
{
    switch (c) {
    case '"':
        return buf_add(out, S("\\\""));
    case '\\':
        return buf_add(out, S("\\\\"));
    case '\n':
        return buf_add(out, S("\\n"));
    case '\r':
        return buf_add(out, S("\\r"));
    case '\t':
        return buf_add(out, S("\\t"));
    case '\b':
        return buf_add(out, S("\\b"));
    case '\f':
        return buf_add(out, S("\\f"));
    default:
        return buf_printf(out, "\\u%04x", c);
    }
}

static bool stands_for_itself(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void add_quoted(struct buf *out, struct str s)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.n;) {
        size_t from = i;
        while (i < s.n && stands_for_itself((unsigned char)s.p[i]))
            i++;
        buf_add_bytes(out, s.p + from, i - from);
        from = i;
        while (i < s.n && (unsigned char)s.p[i] >= 0x80)
            i++;
        struct str wide = str_sub(s, from, i - from);
        buf_add(out, text_is_utf8(wide) ? wide : S("\xEF\xBF\xBD")); /* a reply must be UTF-8 whatever came in */
        if (i < s.n && !stands_for_itself((unsigned char)s.p[i]) && (unsigned char)s.p[i] < 0x80)
            add_escape(out, (unsigned char)s.p[i++]);
    }
    buf_add_char(out, '"');
}

void json_key(struct json_writer *w, struct str key)
{
    begin_value(w);
    add_quoted(w->out, key);
    buf_add_char(w->out, ':');
    w->needs_comma = false;
}

void json_write_str(struct json_writer *w, struct str s)
{
    if (!str_is_set(s)) {
        json_write_null(w);
        return;
    }
    begin_value(w);
    add_quoted(w->out, s);
}

void json_write_int(struct json_writer *w, int64_t v)
{
    char room[INT_TEXT_BYTES];
    begin_value(w);
    buf_add(w->out, str_from_int(v, room));
}

void json_write_bool(struct json_writer *w, bool v)
{
    begin_value(w);
    buf_add(w->out, v ? S("true") : S("false"));
}

void json_write_null(struct json_writer *w)
{
    begin_value(w);
    buf_add(w->out, S("null"));
}

void json_write_raw(struct json_writer *w, struct str json)
{
    begin_value(w);
    buf_add(w->out, json);
}
