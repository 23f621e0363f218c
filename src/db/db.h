/* db/db.h: a store and its connections. The domain writes SQL that both kinds of store run (design 3); only this folder
 * knows which one it is.
 *
 * A connection belongs to one thread at a time. Rows are copied into an arena at once: no statement stays open. */
#pragma once

#include <inttypes.h>

#include "base/arena.h"
#include "base/result.h"
#include "base/secret.h"

struct store;
struct db;

/* ---- statements: TRY(db_run(db, SQL("DELETE FROM lockers WHERE id = $1", P_INT(id)), e)); ---- */

enum param_kind { PARAM_NULL, PARAM_INT, PARAM_TEXT, PARAM_BLOB };
struct param {
    enum param_kind kind;
    int64_t i;
    struct str s;
};
#define P_INT(v)  ((struct param){.kind = PARAM_INT, .i = (v)})
#define P_TEXT(v) param_text((v)) /* absent: NULL. U+0000 is refused when it is bound */
#define P_BLOB(v) param_blob((v)) /* absent: NULL */
#define P_NULL    ((struct param){.kind = PARAM_NULL})
static inline struct param param_text(struct str s)
{
    return (struct param){.kind = s.p ? PARAM_TEXT : PARAM_NULL, .s = s};
}
static inline struct param param_blob(struct str s)
{
    return (struct param){.kind = s.p ? PARAM_BLOB : PARAM_NULL, .s = s};
}

struct sql {
    const char
        *text; /* $1 … $n; the pointer's text must stay unchanged while the connection lives, or come from a builder */
    const struct param *params;
    size_t n;
    bool is_built; /* text lives in an arena: its plan is cached by content */
};
#define SQL(text, ...)                                                                                                 \
    ((struct sql){(text), (const struct param[]){P_NULL, ##__VA_ARGS__} + 1,                                           \
                  sizeof((const struct param[]){P_NULL, ##__VA_ARGS__}) / sizeof(struct param) - 1, false})

/* Rows in an arena. A column out of range or of another type stops the process: it is a mistake in the code. */
struct cell {
    enum param_kind kind;
    int64_t i;
    struct str s;
};
struct rows {
    size_t n, columns;
    const struct cell *cells;
};
int64_t row_int(const struct rows *r, size_t row, size_t column); /* NULL reads as 0 */
bool row_flag(const struct rows *r, size_t row, size_t column);
struct str row_text(const struct rows *r, size_t row, size_t column); /* NULL reads as absent */
struct str row_blob(const struct rows *r, size_t row, size_t column); /* NULL reads as absent */
bool row_is_null(const struct rows *r, size_t row, size_t column);

/* Errors of all: STORE_FULL, BUSY (a search took too long), INTERNAL. After a failed statement do nothing further in
 * that transaction. A broken UNIQUE or foreign key is CONFLICT, but ask with ON CONFLICT DO NOTHING RETURNING instead.
 */
RESULT db_run(struct db *db, struct sql sql, struct err *e);
/* As db_run, for what ends a transaction: where a statement costs a round trip, it goes out together with the next one
 * or with COMMIT, and its failure is theirs. Not inside a savepoint. */
RESULT db_run_later(struct db *db, struct sql sql, struct err *e);
RESULT db_run_counting(struct db *db, struct sql sql, int64_t *ret_changed, struct err *e);
RESULT db_query(struct db *db, struct arena *a, struct sql sql, struct rows *ret, struct err *e);
/* Exactly one row, else NOT_FOUND "<what> not found". */
RESULT db_query_one(struct db *db, struct arena *a, struct sql sql, const char *what, struct rows *ret, struct err *e);
/* INSERT … RETURNING id, or any query of one number. No row: CONFLICT with this text. */
RESULT db_insert(struct db *db, struct sql sql, int64_t *ret_id, const char *conflict, struct err *e);
/* The next number of a counter that never goes back ("role.controlroom"); the first is `first`. */
RESULT db_next_number(struct db *db, const char *counter, int64_t first, int64_t *ret, struct err *e);

/* ---- statements built at run time ---- */

struct builder {
    struct arena *arena;
    struct str text;
    size_t capacity;
    struct param *params;
    size_t n, params_capacity;
};
void builder_init(struct builder *b, struct arena *a);
void builder_add(struct builder *b, const char *sql);  /* text of ours only, never a caller's */
void builder_param(struct builder *b, struct param p); /* appends " $n " */
void builder_contains(struct builder *b, const char *key_column,
                      struct str part); /* key_column LIKE %part% (escaped) */
void builder_prefix(struct builder *b, const char *key_column, struct str prefix);
void builder_in(struct builder *b, const char *column, const int64_t *ids, size_t n); /* column IN (…); n 0: false */
struct sql builder_sql(struct builder *b);

/* ---- transactions: the writer, migrations and init use these; handlers never do ---- */

RESULT db_begin(struct db *db, struct err *e);
/* The same, in turn with the other servers that begin this way. *ret_is_turn false: it is another's, roll back and ask
 * again in a moment. It keeps them from colliding, and nobody from anything: who does not ask does not wait. */
RESULT db_begin_in_turn(struct db *db, bool *ret_is_turn, struct err *e);
RESULT db_commit(struct db *db, struct err *e);
void db_rollback(struct db *db);                   /* fine when nothing is open */
RESULT db_savepoint(struct db *db, struct err *e); /* also inside another one */
RESULT db_release(struct db *db, struct err *e);
RESULT db_rollback_to(struct db *db, struct err *e); /* to the innermost savepoint, and release it */
/* False once the store has rolled back the whole transaction by itself (a full disk, a collision, a lost connection):
 * nothing of the group stands, except perhaps where db_is_in_doubt. */
bool db_is_in_transaction(const struct db *db);
/* The last error was from a write or an fsync of the device: the server must stop (design 3.4). */
bool db_has_device_failed(const struct db *db);
/* The transaction was lost to another server's: it is worth being run again. */
bool db_has_collided(const struct db *db);
/* The connection broke: every statement fails with BUSY until db_reach. */
bool db_is_lost(const struct db *db);
/* It broke while a COMMIT was under way: the transaction stands, or it does not. Until the next db_begin. */
bool db_is_in_doubt(const struct db *db);
/* Connect again when the connection is lost; at most some seconds. Afterwards whatever this connection had under way
 * before is over for good, on the other side too. Errors: BUSY; CONFLICT when what answers is another store. */
RESULT db_reach(struct db *db, struct err *e);
/* The store's clock: its own where several servers share it, else this machine's. */
RESULT db_clock(struct db *db, int64_t *ret_now, struct err *e);

/* A reader's snapshot: begun when there is none, renewed when it may lack an acknowledged commit. */
RESULT db_snapshot(struct db *db, struct err *e);
void db_snapshot_end(struct db *db);
/* From now on every statement of this reader fails with BUSY after this many milliseconds in total (0: no limit). */
void db_limit(struct db *db, unsigned milliseconds);

/* Tell every server on this store, with the commit of this transaction; on a store of one server it tells nobody.
 * `text` is at most 200 characters, and no secret. */
RESULT db_notify(struct db *db, struct str text, struct err *e);

/* One slot for whoever sits above (audit/ keeps the records of the open transaction here). */
void db_attach(struct db *db, void *attachment);
void *db_attachment(const struct db *db);

/* ---- the store ---- */

enum db_kind { DB_WRITER, DB_READER };

/* Where a store is. `directory` holds SQLite's file DIR/keyturn.db, and the lock that keeps a second server of this
 * machine away; on PostgreSQL nothing else of the store is in it. */
struct store_place {
    const char *directory;
    const char *url;               /* NULL or "sqlite"; else "postgresql://…" (libpq's form, several hosts allowed) */
    const struct secret *password; /* of the database; NULL: in the URL or where PGPASSFILE says */
    const char *server; /* the name that this process serves under, one process each; NULL: a tool that only looks */
};
/* SQLite: WAL, synchronous FULL, STRICT tables, foreign keys on. PostgreSQL: a writer at SERIALIZABLE, readers in
 * snapshots, only ever on a server that takes writes; TLS verified except on loopback and Unix sockets.
 * Takes an exclusive lock on DIR/lock: CONFLICT "another server uses this directory" when it is held. `create`: make
 * the store, which must not be there; else it must: NOT_FOUND names `keyturn init`. Runs missing migrations; CONFLICT
 * when the store is newer than this program, or when another process serves under the same name. INVALID: the URL. */
RESULT store_open(const struct store_place *at, bool create, struct store **ret, struct err *e);
/* Read-only look at a store that a server may be using (audit verify, backup): no lock, no migration. */
RESULT store_open_reader(const struct store_place *at, struct store **ret, struct err *e);
void store_free(struct store *s);
/* For people: a path, or the URL without its password. */
const char *store_name(const struct store *s);
/* Where the database takes connections, by its URL; `host` is "" for a socket on this machine. SQLite: nowhere, 0. */
struct store_address {
    struct str host;
    int64_t port;
};
size_t store_addresses(const struct store *s, struct arena *a, struct store_address **ret);
/* Several servers may use it, and it may be out of reach: statements wait for a network, so never run one on a loop. */
bool store_is_shared(const struct store *s);
/* A reader of a shared store that is out of reach now is opened all the same, lost. */
RESULT db_open(struct store *s, enum db_kind kind, struct db **ret, struct err *e);
void db_free(struct db *db);
struct str db_server(const struct db *db);     /* the name that this process serves under; "" for a tool */
uint64_t store_commits(const struct store *s); /* counts acknowledged commits of this process */
/* A consistent copy while others write (SQLite's backup API), to a file that must not exist, 0600, fsynced, with its
 * folder. INVALID on PostgreSQL: the text names its own tools. */
RESULT store_backup(struct store *s, const char *file, struct err *e);
/* Move WAL pages into the main file; the writer calls it between groups, never inside a commit that a client waits for.
 */
void db_checkpoint(struct db *db);

/* Calls on_notice for every db_notify of any server, this one too; with "" when some may have been missed (at the
 * start, and whenever the connection was made anew). On a thread of its own. On a store of one server: nothing ever.
 */
struct listener;
RESULT store_listen(struct store *s, void (*on_notice)(void *context, struct str text), void *context,
                    struct listener **ret, struct err *e);
void listener_free(struct listener *l);
