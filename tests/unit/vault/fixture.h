/* unit/vault/fixture.h: a store in a folder of its own with an open keyring and a chain, and people and roles in it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../place.h"

#include "audit/audit.h"
#include "vault/auto_login.h"
#include "vault/locker.h"
#include "vault/value.h"

enum { NOW = 1714633282 };

struct fixture {
    struct arena *a;
    char directory[64];
    struct store *store;
    struct db *db;
    struct keyring *keys;
    struct audit *audit;
    struct writer_hooks hooks;
    int64_t clock;
    struct err e;
};

int fixture_make(void **state); /* a transaction is open */
int fixture_remove(void **state);
void must(struct fixture *f, result r);
/* It must fail so; the text is in f->e. */
#define assert_code(f, r, wanted) assert_code_((f), (r), (wanted), __FILE__, __LINE__)
void assert_code_(struct fixture *f, result r, enum code wanted, const char *file, int line);
int64_t tick(struct fixture *f); /* another time than ever before */
void run_sql(struct fixture *f, struct sql sql);
int64_t number_of(struct fixture *f, struct sql query);

int64_t user_new(struct fixture *f, const char *name);
/* Rights end with RIGHT_NONE. The role's id; its number is id + 1000. */
int64_t role_new(struct fixture *f, const char *name, const enum right *rights);
int64_t role_number(int64_t role_id);
void join(struct fixture *f, int64_t role_id, int64_t user_id);
void leave(struct fixture *f, int64_t role_id, int64_t user_id);
/* The caller with what he holds at this moment. Lives until the fixture ends. */
const struct caller *as(struct fixture *f, int64_t user_id);
/* A user with a role of his own that holds these rights. */
int64_t user_with(struct fixture *f, const char *name, const enum right *rights);
#define RIGHTS(...) ((const enum right[]){__VA_ARGS__ __VA_OPT__(, ) RIGHT_NONE})

struct attribute_change wish(const char *name, bool user_provided, bool masked);
struct list wishes(struct fixture *f, const struct attribute_change *at, size_t n);
#define WISHES(f, ...)                                                                                                 \
    wishes((f), (const struct attribute_change[]){__VA_ARGS__},                                                        \
           sizeof((const struct attribute_change[]){__VA_ARGS__}) / sizeof(struct attribute_change))
int64_t credential_new(struct fixture *f, int64_t owner, const char *name, struct list attributes);
struct credential credential_now(struct fixture *f, int64_t id); /* whoever may see it */
const struct attribute *attribute_named(const struct credential *c, const char *name);
int64_t attribute_id(struct fixture *f, int64_t credential_id, const char *name);
struct secret *secret_of(struct fixture *f, const char *text);
/* Set and return the value's id. */
int64_t value_new(struct fixture *f, int64_t by, int64_t credential_id, const char *attribute, const char *text);
result value_set(struct fixture *f, int64_t by, int64_t credential_id, int64_t value_id, const char *text);
/* "user=fin01 password=* pin=4711" as this caller reads it: '*' is masked, '-' nothing at all, the code's name a
 * refusal. */
const char *seen(struct fixture *f, int64_t by, int64_t credential_id, enum masking masking);
int64_t locker_new(struct fixture *f, int64_t owner, const char *name);
void member_set(struct fixture *f, int64_t by, int64_t locker_id, int64_t user_id, const char *word);
void consumer_set(struct fixture *f, int64_t by, int64_t locker_id, int64_t role_id);
result update(struct fixture *f, int64_t by, int64_t credential_id, const struct credential_change *with);
