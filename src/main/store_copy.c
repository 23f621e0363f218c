/* main/store_copy.c: keyturn store copy: an installation moved from store to store; keyturn store reopen: taken back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "crypto/random.h"
#include "db/copy.h"
#include "main/programs.h"

enum { DIGEST_SHOWN_BYTES = 12, SAY_EVERY_S = 1 };

struct end { /* of the move */
    struct store_place place;
    const char *directory; /* where `serve --data` finds it, and the files beside the store */
    bool is_sqlite;
    struct store *store;
};

struct progress {
    char what[80];
    int64_t done, of, said_at;
    bool is_said;
};

/* ---- where ---- */

/* sqlite:DIR, sqlite (in --data), or a URL (with --data beside it). */
static result end_of(const struct options *o, const char *option, const char *given, struct arena *a, struct end *ret,
                     struct err *e)
{
    static const char prefix[] = "sqlite:";
    if (!given)
        return FAIL(e, INVALID, "%s is missing: sqlite:DIR, or postgresql://USER@HOST[:PORT]/DATABASE", option);
    bool has_folder = strncmp(given, prefix, strlen(prefix)) == 0;
    *ret = (struct end){.directory = has_folder ? given + strlen(prefix) : o->data,
                        .is_sqlite = has_folder || strcmp(given, "sqlite") == 0};
    if (!ret->directory || !ret->directory[0])
        return FAIL(e, INVALID, "%s %s needs --data DIR", option, ret->is_sqlite ? "sqlite" : "postgresql://…");
    TRY(place_of(o, ret->is_sqlite ? NULL : given, a, &ret->place, e));
    if (ret->is_sqlite)
        ret->place.password = NULL;
    ret->place.directory = ret->directory;
    return SUCCESS;
}

static bool is_same_folder(const char *x, const char *y)
{
    struct stat sx, sy;
    return stat(x, &sx) == 0 && stat(y, &sy) == 0 && sx.st_dev == sy.st_dev && sx.st_ino == sy.st_ino;
}

static result find_ends(const struct options *o, struct arena *a, struct end *from, struct end *to, struct err *e)
{
    TRY(end_of(o, "--from", o->from, a, from, e));
    TRY(end_of(o, "--to", o->to, a, to, e));
    if (o->store_password_file && !from->is_sqlite && !to->is_sqlite)
        return FAIL(e, INVALID, "--store-password-file is of one store: name both passwords in PGPASSFILE");
    bool is_same_place = from->is_sqlite ? is_same_folder(from->directory, to->directory) : strcmp(o->from, o->to) == 0;
    if (from->is_sqlite == to->is_sqlite && is_same_place)
        return FAIL(e, INVALID, "--from and --to are the same store");
    return SUCCESS;
}

/* ---- opening ---- */

/* The folder of a target may be new. What is beside a store is of one installation. */
static result prepare_folder(const struct end *from, const struct end *to, struct arena *a, struct err *e)
{
    struct db *db = NULL;
    struct str installation;
    int64_t epoch;
    if (mkdir(to->directory, 0700) != 0 && errno != EEXIST)
        return FAIL(e, INVALID, "%s: %s", to->directory, strerror(errno));
    TRY(db_open(from->store, DB_READER, &db, e));
    result r = installation_of(db, a, &installation, &epoch, e);
    db_free(db);
    TRY(r);
    struct str kept = line_read(a, to->directory, "installation");
    if (str_is_set(kept) && !str_equal(kept, installation))
        return FAIL(e, CONFLICT, "%s belongs to installation %.*s, the source is %.*s; nothing was changed",
                    to->directory, STR_ARG(kept), STR_ARG(installation));
    return SUCCESS;
}

/* A folder is locked once. */
static result open_ends(struct end *from, struct end *to, struct arena *a, struct err *e)
{
    bool is_shared = is_same_folder(from->directory, to->directory);
    if (is_shared && !from->is_sqlite)
        from->place.directory = NULL;
    TRY(copy_open_source(&from->place, &from->store, e));
    TRY(prepare_folder(from, to, a, e));
    if (is_shared && from->is_sqlite)
        to->place.directory = NULL;
    return copy_open_target(&to->place, &to->store, e);
}

static result keep_installation(const struct end *to, struct arena *a, struct err *e)
{
    struct db *db = NULL;
    struct str installation;
    int64_t epoch;
    struct options o = {.data = to->directory};
    TRY(db_open(to->store, DB_READER, &db, e));
    result r = installation_of(db, a, &installation, &epoch, e);
    if (is_ok(r))
        r = installation_keep(&o, a, installation, e);
    db_free(db);
    return r;
}

/* ---- what is said ---- */

static void say_progress(struct progress *p)
{
    if (!p->is_said)
        fprintf(stderr, "%s %" PRId64 "/%" PRId64 "\n", p->what, p->done, p->of);
    p->is_said = true;
    p->said_at = clock_monotonic();
}

/* A line for each table, and one a second in a large one. */
static void note_progress(void *context, const char *doing, struct str table, int64_t done, int64_t of)
{
    struct progress *p = context;
    char what[sizeof p->what];
    snprintf(what, sizeof what, "%s%.*s", doing, STR_ARG(table));
    if (strcmp(what, p->what) != 0)
        say_progress(p);
    memcpy(p->what, what, sizeof what);
    p->done = done;
    p->of = of;
    p->is_said = false;
    if (done >= of || clock_monotonic() - p->said_at >= SAY_EVERY_S * SECONDS)
        say_progress(p);
}

static void say_tables(const struct copy_outcome *outcome, struct arena *a)
{
    printf("%-20s %10s  %-*s  %s\n", "table", "rows", 2 * DIGEST_SHOWN_BYTES, "digest", "equal");
    for (size_t i = 0; i < outcome->n; i++) {
        const struct copied_table *t = &outcome->tables[i];
        struct str digest = hex_encode(a, (struct str){(const char *)t->to_digest, DIGEST_SHOWN_BYTES});
        printf("%-20.*s %10" PRId64 "  %.*s  ", STR_ARG(t->name), t->to_rows, STR_ARG(digest));
        if (t->is_equal)
            puts("yes");
        else
            printf("NO: the source has %" PRId64 " rows, digest %.*s\n", t->from_rows,
                   STR_ARG(hex_encode(a, (struct str){(const char *)t->from_digest, DIGEST_SHOWN_BYTES})));
    }
}

static const char *serve_words(const struct end *x, struct arena *a)
{
    return x->is_sqlite ? arena_printf(a, "--data %s", x->directory).p
                        : arena_printf(a, "--data %s --store %s", x->directory, store_name(x->store)).p;
}

static void say_end(const struct end *from, const struct end *to, const struct copy_outcome *outcome, struct arena *a)
{
    const char *key = arena_printf(a, "%s/root.key", to->directory).p;
    printf("%s      %s (epoch %" PRId64 ")\n", outcome->was_done ? "moved before" : "moved       ",
           store_name(to->store), outcome->epoch);
    printf("serve it with     keyturn serve %s --listen URL\n", serve_words(to, a));
    if (access(key, F_OK) != 0)
        printf("copy by hand      %s/root.key to %s: it is in no store (or serve with --key-file)\n", from->directory,
               key);
    printf("the former one    %s is not served any more; to take the move back, and never serve the copy again:\n",
           store_name(from->store));
    printf("                  keyturn store reopen %s\n", serve_words(from, a));
}

static int say_failure(const char *command, result r, const struct err *e)
{
    fprintf(stderr, "keyturn store %s: %s\n", command, e->text);
    if (r.code == STORE_FULL || r.code == BUSY)
        fprintf(stderr, "nothing is lost: when that is mended, run the same command again; it goes on where it was\n");
    return 1;
}

/* ---- commands ---- */

static result copy(struct end *from, struct end *to, struct arena *a, struct copy_outcome *ret, struct err *e)
{
    struct progress progress = {.is_said = true};
    struct copy_watch watch = {note_progress, &progress};
    TRY(open_ends(from, to, a, e));
    result r = store_copy(from->store, to->store, &watch, a, ret, e);
    say_progress(&progress);
    if (is_ok(r) && ret->is_equal)
        r = keep_installation(to, a, e);
    return r;
}

int run_store_copy(const struct options *o)
{
    struct arena *a = arena_new();
    struct end from = {0}, to = {0};
    struct copy_outcome outcome = {0};
    struct err e = {0};
    umask(077);
    crypto_start();
    result r = find_ends(o, a, &from, &to, &e);
    if (is_ok(r)) {
        act_as_owner(from.directory);
        r = copy(&from, &to, a, &outcome, &e);
    }
    if (is_ok(r) && outcome.n)
        say_tables(&outcome, a);
    if (is_ok(r) && outcome.is_equal)
        say_end(&from, &to, &outcome, a);
    if (is_ok(r) && !outcome.is_equal)
        r = FAIL(
            &e, CONFLICT,
            "the copy is not equal: one of the two was changed meanwhile. Nothing was moved; remove the target and "
            "begin again");
    int status = is_ok(r) ? 0 : say_failure("copy", r, &e);
    store_free(from.store);
    store_free(to.store);
    arena_free(a);
    return status;
}

static result reopen(const struct options *o, struct arena *a, struct store **ret, struct err *e)
{
    struct store_place place;
    struct str to;
    int64_t epoch;
    if (!o->data)
        return FAIL(e, INVALID, "store reopen needs --data DIR");
    TRY(place_of(o, o->store, a, &place, e));
    TRY(store_open(&place, false, ret, e));
    TRY(copy_reopen(*ret, a, &to, &epoch, e));
    printf("%s can be served again (epoch %" PRId64 "); never serve the copy in %.*s from now on: remove it\n",
           store_name(*ret), epoch, STR_ARG(to));
    return SUCCESS;
}

int run_store_reopen(const struct options *o)
{
    struct arena *a = arena_new();
    struct store *store = NULL;
    struct err e = {0};
    crypto_start();
    act_as_owner(o->data);
    result r = reopen(o, a, &store, &e);
    int status = is_ok(r) ? 0 : say_failure("reopen", r, &e);
    store_free(store);
    arena_free(a);
    return status;
}
