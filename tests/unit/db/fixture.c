/* db/fixture.c: a store in a directory of its own, for one test. */
#include "fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int fixture_set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    snprintf(f->directory, sizeof(f->directory), "/tmp/keyturn-db-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    f->arena = arena_new();
    place_empty();
    MUST(store_open(AT(f->directory), true, &f->store, &error));
    MUST(db_open(f->store, DB_WRITER, &f->writer, &error));
    MUST(db_open(f->store, DB_READER, &f->reader, &error));
    *state = f;
    return 0;
}

void fixture_close(struct fixture *f)
{
    db_free(f->reader);
    db_free(f->writer);
    store_free(f->store);
    f->reader = f->writer = NULL;
    f->store = NULL;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

void remove_directory(const char *directory)
{
    nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int fixture_tear_down(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    remove_directory(f->directory);
    arena_free(f->arena);
    free(f);
    return 0;
}

void check_result(const char *what, enum code expected, result r, const struct err *e)
{
    if (r.code != expected || e->code != expected)
        fail_msg("%s: %s, not %s: %s", what, code_name(r.code), code_name(expected), e->text);
}

int64_t number(struct db *db, struct sql sql)
{
    int64_t n = 0;
    MUST(db_insert(db, sql, &n, "no row", &error));
    return n;
}

bool dies(void (*call)(void *argument), void *argument)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 2);
        signal(SIGABRT, SIG_DFL);
        call(argument);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
