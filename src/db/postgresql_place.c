/* db/postgresql_place.c: a PostgreSQL URL, what we add to it, and connecting. */
#include "db/postgresql.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret_open.h"

enum { KEYWORDS_MAX = 64, HOSTS_MAX = 16, PORT = 5432 };

struct postgresql_place {
    const char *keywords[KEYWORDS_MAX];
    char *values[KEYWORDS_MAX]; /* ours */
    size_t n;
};

static void set(struct postgresql_place *p, const char *keyword, struct str value)
{
    size_t i = 0;
    while (i < p->n && strcmp(p->keywords[i], keyword) != 0)
        i++;
    char *copy = strndup(value.p, value.n);
    if (i + 1 >= KEYWORDS_MAX || !copy)
        die("the store's URL has too many settings, or memory is out");
    free(p->values[i]);
    p->keywords[i] = keyword;
    p->values[i] = copy;
    p->n += i == p->n;
}

static const char *value_of(const struct postgresql_place *p, const char *keyword)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->keywords[i], keyword) == 0)
            return p->values[i];
    return NULL;
}

static void set_unless(struct postgresql_place *p, const char *keyword, const char *value)
{
    if (!value_of(p, keyword))
        set(p, keyword, str_of(value));
}

void postgresql_place_free(struct postgresql_place *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n; i++) {
        wipe(p->values[i], strlen(p->values[i]));
        free(p->values[i]);
    }
    free(p);
}

/* The keywords are libpq's own texts, which live as long as the program: PQconndefaults' table is static. */
static const char *known_keyword(const char *name)
{
    static const char *const known[] = {"host",
                                        "hostaddr",
                                        "port",
                                        "dbname",
                                        "user",
                                        "password",
                                        "passfile",
                                        "sslmode",
                                        "sslrootcert",
                                        "sslcert",
                                        "sslkey",
                                        "sslcrl",
                                        "sslcrldir",
                                        "sslsni",
                                        "sslpassword",
                                        "channel_binding",
                                        "krbsrvname",
                                        "target_session_attrs",
                                        "gssencmode",
                                        "options",
                                        "keepalives",
                                        "keepalives_idle",
                                        "requirepeer",
                                        "keepalives_interval",
                                        "keepalives_count",
                                        "tcp_user_timeout",
                                        "connect_timeout",
                                        "application_name",
                                        "fallback_application_name",
                                        "ssl_min_protocol_version",
                                        "ssl_max_protocol_version",
                                        "client_encoding"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i], name) == 0)
            return known[i];
    return NULL;
}

static result take_apart(struct postgresql_place *p, const char *url, struct err *e)
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &message);
    if (!options) { /* libpq's text may repeat the URL, and the password with it */
        PQfreemem(message);
        return FAIL(e, INVALID, "--store: this is no postgresql://USER@HOST[:PORT]/DATABASE that libpq understands");
    }
    result r = SUCCESS;
    for (PQconninfoOption *o = options; o->keyword && is_ok(r); o++) {
        if (!o->val)
            continue;
        const char *keyword = known_keyword(o->keyword);
        if (keyword)
            set(p, keyword, str_of(o->val));
        else
            r = FAIL(e, INVALID, "--store: the setting %s is not taken in the URL of a store", o->keyword);
        wipe(o->val, strlen(o->val));
    }
    PQconninfoFree(options);
    return r;
}

static bool is_local(struct str host)
{
    return host.n == 0 || host.p[0] == '/' || host.p[0] == '@' || str_equal(host, S("localhost")) ||
           str_equal(host, S("::1")) || str_starts(host, S("127."));
}

static bool are_hosts_local(const struct postgresql_place *p)
{
    const char *list = value_of(p, "hostaddr");
    struct str rest = str_of(list ? list : value_of(p, "host") ? value_of(p, "host") : "");
    for (;;) {
        ptrdiff_t comma = str_find_char(rest, ',');
        if (!is_local(comma < 0 ? rest : str_sub(rest, 0, (size_t)comma)))
            return false;
        if (comma < 0)
            return true;
        rest = str_sub(rest, (size_t)comma + 1, rest.n);
    }
}

/* Every password of the house goes through this connection (sealed), and every right is read from it. */
static result check_tls(struct postgresql_place *p, struct err *e)
{
    const char *mode = value_of(p, "sslmode");
    if (are_hosts_local(p)) {
        set_unless(p, "sslmode", "prefer");
        return SUCCESS;
    }
    if (mode && strcmp(mode, "verify-full") != 0 && strcmp(mode, "verify-ca") != 0)
        return FAIL(e, INVALID,
                    "--store: sslmode=%s does not verify the database's certificate; use sslmode=verify-full with "
                    "sslrootcert=FILE",
                    mode);
    set_unless(p, "sslmode", "verify-full");
    static const char system_roots[] = "/etc/ssl/certs/ca-certificates.crt";
    if (access(system_roots, R_OK) == 0)
        set_unless(p, "sslrootcert", system_roots);
    return SUCCESS;
}

static result fill(struct postgresql_place *p, const struct store_place *at, struct err *e)
{
    TRY(take_apart(p, at->url, e));
    if (!value_of(p, "dbname"))
        return FAIL(e, INVALID, "--store: the URL names no database");
    const char *attributes = value_of(p, "target_session_attrs");
    if (attributes && strcmp(attributes, "read-write") != 0 && strcmp(attributes, "primary") != 0)
        return FAIL(e, INVALID, "--store: target_session_attrs=%s: a store is read and written", attributes);
    TRY(check_tls(p, e));
    if (at->password)
        set(p, "password", secret_open(at->password));
    set(p, "target_session_attrs", S("read-write"));
    set(p, "client_encoding", S("UTF8"));
    set(p, "gssencmode", S("disable"));
    set_unless(p, "connect_timeout", "3");
    set_unless(p, "keepalives_idle", "5");
    set_unless(p, "keepalives_interval", "2");
    set_unless(p, "keepalives_count", "3");
    set_unless(p, "tcp_user_timeout", "10000");
    return SUCCESS;
}

result postgresql_place_new(const struct store_place *at, struct postgresql_place **ret, struct err *e)
{
    struct postgresql_place *p = calloc(1, sizeof(*p));
    if (!p)
        die("out of memory: a store's place");
    result r = fill(p, at, e);
    if (is_ok(r))
        *ret = p;
    else
        postgresql_place_free(p);
    return r;
}

char *postgresql_place_name(const struct postgresql_place *p)
{
    const char *user = value_of(p, "user"), *host = value_of(p, "host"), *port = value_of(p, "port");
    char *name;
    if (!host)
        host = value_of(p, "hostaddr");
    if (asprintf(&name, "postgresql://%s%s%s%s%s/%s", user ? user : "", user ? "@" : "", host ? host : "",
                 port ? ":" : "", port ? port : "", value_of(p, "dbname")) < 0)
        die("out of memory: a store's name");
    return name;
}

/* libpq's lists: a single port is that of every host, and what is left out is the default. */
static struct str item(const char *list, size_t i)
{
    struct str rest = str_of(list ? list : "");
    ptrdiff_t comma;
    for (; (comma = str_find_char(rest, ',')) >= 0 && i > 0; i--)
        rest = str_sub(rest, (size_t)comma + 1, rest.n);
    return i > 0 ? S("") : comma < 0 ? rest : str_sub(rest, 0, (size_t)comma);
}

size_t postgresql_place_addresses(const struct postgresql_place *p, struct arena *a, struct store_address **ret)
{
    const char *addresses = value_of(p, "hostaddr"), *hosts = value_of(p, "host"), *ports = value_of(p, "port");
    const char *longest = addresses ? addresses : hosts ? hosts : "";
    size_t n = 1;
    for (const char *c = longest; *c; c++)
        n += *c == ',';
    *ret = arena_array(a, struct store_address, n);
    for (size_t i = 0; i < n; i++) {
        struct str host = item(addresses, i), port = item(ports, ports && strchr(ports, ',') ? i : 0);
        host = host.n ? host : item(hosts, i);
        bool is_socket = host.n == 0 || host.p[0] == '/' || host.p[0] == '@';
        (*ret)[i] = (struct store_address){is_socket ? S("") : arena_str(a, host), PORT};
        if (port.n && !str_to_int(str_trim(port), 1, UINT16_MAX, &(*ret)[i].port))
            die("libpq has connected to a port that is none");
    }
    return n;
}

/* ---- connecting ---- */

/* A line for each host that was tried; ours becomes one line. */
static result fail_connect(PGconn *pg, struct err *e)
{
    char text[600];
    snprintf(text, sizeof(text), "%s", PQerrorMessage(pg));
    for (char *c = text; *c; c++)
        if (*c == '\n')
            *c = c[1] ? ';' : '\0';
    PQfinish(pg);
    return FAIL(e, BUSY, "the store cannot be reached: %s", text);
}

static void ignore_notice(void *context, const PGresult *notice)
{
    (void)context;
    (void)notice;
}

/* Commits wait for the standbys that are configured, whatever the role's own setting; a backend whose network is cut
 * ends within seconds and gives back what it holds; small tables are looked up by index too, so that a read marks the
 * rows it has seen and not the table. */
static const char settings[] =
    "SET synchronous_commit = 'on'; SET idle_in_transaction_session_timeout = '60s'; SET lock_timeout = '5s';"
    "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3;"
    "SET tcp_user_timeout = 10000; SET enable_seqscan = off; SET jit = off; SET client_min_messages = warning;"
    "SET standard_conforming_strings = on; SET bytea_output = 'hex'; SET timezone = 'UTC';"
    "SELECT CASE WHEN current_setting('server_encoding') = 'UTF8' THEN '' ELSE 'encoding' END,"
    " current_setting('fsync')";

static result set_up(PGconn *pg, struct err *e)
{
    static _Atomic bool has_warned;
    PGresult *answer = postgresql_ask(pg, settings, NULL);
    bool is_set = PQresultStatus(answer) == PGRES_TUPLES_OK;
    bool is_utf8 = is_set && PQgetvalue(answer, 0, 0)[0] == '\0';
    bool has_fsync = is_set && strcmp(PQgetvalue(answer, 0, 1), "on") == 0;
    PQclear(answer);
    if (!is_set)
        return FAIL(e, BUSY, "the store cannot be reached: %s", postgresql_problem(pg));
    if (!is_utf8)
        return FAIL(e, CONFLICT, "the database's encoding must be UTF8: CREATE DATABASE … ENCODING 'UTF8'");
    if (!has_fsync && !atomic_exchange(&has_warned, true))
        log_warning("store: this database runs with fsync = off: what it says is written is lost with the power");
    return SUCCESS;
}

result postgresql_connect(const struct postgresql_place *p, const char *what, PGconn **ret, struct err *e)
{
    const char *keywords[KEYWORDS_MAX + 2], *values[KEYWORDS_MAX + 2];
    memcpy(keywords, p->keywords, p->n * sizeof(*keywords));
    for (size_t i = 0; i < p->n; i++)
        values[i] = p->values[i];
    keywords[p->n] = "application_name";
    values[p->n] = what;
    keywords[p->n + 1] = values[p->n + 1] = NULL;
    PGconn *pg = PQconnectdbParams(keywords, values, 0);
    if (!pg)
        die("out of memory: a connection");
    if (PQstatus(pg) != CONNECTION_OK)
        return fail_connect(pg, e);
    PQsetNoticeReceiver(pg, ignore_notice, NULL);
    result r = set_up(pg, e);
    if (!is_ok(r)) {
        PQfinish(pg);
        return r;
    }
    *ret = pg;
    return SUCCESS;
}

/* ---- the server's name ---- */

enum { NAME_WAIT_MS = 10000, NAME_LOOK_MS = 100 };

static uint64_t name_key(const char *server)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (const char *c = server; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001B3);
    return hash;
}

/* A query of one text. *ret stays empty when there is no row. */
static result ask(PGconn *pg, const char *query, uint64_t key, char *ret, size_t size, struct err *e)
{
    char number[INT_TEXT_BYTES];
    snprintf(number, sizeof(number), "%" PRId64, (int64_t)key);
    PGresult *answer = postgresql_ask(pg, query, number);
    bool is_good = PQresultStatus(answer) == PGRES_TUPLES_OK;
    snprintf(ret, size, "%s", is_good && PQntuples(answer) > 0 ? PQgetvalue(answer, 0, 0) : "");
    PQclear(answer);
    return is_good ? SUCCESS : FAIL(e, BUSY, "the store cannot be reached: %s", postgresql_problem(pg));
}

#define HOLDERS                                                                                                        \
    " FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted"       \
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.objsubid = 1"            \
    " AND ((CAST(l.classid AS bigint) << 32) | CAST(l.objid AS bigint)) = CAST($1 AS bigint)"

result postgresql_hold_name(PGconn *pg, const char *server, bool ends_former, struct err *e)
{
    uint64_t key = name_key(server);
    char text[200];
    for (int waited = 0;; waited += NAME_LOOK_MS) {
        TRY(ask(pg, "SELECT pg_try_advisory_lock(CAST($1 AS bigint))", key, text, sizeof(text), e));
        if (text[0] == 't')
            return SUCCESS;
        if (waited >= NAME_WAIT_MS)
            break;
        if (ends_former)
            TRY(ask(pg, "SELECT pg_terminate_backend(l.pid)" HOLDERS, key, text, sizeof(text), e));
        usleep(NAME_LOOK_MS * 1000);
    }
    TRY(ask(pg, "SELECT 'from ' || COALESCE(host(a.client_addr), 'this machine') || ', backend ' || l.pid" HOLDERS, key,
            text, sizeof(text), e));
    return FAIL(e, CONFLICT, "another process serves this store under the name %s (%s); choose another with --server",
                server, text);
}
