/* base/json.h: a pull reader and a streaming writer. No tree: values are decoded straight to where they belong,
 * secrets into the secret type. Bounded in depth, checked for UTF-8 (lone surrogates and U+0000 refused), strict
 * RFC 8259 unless a flag says otherwise. */
#pragma once

#include "base/buf.h"
#include "base/result.h"
#include "base/secret.h"

enum json_flags {
    JSON_FOLD_KEYS = 1,      /* keys match ignoring ASCII case (both vendor faces) */
    JSON_LENIENT = 2,        /* single quotes, True/False/None (Password Safe 1.13) */
    JSON_LAST_WINS = 4,      /* a duplicate key is taken again, unless its field is a SECRET or `.once` (1.11) */
    JSON_COERCE = 8,         /* "3" for 3, 3 for "3", "true"/1/0 for a bool (1.12) */
    JSON_REFUSE_UNKNOWN = 16 /* an unknown key is an error (our own API) */
};

enum { JSON_DEPTH_MAX = 32 };

enum json_type { JSON_NULL, JSON_TRUE, JSON_FALSE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    const char *p, *end, *start;
    unsigned flags, depth;
    struct arena *arena; /* decoded strings live here */
};

void json_init(struct json *j, struct str text, unsigned flags, struct arena *a);
/* The type of the value that follows; INVALID on anything else. */
RESULT json_peek(struct json *j, enum json_type *ret, struct err *e);
RESULT json_null(struct json *j, struct err *e);
RESULT json_bool(struct json *j, bool *ret, struct err *e);
RESULT json_int(struct json *j, int64_t *ret, struct err *e); /* integral only (1.0 and 1e2 are), in int64 range */
/* The number's text as it stands: for fields that take either form. */
RESULT json_number_text(struct json *j, struct str *ret, struct err *e);
RESULT json_string(struct json *j, struct str *ret, struct err *e);
/* As json_string, into the secret type; the source text is wiped in place (the body buffer must be writable). */
RESULT json_secret(struct json *j, struct secret **ret, struct err *e);
RESULT json_skip(struct json *j, struct err *e); /* any value, checked all the same */
/* json_enter(&j, '{', e); while (json_next_key(&j, &key, &more, e) ok && more) { read the value }  */
RESULT json_enter(struct json *j, char open, struct err *e); /* '{' or '[' */
RESULT json_next_key(struct json *j, struct str *ret_key, bool *ret_more, struct err *e);
RESULT json_next_item(struct json *j, bool *ret_more, struct err *e);
RESULT json_end(struct json *j, struct err *e); /* nothing but blanks may follow */

/* Writer: compact, key order kept, never "\/", commas by itself. Failure is the buffer's. */
struct json_writer {
    struct buf *out;
    bool needs_comma;
};
void json_object_begin(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array_begin(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_key(struct json_writer *w, struct str key);
void json_write_str(struct json_writer *w, struct str s); /* absent: null */
void json_write_int(struct json_writer *w, int64_t v);
void json_write_bool(struct json_writer *w, bool v);
void json_write_null(struct json_writer *w);
void json_write_raw(struct json_writer *w, struct str json); /* a complete value */
