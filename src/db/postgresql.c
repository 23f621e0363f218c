/* db/postgresql.c: the driver for PostgreSQL: statements, rows, transactions. */
#include "db/postgresql.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum { PARAMETERS_MAX = 32000 };
#define SAVEPOINT_TEXT   "SAVEPOINT work"
#define ROLLBACK_TO_TEXT "ROLLBACK TO SAVEPOINT work"

/* ---- statements ---- */

static Oid type_of(enum param_kind kind)
{
    return kind == PARAM_INT ? TYPE_INT8 : kind == PARAM_TEXT ? TYPE_TEXT : kind == PARAM_BLOB ? TYPE_BLOB : 0;
}

struct values { /* of one statement, as libpq wants them */
    const char **bytes;
    int *lengths, *formats;
    Oid *types;
    int64_t *numbers;
};

static struct values values_of(const struct sql *sql, struct arena *a)
{
    struct values v = {.bytes = arena_array(a, const char *, sql->n + 1),
                       .lengths = arena_array(a, int, sql->n + 1),
                       .formats = arena_array(a, int, sql->n + 1),
                       .types = arena_array(a, Oid, sql->n + 1),
                       .numbers = arena_array(a, int64_t, sql->n + 1)};
    for (size_t i = 0; i < sql->n; i++) {
        const struct param *p = &sql->params[i];
        v.types[i] = type_of(p->kind);
        v.formats[i] = 1;
        v.lengths[i] = (int)(p->kind == PARAM_INT ? sizeof(int64_t) : p->s.n);
        v.numbers[i] = (int64_t)htobe64((uint64_t)p->i);
        v.bytes[i] = p->kind == PARAM_NULL  ? NULL
                     : p->kind == PARAM_INT ? (const char *)&v.numbers[i]
                     : p->s.n               ? p->s.p
                                            : "";
    }
    return v;
}

/* A statement that was prepared while a value was NULL may have been given another type for it than the value has. */
static bool fits(const struct statement *s, const struct sql *sql)
{
    for (size_t i = 0; i < sql->n; i++)
        if (sql->params[i].kind != PARAM_NULL && s->kinds[i] != sql->params[i].kind)
            return false;
    return true;
}

static void note_kinds(struct statement *s, const struct sql *sql)
{
    for (size_t i = 0; i < sql->n; i++)
        if (sql->params[i].kind != PARAM_NULL)
            s->kinds[i] = sql->params[i].kind;
}

static bool send_prepare(struct connection *c, struct statement *s, const struct sql *sql, const struct values *v)
{
    s->is_prepared = false;
    note_kinds(s, sql);
    for (size_t i = 0; i < sql->n; i++)
        v->types[i] = type_of(s->kinds[i]);
    snprintf(s->name, sizeof(s->name), "k%u", ++c->statement_count);
    s->prepared_by = ++c->sent;
    return PQsendPrepare(c->pg, s->name, sql->text, (int)sql->n, v->types);
}

/* Queue the statement; prepared first where it is new here. */
static bool send_statement(struct connection *c, const struct sql *sql, struct arena *a, struct statement **ret)
{
    struct values v = values_of(sql, a);
    struct statement *s = cache_find(c->statements, sql);
    if (!s) {
        s = calloc(1, sizeof(*s) + sql->n * sizeof(enum param_kind));
        if (!s)
            die("out of memory: a statement");
        s->connection = c;
        s->n = sql->n;
        cache_add(c->statements, sql, s);
    }
    *ret = s;
    s->prepared_by = 0;
    if (s->n != sql->n)
        die("%zu parameters in the statement, %zu given: %s", s->n, sql->n, sql->text);
    if ((!s->is_prepared || !fits(s, sql)) && !send_prepare(c, s, sql, &v))
        return false;
    c->sent++;
    return PQsendQueryPrepared(c->pg, s->name, (int)sql->n, v.bytes, v.lengths, v.formats, 1);
}

static result defer_limit(struct connection *c, struct err *e)
{
    char text[60];
    int64_t left = c->deadline - clock_monotonic();
    if (c->deadline == 0)
        return SUCCESS;
    if (left <= 0)
        return FAIL(e, BUSY, "the search took too long");
    snprintf(text, sizeof(text), "SET LOCAL statement_timeout = %d", (int)(left / 1000 + 1));
    connection_defer(c, text);
    return SUCCESS;
}

static int64_t changed_by(PGresult *answer)
{
    struct str tag = str_of(PQcmdStatus(answer));
    bool is_change = str_starts(tag, S("INSERT")) || str_starts(tag, S("UPDATE")) || str_starts(tag, S("DELETE"));
    return is_change ? strtoll(PQcmdTuples(answer), NULL, 10) : 0;
}

static result postgresql_run(struct connection *c, const struct sql *sql, struct gathering *into, int64_t *ret_changed,
                             struct err *e)
{
    struct statement *s = NULL;
    PGresult *answer = NULL;
    if (c->is_lost)
        return FAIL(e, BUSY, "the store cannot be reached");
    if (sql->n > PARAMETERS_MAX)
        return FAIL(e, TOO_LARGE, "more than %d values in one statement", PARAMETERS_MAX);
    TRY(defer_limit(c, e));
    struct arena *a = arena_new();
    bool is_sent = connection_send_deferred(c) && send_statement(c, sql, a, &s);
    result r = connection_exchange(c, is_sent, &answer, e);
    arena_free(a);
    /* When the connection is lost, so is the statement. A later failure in the same exchange leaves it prepared. */
    if (!c->is_lost && s && s->prepared_by)
        s->is_prepared = s->prepared_by <= c->answered;
    TRY(r);
    if (into)
        r = postgresql_gather(answer, into, e);
    if (ret_changed)
        *ret_changed = changed_by(answer);
    PQclear(answer);
    return r;
}

/* A statement that was never prepared here is waited for: it may fail for reasons of its own. */
static result postgresql_run_later(struct connection *c, const struct sql *sql, struct gathering *into,
                                   int64_t *ret_changed, struct err *e)
{
    struct statement *s = c->is_lost || c->deadline ? NULL : cache_find(c->statements, sql);
    PGresult *answer = NULL;
    if (!s || !s->is_prepared || !fits(s, sql) || sql->n > PARAMETERS_MAX)
        return postgresql_run(c, sql, into, ret_changed, e);
    struct arena *a = arena_new();
    bool is_sent = connection_send_deferred(c) && send_statement(c, sql, a, &s);
    connection_forget_deferred(c);
    arena_free(a);
    return is_sent ? SUCCESS : connection_exchange(c, false, &answer, e);
}

/* ---- transactions ---- */

static result commit(struct connection *c, struct err *e)
{
    char tag[16] = "";
    result r = connection_run_now(c, "COMMIT", tag, e);
    /* When what waited in front of it failed, COMMIT was never asked for. */
    c->has_begun = !c->is_lost && PQtransactionStatus(c->pg) != PQTRANS_IDLE;
    if (is_ok(r) && c->was_warned) {
        log_warning("store: a commit was not confirmed by the standbys");
        connection_drop(c);
        r = FAIL(e, BUSY, "the store cannot be reached");
    }
    c->is_in_doubt = c->is_lost;
    TRY(r);
    /* To a transaction in which a statement has failed the answer is ROLLBACK, and no error. */
    if (strcmp(tag, "COMMIT") != 0)
        return FAIL(e, INTERNAL, "the store rolled back what should have been committed");
    return SUCCESS;
}

static bool is_last_deferred(const struct connection *c, const char *text)
{
    return c->deferred_count > 0 && strcmp(c->deferred[c->deferred_count - 1], text) == 0;
}

/* Nothing has happened since: it need not be sent at all. A group of works without statements sends none. */
static bool is_savepoint_unsent(const struct connection *c)
{
    return is_last_deferred(c, SAVEPOINT_TEXT);
}

/* A failure that nobody noticed would come up in the middle of the next work. */
static bool has_failed_unnoticed(const struct connection *c)
{
    return PQtransactionStatus(c->pg) == PQTRANS_INERROR && !is_last_deferred(c, ROLLBACK_TO_TEXT);
}

static result roll_back(struct connection *c, struct err *e)
{
    char tag[16];
    struct err ignored;
    PGresult *answer = NULL;
    c->has_begun = false;
    connection_forget_deferred(c);
    /* What was sent and not waited for may have failed, and would take the ROLLBACK with it. */
    if (c->sent > 0 && is_ok(connection_exchange(c, true, &answer, &ignored)))
        PQclear(answer);
    if (c->is_lost)
        return FAIL(e, BUSY, "the store cannot be reached");
    return connection_run_now(c, "ROLLBACK", tag, e);
}

static result postgresql_control(struct connection *c, enum control what, struct err *e)
{
    static const char *const texts[CONTROL_COUNT] = {
        [SAVEPOINT] = SAVEPOINT_TEXT, [RELEASE] = "RELEASE SAVEPOINT work", [ROLLBACK_TO] = ROLLBACK_TO_TEXT};
    if (what == BEGIN)
        c->is_in_doubt = false;
    if (c->is_lost)
        return FAIL(e, BUSY, "the store cannot be reached");
    if ((what == RELEASE || what == ROLLBACK_TO) && is_savepoint_unsent(c)) {
        if (what == RELEASE)
            free(c->deferred[--c->deferred_count]);
        return SUCCESS;
    }
    if (what == RELEASE && has_failed_unnoticed(c))
        return FAIL(e, INTERNAL, "a statement has failed in this transaction");
    switch (what) {
    case BEGIN:
        c->has_begun = true;
        connection_defer(c, c->kind == DB_WRITER ? "BEGIN ISOLATION LEVEL SERIALIZABLE"
                                                 : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        return SUCCESS;
    case COMMIT:
        return commit(c, e);
    case ROLLBACK:
        return roll_back(c, e);
    default:
        connection_defer(c, texts[what]);
        return SUCCESS;
    }
}

/* Several statements in one go: what waits goes out first, and libpq leaves its pipeline for it. No limit of time. */
static result postgresql_run_script(struct connection *c, const char *text, struct err *e)
{
    PGresult *before = NULL;
    if (c->is_lost)
        return FAIL(e, BUSY, "the store cannot be reached");
    TRY(connection_exchange(c, connection_send_deferred(c), &before, e));
    PQclear(before);
    if (!PQexitPipelineMode(c->pg) || PQsetnonblocking(c->pg, 0) != 0)
        die("libpq cannot leave its pipeline");
    PGresult *answer = PQexec(c->pg, text);
    bool is_done = PQresultStatus(answer) == PGRES_COMMAND_OK || PQresultStatus(answer) == PGRES_TUPLES_OK;
    if (!is_done)
        log_error("store: %s", PQerrorMessage(c->pg)); /* a script holds no values */
    PQclear(answer);
    if (PQsetnonblocking(c->pg, 1) != 0 || !PQenterPipelineMode(c->pg))
        connection_drop(c);
    return is_done ? SUCCESS : FAIL(e, INTERNAL, "the store's tables cannot be made; see the log");
}

/* ---- the rest ---- */

static bool postgresql_is_in_transaction(const struct connection *c)
{
    return !c->is_lost && c->has_begun;
}

static bool postgresql_has_device_failed(const struct connection *c)
{
    (void)c;
    return false; /* of its devices the database takes care itself */
}

static bool postgresql_has_collided(const struct connection *c)
{
    return c->has_collided;
}

static bool postgresql_is_lost(const struct connection *c)
{
    return c->is_lost;
}

static bool postgresql_is_in_doubt(const struct connection *c)
{
    return c->is_in_doubt;
}

static void postgresql_set_deadline(struct connection *c, int64_t monotonic)
{
    c->deadline = monotonic;
}

#define IN_OUR_SCHEMA " WHERE t.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())"

const struct driver postgresql_driver = {
    .dialect = {.id = "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
                .integer = "bigint",
                .flag = "bigint",
                .time = "bigint",
                .text = "text COLLATE \"C\"",
                .blob = "bytea",
                .table_end = "",
                .count_settings = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = "
                                  "'settings'",
                .lock_migrations = "SELECT count(pg_advisory_lock(5426355270))",
                .columns = "SELECT t.relname, c.attname, COALESCE(array_position(k.conkey, c.attnum), 0),"
                           " c.attidentity <> '' FROM pg_class t JOIN pg_attribute c ON c.attrelid = t.oid"
                           " LEFT JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'p'" IN_OUR_SCHEMA
                           " AND t.relkind IN ('r', 'p') AND c.attnum > 0 AND NOT c.attisdropped"
                           " ORDER BY t.relname, c.attnum",
                .references = "SELECT t.relname, r.relname FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid"
                              " JOIN pg_class r ON r.oid = k.confrelid" IN_OUR_SCHEMA " AND k.contype = 'f'",
                .next_id = "SELECT COALESCE(s.last_value + 1, s.start_value) FROM pg_sequences s"
                           " WHERE format('%I.%I', s.schemaname, s.sequencename) = pg_get_serial_sequence($1, 'id')",
                .set_next_id = "SELECT setval(CAST(pg_get_serial_sequence($1, 'id') AS regclass),"
                               " GREATEST($2 - 1, 1), $2 > 1)",
                .count_servers =
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
                    " AND pid <> pg_backend_pid()"
                    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                    " AND ((CAST(classid AS bigint) << 32) | CAST(objid AS bigint)) <> 5426355270"},
    .is_shared = true,
    .open = postgresql_open,
    .close = postgresql_close,
    .run = postgresql_run,
    .run_later = postgresql_run_later,
    .control = postgresql_control,
    .run_script = postgresql_run_script,
    .is_in_transaction = postgresql_is_in_transaction,
    .has_device_failed = postgresql_has_device_failed,
    .set_deadline = postgresql_set_deadline,
    .has_collided = postgresql_has_collided,
    .is_lost = postgresql_is_lost,
    .is_in_doubt = postgresql_is_in_doubt,
    .reach = postgresql_reach,
};
