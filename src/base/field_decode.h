/* base/field_decode.h: what the walk over a body (field_decode.c) and the storing of values (field_value.c) share. */
#pragma once

#include "base/field_row.h"

struct decoder {
    struct json *j; /* NULL: a form body */
    struct arena *arena;
    unsigned flags;
    struct err *e;
    unsigned problems;
};

/* Where a value stands: "attributes[3].name". index -1: no element of a list. */
struct place {
    const struct place *outer; /* NULL: the outermost object */
    const char *name;
    ptrdiff_t index;
};

/* A string, number, true or false as text; of any other type only the type. */
struct scalar {
    enum json_type type;
    struct str text;
};

/* Add "place: reason" to the error. */
void field_problem(struct decoder *d, const struct place *at, const char *reason);
bool field_coerces(const struct decoder *d);
/* Convert, check and store a value of any kind but SECRET, OBJECT, lists and RAW; or report it. A required
 * text that is empty is stored: whoever called reports it as missing. */
void field_store_scalar(struct decoder *d, const struct place *at, const struct field *f, const struct scalar *s,
                        void *member);
void field_store_secret(struct decoder *d, const struct place *at, const struct field *f, struct secret *secret,
                        struct secret **member);
