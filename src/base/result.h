/* base/result.h: the one result type, and the reason that travels beside it.
 *
 * A function that can fail returns `result` (declared RESULT, so that dropping it warns) and takes a
 * `struct err *e` last, owned by the caller. The code says what happened, never an HTTP number; the
 * text is for people and never holds a secret. Outputs (`ret_...`) are untouched on failure. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

enum code {
    OK = 0,
    NOT_FOUND,       /* unknown id or name, or an object the caller may not even know of */
    UNAUTHENTICATED, /* nobody is named, or not any more */
    DENIED,          /* known, not allowed */
    CONFLICT,        /* the state forbids it */
    INVALID,         /* the input is wrong; one "field: reason" per line */
    TOO_LARGE,       /* a bound of size was passed */
    NOT_ALLOWED,     /* wrong method on a known path */
    UNSUPPORTED,     /* a content type that this call does not take */
    BUSY,            /* a queue is full, a search took too long, the server stops */
    SEALED,          /* the keys are not there */
    REFUSED,         /* the target said no; nothing changed there */
    UNREACHABLE,     /* nothing was sent to the target */
    UNCERTAIN,       /* sent, outcome unknown: the resolver will settle it */
    DRIFT,           /* no version that we hold works on the target */
    STORE_FULL,      /* the store could not take it; nothing of it stands */
    INTERNAL,        /* a fault of ours */
    CODE_COUNT
};

typedef struct result {
    enum code code;
} result;

#define RESULT  __attribute__((warn_unused_result)) result
#define SUCCESS ((result){OK})

enum { ERR_TEXT_MAX = 2000 };

struct err {
    enum code code;
    const char *word; /* static: a face's own sub-code ("4033", "password.required"), or NULL */
    char text[ERR_TEXT_MAX + 1];
};

/* The one macro that hides a return. Does not compile in a function that returns anything else. */
#define TRY(expr)                                                                                                      \
    do {                                                                                                               \
        result try_result_ = (expr);                                                                                   \
        if (try_result_.code != OK)                                                                                    \
            return try_result_;                                                                                        \
    } while (0)

/* return FAIL(e, INVALID, "name: %s", why); */
#define FAIL(e, CODE, ...) (err_set((e), (CODE), NULL, __VA_ARGS__), (result){CODE})
/* The same with a face's own word. */
#define FAIL_AS(e, CODE, WORD, ...) (err_set((e), (CODE), (WORD), __VA_ARGS__), (result){CODE})

/* Fill *e (which may be NULL) and return the code as a result. A longer text is cut. */
result err_set(struct err *e, enum code code, const char *word, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Add one more line to an INVALID error; the first call sets the code. For decoders that report every field. */
void err_add_line(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "NOT_FOUND" for NOT_FOUND: logs and tests. */
const char *code_name(enum code code);

static inline bool is_ok(result r)
{
    return r.code == OK;
}
