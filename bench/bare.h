/* bench/bare.h: the statements of a create, and what a store's own client makes of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PARAMETERS_MAX = 18 };

enum statement { HASH_KEY, USER, RIGHTS, NEW_CREDENTIAL, NEW_ATTRIBUTE, AUDIT_ROW, AUDIT_HEAD, STATEMENTS };
extern const char *const statement_texts[STATEMENTS];

enum control { BEGIN, SAVEPOINT, RELEASE, COMMIT, CONTROLS };

enum kind { INTEGER, TEXT, BLOB };
struct value {
    enum kind kind;
    int64_t number;
    const void *bytes;
    size_t n;
};

/* Everything stops the program when the store fails. */
struct bare_store {
    const char *const *texts; /* those that the server's driver has of its own, up to NULL */
    void (*open)(const char *place);
    void (*control)(enum control what);
    /* The first number of the first row, for RETURNING id. Stops when fewer rows come than `rows_min`. */
    int64_t (*run)(enum statement which, const struct value *values, size_t n, int rows_min);
    void (*tidy)(void); /* what the server's driver does between two groups */
    void (*close)(void);
};
extern const struct bare_store bare_sqlite, bare_postgresql;

_Noreturn void stop(const char *what, const char *why);
