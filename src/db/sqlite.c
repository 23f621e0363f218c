/* db/sqlite.c: the driver for SQLite; the only file that knows it. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/driver.h"
#include "db/sqlite_reason.h"

enum {
    BUSY_TIMEOUT_MS = 5000,
    OPERATIONS_PER_LOOK = 1000, /* about 20 µs between two looks at the clock */
    CHECKPOINT_PAGES = 1024,    /* of 4 KiB in the WAL, since the last checkpoint */
    RESTART_PAGES = 16 * CHECKPOINT_PAGES,
    RESTART_WAIT_MS = 250,
    RESTART_WAIT_MAX_MS = 2500 /* a search ends after 2 s */
};

struct statement {
    sqlite3_stmt *stmt;
    size_t n;
    int indexes[]; /* $1 stands at indexes[0]: SQLite numbers by first appearance */
};

struct connection {
    sqlite3 *db;
    enum db_kind kind;
    struct cache *statements;
    int64_t deadline;
    bool has_device_failed;
    int wal_pages, checkpointed_pages, restart_pages; /* when it is so long, readers are waited for */
};

/* ---- errors ---- */

/* SQLite's own words name tables and columns, never values; they are for the log, not for callers. */
static result fail(struct connection *c, sqlite3 *db, int rc, struct err *e)
{
    int system_errno = errno; /* sqlite3_system_errno() may be an older one's: COMMIT does not set it */
    struct reason reason = reason_of(rc, system_errno);
    if (is_device_failure(rc) && reason.code != STORE_FULL)
        c->has_device_failed = true;
    if (reason.code == INTERNAL)
        log_error("store: %s (SQLite %d, errno %d)", sqlite3_errmsg(db), rc, system_errno);
    err_set(e, reason.code, NULL, "%s", reason.text);
    return (result){reason.code ? reason.code : INTERNAL};
}

/* ---- opening ---- */

static void sqlite_close(struct connection *c)
{
    if (!c)
        return;
    cache_free(c->statements);
    if (sqlite3_close(c->db) != SQLITE_OK)
        die("a connection was closed in the middle of something");
    free(c);
}

static void connection_free(struct connection *c)
{
    sqlite_close(c);
}
DEFINE_AUTOFREE(connection)

static void statement_release(void *statement)
{
    struct statement *s = statement;
    sqlite3_finalize(s->stmt);
    free(s);
}

static int has_passed_deadline(void *context)
{
    const struct connection *c = context;
    return c->deadline != 0 && clock_monotonic() >= c->deadline;
}

static int note_wal_pages(void *context, sqlite3 *db, const char *name, int pages)
{
    struct connection *c = context;
    (void)db;
    (void)name;
    c->wal_pages = pages;
    return SQLITE_OK;
}

static result sqlite_run_script(struct connection *c, const char *text, struct err *e)
{
    errno = 0;
    int rc = sqlite3_exec(c->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? SUCCESS : fail(c, c->db, rc, e);
}

static result set_up(struct connection *c, enum db_kind kind, struct err *e)
{
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_MS);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_limit(c->db, SQLITE_LIMIT_ATTACHED, 0);
    /* LIKE tells cases apart as PostgreSQL's does. */
    TRY(sqlite_run_script(c,
                          "PRAGMA case_sensitive_like = ON; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; "
                          "PRAGMA temp_store = MEMORY;"
                          "PRAGMA cache_size = -8192; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON",
                          e));
    if (kind == DB_READER)
        return sqlite_run_script(c, "PRAGMA query_only = ON", e);
    TRY(sqlite_run_script(c,
                          "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;"
                          "PRAGMA journal_size_limit = 67108864",
                          e));
    sqlite3_wal_hook(c->db, note_wal_pages, c);
    return SUCCESS;
}

/* SQLite's own count of its memory takes a lock at each allocation, and nobody asks for it. */
static void count_no_memory(void)
{
    if (sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK)
        log_warning("store: SQLite was in use before its first connection");
}

static result sqlite_open(struct store *store, enum db_kind kind, struct connection **ret, struct err *e)
{
    AUTOFREE(connection) c = calloc(1, sizeof(*c));
    if (!c)
        die("out of memory: a connection");
    c->kind = kind;
    c->restart_pages = RESTART_PAGES;
    c->statements = cache_new(STATEMENTS_CACHED, statement_release);
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, count_no_memory);
    int flags = kind == DB_READER ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    int rc = sqlite3_open_v2(store->place, &c->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    if (rc != SQLITE_OK)
        return fail(c, c->db, rc, e);
    TRY(set_up(c, kind, e));
    *ret = TAKE(c);
    return SUCCESS;
}

/* ---- statements ---- */

static void find_indexes(struct statement *s, const struct sql *sql)
{
    if ((size_t)sqlite3_bind_parameter_count(s->stmt) != sql->n)
        die("%d parameters in the statement, %zu given: %s", sqlite3_bind_parameter_count(s->stmt), sql->n, sql->text);
    for (size_t i = 0; i < sql->n; i++) {
        char name[24];
        snprintf(name, sizeof(name), "$%zu", i + 1);
        s->indexes[i] = sqlite3_bind_parameter_index(s->stmt, name);
        if (s->indexes[i] == 0)
            die("the statement has no %s: %s", name, sql->text);
    }
}

static result find_statement(struct connection *c, const struct sql *sql, struct statement **ret, struct err *e)
{
    struct statement *s = cache_find(c->statements, sql);
    if (!s) {
        sqlite3_stmt *stmt;
        const char *tail;
        int rc = sqlite3_prepare_v3(c->db, sql->text, -1, SQLITE_PREPARE_PERSISTENT, &stmt, &tail);
        if (rc != SQLITE_OK)
            return fail(c, c->db, rc, e);
        if (!stmt || *tail)
            die("not one statement: %s", sql->text);
        s = calloc(1, sizeof(*s) + sql->n * sizeof(int));
        if (!s)
            die("out of memory: a statement");
        s->stmt = stmt;
        s->n = sql->n;
        find_indexes(s, sql);
        cache_add(c->statements, sql, s);
    }
    if (s->n != sql->n)
        die("%zu parameters in the statement, %zu given: %s", s->n, sql->n, sql->text);
    *ret = s;
    return SUCCESS;
}

/* Nothing is copied: the statement is stepped to its end before the parameters can go away. */
static int bind(const struct statement *s, const struct sql *sql)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < sql->n && rc == SQLITE_OK; i++) {
        const struct param *p = &sql->params[i];
        const char *bytes = p->s.n ? p->s.p : "";
        if (p->kind == PARAM_NULL)
            rc = sqlite3_bind_null(s->stmt, s->indexes[i]);
        else if (p->kind == PARAM_INT)
            rc = sqlite3_bind_int64(s->stmt, s->indexes[i], p->i);
        else if (p->kind == PARAM_TEXT)
            rc = sqlite3_bind_text64(s->stmt, s->indexes[i], bytes, p->s.n, SQLITE_STATIC, SQLITE_UTF8);
        else
            rc = sqlite3_bind_blob64(s->stmt, s->indexes[i], bytes, p->s.n, SQLITE_STATIC);
    }
    return rc;
}

/* sqlite3_column_…() would look the column up again for each question. */
static void gather_row(sqlite3_stmt *stmt, struct gathering *into)
{
    int columns = sqlite3_column_count(stmt);
    into->columns = (size_t)columns;
    for (int i = 0; i < columns; i++) {
        sqlite3_value *value = sqlite3_column_value(stmt, i);
        const void *bytes;
        switch (sqlite3_value_type(value)) {
        case SQLITE_NULL:
            gather_null(into);
            break;
        case SQLITE_INTEGER:
            gather_int(into, sqlite3_value_int64(value));
            break;
        case SQLITE_TEXT:
            bytes = sqlite3_value_text(value);
            gather_bytes(into, PARAM_TEXT, bytes, (size_t)sqlite3_value_bytes(value));
            break;
        case SQLITE_BLOB:
            bytes = sqlite3_value_blob(value);
            gather_bytes(into, PARAM_BLOB, bytes, (size_t)sqlite3_value_bytes(value));
            break;
        default:
            die("a fraction in the column %s", sqlite3_column_name(stmt, i));
        }
    }
}

static result step_to_end(struct connection *c, sqlite3_stmt *stmt, struct gathering *into, struct err *e)
{
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (!into)
            continue;
        gather_row(stmt, into);
        if (gathering_is_too_large(into))
            return FAIL(e, TOO_LARGE, "the result is larger than %d MiB", RESULT_BYTES_MAX >> 20);
    }
    return rc == SQLITE_DONE ? SUCCESS : fail(c, c->db, rc, e);
}

static result sqlite_run(struct connection *c, const struct sql *sql, struct gathering *into, int64_t *ret_changed,
                         struct err *e)
{
    struct statement *s = NULL;
    TRY(find_statement(c, sql, &s, e));
    /* A short query may end before the first look at the clock. ROLLBACK has no columns and must work. */
    if (sqlite3_column_count(s->stmt) > 0 && has_passed_deadline(c))
        return FAIL(e, BUSY, "the search took too long");
    errno = 0;
    int rc = bind(s, sql);
    result r = rc == SQLITE_OK ? step_to_end(c, s->stmt, into, e) : fail(c, c->db, rc, e);
    /* What is said of changes is of the last statement that could make any. */
    if (is_ok(r) && ret_changed)
        *ret_changed = sqlite3_stmt_readonly(s->stmt) ? 0 : sqlite3_changes64(c->db);
    sqlite3_reset(s->stmt);
    sqlite3_clear_bindings(s->stmt);
    return r;
}

/* ---- the rest ---- */

static result sqlite_control(struct connection *c, enum control what, struct err *e)
{
    static const char *const texts[CONTROL_COUNT] = {[BEGIN] = "BEGIN",
                                                     [COMMIT] = "COMMIT",
                                                     [ROLLBACK] = "ROLLBACK",
                                                     [SAVEPOINT] = "SAVEPOINT work",
                                                     [RELEASE] = "RELEASE SAVEPOINT work",
                                                     [ROLLBACK_TO] = "ROLLBACK TO SAVEPOINT work"};
    bool is_writer = c->kind == DB_WRITER;
    struct sql sql = SQL(what == BEGIN && is_writer ? "BEGIN IMMEDIATE" : texts[what]);
    return sqlite_run(c, &sql, NULL, NULL, e);
}

static bool sqlite_is_in_transaction(const struct connection *c)
{
    return !sqlite3_get_autocommit(c->db);
}

static bool sqlite_has_device_failed(const struct connection *c)
{
    return c->has_device_failed;
}

static void sqlite_set_deadline(struct connection *c, int64_t monotonic)
{
    c->deadline = monotonic;
    sqlite3_progress_handler(c->db, monotonic ? OPERATIONS_PER_LOOK : 0, monotonic ? has_passed_deadline : NULL, c);
}

/* The WAL begins anew only when nobody reads in it, and readers that overlap may leave no such moment. RESTART makes
 * one: whoever comes now reads in the main file, and whoever was there is waited for, longer only when it is needed. */
static int restart_wal(struct connection *c)
{
    bool is_urgent = c->wal_pages >= 4 * RESTART_PAGES;
    c->restart_pages = c->wal_pages + RESTART_PAGES;
    sqlite3_busy_timeout(c->db, is_urgent ? RESTART_WAIT_MAX_MS : RESTART_WAIT_MS);
    int rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_MS);
    return rc;
}

/* PASSIVE waits for nobody. A reader that holds an old snapshot keeps the WAL growing: then only each further 4 MiB are
 * worth another try. A full disk is no reason to say anything here: the next commit will. */
static void sqlite_checkpoint(struct connection *c)
{
    if (c->wal_pages < c->checkpointed_pages) { /* the WAL has begun anew */
        c->checkpointed_pages = 0;
        c->restart_pages = RESTART_PAGES;
    }
    if (c->wal_pages - c->checkpointed_pages < CHECKPOINT_PAGES)
        return;
    struct err e;
    errno = 0;
    int rc = c->wal_pages >= c->restart_pages
                 ? restart_wal(c)
                 : sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    c->checkpointed_pages = c->wal_pages;
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        fail(c, c->db, rc, &e);
}

static result copy_into(struct connection *c, sqlite3 *to, struct err *e)
{
    /* The copy is worth nothing until it is complete, so it needs neither a journal nor a sync on the way. */
    int rc = sqlite3_exec(to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return fail(c, to, rc, e);
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", c->db, "main");
    if (!backup)
        return fail(c, to, sqlite3_extended_errcode(to), e);
    errno = 0;
    sqlite3_backup_step(backup, -1);
    rc = sqlite3_backup_finish(backup);
    return rc == SQLITE_OK ? SUCCESS : fail(c, to, rc, e);
}

static result sqlite_copy(struct connection *c, const char *file, struct err *e)
{
    sqlite3 *to;
    int rc = sqlite3_open_v2(file, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    sqlite3_extended_result_codes(to, 1);
    result r = rc == SQLITE_OK ? copy_into(c, to, e) : fail(c, to, rc, e);
    sqlite3_close(to);
    return r;
}

static const char catalogue_columns[] =
    "SELECT t.name, c.name, c.pk, c.pk > 0 AND instr(t.sql, 'AUTOINCREMENT') > 0 FROM sqlite_master t"
    " JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT GLOB 'sqlite_*' ORDER BY t.name, c.cid";
static const char catalogue_references[] =
    "SELECT t.name, f.\"table\" FROM sqlite_master t JOIN pragma_foreign_key_list(t.name) f WHERE t.type = 'table'";

const struct driver sqlite_driver = {
    .dialect = {.id = "INTEGER PRIMARY KEY AUTOINCREMENT",
                .integer = "INTEGER",
                .flag = "INTEGER",
                .time = "INTEGER",
                .text = "TEXT",
                .blob = "BLOB",
                .table_end = " STRICT",
                .count_settings = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'settings'",
                .columns = catalogue_columns,
                .references = catalogue_references,
                .next_id = "SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = $1), 0) + 1",
                .set_next_id = "INSERT OR REPLACE INTO sqlite_sequence (rowid, name, seq)"
                               " VALUES ((SELECT rowid FROM sqlite_sequence WHERE name = $1), $1, $2 - 1)"},
    .open = sqlite_open,
    .close = sqlite_close,
    .run = sqlite_run,
    .control = sqlite_control,
    .run_script = sqlite_run_script,
    .is_in_transaction = sqlite_is_in_transaction,
    .has_device_failed = sqlite_has_device_failed,
    .set_deadline = sqlite_set_deadline,
    .checkpoint = sqlite_checkpoint,
    .copy = sqlite_copy,
};
