/* bench/bare.c: the limit of a create: the server's statements of one, run by the store's own client and nothing else.
 *
 * bare sqlite DIR SECONDS GROUP...           on the fresh store in DIR,
 * bare postgresql VARIABLE SECONDS GROUP...  or in the fresh database whose URL stands in that environment variable:
 *                             per GROUP creates in one commit, for SECONDS each, a line
 *                             "<group> <creates> <seconds> <cpu seconds>"
 * bare --statements           the texts, a line each; the bench looks for them in the server's program, so that a
 *                             statement that was changed there cannot stay as it was here */
#include "bare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

enum { GROUP_MAX = 64, HASH_BYTES = 32, SEALED_HEAD_BYTES = 120 };

const char *const statement_texts[STATEMENTS] = {
    [HASH_KEY] = "SELECT value FROM secrets_of_store WHERE name = 'keyed_hash'",
    [USER] = "SELECT u.name, u.tokens_valid_after FROM users u WHERE u.id = $1 AND u.is_deleted = 0"
             " AND u.is_disabled = 0 AND u.is_quarantined = 0"
             " AND NOT EXISTS (SELECT 1 FROM ended_tokens t WHERE t.hash = $2)"
             " AND ($3 = 0 OR EXISTS (SELECT 1 FROM api_keys k WHERE k.id = $3 AND k.user_id = u.id))",
    [RIGHTS] = "SELECT r.face, r.number, r.is_active, COALESCE(x.right_id, 0), COALESCE(x.level, 0)"
               " FROM role_members m JOIN roles r ON r.id = m.role_id"
               " LEFT JOIN role_rights x ON x.role_id = r.id WHERE m.user_id = $1 AND r.face IN ($2, $3)",
    [NEW_CREDENTIAL] = "INSERT INTO credentials (name, name_key, description, description_key, owner_id, created_by,"
                       " created_at, updated_by, updated_at) VALUES ($1, $2, $3, $4, $5, $5, $6, $5, $6)"
                       " ON CONFLICT (name_key) DO NOTHING RETURNING id, name, description, owner_id, "
                       "COALESCE(locker_id, 0), version, "
                       "created_by, created_at, updated_by, updated_at",
    [NEW_ATTRIBUTE] =
        "INSERT INTO attributes (credential_id, name, name_key, description, user_provided, masked,"
        " password_flag,"
        " created_by, created_at, updated_by, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,"
        " $8, $9)"
        " ON CONFLICT (credential_id, name_key) DO NOTHING RETURNING id, credential_id, name, description,"
        " user_provided, masked, password_flag, version, created_by, created_at, updated_by, updated_at",
    [AUDIT_ROW] = "INSERT INTO audit_rows (server, number, at, what, is_success, user_id, user_name, user_name_key, "
                  "address, source, request_id, object_kind, object_id, object_name, object_name_key, account_id, "
                  "detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, "
                  "$18)",
    [AUDIT_HEAD] = "INSERT INTO audit_heads (server, number, hash, sealed, sealed_number, at) VALUES ($1, $2, $3, $4,"
                   " $5, $6) "
                   "ON CONFLICT (server) DO UPDATE SET number = excluded.number, hash = excluded.hash, sealed = "
                   "excluded.sealed, sealed_number = excluded.sealed_number, at = excluded.at",
};
static struct {
    const struct bare_store *store;
    int64_t creates, audit_number;
    unsigned char hash[HASH_BYTES], sealed_head[SEALED_HEAD_BYTES];
} b;

#define V_INT(v)     ((struct value){INTEGER, (v), NULL, 0})
#define V_TEXT(s)    ((struct value){TEXT, 0, (s), strlen(s)})
#define V_BLOB(p, n) ((struct value){BLOB, 0, (p), (n)})
#define RUN(which, rows_min, ...)                                                                                      \
    b.store->run((which), (const struct value[]){__VA_ARGS__},                                                         \
                 sizeof((const struct value[]){__VA_ARGS__}) / sizeof(struct value), (rows_min))

void stop(const char *what, const char *why)
{
    fprintf(stderr, "bare: %s: %s\n", what, why);
    exit(1);
}

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

static void create(struct created *ret)
{
    int64_t now = now_us(CLOCK_REALTIME);
    char *name;
    if (asprintf(&name, "Create %" PRId64 " of the bench", b.creates++) < 0)
        stop("a name", "out of memory");
    b.store->control(SAVEPOINT);
    b.store->run(HASH_KEY, NULL, 0, 1);
    RUN(USER, 1, V_INT(1), V_BLOB(b.hash, HASH_BYTES), V_INT(0));
    RUN(RIGHTS, 1, V_INT(1), V_INT(1), V_INT(0));
    int64_t id = RUN(NEW_CREDENTIAL, 1, V_TEXT(name), V_TEXT(name), V_TEXT(""), V_TEXT(""), V_INT(1), V_INT(now));
    RUN(NEW_ATTRIBUTE, 1, V_INT(id), V_TEXT("username"), V_TEXT("username"), V_TEXT(""), V_INT(0), V_INT(0), V_INT(0),
        V_INT(1), V_INT(now));
    RUN(NEW_ATTRIBUTE, 1, V_INT(id), V_TEXT("password"), V_TEXT("password"), V_TEXT(""), V_INT(0), V_INT(1), V_INT(1),
        V_INT(1), V_INT(now));
    b.store->control(RELEASE);
    *ret = (struct created){id, name};
}

static void audit(const struct created *c)
{
    RUN(AUDIT_ROW, 0, V_TEXT("bare"), V_INT(++b.audit_number), V_INT(now_us(CLOCK_REALTIME)),
        V_TEXT("credential.create"), V_INT(1), V_INT(1), V_TEXT("admin"), V_TEXT("admin"), V_TEXT("127.0.0.1"),
        V_TEXT("controlroom"), V_TEXT("0123abcd"), V_TEXT("credential"), V_INT(c->id), V_TEXT(c->name), V_TEXT(c->name),
        V_INT(0), V_TEXT(""), V_BLOB(b.hash, HASH_BYTES));
}

static void create_group(int group)
{
    struct created created[GROUP_MAX];
    b.store->control(BEGIN);
    for (int i = 0; i < group; i++)
        create(&created[i]);
    for (int i = 0; i < group; i++)
        audit(&created[i]);
    RUN(AUDIT_HEAD, 0, V_TEXT("bare"), V_INT(b.audit_number), V_BLOB(b.hash, HASH_BYTES),
        V_BLOB(b.sealed_head, SEALED_HEAD_BYTES), V_INT(b.audit_number), V_INT(now_us(CLOCK_REALTIME)));
    b.store->control(COMMIT);
    for (int i = 0; i < group; i++)
        free(created[i].name);
    b.store->tidy();
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void measure(int group, int64_t duration_us)
{
    int64_t start = now_us(CLOCK_MONOTONIC), before = b.creates;
    double cpu = cpu_s();
    while (now_us(CLOCK_MONOTONIC) - start < duration_us)
        create_group(group);
    double seconds = (double)(now_us(CLOCK_MONOTONIC) - start) / 1e6;
    printf("%d %" PRId64 " %.6f %.6f\n", group, b.creates - before, seconds, cpu_s() - cpu);
}

static void print_statements(void)
{
    for (enum statement i = 0; i < STATEMENTS; i++)
        puts(statement_texts[i]);
    for (const char *const *text = bare_sqlite.texts; *text; text++)
        puts(*text);
    for (const char *const *text = bare_postgresql.texts; *text; text++)
        puts(*text);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--statements") == 0) {
        print_statements();
        return 0;
    }
    if (argc < 5)
        stop("usage", "bare sqlite|postgresql PLACE SECONDS GROUP... | bare --statements");
    b.store = strcmp(argv[1], "sqlite") == 0 ? &bare_sqlite : &bare_postgresql;
    if (getrandom(b.hash, HASH_BYTES, 0) != HASH_BYTES || getrandom(b.sealed_head, SEALED_HEAD_BYTES, 0) < 0)
        stop("random bytes", "none");
    b.store->open(argv[2]);
    for (int i = 4; i < argc; i++) {
        long group = strtol(argv[i], NULL, 10);
        if (group < 1 || group > GROUP_MAX)
            stop(argv[i], "a group has 1 to 64 creates");
        measure((int)group, strtol(argv[3], NULL, 10) * 1000000);
    }
    b.store->close();
    return 0;
}
