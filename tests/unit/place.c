/* unit/place.c: an empty database for the next test. */
#include "place.h"

#include <libpq-fe.h>

#include "base/log.h"

static const char clearing[] =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid();"
    "SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
    "CREATE FUNCTION zeroblob(n int) RETURNS bytea LANGUAGE sql"
    " AS $$ SELECT decode(repeat('00', n), 'hex') $$";

int64_t run_elsewhere(const char *sql)
{
    PGconn *pg = PQconnectdb(getenv("KEYTURN_TEST_STORE_URL"));
    PGresult *answer = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(answer);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        die("the test's database refuses: %s", PQerrorMessage(pg));
    int64_t n = PQntuples(answer) > 0 ? strtoll(PQgetvalue(answer, 0, 0), NULL, 10) : 0;
    PQclear(answer);
    PQfinish(pg);
    return n;
}

void place_empty(void)
{
    if (getenv("KEYTURN_TEST_STORE_URL"))
        run_elsewhere(clearing);
}

const char *on_store(const char *sqlite, const char *postgresql)
{
    return getenv("KEYTURN_TEST_STORE_URL") ? postgresql : sqlite;
}
