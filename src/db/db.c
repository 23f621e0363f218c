/* db/db.c: statements, transactions and snapshots of a connection, whatever the store. */
#include "db/db.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "db/driver.h"

typedef result (*driver_run)(struct connection *c, const struct sql *sql, struct gathering *into, int64_t *ret_changed,
                             struct err *e);

static result run_by(struct db *db, driver_run by, struct sql sql, struct gathering *into, int64_t *ret_changed,
                     struct err *e)
{
    for (size_t i = 0; i < sql.n; i++)
        if (sql.params[i].kind == PARAM_TEXT && !text_is_utf8(sql.params[i].s))
            return FAIL(e, INVALID, "a text holds U+0000 or is not UTF-8");
    if (db->has_begun && !db_is_in_transaction(db))
        return FAIL(e, db_is_lost(db) ? BUSY : INTERNAL, "the store has rolled the transaction back");
    return by(db->connection, &sql, into, ret_changed, e);
}

static result run(struct db *db, struct sql sql, struct gathering *into, int64_t *ret_changed, struct err *e)
{
    return run_by(db, db->driver->run, sql, into, ret_changed, e);
}

static result gather(struct db *db, struct arena *a, struct sql sql, struct rows *ret, struct err *e)
{
    __attribute__((cleanup(gathering_free))) struct gathering g;
    gathering_init(&g, a);
    TRY(run(db, sql, &g, NULL, e));
    *ret = gathering_rows(&g);
    return SUCCESS;
}

result db_run(struct db *db, struct sql sql, struct err *e)
{
    return run(db, sql, NULL, NULL, e);
}

result db_run_later(struct db *db, struct sql sql, struct err *e)
{
    return run_by(db, db->driver->run_later ? db->driver->run_later : db->driver->run, sql, NULL, NULL, e);
}

result db_run_counting(struct db *db, struct sql sql, int64_t *ret_changed, struct err *e)
{
    return run(db, sql, NULL, ret_changed, e);
}

result db_query(struct db *db, struct arena *a, struct sql sql, struct rows *ret, struct err *e)
{
    return gather(db, a, sql, ret, e);
}

result db_query_one(struct db *db, struct arena *a, struct sql sql, const char *what, struct rows *ret, struct err *e)
{
    struct rows rows;
    TRY(gather(db, a, sql, &rows, e));
    if (rows.n != 1)
        return FAIL(e, NOT_FOUND, "%s not found", what);
    *ret = rows;
    return SUCCESS;
}

result db_insert(struct db *db, struct sql sql, int64_t *ret_id, const char *conflict, struct err *e)
{
    struct rows rows;
    arena_reset(db->scratch);
    TRY(gather(db, db->scratch, sql, &rows, e));
    if (rows.n == 0)
        return FAIL(e, CONFLICT, "%s", conflict);
    *ret_id = row_int(&rows, 0, 0);
    return SUCCESS;
}

result db_next_number(struct db *db, const char *counter, int64_t first, int64_t *ret, struct err *e)
{
    struct sql sql = SQL("INSERT INTO counters (name, next) VALUES ($1, $2)"
                         " ON CONFLICT (name) DO UPDATE SET next = counters.next + 1 RETURNING next - 1",
                         P_TEXT(str_of(counter)), P_INT(first + 1));
    return db_insert(db, sql, ret, "the counter is missing", e);
}

/* Outside its transaction a statement would stand by itself at once. */
static result control(struct db *db, enum control what, struct err *e)
{
    if (db->has_begun && what != ROLLBACK && !db_is_in_transaction(db))
        return FAIL(e, db_is_lost(db) ? BUSY : INTERNAL, "the store has rolled the transaction back");
    return db->driver->control(db->connection, what, e);
}

result db_begin(struct db *db, struct err *e)
{
    TRY(control(db, BEGIN, e));
    db->has_begun = true;
    return SUCCESS;
}

result db_begin_in_turn(struct db *db, bool *ret_is_turn, struct err *e)
{
    int64_t is_turn = 1;
    TRY(db_begin(db, e));
    if (db->driver->is_shared)
        TRY(db_insert(db, SQL("SELECT pg_try_advisory_xact_lock(54263, 55271)"), &is_turn, "the store has no locks",
                      e));
    *ret_is_turn = is_turn != 0;
    return SUCCESS;
}

result db_commit(struct db *db, struct err *e)
{
    TRY(control(db, COMMIT, e));
    db->has_begun = false;
    if (db->kind == DB_WRITER)
        atomic_fetch_add(&db->store->commits, 1);
    return SUCCESS;
}

void db_rollback(struct db *db)
{
    struct err e;
    db->has_begun = false;
    if (db_is_in_transaction(db) && !is_ok(control(db, ROLLBACK, &e)) && db_is_in_transaction(db))
        die("a transaction cannot be rolled back: %s", e.text);
}

result db_savepoint(struct db *db, struct err *e)
{
    return control(db, SAVEPOINT, e);
}

result db_release(struct db *db, struct err *e)
{
    return control(db, RELEASE, e);
}

result db_rollback_to(struct db *db, struct err *e)
{
    TRY(control(db, ROLLBACK_TO, e));
    return db_release(db, e);
}

bool db_is_in_transaction(const struct db *db)
{
    return db->driver->is_in_transaction(db->connection);
}

bool db_has_device_failed(const struct db *db)
{
    return db->driver->has_device_failed(db->connection);
}

bool db_has_collided(const struct db *db)
{
    return db->driver->has_collided && db->driver->has_collided(db->connection);
}

bool db_is_lost(const struct db *db)
{
    return db->driver->is_lost && db->driver->is_lost(db->connection);
}

bool db_is_in_doubt(const struct db *db)
{
    return db->driver->is_in_doubt && db->driver->is_in_doubt(db->connection);
}

result db_reach(struct db *db, struct err *e)
{
    return db_is_lost(db) ? db->driver->reach(db->connection, e) : SUCCESS;
}

result db_clock(struct db *db, int64_t *ret_now, struct err *e)
{
    *ret_now = clock_now();
    if (!db->driver->is_shared)
        return SUCCESS;
    return db_insert(db, SQL("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS bigint)"), ret_now,
                     "the store has no clock", e);
}

result db_notify(struct db *db, struct str text, struct err *e)
{
    if (!db->driver->is_shared)
        return SUCCESS;
    return db_run(db, SQL("SELECT pg_notify('keyturn', $1)", P_TEXT(text)), e);
}

/* On a store of one server the snapshot begins with its first statement, and what was counted until here is in it. A
 * shared one may have had commits of others at any time. */
static result begin_snapshot(struct db *db, struct err *e)
{
    TRY(db_begin(db, e));
    db->has_snapshot = true;
    int64_t touched;
    result r = db_insert(db, SQL("SELECT count(*) FROM settings WHERE name = 'schema'"), &touched, "", e);
    if (!is_ok(r))
        db_snapshot_end(db);
    return r;
}

result db_snapshot(struct db *db, struct err *e)
{
    if (db->kind != DB_READER)
        die("a snapshot is for readers");
    uint64_t commits = store_commits(db->store);
    if (db->has_snapshot && !db->driver->is_shared && db->snapshot_commits == commits && db_is_in_transaction(db))
        return SUCCESS;
    db_snapshot_end(db);
    db->snapshot_commits = commits;
    TRY(db_reach(db, e));
    result r = begin_snapshot(db, e);
    if (!db_is_lost(db))
        return r;
    /* The connection had gone stale since its last use: nothing was asked of it yet. */
    TRY(db_reach(db, e));
    return begin_snapshot(db, e);
}

void db_snapshot_end(struct db *db)
{
    if (!db->has_snapshot)
        return;
    db->has_snapshot = false;
    db_rollback(db);
}

void db_limit(struct db *db, unsigned milliseconds)
{
    if (db->kind != DB_READER)
        die("a limit is for readers: a write that is cut short would lose the whole group");
    db->driver->set_deadline(db->connection, milliseconds ? clock_monotonic() + milliseconds * (SECONDS / 1000) : 0);
}

void db_attach(struct db *db, void *attachment)
{
    db->attachment = attachment;
}

void *db_attachment(const struct db *db)
{
    return db->attachment;
}

void db_checkpoint(struct db *db)
{
    if (db->driver->checkpoint)
        db->driver->checkpoint(db->connection);
}

result db_open(struct store *s, enum db_kind kind, struct db **ret, struct err *e)
{
    struct connection *connection;
    TRY(s->driver->open(s, kind, &connection, e));
    struct db *db = calloc(1, sizeof(*db));
    if (!db)
        die("out of memory: a connection");
    *db = (struct db){.store = s, .driver = s->driver, .connection = connection, .kind = kind, .scratch = arena_new()};
    *ret = db;
    return SUCCESS;
}

struct str db_server(const struct db *db)
{
    return db->store->server ? str_of(db->store->server) : S("");
}

void db_free(struct db *db)
{
    if (!db)
        return;
    db_rollback(db);
    db->driver->close(db->connection);
    arena_free(db->scratch);
    free(db);
}
