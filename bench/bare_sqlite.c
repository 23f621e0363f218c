/* bench/bare_sqlite.c: the statements, run by SQLite and nothing else. */
#include "bare.h"

#include <sqlite3.h>

enum { CHECKPOINT_PAGES = 1024 };

static const char *const texts[] = {
    "PRAGMA case_sensitive_like = ON; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; "
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA cache_size = -8192; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON",
    "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;"
    "PRAGMA journal_size_limit = 67108864",
    "SAVEPOINT work",
    "RELEASE SAVEPOINT work",
    NULL,
};
enum { SET_UP = 2 };

static const char *const controls[CONTROLS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [SAVEPOINT] = "SAVEPOINT work",
    [RELEASE] = "RELEASE SAVEPOINT work",
    [COMMIT] = "COMMIT",
};

struct prepared {
    sqlite3_stmt *stmt;
    int indexes[PARAMETERS_MAX]; /* $1 stands at indexes[0] */
};

static struct {
    sqlite3 *db;
    struct prepared statements[STATEMENTS], controls[CONTROLS];
    int wal_pages, checkpointed_pages;
} s;

static void check(int rc, const char *what)
{
    if (rc != SQLITE_OK)
        stop(what, sqlite3_errmsg(s.db));
}

static int note_wal_pages(void *context, sqlite3 *db, const char *name, int pages)
{
    (void)context;
    (void)db;
    (void)name;
    s.wal_pages = pages;
    return SQLITE_OK;
}

static void prepare(struct prepared *p, const char *text)
{
    check(sqlite3_prepare_v3(s.db, text, -1, SQLITE_PREPARE_PERSISTENT, &p->stmt, NULL), text);
    int n = sqlite3_bind_parameter_count(p->stmt);
    for (int i = 0; i < n; i++) {
        char *name = sqlite3_mprintf("$%d", i + 1);
        p->indexes[i] = sqlite3_bind_parameter_index(p->stmt, name);
        sqlite3_free(name);
    }
}

static void sqlite_open(const char *directory)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    char *file = sqlite3_mprintf("%s/keyturn.db", directory);
    check(sqlite3_open_v2(file, &s.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL), file);
    sqlite3_free(file);
    for (size_t i = 0; i < SET_UP; i++)
        check(sqlite3_exec(s.db, texts[i], NULL, NULL, NULL), texts[i]);
    sqlite3_wal_hook(s.db, note_wal_pages, NULL);
    for (enum statement i = 0; i < STATEMENTS; i++)
        prepare(&s.statements[i], statement_texts[i]);
    for (enum control i = 0; i < CONTROLS; i++)
        prepare(&s.controls[i], controls[i]);
}

static void sqlite_close(void)
{
    for (enum statement i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(s.statements[i].stmt);
    for (enum control i = 0; i < CONTROLS; i++)
        sqlite3_finalize(s.controls[i].stmt);
    check(sqlite3_close(s.db), "closing");
}

static int bind(sqlite3_stmt *stmt, int index, const struct value *v)
{
    if (v->kind == INTEGER)
        return sqlite3_bind_int64(stmt, index, v->number);
    if (v->kind == TEXT)
        return sqlite3_bind_text64(stmt, index, v->bytes, v->n, SQLITE_STATIC, SQLITE_UTF8);
    return sqlite3_bind_blob64(stmt, index, v->bytes, v->n, SQLITE_STATIC);
}

static int64_t step(struct prepared *p, const char *text, int rows_min)
{
    int64_t first = 0;
    int rc, rows = 0;
    while ((rc = sqlite3_step(p->stmt)) == SQLITE_ROW)
        if (rows++ == 0)
            first = sqlite3_column_int64(p->stmt, 0);
    if (rc != SQLITE_DONE)
        stop(text, sqlite3_errmsg(s.db));
    if (rows < rows_min)
        stop(text, "too few rows");
    sqlite3_reset(p->stmt);
    sqlite3_clear_bindings(p->stmt);
    return first;
}

static int64_t sqlite_run(enum statement which, const struct value *values, size_t n, int rows_min)
{
    struct prepared *p = &s.statements[which];
    const char *text = statement_texts[which];
    if ((size_t)sqlite3_bind_parameter_count(p->stmt) != n)
        stop(text, "another number of parameters");
    for (size_t i = 0; i < n; i++)
        check(bind(p->stmt, p->indexes[i], &values[i]), text);
    return step(p, text, rows_min);
}

static void sqlite_control(enum control what)
{
    step(&s.controls[what], controls[what], 0);
}

static void checkpoint(void)
{
    if (s.wal_pages < s.checkpointed_pages)
        s.checkpointed_pages = 0;
    if (s.wal_pages - s.checkpointed_pages < CHECKPOINT_PAGES)
        return;
    check(sqlite3_wal_checkpoint_v2(s.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL), "checkpoint");
    s.checkpointed_pages = s.wal_pages;
}

const struct bare_store bare_sqlite = {texts, sqlite_open, sqlite_control, sqlite_run, checkpoint, sqlite_close};
