/* identity/fixture.h: a store as init leaves it, with an administrator and somebody who manages users. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../place.h"

#include "audit/audit.h"
#include "db/filter.h"
#include "identity/grant.h"
#include "identity/role.h"
#include "identity/signin.h"
#include "identity/upkeep.h"

#define NOW (INT64_C(1750000000) * SECONDS)

struct fixture {
    struct arena *a;
    char directory[64];
    struct store *store;
    struct db *db, *reader;
    struct keyring *keys;
    struct audit *audit;
    struct writer_hooks hooks;
    struct err e;
    int64_t admin; /* AAE_Admin, AAE_Locker Admin, Administrators */
};

int fixture_make(void **state);
int fixture_remove(void **state);

/* Each DO is a transaction of its own, as the writer would run it: it stands only when the expression succeeds. */
void begin(struct fixture *f);
result end(struct fixture *f, result r);
#define DO(expr) (begin(f), end(f, (expr)))
#define MUST(expr)                                                                                                     \
    do {                                                                                                               \
        result must_ = DO(expr);                                                                                       \
        if (!is_ok(must_))                                                                                             \
            fail_msg("%s: %s %s", #expr, code_name(must_.code), f->e.text);                                            \
    } while (0)
#define EXPECT(CODE, expr)                                                                                             \
    do {                                                                                                               \
        f->e = (struct err){0};                                                                                        \
        result expect_ = DO(expr);                                                                                     \
        if (expect_.code != (CODE))                                                                                    \
            fail_msg("%s: %s, not %s (%s)", #expr, code_name(expect_.code), code_name(CODE), f->e.text);               \
    } while (0)

#define assert_same(left, right) assert_true(str_equal((left), (right)))

void run_sql(struct fixture *f, const char *text);
int64_t number_of(struct fixture *f, const char *query);
struct list ids(struct fixture *f, size_t n, const int64_t *values);
#define IDS(...) ids(f, sizeof((int64_t[]){0, ##__VA_ARGS__}) / sizeof(int64_t) - 1, (int64_t[]){0, ##__VA_ARGS__} + 1)

/* By init, so that nothing is refused. */
int64_t make_user(struct fixture *f, const char *name, struct list roles, struct list groups);
int64_t make_role(struct fixture *f, enum face face, const char *name, const struct role_right *rights, size_t n);
int64_t role_id(struct fixture *f, enum face face, int64_t number);
struct caller caller_of(struct fixture *f, int64_t user_id); /* carries both faces */
struct user user_of(struct fixture *f, int64_t id);
result open_tokens(struct fixture *f, int64_t now, struct tokens **ret); /* as a server that has started */
int64_t audit_count(struct fixture *f, const char *what);
struct secret *secret_of(struct fixture *f, const char *text);
struct str opened(const struct secret *s);
