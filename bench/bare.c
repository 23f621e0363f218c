/* bench/bare.c: the limit of a create: the server's statements of one, run by SQLite and nothing else.
 *
 * bare DIR SECONDS GROUP...   on the fresh store in DIR; per GROUP creates in one commit, for SECONDS each, a line
 *                             "<group> <creates> <seconds> <cpu seconds>"
 * bare --statements           the texts, a line each; bench.py looks for them in the server's program, so that a
 *                             statement that was changed there cannot stay as it was here */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { PARAMETERS_MAX = 18, GROUP_MAX = 64, HASH_BYTES = 32, SEALED_HEAD_BYTES = 120, CHECKPOINT_PAGES = 1024 };

static const char *const set_up[] = {
    "PRAGMA case_sensitive_like = ON; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; "
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA cache_size = -8192; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON",
    "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;"
    "PRAGMA journal_size_limit = 67108864",
};

enum statement {
    BEGIN,
    SAVEPOINT,
    HASH_KEY,
    USER,
    RIGHTS,
    NEW_CREDENTIAL,
    NEW_ATTRIBUTE,
    CREDENTIAL,
    ATTRIBUTES,
    RELEASE,
    AUDIT_ROW,
    AUDIT_HEAD,
    COMMIT,
    STATEMENTS
};
static const struct {
    const char *text;
    bool is_built; /* the server puts it together at run time: it does not stand in the program as a whole */
} statements[STATEMENTS] = {
    [BEGIN] = {"BEGIN IMMEDIATE", false},
    [SAVEPOINT] = {"SAVEPOINT work", false},
    [HASH_KEY] = {"SELECT value FROM secrets_of_store WHERE name = 'keyed_hash'", false},
    [USER] = {"SELECT u.name, u.tokens_valid_after FROM users u WHERE u.id = $1 AND u.is_deleted = 0"
              " AND u.is_disabled = 0 AND u.is_quarantined = 0"
              " AND NOT EXISTS (SELECT 1 FROM ended_tokens t WHERE t.hash = $2)"
              " AND ($3 = 0 OR EXISTS (SELECT 1 FROM api_keys k WHERE k.id = $3 AND k.user_id = u.id))",
              false},
    [RIGHTS] = {"SELECT r.face, r.number, r.is_active, COALESCE(x.right_id, 0), COALESCE(x.level, 0)"
                " FROM role_members m JOIN roles r ON r.id = m.role_id"
                " LEFT JOIN role_rights x ON x.role_id = r.id WHERE m.user_id = $1 AND r.face IN ($2, $3)",
                false},
    [NEW_CREDENTIAL] = {"INSERT INTO credentials (name, name_key, description, description_key, owner_id, created_by,"
                        " created_at, updated_by, updated_at) VALUES ($1, $2, $3, $4, $5, $5, $6, $5, $6)"
                        " ON CONFLICT (name_key) DO NOTHING RETURNING id",
                        false},
    [NEW_ATTRIBUTE] = {"INSERT INTO attributes (credential_id, name, name_key, description, user_provided, masked,"
                       " password_flag,"
                       " created_by, created_at, updated_by, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,"
                       " $8, $9)"
                       " ON CONFLICT (credential_id, name_key) DO NOTHING RETURNING id",
                       false},
    [CREDENTIAL] = {"SELECT c.id, c.name, c.description, c.owner_id, COALESCE(c.locker_id, 0), c.version,"
                    " c.created_by, c.created_at, c.updated_by, c.updated_at FROM credentials c WHERE c.id = $1",
                    false},
    [ATTRIBUTES] = {"SELECT t.id, t.credential_id, t.name, t.description, t.user_provided, t.masked, t.password_flag,"
                    " t.version, t.created_by, t.created_at, t.updated_by, t.updated_at FROM attributes t WHERE"
                    " t.credential_id IN ($1) ORDER BY t.credential_id, t.id",
                    true},
    [RELEASE] = {"RELEASE SAVEPOINT work", false},
    [AUDIT_ROW] = {"INSERT INTO audit_rows (server, number, at, what, is_success, user_id, user_name, user_name_key, "
                   "address, source, request_id, object_kind, object_id, object_name, object_name_key, account_id, "
                   "detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, "
                   "$18)",
                   false},
    [AUDIT_HEAD] = {"INSERT INTO audit_heads (server, number, hash, sealed, sealed_number, at) VALUES ($1, $2, $3, $4,"
                    " $5, $6) "
                    "ON CONFLICT (server) DO UPDATE SET number = excluded.number, hash = excluded.hash, sealed = "
                    "excluded.sealed, sealed_number = excluded.sealed_number, at = excluded.at",
                    false},
    [COMMIT] = {"COMMIT", false},
};

struct prepared {
    sqlite3_stmt *stmt;
    int indexes[PARAMETERS_MAX]; /* $1 stands at indexes[0] */
};

struct bare {
    sqlite3 *db;
    struct prepared prepared[STATEMENTS];
    int wal_pages, checkpointed_pages;
    int64_t creates, audit_number;
    unsigned char hash[HASH_BYTES], sealed_head[SEALED_HEAD_BYTES];
};

enum kind { INTEGER, TEXT, BLOB };
struct value {
    enum kind kind;
    int64_t number;
    const void *bytes;
    size_t n;
};
#define V_INT(v)     ((struct value){INTEGER, (v), NULL, 0})
#define V_TEXT(s)    ((struct value){TEXT, 0, (s), strlen(s)})
#define V_BLOB(p, n) ((struct value){BLOB, 0, (p), (n)})

static void stop(const char *what, const char *why)
{
    fprintf(stderr, "bare: %s: %s\n", what, why);
    exit(1);
}

static void check(const struct bare *b, int rc, const char *what)
{
    if (rc != SQLITE_OK)
        stop(what, sqlite3_errmsg(b->db));
}

/* ---- opening ---- */

static int note_wal_pages(void *context, sqlite3 *db, const char *name, int pages)
{
    struct bare *b = context;
    (void)db;
    (void)name;
    b->wal_pages = pages;
    return SQLITE_OK;
}

static void prepare(struct bare *b, enum statement which)
{
    struct prepared *p = &b->prepared[which];
    const char *text = statements[which].text;
    check(b, sqlite3_prepare_v3(b->db, text, -1, SQLITE_PREPARE_PERSISTENT, &p->stmt, NULL), text);
    int n = sqlite3_bind_parameter_count(p->stmt);
    for (int i = 0; i < n; i++) {
        char *name = sqlite3_mprintf("$%d", i + 1);
        p->indexes[i] = sqlite3_bind_parameter_index(p->stmt, name);
        sqlite3_free(name);
    }
}

static void store_open(struct bare *b, const char *directory)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    char *file = sqlite3_mprintf("%s/keyturn.db", directory);
    check(b, sqlite3_open_v2(file, &b->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL), file);
    sqlite3_free(file);
    for (size_t i = 0; i < sizeof set_up / sizeof set_up[0]; i++)
        check(b, sqlite3_exec(b->db, set_up[i], NULL, NULL, NULL), set_up[i]);
    sqlite3_wal_hook(b->db, note_wal_pages, b);
    for (enum statement s = 0; s < STATEMENTS; s++)
        prepare(b, s);
}

static void store_close(struct bare *b)
{
    for (enum statement s = 0; s < STATEMENTS; s++)
        sqlite3_finalize(b->prepared[s].stmt);
    check(b, sqlite3_close(b->db), "closing");
}

/* ---- one statement ---- */

static int bind(sqlite3_stmt *stmt, int index, const struct value *v)
{
    if (v->kind == INTEGER)
        return sqlite3_bind_int64(stmt, index, v->number);
    if (v->kind == TEXT)
        return sqlite3_bind_text64(stmt, index, v->bytes, v->n, SQLITE_STATIC, SQLITE_UTF8);
    return sqlite3_bind_blob64(stmt, index, v->bytes, v->n, SQLITE_STATIC);
}

/* The first number of the first row, for RETURNING id. Stops when fewer rows come than `rows_min`. */
static int64_t run(struct bare *b, enum statement which, const struct value *values, size_t n, int rows_min)
{
    struct prepared *p = &b->prepared[which];
    const char *text = statements[which].text;
    if ((size_t)sqlite3_bind_parameter_count(p->stmt) != n)
        stop(text, "another number of parameters");
    for (size_t i = 0; i < n; i++)
        check(b, bind(p->stmt, p->indexes[i], &values[i]), text);
    int64_t first = 0;
    int rc, rows = 0;
    while ((rc = sqlite3_step(p->stmt)) == SQLITE_ROW)
        if (rows++ == 0)
            first = sqlite3_column_int64(p->stmt, 0);
    if (rc != SQLITE_DONE)
        stop(text, sqlite3_errmsg(b->db));
    if (rows < rows_min)
        stop(text, "too few rows");
    sqlite3_reset(p->stmt);
    sqlite3_clear_bindings(p->stmt);
    return first;
}
#define RUN(b, which, rows_min, ...)                                                                                   \
    run((b), (which), (const struct value[]){__VA_ARGS__},                                                             \
        sizeof((const struct value[]){__VA_ARGS__}) / sizeof(struct value), (rows_min))

/* ---- creates ---- */

struct created {
    int64_t id;
    char *name;
};

static int64_t now_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void create(struct bare *b, struct created *ret)
{
    int64_t now = now_us(CLOCK_REALTIME);
    char *name = sqlite3_mprintf("Create %lld of the bench", (long long)b->creates++);
    run(b, SAVEPOINT, NULL, 0, 0);
    run(b, HASH_KEY, NULL, 0, 1);
    RUN(b, USER, 1, V_INT(1), V_BLOB(b->hash, HASH_BYTES), V_INT(0));
    RUN(b, RIGHTS, 1, V_INT(1), V_INT(1), V_INT(0));
    int64_t id = RUN(b, NEW_CREDENTIAL, 1, V_TEXT(name), V_TEXT(name), V_TEXT(""), V_TEXT(""), V_INT(1), V_INT(now));
    RUN(b, NEW_ATTRIBUTE, 1, V_INT(id), V_TEXT("username"), V_TEXT("username"), V_TEXT(""), V_INT(0), V_INT(0),
        V_INT(0), V_INT(1), V_INT(now));
    RUN(b, NEW_ATTRIBUTE, 1, V_INT(id), V_TEXT("password"), V_TEXT("password"), V_TEXT(""), V_INT(0), V_INT(1),
        V_INT(1), V_INT(1), V_INT(now));
    RUN(b, CREDENTIAL, 1, V_INT(id));
    RUN(b, ATTRIBUTES, 2, V_INT(id));
    run(b, RELEASE, NULL, 0, 0);
    *ret = (struct created){id, name};
}

static void audit(struct bare *b, const struct created *c)
{
    RUN(b, AUDIT_ROW, 0, V_TEXT("bare"), V_INT(++b->audit_number), V_INT(now_us(CLOCK_REALTIME)),
        V_TEXT("credential.create"), V_INT(1), V_INT(1), V_TEXT("admin"), V_TEXT("admin"), V_TEXT("127.0.0.1"),
        V_TEXT("controlroom"), V_TEXT("0123abcd"), V_TEXT("credential"), V_INT(c->id), V_TEXT(c->name), V_TEXT(c->name),
        V_INT(0), V_TEXT(""), V_BLOB(b->hash, HASH_BYTES));
}

/* As the server's driver does between two groups. */
static void checkpoint(struct bare *b)
{
    if (b->wal_pages < b->checkpointed_pages)
        b->checkpointed_pages = 0;
    if (b->wal_pages - b->checkpointed_pages < CHECKPOINT_PAGES)
        return;
    check(b, sqlite3_wal_checkpoint_v2(b->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL), "checkpoint");
    b->checkpointed_pages = b->wal_pages;
}

static void create_group(struct bare *b, int group)
{
    struct created created[GROUP_MAX];
    run(b, BEGIN, NULL, 0, 0);
    for (int i = 0; i < group; i++)
        create(b, &created[i]);
    for (int i = 0; i < group; i++)
        audit(b, &created[i]);
    RUN(b, AUDIT_HEAD, 0, V_TEXT("bare"), V_INT(b->audit_number), V_BLOB(b->hash, HASH_BYTES),
        V_BLOB(b->sealed_head, SEALED_HEAD_BYTES), V_INT(b->audit_number), V_INT(now_us(CLOCK_REALTIME)));
    run(b, COMMIT, NULL, 0, 0);
    for (int i = 0; i < group; i++)
        sqlite3_free(created[i].name);
    checkpoint(b);
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void measure(struct bare *b, int group, int64_t duration_us)
{
    int64_t start = now_us(CLOCK_MONOTONIC), before = b->creates;
    double cpu = cpu_s();
    while (now_us(CLOCK_MONOTONIC) - start < duration_us)
        create_group(b, group);
    double seconds = (double)(now_us(CLOCK_MONOTONIC) - start) / 1e6;
    printf("%d %" PRId64 " %.6f %.6f\n", group, b->creates - before, seconds, cpu_s() - cpu);
}

static void print_statements(void)
{
    for (size_t i = 0; i < sizeof set_up / sizeof set_up[0]; i++)
        puts(set_up[i]);
    for (enum statement s = 0; s < STATEMENTS; s++)
        if (!statements[s].is_built)
            puts(statements[s].text);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--statements") == 0) {
        print_statements();
        return 0;
    }
    if (argc < 4)
        stop("usage", "bare DIR SECONDS GROUP... | bare --statements");
    struct bare b = {0};
    sqlite3_randomness(HASH_BYTES, b.hash);
    sqlite3_randomness(SEALED_HEAD_BYTES, b.sealed_head);
    store_open(&b, argv[1]);
    for (int i = 3; i < argc; i++) {
        long group = strtol(argv[i], NULL, 10);
        if (group < 1 || group > GROUP_MAX)
            stop(argv[i], "a group has 1 to 64 creates");
        measure(&b, (int)group, strtol(argv[2], NULL, 10) * 1000000);
    }
    store_close(&b);
    return 0;
}
