/* db/postgresql_ask.c: nothing that a database is asked is waited for without end, but a script of migrations: it may
 * hang and still hold the connection open. */
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "db/postgresql.h"

bool postgresql_wait(PGconn *pg, short events, int64_t until)
{
    for (;;) {
        int64_t left = until - clock_monotonic();
        struct pollfd ready = {.fd = PQsocket(pg), .events = events};
        if (left <= 0 || ready.fd < 0)
            return false;
        int n = poll(&ready, 1, (int)(left / 1000 + 1));
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
    }
}

bool postgresql_next(PGconn *pg, int64_t until, PGresult **ret)
{
    *ret = NULL;
    while (PQisBusy(pg))
        if (!postgresql_wait(pg, POLLIN, until) || !PQconsumeInput(pg))
            return false;
    *ret = PQgetResult(pg);
    return PQstatus(pg) == CONNECTION_OK;
}

PGresult *postgresql_ask(PGconn *pg, const char *query, const char *value)
{
    const char *const values[] = {value};
    int64_t until = clock_monotonic() + POSTGRESQL_ANSWERS_WITHIN;
    PGresult *last = NULL;
    bool is_sent = value ? PQsendQueryParams(pg, query, 1, NULL, values, NULL, NULL, 0) : PQsendQuery(pg, query);
    while (is_sent) {
        PGresult *answer = NULL;
        if (!postgresql_next(pg, until, &answer)) {
            PQclear(answer);
            PQclear(last);
            return NULL;
        }
        if (!answer)
            break;
        PQclear(last);
        last = answer;
    }
    return last;
}

const char *postgresql_problem(const PGconn *pg)
{
    const char *text = PQerrorMessage(pg);
    return text[0] ? text : "no answer in time";
}
