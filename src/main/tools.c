/* main/tools.c: commands beside the server: audit verify, backup, the list of endpoints. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/log.h"
#include "crypto/random.h"
#include "gate/gate.h"
#include "main/programs.h"

void forbid_dumps(void)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
        log_warning("cannot forbid core dumps: %s", strerror(errno));
}

int report(const char *command, result r, const struct err *e)
{
    if (is_ok(r))
        return 0;
    fprintf(stderr, "keyturn %s: %s\n", command, e->text);
    return 1;
}

void act_as_owner(const char *directory)
{
    struct stat st;
    if (directory && geteuid() == 0 && stat(directory, &st) == 0 && st.st_uid != 0 &&
        (setegid(st.st_gid) != 0 || seteuid(st.st_uid) != 0))
        fprintf(stderr, "keyturn: cannot act as the owner of %s\n", directory);
}

void act_as_caller(void)
{
    if (getuid() == 0 && (seteuid(0) != 0 || setegid(0) != 0))
        die("cannot act as root again");
}

static result look_at(const struct options *o, struct arena *a, struct store **ret, struct err *e)
{
    struct store_place place;
    TRY(place_of(o, o->store, a, &place, e));
    return store_open_reader(&place, ret, e);
}

static result verify(const struct options *o, struct arena *a, struct store *store, struct audit_report *ret,
                     struct err *e)
{
    struct db *db = NULL;
    struct err no_key;
    struct keyring *keys = keyring_new();
    result r = db_open(store, DB_READER, &db, e);
    if (is_ok(r))
        r = db_snapshot(db, e);
    if (is_ok(r) && !is_ok(keys_open(db, a, o, keys, &no_key)))
        fprintf(stderr, "the sealed head is not checked: %s\n", no_key.text);
    if (is_ok(r))
        r = audit_verify(db, keys, o->head ? str_of(o->head) : STR_ABSENT, a, ret, e);
    if (db)
        db_free(db);
    keyring_free(keys);
    return r;
}

int run_audit_verify(const struct options *o)
{
    struct arena *a = arena_new();
    struct store *store = NULL;
    struct audit_report found = {0};
    struct err e = {0};
    forbid_dumps();
    crypto_start();
    act_as_owner(o->data);
    result r = o->data ? look_at(o, a, &store, &e) : FAIL(&e, INVALID, "audit verify needs --data DIR");
    if (is_ok(r))
        r = verify(o, a, store, &found, &e);
    if (is_ok(r))
        printf("%s: rows %" PRId64 " to %" PRId64 " of server %.*s; vouched to %" PRId64 "\n%.*s\n",
               found.is_ok ? "ok" : "NOT OK", found.from, found.to, STR_ARG(found.server), found.vouched_to,
               STR_ARG(found.text));
    if (store)
        store_free(store);
    arena_free(a);
    int status = report("audit verify", r, &e);
    return status ? status : found.is_ok ? 0 : 1;
}

int run_backup(const struct options *o)
{
    struct store *store = NULL;
    struct arena *a = arena_new();
    struct err e = {0};
    const char *file = o->word_count == 1 ? o->words[0] : NULL;
    act_as_owner(o->data);
    result r = o->data && file ? look_at(o, a, &store, &e) : FAIL(&e, INVALID, "usage: keyturn backup --data DIR FILE");
    if (is_ok(r))
        r = store_backup(store, file, &e);
    if (is_ok(r))
        printf("backup in %s; the root key is not in it: keep that elsewhere\n", file);
    if (store)
        store_free(store);
    arena_free(a);
    return report("backup", r, &e);
}

int run_endpoints(const struct options *o)
{
    (void)o;
    AUTOBUF out;
    buf_init(&out, HTTP_REPLY_MAX);
    gate_describe(all_faces, &out);
    fwrite(out.p, 1, out.n, stdout);
    return 0;
}
