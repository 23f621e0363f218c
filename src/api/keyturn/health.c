/* api/keyturn/health.c: is it alive, is it ready, and which version is it? (keyturn-api 11) */
#include "api/keyturn/server_state.h"

#define CHECKPOINT_LATE (5 * MINUTES)
#define UNKNOWN_LONG    (10 * MINUTES)
static const double disk_free_least = 0.1;

/* ---- live ---- */

struct live_view {
    bool live;
};
static const struct field live_fields[] = {FLAG("live", struct live_view, live), FIELD_END};

static result live_show(struct call *c, struct err *e)
{
    (void)e;
    struct live_view v = {true};
    reply_object(c, live_fields, &v);
    return SUCCESS;
}

/* ---- health ---- */

struct check {
    struct str name, text;
    bool is_ok;
};
static const struct field check_fields[] = {
    TEXT("check", struct check, name),
    FLAG("ok", struct check, is_ok),
    TEXT("text", struct check, text),
    FIELD_END,
};
struct health_view {
    bool live, ready, sealed;
    struct str checks;
};
static const struct field health_fields[] = {
    FLAG("live", struct health_view, live),
    FLAG("ready", struct health_view, ready),
    FLAG("sealed", struct health_view, sealed),
    RAW("checks", struct health_view, checks, .doc = "For administrators: [{check, ok, text}]; else null"),
    FIELD_END,
};

static struct check audit_check(struct call *c, const struct server_state *s)
{
    int64_t age = c->now - (s->checkpoint_at ? s->checkpoint_at : c->service->started_at);
    struct str text = s->checkpoint_at ? arena_printf(c->arena, "last checkpoint %" PRId64 " s ago", age / SECONDS)
                                       : S("no checkpoint yet");
    return (struct check){S("audit"), text, age < CHECKPOINT_LATE};
}

static struct check disk_check(struct call *c, const struct server_state *s)
{
    struct str text = s->disk_free < 0 ? S("unknown") : arena_printf(c->arena, "%.0f %% free", s->disk_free * 100);
    return (struct check){S("disk"), text, s->disk_free >= disk_free_least};
}

static struct check unknown_check(struct call *c, const struct server_state *s)
{
    int64_t oldest = s->unknown_since;
    struct str text =
        oldest ? arena_printf(c->arena, "the oldest unsettled change is %" PRId64 " s old", (c->now - oldest) / SECONDS)
               : S("no unsettled change");
    return (struct check){S("unknown"), text, !oldest || c->now - oldest < UNKNOWN_LONG};
}

/* Readers are told of both as drift (keyturn-api 2.8). */
static struct check drift_check(struct call *c, const struct server_state *s)
{
    struct str drifted = arena_printf(c->arena, "%" PRId64 " accounts: /api/v1/jobs?state=drift", s->drifted);
    struct str mismatched = arena_printf(
        c->arena, "%" PRId64 " with a mismatch, which a test has found: /api/v1/jobs?kind=test", s->mismatched);
    struct str text = !s->mismatched ? drifted
                      : !s->drifted  ? mismatched
                                     : arena_printf(c->arena, "%.*s; %.*s", STR_ARG(drifted), STR_ARG(mismatched));
    bool is_ok = s->drifted == 0 && s->mismatched == 0;
    return (struct check){S("drift"), is_ok ? S("no account") : text, is_ok};
}

static struct check engine_check(struct call *c, const struct server_state *s)
{
    const struct engine_rules *engine = &s->engine;
    struct str text = engine->is_stopped ? arena_printf(c->arena, "stopped by user %" PRId64 " %" PRId64 " s ago: %.*s",
                                                        engine->stopped_by, (c->now - engine->stopped_at) / SECONDS,
                                                        STR_ARG(engine->reason))
                                         : S("runs");
    return (struct check){S("engine"), text, !engine->is_stopped};
}

/* One that has left in order has no row; one that was not seen for a while has died, or is cut off. */
#define SILENT_LONG (30 * SECONDS)

static struct check servers_check(struct call *c, const struct server_state *s)
{
    struct str text = s->node_count ? S("") : S("one server");
    bool is_ok = true;
    for (size_t i = 0; i < s->node_count; i++) {
        int64_t age = (c->now - s->nodes[i].seen_at) / SECONDS;
        is_ok = is_ok && age < SILENT_LONG / SECONDS;
        text = arena_printf(c->arena, "%.*s%s%.*s seen %" PRId64 " s ago", STR_ARG(text), i ? ", " : "",
                            STR_ARG(s->nodes[i].name), age > 0 ? age : 0);
    }
    return (struct check){S("servers"), text, is_ok};
}

static struct check rewound_check(struct call *c, const struct server_state *s)
{
    struct str text = s->compared_next ? arena_printf(c->arena,
                                                      "the store lost acknowledged commits; %" PRId64
                                                      " accounts are still to be compared with their systems",
                                                      s->compared_next)
                                       : S("nothing to compare");
    return (struct check){S("rewound"), text, s->compared_next == 0};
}

static struct str checks_of(struct call *c, const struct server_state *s)
{
    const struct check checks[] = {
        {S("store"),
         arena_printf(c->arena, "%" PRIu64 " commits, %" PRIu64 " lost", s->writer.commits, s->writer.losses), true},
        servers_check(c, s),
        rewound_check(c, s),
        {S("seal"), s->is_sealed ? S("sealed") : S("open"), !s->is_sealed},
        audit_check(c, s),
        disk_check(c, s),
        {S("queue"), arena_printf(c->arena, "%zu waiting", s->writer.waiting), s->is_sealed || s->is_ready},
        unknown_check(c, s),
        drift_check(c, s),
        engine_check(c, s),
        {S("plainHttp"), s->has_plain_http ? S("secrets travel unencrypted") : S("not beyond this host"),
         !s->has_plain_http},
    };
    AUTOBUF text;
    buf_init(&text, 64 * 1024);
    struct json_writer w = {.out = &text};
    json_array_begin(&w);
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        fields_encode(check_fields, &checks[i], &w, c->arena, NULL);
    json_array_end(&w);
    return arena_str(c->arena, buf_str(&text));
}

static bool is_administrator(struct call *c)
{
    struct caller who = {.address = c->who.address, .is_loopback = c->who.is_loopback};
    struct err none;
    return is_ok(keyturn_identify(c, &who, &none)) && (who.rights.is_aae_admin || who.rights.is_administrator);
}

static result health_show(struct call *c, struct err *e)
{
    struct server_state s;
    TRY(server_state(c, &s, e));
    struct health_view v = {.live = true, .ready = s.is_ready, .sealed = s.is_sealed};
    if (is_administrator(c))
        v.checks = checks_of(c, &s);
    if (!s.is_ready)
        reply_status(c, 503);
    reply_object(c, health_fields, &v);
    return SUCCESS;
}

/* ---- version ---- */

struct version_view {
    struct str version, installation;
    int64_t epoch;
    struct list api;
};
static const struct field version_fields[] = {
    TEXT("version", struct version_view, version),
    TEXTS("api", struct version_view, api),
    TEXT("installation", struct version_view, installation),
    INT("epoch", struct version_view, epoch),
    FIELD_END,
};

static result version_show(struct call *c, struct err *e)
{
    struct rows r;
    int64_t epoch = c->service->epoch;
    TRY(db_query_one(c->db, c->arena, SQL("SELECT value FROM settings WHERE name = 'epoch'"), "Epoch", &r, e));
    (void)str_to_int(row_text(&r, 0, 0), 1, INT64_MAX, &epoch);
    struct str apis[] = {S("v1")};
    struct version_view v = {.version = S(KEYTURN_VERSION),
                             .installation = c->service->installation,
                             .epoch = epoch,
                             .api = {.at = apis, .n = 1}};
    reply_object(c, version_fields, &v);
    return SUCCESS;
}

/* ---- metrics ---- */

static void metric(struct buf *b, const char *name, const char *kind, const char *help)
{
    buf_printf(b, "# HELP keyturn_%s %s\n# TYPE keyturn_%s %s\n", name, help, name, kind);
}

static void whole(struct buf *b, const char *name, const char *kind, const char *help, uint64_t value)
{
    metric(b, name, kind, help);
    buf_printf(b, "keyturn_%s %" PRIu64 "\n", name, value);
}

static void add_changes(struct buf *b, const struct rotation_stats *r)
{
    const struct {
        const char *outcome;
        uint64_t n;
    } outcomes[] = {{"proved", r->proved}, {"refused", r->refused}, {"unknown", r->unknown}, {"drift", r->drifted}};
    metric(b, "changes_total", "counter", "Changes on targets, by how they ended");
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++)
        buf_printf(b, "keyturn_changes_total{connector=\"all\",outcome=\"%s\"} %" PRIu64 "\n", outcomes[i].outcome,
                   outcomes[i].n);
    whole(b, "changes_started_total", "counter", "Changes on targets that were begun", r->started);
}

/* A histogram as Prometheus wants it: each bucket holds those before it. */
static void add_stale(struct buf *b, const struct rotation_stats *r)
{
    uint64_t n = 0;
    metric(b, "stale_read_seconds", "histogram",
           "From a target's acknowledgement of a change to the commit that makes the new password current");
    for (size_t i = 0; i < STALE_BOUNDS; i++) {
        n += r->stale[i];
        buf_printf(b, "keyturn_stale_read_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
                   (double)rotation_stale_bounds_us[i] / SECONDS, n);
    }
    n += r->stale[STALE_BOUNDS];
    buf_printf(b, "keyturn_stale_read_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", n);
    buf_printf(b, "keyturn_stale_read_seconds_sum %.6f\n", (double)r->stale_us / SECONDS);
    buf_printf(b, "keyturn_stale_read_seconds_count %" PRIu64 "\n", n);
}

static uint64_t seconds_since(struct call *c, int64_t t)
{
    return t && c->now > t ? (uint64_t)((c->now - t) / SECONDS) : 0;
}

static result metrics_show(struct call *c, struct err *e)
{
    struct server_state s;
    if (!c->who.is_loopback)
        return FAIL(e, DENIED, "Metrics are told to this host alone");
    TRY(server_state(c, &s, e));
    AUTOBUF b;
    buf_init(&b, 64 * 1024);
    metric(&b, "build_info", "gauge", "1, with the version");
    buf_printf(&b, "keyturn_build_info{version=\"%s\"} 1\n", KEYTURN_VERSION);
    whole(&b, "sealed", "gauge", "1 while the vault is sealed", s.is_sealed);
    whole(&b, "queue_depth", "gauge", "Works that wait for the writer", s.writer.waiting);
    whole(&b, "commits_total", "counter", "Groups that the writer has committed", s.writer.commits);
    whole(&b, "works_total", "counter", "Works in these groups", s.writer.works);
    whole(&b, "commit_losses_total", "counter", "Groups that the store could not take", s.writer.losses);
    whole(&b, "commit_collisions_total", "counter", "Of these, for a change of another server on the store",
          s.writer.collisions);
    add_changes(&b, &s.rotation);
    add_stale(&b, &s.rotation);
    whole(&b, "unknown_oldest_seconds", "gauge", "Age of the oldest change whose outcome is unknown",
          seconds_since(c, s.unknown_since));
    whole(&b, "audit_rows_total", "counter", "Rows of all audit chains", (uint64_t)s.audit_rows);
    whole(&b, "audit_checkpoint_age_seconds", "gauge", "Since the last signed checkpoint, or the start",
          seconds_since(c, s.checkpoint_at ? s.checkpoint_at : c->service->started_at));
    if (s.disk_free >= 0) {
        metric(&b, "disk_free_ratio", "gauge", "Of the file system of the data directory");
        buf_printf(&b, "keyturn_disk_free_ratio %.4f\n", s.disk_free);
    }
    reply_bytes(c, "text/plain; version=0.0.4; charset=utf-8", buf_str(&b));
    return SUCCESS;
}

const struct endpoint health_endpoints[] = {
    {HTTP_GET, "/health/live", PUBLIC, READS, UNRECORDED, "Does the process serve?", NO_BODY, live_show,
     .reply = live_fields},
    {HTTP_GET, "/health", PUBLIC, READS, UNRECORDED, "Is it ready? 503 when it is not", NO_BODY, health_show,
     .reply = health_fields},
    {HTTP_GET, "/metrics", PUBLIC, READS, UNRECORDED, "Numbers for Prometheus; this host only", NO_BODY, metrics_show},
    {HTTP_GET, "/version", SIGNED_IN, READS, UNRECORDED, "Which server is this?", NO_BODY, version_show,
     .reply = version_fields},
    {0},
};
