/* main/serve.c: keyturn serve: starts everything in order, serves, stops everything in reverse. */
#include "main/server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/keyturn/pages.h"
#include "base/log.h"
#include "cluster/node.h"
#include "crypto/random.h"
#include "db/copy.h"
#include "rotation/link.h"
#include "vault/keeper.h"

enum { GRACE_MS = 10000, START_TRIES = 20, QUIET_MAX_S = 3600, CONNECTIONS_MAX = 4096, FILES_KEPT = 256 };

/* ---- what must hold before any key is read ---- */

static const char *program_folder(struct arena *a)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path);
    if (n <= 0)
        die("cannot read /proc/self/exe");
    struct str s = {path, (size_t)n};
    while (s.n > 1 && s.p[s.n - 1] != '/')
        s.n--;
    s.n -= s.n > 1;
    return arena_cstr(a, s);
}

static void device_failed(void *context)
{
    (void)context;
    log_error(
        "the store's device reported a write error: the server stops, so that nothing is answered that may not stand. "
        "Check the disk, then start it again");
    _exit(70);
}

/* ---- the parts ---- */

/* A store that has been wound back is another one from here on. */
static result next_epoch(struct db *db, struct err *e)
{
    return db_run(db, SQL("UPDATE settings SET value = CAST(CAST(value AS bigint) + 1 AS text) WHERE name = 'epoch'"),
                  e);
}

static result on_rewound(struct db *db, void *context, struct str text, struct err *e)
{
    struct server *s = context;
    struct arena *a = arena_new();
    (void)text;
    result r = rotation_rewound(s->keepsakes, db, a, s->keys, clock_now(), e);
    if (is_ok(r))
        r = next_epoch(db, e);
    arena_free(a);
    return r;
}

static result compare_heads(struct server *s, struct err *e)
{
    return audit_compare(s->audit, s->writer_db, line_read(s->arena, s->options->data, "heads"), e);
}

/* Servers that start at the same moment are in each other's way: there is no writer yet that would try again. */
static result try_often(struct server *s, result (*step)(struct server *s, struct err *e), struct err *e)
{
    result r = step(s, e);
    for (int tries = 1; !is_ok(r) && db_has_collided(s->writer_db) && tries < START_TRIES; tries++)
        r = step(s, e);
    return r;
}

static result open_store(struct server *s, struct err *e)
{
    const struct options *o = s->options;
    struct store_place place;
    TRY(place_of(o, o->store, s->arena, &place, e));
    TRY(server_name(o, s->arena, &place.server, e));
    s->name = str_of(place.server);
    TRY(store_open(&place, false, &s->store, e));
    TRY(db_open(s->store, DB_WRITER, &s->writer_db, e));
    TRY(copy_check_served(s->writer_db, e));
    s->keys = keyring_new();
    s->keepsakes = keepsakes_new();
    TRY(keys_open(s->writer_db, s->arena, o, s->keys, e));
    TRY(installation_of(s->writer_db, s->arena, &s->service.installation, &s->service.epoch, e));
    TRY(installation_keep(o, s->arena, s->service.installation, e));
    TRY(server_follow_clock(s, s->writer_db, e));
    TRY(audit_open(s->writer_db, s->keys, s->name, &s->audit, e));
    audit_on_rewound(s->audit, on_rewound, s);
    TRY(try_often(s, compare_heads, e));
    TRY(tokens_open(s->writer_db, clock_now(), &s->tokens, e));
    struct writer_hooks hooks = audit_hooks(s->audit, device_failed);
    return writer_new(s->writer_db, &hooks, &s->writer, e);
}

static void on_settled(void *context, int64_t job_id)
{
    struct server *s = context;
    gate_job_settled(s->gate, job_id);
}

static result start_rotation(struct server *s, struct err *e)
{
    int64_t lanes = 0, quiet_s = 0;
    if (s->options->lanes && !str_to_int(str_of(s->options->lanes), 1, ROTATION_LANES_MAX, &lanes))
        return FAIL(e, INVALID, "--lanes: 1 to %d", ROTATION_LANES_MAX);
    if (s->options->quiet && !str_to_int(str_of(s->options->quiet), 1, QUIET_MAX_S, &quiet_s))
        return FAIL(e, INVALID, "--quiet: 1 to %d seconds", QUIET_MAX_S);
    struct rotation_config config = {.store = s->store,
                                     .writer = s->writer,
                                     .keys = s->keys,
                                     .launcher = s->launcher,
                                     .keepsakes = s->keepsakes,
                                     .workers = (unsigned)lanes,
                                     .quiet_s = (unsigned)quiet_s,
                                     .dial = server_dial_rules(s),
                                     .boot = name_of_boot(s->arena),
                                     .on_settled = on_settled,
                                     .context = s};
    vault_set_keeper(link_keeper(s->keys));
    TRY(rotation_start(&config, &s->rotation, e));
    s->service.rotation = s->rotation;
    return SUCCESS;
}

static void fill_service(struct server *s)
{
    s->service.keys = s->keys;
    s->service.tokens = s->tokens;
    s->service.audit = s->audit;
    s->service.writer = s->writer;
    s->service.store = s->store;
    s->service.http = s->http;
    s->service.data_directory = s->options->data;
    s->service.seal_kind = "keyfile";
    s->service.web_directory = arena_printf(s->arena, "%s/web", program_folder(s->arena)).p;
    s->service.plain_http_allowed = s->options->allow_plain_http;
    s->service.started_at = clock_now();
}

static result start_gate(struct server *s, struct err *e)
{
    struct gate_config config = {.store = s->store,
                                 .writer = s->writer,
                                 .audit = s->audit,
                                 .service = &s->service,
                                 .faces = all_faces,
                                 .keys = s->keys,
                                 .loops = s->loops};
    return gate_new(&config, &s->gate, e);
}

/* http's callbacks get the server: the gate comes after the listeners, which must be known to be loopback or not. */
static void on_request(struct http_exchange *x, void *context)
{
    gate_on_request(x, ((struct server *)context)->gate);
}
static size_t body_limit(const struct http_request *head, void *context)
{
    return gate_body_limit(head, ((struct server *)context)->gate);
}
static void on_refusal(struct str path, int status, const char *why, struct http_reply *reply, void *context)
{
    gate_on_refusal(path, status, why, reply, ((struct server *)context)->gate);
}
static void on_idle(unsigned loop, void *context)
{
    gate_on_idle(loop, ((struct server *)context)->gate);
}

/* Clients may not take every file: the store, the connectors and the server's own files need theirs. */
static size_t connections_for_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return CONNECTIONS_MAX;
    files.rlim_cur = files.rlim_max; /* systemd and shells begin with 1,024 */
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        getrlimit(RLIMIT_NOFILE, &files);
    size_t limit = files.rlim_cur, rest = limit > 2 * FILES_KEPT ? limit - FILES_KEPT : limit / 2;
    if (rest < CONNECTIONS_MAX)
        log_warning("only %zu connections at a time; raise the limit of open files (LimitNOFILE=%d)", rest,
                    CONNECTIONS_MAX + FILES_KEPT);
    return rest < CONNECTIONS_MAX ? rest : CONNECTIONS_MAX;
}

static result start_http(struct server *s, struct err *e)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    s->loops = cores > 1 ? (unsigned)cores : 1;
    struct http_config config = {.loops = s->loops,
                                 .context = s,
                                 .on_request = on_request,
                                 .body_limit = body_limit,
                                 .on_refusal = on_refusal,
                                 .on_idle = on_idle,
                                 .connections_max = connections_for_limit()};
    TRY(http_server_new(&config, &s->http, e));
    for (size_t i = 0; i < s->options->listen_count; i++)
        TRY(server_listen(s, str_of(s->options->listen[i]), e));
    return SUCCESS;
}

static result note_start(struct db *db, void *argument, struct err *e)
{
    (void)e;
    struct server *s = argument;
    audit_note(db, "server.start", true, (struct audit_object){"server", 0, s->service.installation}, 0,
               S(KEYTURN_VERSION));
    return SUCCESS;
}

static result renew_tokens(struct db *db, void *argument, struct err *e)
{
    struct server *s = argument;
    return tokens_renew(s->tokens, db, clock_now(), e);
}

/* After all that may fail: there is room for so many keys, and a start that is tried for ever would fill it. */
static result publish_tokens(struct server *s, struct err *e)
{
    result r = writer_do(s->writer, renew_tokens, s, e);
    for (int tries = 1; r.code == BUSY && tries < START_TRIES; tries++)
        r = writer_do(s->writer, renew_tokens, s, e);
    return r;
}

static result start_all(struct server *s, struct err *e)
{
    if (!s->options->data || !s->options->listen_count)
        return FAIL(e, INVALID, "serve needs --data DIR and at least one --listen URL");
    TRY(launcher_start(program_folder(s->arena), "keyturn-connector", &s->launcher, e));
    TRY(server_become_user(s, e));
    forbid_dumps();
    crypto_start();
    TRY(server_block_signals(e));
    TRY(open_store(s, e));
    TRY(start_http(s, e));
    fill_service(s);
    TRY(start_gate(s, e));
    TRY(pages_load(s->service.web_directory, all_faces, e));
    TRY(start_rotation(s, e));
    TRY(server_start_listening(s, e));
    TRY(server_drop_user(s, e));
    TRY(writer_do(s->writer, note_start, s, e));
    TRY(publish_tokens(s, e));
    return server_start_clock(s, e);
}

/* ---- stopping ---- */

static result note_stop(struct db *db, void *argument, struct err *e)
{
    struct server *s = argument;
    audit_note(db, "server.stop", true, (struct audit_object){"server", 0, s->service.installation}, 0, STR_ABSENT);
    return node_leave(db, s->name, clock_now(), e);
}

static result retire_tokens(struct db *db, void *argument, struct err *e)
{
    struct server *s = argument;
    return tokens_retire(s->tokens, db, clock_now(), e);
}

static void stop_all(struct server *s)
{
    struct err e;
    server_stop_clock(s);
    server_stop_listening(s);
    if (s->rotation)
        rotation_stop(s->rotation, GRACE_MS);
    if (s->writer) {
        audit_flush(s->audit, s->writer, true);
        if (s->is_running)
            (void)!is_ok(writer_do(s->writer, retire_tokens, s, &e)); /* else the key ends by itself, within a day */
        if (s->is_running &&
            (!is_ok(writer_do(s->writer, note_stop, s, &e)) || !is_ok(audit_checkpoint(s->audit, s->writer, &e))))
            log_warning("no checkpoint at stop: %s", e.text);
        if (s->is_running)
            heads_keep(s, s->arena);
    }
    gate_drain(s->gate);
    if (s->writer)
        writer_free(s->writer); /* its last works still answer through gate and http */
    gate_free(s->gate);
    rotation_free(s->rotation); /* until here calls look at it, and wake it */
    if (s->http)
        http_server_free(s->http);
    if (s->audit)
        audit_free(s->audit);
    if (s->tokens)
        tokens_free(s->tokens);
    if (s->writer_db)
        db_free(s->writer_db);
    if (s->store)
        store_free(s->store);
    keepsakes_free(s->keepsakes);
    if (s->keys)
        keyring_free(s->keys);
    launcher_stop(s->launcher);
}

void server_stop(struct server *s)
{
    gate_stop(s->gate);
    http_server_stop(s->http, GRACE_MS);
}

int run_serve(const struct options *o)
{
    struct server s = {.options = o, .arena = arena_new()};
    struct err e = {0};
    result r = start_all(&s, &e);
    if (is_ok(r)) {
        s.is_running = true;
        server_announce(&s);
        http_server_run(s.http);
        log_info("stopping");
    } else {
        fprintf(stderr, "keyturn serve: %s\n", e.text);
    }
    stop_all(&s);
    arena_free(s.arena);
    return is_ok(r) ? 0 : 1;
}
