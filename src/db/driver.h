/* db/driver.h: what a kind of store has to offer to the rest of db/, and what the two share. Internal to this folder.
 */
#pragma once

#include <stdatomic.h>

#include "base/scope.h"
#include "db/db.h"

DEFINE_AUTOFREE(arena)
DEFINE_AUTOFREE(store)
DEFINE_AUTOFREE(db)

enum { RESULT_BYTES_MAX = 256 << 20, STATEMENTS_CACHED = 256 };

/* ---- rows on their way into an arena (rows.c) ---- */

struct gathering {
    struct arena *arena;
    struct cell *cells; /* ours while gathering */
    size_t n, capacity, columns, bytes;
};
void gathering_init(struct gathering *g, struct arena *a);
void gathering_free(struct gathering *g);
void gather_null(struct gathering *g);
void gather_int(struct gathering *g, int64_t i);
void gather_bytes(struct gathering *g, enum param_kind kind, const void *p, size_t n); /* TEXT or BLOB; copied */
bool gathering_is_too_large(const struct gathering *g);                                /* past RESULT_BYTES_MAX */
struct rows gathering_rows(const struct gathering *g);                                 /* copied into the arena */

/* ---- the prepared statements of a connection (cache.c) ---- */

struct cache;
struct cache *cache_new(size_t capacity, void (*release)(void *statement));
void cache_free(struct cache *c);
/* A literal is found by its address, a built text by its contents. A literal whose text has changed stops the process.
 */
void *cache_find(struct cache *c, const struct sql *sql);
void cache_add(struct cache *c, const struct sql *sql,
               void *statement); /* releases the one that was not used longest */

/* ---- the driver ---- */

struct connection; /* the driver's own */

struct dialect {
    const char *id, *integer, *flag, *time, *text, *blob; /* @id @int @flag @time @text @blob */
    const char *table_end;                                /* behind the ")" of CREATE TABLE */
    const char *count_settings;                           /* a query: 1 when there is a table "settings", else 0 */
    const char
        *lock_migrations; /* a query: keep other servers from migrating while this connection lives; NULL: none can */
    /* Queries of the catalogue (catalogue.c): table, column, place in the primary key (0: none), is it @id; in the
     * columns' order. Table, the one that it refers to. */
    const char *columns, *references;
    const char *next_id, *set_next_id; /* of the table $1; a statement: make it $2 */
    const char *count_servers;         /* a query: how many others hold a name here; NULL: the store has one server */
};

enum control { BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, ROLLBACK_TO, CONTROL_COUNT };

struct driver {
    struct dialect dialect;
    bool is_shared;
    result (*open)(struct store *s, enum db_kind kind, struct connection **ret, struct err *e);
    void (*close)(struct connection *c);
    /* Run one statement to its end. `into` and `ret_changed` may be NULL. */
    result (*run)(struct connection *c, const struct sql *sql, struct gathering *into, int64_t *ret_changed,
                  struct err *e);
    result (*control)(struct connection *c, enum control what, struct err *e);
    result (*run_script)(struct connection *c, const char *text, struct err *e); /* several statements, no parameters */
    bool (*is_in_transaction)(const struct connection *c);
    bool (*has_device_failed)(const struct connection *c);
    void (*set_deadline)(struct connection *c, int64_t monotonic); /* 0: none */
    /* Of a store of one server only, else NULL: */
    void (*checkpoint)(struct connection *c);
    /* Copy the store, as this connection's snapshot sees it, into an empty file. */
    result (*copy)(struct connection *c, const char *file, struct err *e);
    /* Of a shared store only, else NULL: */
    /* As run, but without waiting: when it fails, so does the next exchange. `into` and `ret_changed` are NULL. */
    result (*run_later)(struct connection *c, const struct sql *sql, struct gathering *into, int64_t *ret_changed,
                        struct err *e);
    bool (*has_collided)(const struct connection *c);
    bool (*is_lost)(const struct connection *c);
    bool (*is_in_doubt)(const struct connection *c);
    result (*reach)(struct connection *c, struct err *e);
};

extern const struct driver sqlite_driver, postgresql_driver;

struct postgresql_place; /* postgresql_place.c */

struct store {
    const struct driver *driver;
    char *place;                     /* a file, or a URL without its password */
    struct postgresql_place *remote; /* NULL: SQLite */
    char *server;                    /* NULL: a tool */
    int lock;                        /* -1: none is held */
    bool is_up;                      /* it was there when this process began: from now on it is waited for */
    _Atomic uint64_t commits;
    _Atomic int64_t unreached_at; /* monotonic: when the last attempt to connect has failed */
};

/* Where a store is or will be, with its lock taken; its file is made when it is missing, and no migration is run. Of a
 * PostgreSQL store at->directory may be NULL: then nothing is locked. */
RESULT store_open_bare(const struct store_place *at, struct store **ret, struct err *e);
RESULT store_bring_up(struct store *s, struct err *e); /* runs missing migrations */

struct db {
    struct store *store;
    const struct driver *driver;
    struct connection *connection;
    enum db_kind kind;
    bool has_begun; /* and neither committed nor rolled back by us */
    bool has_snapshot;
    uint64_t snapshot_commits;
    struct arena *scratch;
    void *attachment;
};
