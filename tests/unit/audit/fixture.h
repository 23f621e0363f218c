/* unit/audit/fixture.h: a store in a folder of its own, a keyring that opens and closes, and a chain that is written by
 * hand. */
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
#include "audit/state.h"
#include "crypto/random.h"

struct fixture {
    struct arena *a;
    char directory[64];
    struct store *store;
    struct db *db;
    struct keyring *keys;
    struct secret *root;
    struct str wrap;
    struct audit *audit;
    struct writer_hooks hooks;
    struct err e;
};

int fixture_make(void **state); /* keyring open, chain "a" open and empty */
int fixture_remove(void **state);
void open_keys(struct fixture *f);
void must(struct fixture *f, result r);
void run_sql(struct fixture *f, const char *text); /* by the hand of somebody with the file */
int64_t number_of(struct fixture *f, const char *query);
struct str text_of(struct fixture *f, const char *query);
void note(struct fixture *f, int64_t i);       /* every member of the record filled, and different for each i */
result commit(struct fixture *f);              /* of what was noted, as the writer does it */
void write_rows(struct fixture *f, int64_t n); /* in groups of 1, 2, 3 … 17 */
void reopen(struct fixture *f, const char *server);
struct audit_report verify(struct fixture *f, const char *head);
/* "a:17:HASH" of a row that stands now. */
const char *head_at(struct fixture *f, const char *server, int64_t number);
/* What an intruder without the keys can do: number the rows from `from` on so that hashes and head fit again. */
void rechain(struct fixture *f, int64_t from);
