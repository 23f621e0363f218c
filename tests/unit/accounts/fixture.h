/* unit/accounts/fixture.h: a store with the built-in rows, two systems, and people in groups. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../place.h"

#include "accounts/functional.h"
#include "accounts/password_rule.h"
#include "accounts/request.h"
#include "accounts/rule.h"
#include "accounts/schedule.h"
#include "identity/role.h"

enum { ADMIN = 1, ALICE, BOB, CAROL, PEOPLE }; /* user ids */
#define NOW INT64_C(1736068353470000)          /* 2025-01-05T09:12:33.47 */

struct fixture {
    struct arena *a;
    char directory[64];
    struct store *store;
    struct db *db;
    struct keyring *keys;
    struct err e;
    struct caller people[PEOPLE];   /* admin in Administrators; the others in no group */
    int64_t asset, system, account; /* web01, on it "root": Linux, API enabled, auto-managed, change after release */
    int64_t other_system, other_account; /* web02 and "root" there */
};
int fixture_make(void **state);
int fixture_remove(void **state);

/* The expression uses &f->e. */
#define MUST(expr)                                                                                                     \
    do {                                                                                                               \
        f->e = (struct err){0};                                                                                        \
        if (!is_ok(expr))                                                                                              \
            fail_msg("%s: %s %s", #expr, code_name(f->e.code), f->e.text);                                             \
    } while (0)
#define EXPECT(CODE, TEXT, expr)                                                                                       \
    do {                                                                                                               \
        f->e = (struct err){0};                                                                                        \
        result result_ = (expr);                                                                                       \
        if (result_.code != (CODE) || f->e.code != (CODE) || !strstr(f->e.text, (TEXT)))                               \
            fail_msg("%s: %s, not %s (%s)", #expr, code_name(result_.code), code_name(CODE), f->e.text);               \
    } while (0)
#define EXPECT_WORD(CODE, WORD, expr)                                                                                  \
    do {                                                                                                               \
        EXPECT(CODE, "", expr);                                                                                        \
        if (!f->e.word)                                                                                                \
            fail_msg("%s: no word (%s)", #expr, f->e.text);                                                            \
        assert_string_equal(f->e.word, (WORD));                                                                        \
    } while (0)

void run_sql(struct fixture *f, const char *text);
int64_t number_of(struct fixture *f, const char *query);
bool is_text(struct str s, const char *text);

int64_t make_group(struct fixture *f, int64_t number, int64_t user_id); /* active, with this member */
/* Gives the group this role, alone, on the rule, with read access and policy 5000. */
void give_role(struct fixture *f, int64_t group, int64_t rule, int64_t role);
int64_t make_rule(struct fixture *f, const char *title, const char *type, int64_t member);
int64_t make_policy(struct fixture *f, int64_t id, int64_t min_approvers, bool require_reason);
struct managed_account new_account(struct fixture *f, const char *name); /* of the first system, everything default */
struct managed_account account_now(struct fixture *f, int64_t id);
