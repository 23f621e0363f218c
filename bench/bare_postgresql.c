/* bench/bare_postgresql.c: the statements, run by libpq and nothing else: prepared, one round trip each; what controls
 * the transaction goes out together with the next one, as the server's driver does it. */
#include "bare.h"

#include <endian.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAITING_MAX = 8, TYPE_BLOB = 17, TYPE_INT8 = 20, TYPE_TEXT = 25 };

static const char *const texts[] = {
    "BEGIN ISOLATION LEVEL SERIALIZABLE", "SAVEPOINT work", "RELEASE SAVEPOINT work", "COMMIT", NULL,
};

static struct {
    PGconn *pg;
    const char *waiting[WAITING_MAX];
    int waiting_count;
    bool is_prepared[STATEMENTS];
} s;

static void check(bool is_good, const char *what)
{
    if (!is_good)
        stop(what, PQerrorMessage(s.pg));
}

/* The URL stands in the environment, so that no password stands in a command line. */
static void postgresql_open(const char *variable)
{
    const char *url = getenv(variable);
    s.pg = PQconnectdb(url ? url : "");
    check(PQstatus(s.pg) == CONNECTION_OK, "connecting");
    check(PQenterPipelineMode(s.pg), "the pipeline");
}

static void send_waiting(void)
{
    for (int i = 0; i < s.waiting_count; i++)
        check(PQsendQueryParams(s.pg, s.waiting[i], 0, NULL, NULL, NULL, NULL, 1), s.waiting[i]);
    s.waiting_count = 0;
}

static int64_t number_of(const PGresult *rows)
{
    uint64_t value;
    if (PQntuples(rows) == 0 || PQgetlength(rows, 0, 0) != sizeof(value))
        return 0;
    memcpy(&value, PQgetvalue(rows, 0, 0), sizeof(value));
    return (int64_t)be64toh(value);
}

/* The last answer counts. */
static int64_t receive(const char *what, int rows_min)
{
    int64_t first = 0;
    int rows = 0;
    check(PQpipelineSync(s.pg), what);
    for (;;) {
        PGresult *answer = PQgetResult(s.pg);
        ExecStatusType status = PQresultStatus(answer);
        if (!answer)
            continue;
        check(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_PIPELINE_SYNC, what);
        if (status != PGRES_PIPELINE_SYNC) {
            rows = PQntuples(answer);
            first = number_of(answer);
        }
        PQclear(answer);
        if (status == PGRES_PIPELINE_SYNC)
            break;
    }
    if (rows < rows_min)
        stop(what, "too few rows");
    return first;
}

static void prepare(enum statement which, const char *name, const struct value *values, size_t n)
{
    Oid types[PARAMETERS_MAX];
    for (size_t i = 0; i < n; i++)
        types[i] = values[i].kind == INTEGER ? TYPE_INT8 : values[i].kind == TEXT ? TYPE_TEXT : TYPE_BLOB;
    check(PQsendPrepare(s.pg, name, statement_texts[which], (int)n, types), name);
    s.is_prepared[which] = true;
}

static int64_t postgresql_run(enum statement which, const struct value *values, size_t n, int rows_min)
{
    const char *bytes[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX], formats[PARAMETERS_MAX];
    uint64_t numbers[PARAMETERS_MAX];
    char name[16];
    snprintf(name, sizeof(name), "s%d", (int)which);
    for (size_t i = 0; i < n; i++) {
        numbers[i] = htobe64((uint64_t)values[i].number);
        bytes[i] = values[i].kind == INTEGER ? (const char *)&numbers[i] : values[i].bytes;
        lengths[i] = values[i].kind == INTEGER ? (int)sizeof(numbers[i]) : (int)values[i].n;
        formats[i] = 1;
    }
    send_waiting();
    if (!s.is_prepared[which])
        prepare(which, name, values, n);
    check(PQsendQueryPrepared(s.pg, name, (int)n, bytes, lengths, formats, 1), name);
    return receive(statement_texts[which], rows_min);
}

static void postgresql_control(enum control what)
{
    if (s.waiting_count == WAITING_MAX)
        stop(texts[what], "too much waits");
    s.waiting[s.waiting_count++] = texts[what];
    if (what != COMMIT)
        return;
    send_waiting();
    receive(texts[what], 0);
}

static void nothing(void)
{
}

static void postgresql_close(void)
{
    PQfinish(s.pg);
}

const struct bare_store bare_postgresql = {texts,          postgresql_open, postgresql_control,
                                           postgresql_run, nothing,         postgresql_close};
