/* db/migration.c: the numbered migrations, embedded, and how they are written out for a kind of store. */
#include "db/migration.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/log.h"

/* migrations[]: number n stands at n - 1. */
#include "migrations.inc" /* made from migrations/ by script/embed-text */
enum { NEWEST = sizeof(migrations) / sizeof(migrations[0]) };

/* ---- translation ---- */

struct translation {
    const struct dialect *dialect;
    struct buf *out;
    struct str column;   /* the last word: what a type belongs to */
    struct str words[2]; /* that the statement begins with */
    size_t word_count, depth;
};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80);
}

static bool is_quote(char c)
{
    return c == '\'' || c == '"' || c == '`';
}

static size_t length_until(struct str s, size_t from, struct str end, bool takes_end)
{
    ptrdiff_t at = str_find(str_sub(s, from, s.n), end);
    return at < 0 ? s.n : from + (size_t)at + (takes_end ? end.n : 0);
}

/* Take a comment, a quoted text, a word, a type or a single character off the front. A doubled quote inside a quoted
 * text reads as two quoted texts side by side, which comes to the same. */
static struct str next_token(struct str *rest)
{
    struct str s = *rest;
    size_t n = 1;
    if (str_starts(s, S("--")))
        n = length_until(s, 2, S("\n"), false);
    else if (str_starts(s, S("/*")))
        n = length_until(s, 2, S("*/"), true);
    else if (is_quote(s.p[0]))
        n = length_until(s, 1, (struct str){s.p, 1}, true);
    else if (is_word(s.p[0]) || s.p[0] == '@')
        while (n < s.n && is_word(s.p[n]))
            n++;
    *rest = str_sub(s, n, s.n);
    return str_sub(s, 0, n);
}

static result add_type(struct translation *t, struct str type, struct err *e)
{
    const struct dialect *d = t->dialect;
    const struct {
        struct str name;
        const char *written;
    } types[] = {{S("@id"), d->id},     {S("@int"), d->integer}, {S("@flag"), d->flag},
                 {S("@time"), d->time}, {S("@text"), d->text},   {S("@blob"), d->blob}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (str_equal(type, types[i].name)) {
            buf_add(t->out, str_of(types[i].written));
            if (str_equal(type, S("@flag")))
                buf_printf(t->out, " CHECK (%.*s IN (0, 1))", STR_ARG(t->column));
            return SUCCESS;
        }
    return FAIL(e, INTERNAL, "a migration names the unknown type %.*s", STR_ARG(type));
}

static void end_statement(struct translation *t)
{
    if (str_equal_fold(t->words[0], S("CREATE")) && str_equal_fold(t->words[1], S("TABLE")))
        buf_add(t->out, str_of(t->dialect->table_end));
    t->words[0] = t->words[1] = STR_ABSENT;
    t->word_count = 0;
}

static result add_token(struct translation *t, struct str token, struct err *e)
{
    char c = token.p[0];
    if (c == '@')
        return add_type(t, token, e);
    if (is_word(c) || is_quote(c)) {
        t->column = token;
        if (t->word_count < 2)
            t->words[t->word_count++] = token;
    }
    t->depth += c == '(';
    t->depth -= c == ')' && t->depth > 0;
    if (c == ';' && t->depth == 0)
        end_statement(t);
    buf_add(t->out, token);
    return SUCCESS;
}

result migration_translate(const struct dialect *dialect, struct str text, struct arena *a, const char **ret,
                           struct err *e)
{
    AUTOBUF out;
    buf_init(&out, 1 << 20);
    struct translation t = {.dialect = dialect, .out = &out};
    while (text.n > 0)
        TRY(add_token(&t, next_token(&text), e));
    if (out.has_failed)
        return FAIL(e, INTERNAL, "a migration is too long");
    *ret = arena_cstr(a, buf_str(&out));
    return SUCCESS;
}

/* ---- which ones are missing ---- */

/* 0: there are no tables yet. */
static result read_schema(struct db *db, int64_t *ret, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    int64_t tables;
    struct rows rows;
    TRY(db_insert(db, SQL(db->driver->dialect.count_settings), &tables, "no count", e));
    if (tables == 0) {
        *ret = 0;
        return SUCCESS;
    }
    TRY(db_query(db, a, SQL("SELECT value FROM settings WHERE name = 'schema'"), &rows, e));
    if (rows.n != 1 || !str_to_int(row_text(&rows, 0, 0), 1, INT32_MAX, ret))
        return FAIL(e, CONFLICT, "%s is not a store of Keyturn: its settings name no schema", db->store->place);
    if (*ret > NEWEST)
        return FAIL(e, CONFLICT,
                    "%s was written by a newer Keyturn (schema %" PRId64
                    ", this program knows %d): use that version, or "
                    "restore a backup from before the upgrade",
                    db->store->place, *ret, NEWEST);
    return SUCCESS;
}

/* In the transaction that it opened. Another server may have run it while this one waited for the lock. */
static result run_begun(struct db *db, int64_t number, bool *ret_has_run, struct arena *a, struct err *e)
{
    const char *script = NULL;
    int64_t schema = 0;
    TRY(migration_translate(&db->driver->dialect, str_of(migrations[number - 1]), a, &script, e));
    TRY(read_schema(db, &schema, e));
    *ret_has_run = number <= schema;
    if (*ret_has_run)
        return SUCCESS;
    TRY(db->driver->run_script(db->connection, script, e));
    return db_run(db,
                  SQL("INSERT INTO settings (name, value) VALUES ('schema', $1)"
                      " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                      P_TEXT(arena_printf(a, "%" PRId64, number))),
                  e);
}

static result run_one(struct db *db, int64_t number, bool is_upgrade, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    bool has_run = false;
    TRY(db_begin(db, e));
    TRY(run_begun(db, number, &has_run, a, e));
    TRY(db_commit(db, e));
    if (is_upgrade && !has_run)
        log_info("the store was brought to schema %" PRId64, number);
    return SUCCESS;
}

result migrations_run(struct db *db, struct err *e)
{
    int64_t schema = 0, waited;
    TRY(read_schema(db, &schema, e));
    if (schema < NEWEST && db->driver->dialect.lock_migrations)
        TRY(db_insert(db, SQL(db->driver->dialect.lock_migrations), &waited, "no lock", e));
    for (int64_t number = schema + 1; number <= NEWEST; number++) {
        result r = run_one(db, number, schema > 0, e);
        if (!is_ok(r)) {
            db_rollback(db);
            return r;
        }
    }
    return SUCCESS;
}

result migrations_check(struct db *db, struct err *e)
{
    int64_t schema = 0;
    TRY(read_schema(db, &schema, e));
    if (schema == 0 && db->driver->is_shared)
        return FAIL(e, NOT_FOUND, "%s holds no store: make one with `keyturn init --store`", db->store->place);
    if (schema == 0)
        return FAIL(e, CONFLICT, "%s holds no tables: its making was cut short; remove it and run `keyturn init`",
                    db->store->place);
    return SUCCESS;
}
