/* base/json.c: the pull reader. Error texts name the byte and what is wrong there, never what stands there. */
#include "base/json.h"

#include <string.h>

#include "base/json_read.h"
#include "base/secret_open.h"
#include "base/text.h"

/* Whether a container was just entered is seen from the byte before p: no value ends in '{' or '['. */

void json_init(struct json *j, struct str text, unsigned flags, struct arena *a)
{
    const char *start = text.p ? text.p : "";
    *j = (struct json){.p = start, .end = start + text.n, .start = start, .flags = flags, .arena = a};
}

result json_wrong(const struct json *j, const char *at, struct err *e, const char *what)
{
    return FAIL(e, INVALID, "not valid JSON at byte %zu: %s", (size_t)(at - j->start), what);
}

void json_skip_blanks(struct json *j)
{
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' || *j->p == '\n' || *j->p == '\r'))
        j->p++;
}

static bool is_quote(const struct json *j, char c)
{
    return c == '"' || (c == '\'' && (j->flags & JSON_LENIENT));
}

result json_peek(struct json *j, enum json_type *ret, struct err *e)
{
    json_skip_blanks(j);
    if (j->p == j->end)
        return json_wrong(j, j->p, e, "the text ends where a value should be");
    char c = *j->p;
    bool is_lenient = j->flags & JSON_LENIENT;
    if (is_quote(j, c))
        *ret = JSON_STRING;
    else if (c == '{')
        *ret = JSON_OBJECT;
    else if (c == '[')
        *ret = JSON_ARRAY;
    else if (c == '-' || (c >= '0' && c <= '9'))
        *ret = JSON_NUMBER;
    else if (c == 't' || (c == 'T' && is_lenient))
        *ret = JSON_TRUE;
    else if (c == 'f' || (c == 'F' && is_lenient))
        *ret = JSON_FALSE;
    else if (c == 'n' || (c == 'N' && is_lenient))
        *ret = JSON_NULL;
    else
        return json_wrong(j, j->p, e, "a value is expected");
    return SUCCESS;
}

static bool take_word(struct json *j, struct str word)
{
    struct str rest = {j->p, (size_t)(j->end - j->p)};
    if (!str_starts(rest, word))
        return false;
    j->p += word.n;
    return true;
}

result json_null(struct json *j, struct err *e)
{
    json_skip_blanks(j);
    if (take_word(j, S("null")) || ((j->flags & JSON_LENIENT) && take_word(j, S("None"))))
        return SUCCESS;
    return json_wrong(j, j->p, e, "null is expected");
}

result json_bool(struct json *j, bool *ret, struct err *e)
{
    json_skip_blanks(j);
    bool is_lenient = j->flags & JSON_LENIENT;
    if (take_word(j, S("true")) || (is_lenient && take_word(j, S("True"))))
        *ret = true;
    else if (take_word(j, S("false")) || (is_lenient && take_word(j, S("False"))))
        *ret = false;
    else
        return json_wrong(j, j->p, e, "true or false is expected");
    return SUCCESS;
}

/* A string as it stands in the source, checked: what is between the quotes, and how long it is when decoded. */
struct quoted {
    const char *from, *to;
    size_t decoded;
};

static bool take_hex4(const char *p, const char *end, unsigned *ret)
{
    if (end - p < 4 || !text_is_hex((struct str){p, 4}))
        return false;
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)p[i];
        value = value << 4 | (c <= '9' ? c - 0U - '0' : (c | 0x20U) - 'a' + 10U);
    }
    *ret = value;
    return true;
}

static size_t utf8_length(unsigned point)
{
    return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

/* \uXXXX at p, or a pair of them; the text of the fault in *ret_fault when it is none. */
static const char *unicode_escape(const char *p, const char *end, unsigned *ret, const char **ret_fault)
{
    unsigned point, low;
    if (!take_hex4(p + 2, end, &point)) {
        *ret_fault = "four hexadecimal digits are expected after \\u";
        return NULL;
    }
    p += 6;
    if (point >= 0xD800 && point <= 0xDFFF) {
        bool is_pair = point < 0xDC00 && end - p >= 2 && p[0] == '\\' && p[1] == 'u' && take_hex4(p + 2, end, &low) &&
                       low >= 0xDC00 && low <= 0xDFFF;
        if (!is_pair) {
            *ret_fault = "a surrogate stands alone";
            return NULL;
        }
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
        p += 6;
    }
    if (point == 0) {
        *ret_fault = "U+0000 is not allowed";
        return NULL;
    }
    *ret = point;
    return p;
}

static char simple_escape(char c, bool is_lenient)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = c ? strchr(from, c) : NULL;
    if (at)
        return to[at - from];
    return is_lenient && c == '\'' ? c : '\0';
}

/* The escape at p (a backslash). Past its end, or NULL with the fault. */
static const char *read_escape(const struct json *j, const char *p, unsigned *ret, const char **ret_fault)
{
    if (j->end - p >= 2 && p[1] == 'u')
        return unicode_escape(p, j->end, ret, ret_fault);
    char c = j->end - p >= 2 ? simple_escape(p[1], j->flags & JSON_LENIENT) : '\0';
    if (c == '\0') {
        *ret_fault = "an unknown escape";
        return NULL;
    }
    *ret = (unsigned char)c;
    return p + 2;
}

static result scan_string(struct json *j, struct quoted *ret, struct err *e)
{
    json_skip_blanks(j);
    if (j->p == j->end || !is_quote(j, *j->p))
        return json_wrong(j, j->p, e, "a string is expected");
    char quote = *j->p;
    struct quoted q = {.from = j->p + 1};
    const char *p = q.from;
    while (p < j->end && *p != quote) {
        const char *from = p, *fault = NULL;
        unsigned char c = (unsigned char)*p;
        if (c < 0x20)
            return json_wrong(j, p, e, "a control character in a string");
        if (c == '\\') {
            unsigned point = 0;
            p = read_escape(j, p, &point, &fault);
            if (!p)
                return json_wrong(j, from, e, fault);
            q.decoded += utf8_length(point);
            continue;
        }
        if (c < 0x80) {
            p++;
        } else {
            while (p < j->end && (unsigned char)*p >= 0x80)
                p++;
            if (!text_is_utf8((struct str){from, (size_t)(p - from)}))
                return json_wrong(j, from, e, "a string is not UTF-8");
        }
        q.decoded += (size_t)(p - from);
    }
    if (p == j->end)
        return json_wrong(j, p, e, "a string has no end");
    q.to = p;
    j->p = p + 1;
    *ret = q;
    return SUCCESS;
}

static size_t put_utf8(char *out, unsigned point)
{
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t n = utf8_length(point);
    for (size_t i = n; i-- > 1; point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3F));
    out[0] = (char)(lead[n] | point);
    return n;
}

/* `out` has room for q.decoded bytes; scan_string has checked everything. */
static void decode_string(const struct json *j, struct quoted q, char *out)
{
    for (const char *p = q.from; p < q.to;) {
        const char *fault;
        unsigned point = 0;
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        p = read_escape(j, p, &point, &fault);
        out += put_utf8(out, point);
    }
}

result json_string(struct json *j, struct str *ret, struct err *e)
{
    struct quoted q = {0};
    TRY(scan_string(j, &q, e));
    char *text = arena_alloc(j->arena, q.decoded + 1);
    decode_string(j, q, text);
    *ret = (struct str){text, q.decoded};
    return SUCCESS;
}

result json_secret(struct json *j, struct secret **ret, struct err *e)
{
    struct quoted q = {0};
    TRY(scan_string(j, &q, e));
    char *room;
    *ret = secret_with_room(j->arena, q.decoded, &room);
    decode_string(j, q, room);
    wipe((char *)q.from, (size_t)(q.to - q.from));
    return SUCCESS;
}

result json_enter(struct json *j, char open, struct err *e)
{
    json_skip_blanks(j);
    if (j->p == j->end || *j->p != open)
        return json_wrong(j, j->p, e, open == '{' ? "an object is expected" : "an array is expected");
    if (j->depth == JSON_DEPTH_MAX)
        return json_wrong(j, j->p, e, "more than 32 levels");
    j->depth++;
    j->p++;
    return SUCCESS;
}

/* Past the comma to the next member, or past the closing bracket (*ret_more false). */
static result advance(struct json *j, char close, bool *ret_more, struct err *e)
{
    char before = j->p > j->start ? j->p[-1] : '\0';
    bool is_first = before == '{' || before == '[';
    json_skip_blanks(j);
    if (j->p < j->end && *j->p == close && j->depth > 0) {
        j->depth--;
        j->p++;
        *ret_more = false;
        return SUCCESS;
    }
    if (!is_first) {
        if (j->p == j->end || *j->p != ',')
            return json_wrong(j, j->p, e, close == '}' ? "a comma or '}' is expected" : "a comma or ']' is expected");
        j->p++;
    }
    *ret_more = true;
    return SUCCESS;
}

result json_next_key(struct json *j, struct str *ret_key, bool *ret_more, struct err *e)
{
    bool more = false;
    TRY(advance(j, '}', &more, e));
    if (more) {
        struct quoted q = {0};
        TRY(scan_string(j, &q, e));
        json_skip_blanks(j);
        if (j->p == j->end || *j->p != ':')
            return json_wrong(j, j->p, e, "a colon is expected");
        j->p++;
        *ret_key = (struct str){q.from, q.decoded};
        if (q.decoded != (size_t)(q.to - q.from)) {
            char *key = arena_alloc(j->arena, q.decoded + 1);
            decode_string(j, q, key);
            ret_key->p = key;
        }
    }
    *ret_more = more;
    return SUCCESS;
}

result json_next_item(struct json *j, bool *ret_more, struct err *e)
{
    return advance(j, ']', ret_more, e);
}

/* One value; of an object or array only the beginning, whose bracket goes to *ret_opened. */
static result skip_one(struct json *j, char *ret_opened, struct err *e)
{
    enum json_type type = JSON_NULL;
    struct quoted q;
    struct str number;
    bool flag;
    *ret_opened = '\0';
    TRY(json_peek(j, &type, e));
    switch (type) {
    case JSON_NULL:
        return json_null(j, e);
    case JSON_TRUE:
    case JSON_FALSE:
        return json_bool(j, &flag, e);
    case JSON_NUMBER:
        return json_number_text(j, &number, e);
    case JSON_STRING:
        return scan_string(j, &q, e);
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    *ret_opened = type == JSON_OBJECT ? '{' : '[';
    return json_enter(j, *ret_opened, e);
}

result json_skip(struct json *j, struct err *e)
{
    char open[JSON_DEPTH_MAX];
    unsigned level = 0;
    do {
        char opened;
        TRY(skip_one(j, &opened, e));
        if (opened)
            open[level++] = opened;
        bool more = false;
        while (level > 0 && !more) {
            struct str key;
            if (open[level - 1] == '{')
                TRY(json_next_key(j, &key, &more, e));
            else
                TRY(json_next_item(j, &more, e));
            level -= !more;
        }
    } while (level > 0);
    return SUCCESS;
}

result json_end(struct json *j, struct err *e)
{
    json_skip_blanks(j);
    return j->p == j->end ? SUCCESS : json_wrong(j, j->p, e, "more text after the value");
}
