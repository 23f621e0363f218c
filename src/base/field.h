/* base/field.h: fields are declared once. Decoding, limits, defaults, coercion, the OpenAPI schema and the replies'
 * encoders read the same rows; the compiler compares each row with the struct's member.
 *
 *   static const struct field new_locker_fields[] = {
 *       TEXT("name", struct new_locker, name, .required = true, .max = 50, .check = plain_name, .doc = "Unique"),
 *       TEXT("description", struct new_locker, description, .max = 255, .or_text = ""),
 *       FIELD_END
 *   };
 *
 * Members:  TEXT struct str · INT, ID and ID_TEXT int64_t · FLAG bool · OPT_INT struct opt_int · OPT_FLAG struct
 * opt_bool · TIME int64_t (0: null) · SECRET struct secret * · OBJECT pointer to struct · LIST struct list of structs ·
 *           INTS struct list of int64_t · TEXTS struct list of struct str · RAW struct str (the value's JSON text; of a
 * form's a JSON string)
 * `null` and an absent key are the same: the default. */
#pragma once

#include "base/clock.h"
#include "base/json.h"

struct opt_int {
    bool is_set;
    int64_t value;
};
struct opt_bool {
    bool is_set, value;
};
struct list {
    void *at;
    size_t n;
    bool is_set; /* the key was there (and not null) */
};

enum field_kind {
    FIELD_NONE = 0,
    FIELD_TEXT,
    FIELD_INT,
    FIELD_ID,      /* number on the wire; decoding takes "7" as well as 7 */
    FIELD_ID_TEXT, /* string on the wire ("1630"; 0 is ""); decoding takes both */
    FIELD_FLAG,
    FIELD_OPT_INT,
    FIELD_OPT_FLAG,
    FIELD_TIME,
    FIELD_SECRET,
    FIELD_OBJECT,
    FIELD_LIST,
    FIELD_INTS,
    FIELD_TEXTS,
    FIELD_RAW,
};

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset, size;      /* size: of one element (LIST) or of the pointed-to struct (OBJECT) */
    bool required;            /* absent, null, and for TEXT and SECRET empty: "name: is required" */
    bool once;                /* a duplicate key is an error even with JSON_LAST_WINS */
    bool takes_text;          /* INT, OPT_INT: "7" is decoded as 7 (versions) */
    bool zero_is_text;        /* encoder, ID_TEXT: 0 is "0" (versions), not "" (ids) */
    bool null_when_empty;     /* encoder: "" and 0 are written as null */
    bool is_input, is_output; /* neither set: both */
    bool is_sometimes;        /* schema of an answer: there are answers without this key */
    int64_t min,
        max; /* TEXT: code points · SECRET: bytes · INT: the value (0,0: int64) · LIST: elements (max 0: 1000) */
    bool keeps_blanks; /* TEXT is trimmed before it is counted and checked unless set */
    int64_t or_int;    /* default */
    const char *or_text;
    bool or_flag;
    enum time_format format;            /* TIME */
    const struct field *of;             /* OBJECT, LIST */
    const char *(*check)(struct str s); /* TEXT: NULL when fine, else the reason ("has special characters") */
    const char *const *words;           /* TEXT: one of these, ignoring case; stored as spelled here. NULL-terminated */
    const char *alias;                  /* a second input name */
    const char *doc, *example;
};

#define FIELD_TYPE_(s, m, type) (0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((s *)0)->m), type) ? 1 : -1]))
#define FIELD_(n, k, s, m, type, ...)                                                                                  \
    {                                                                                                                  \
        .name = (n), .kind = (k), .offset = offsetof(s, m) + FIELD_TYPE_(s, m, type), __VA_ARGS__                      \
    }

#define TEXT(n, s, m, ...)     FIELD_(n, FIELD_TEXT, s, m, struct str, __VA_ARGS__)
#define INT(n, s, m, ...)      FIELD_(n, FIELD_INT, s, m, int64_t, __VA_ARGS__)
#define ID(n, s, m, ...)       FIELD_(n, FIELD_ID, s, m, int64_t, __VA_ARGS__)
#define ID_TEXT(n, s, m, ...)  FIELD_(n, FIELD_ID_TEXT, s, m, int64_t, __VA_ARGS__)
#define FLAG(n, s, m, ...)     FIELD_(n, FIELD_FLAG, s, m, bool, __VA_ARGS__)
#define OPT_INT(n, s, m, ...)  FIELD_(n, FIELD_OPT_INT, s, m, struct opt_int, __VA_ARGS__)
#define OPT_FLAG(n, s, m, ...) FIELD_(n, FIELD_OPT_FLAG, s, m, struct opt_bool, __VA_ARGS__)
#define TIME(n, s, m, ...)     FIELD_(n, FIELD_TIME, s, m, int64_t, __VA_ARGS__)
#define SECRET(n, s, m, ...)   FIELD_(n, FIELD_SECRET, s, m, struct secret *, __VA_ARGS__)
#define OBJECT(n, s, m, t, fields, ...)                                                                                \
    FIELD_(n, FIELD_OBJECT, s, m, t *, .of = (fields), .size = sizeof(t), __VA_ARGS__)
#define LIST(n, s, m, t, fields, ...)                                                                                  \
    FIELD_(n, FIELD_LIST, s, m, struct list, .of = (fields), .size = sizeof(t), __VA_ARGS__)
#define INTS(n, s, m, ...)  FIELD_(n, FIELD_INTS, s, m, struct list, .size = sizeof(int64_t), __VA_ARGS__)
#define TEXTS(n, s, m, ...) FIELD_(n, FIELD_TEXTS, s, m, struct list, .size = sizeof(struct str), __VA_ARGS__)
#define RAW(n, s, m, ...)   FIELD_(n, FIELD_RAW, s, m, struct str, __VA_ARGS__)
#define FIELD_END                                                                                                      \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

/* Set every member that has a row to its default. `into` must be zeroed. */
void fields_default(const struct field *fields, void *into);
/* Decode one JSON object. Reports every bad field, one "name: reason" per line, as INVALID. */
RESULT fields_decode(const struct field *fields, struct json *j, void *into, struct err *e);
/* Decode a list of (key, value) texts (form bodies): the same rows, always coercing, keys folded. */
struct pair {
    struct str key, value;
};
RESULT fields_decode_pairs(const struct field *fields, const struct pair *pairs, size_t n, struct arena *a, void *into,
                           struct err *e);
/* Encode one object. A SECRET row is handed to `reveal`; with NULL it writes null. Only the gate has such a function,
 * for rows that reveal (gate/reply.c): nothing else can write a secret. */
typedef void (*field_reveal)(struct json_writer *w, const struct secret *s);
void fields_encode(const struct field *fields, const void *from, struct json_writer *w, struct arena *scratch,
                   field_reveal reveal);
/* Write the JSON schema of the rows (OpenAPI 3.0); for_input leaves out output rows and the other way round. */
void fields_schema(const struct field *fields, bool for_input, struct json_writer *w);
