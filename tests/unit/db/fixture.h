/* db/fixture.h: a store in a directory of its own, for one test. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../place.h"

#include "db/writer.h"

struct fixture {
    char directory[64];
    struct store *store;
    struct db *writer, *reader;
    struct arena *arena;
};
int fixture_set_up(void **state); /* a fresh store with both connections */
int fixture_tear_down(void **state);
void fixture_close(struct fixture *f); /* the connections and the store, not the directory */
void remove_directory(const char *directory);

/* The expression uses &error. */
#define EXPECT(CODE, expr)                                                                                             \
    ({                                                                                                                 \
        struct err error = {0};                                                                                        \
        check_result(#expr, CODE, expr, &error);                                                                       \
    })
#define MUST(expr) EXPECT(OK, expr)
void check_result(const char *what, enum code expected, result r, const struct err *e);

int64_t number(struct db *db, struct sql sql); /* a query of one number */
bool dies(void (*call)(void *argument), void *argument);
