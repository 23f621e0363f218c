/* db/postgresql_listen.c: hearing what the servers on this store tell each other (LISTEN, NOTIFY). */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "db/postgresql.h"

enum { TRY_AGAIN_MS = 1000 };

struct listener {
    struct store *store;
    void (*on_notice)(void *context, struct str text);
    void *context;
    pthread_t thread;
    int stop; /* an eventfd */
};

/* False when it is time to stop. */
static bool wait_for(const struct listener *l, int fd, int milliseconds)
{
    struct pollfd ready[2] = {{.fd = l->stop, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    int n = poll(ready, fd < 0 ? 1 : 2, milliseconds);
    return !(n > 0 && (ready[0].revents & POLLIN));
}

static bool begin(PGconn *pg)
{
    PGresult *answer = postgresql_ask(pg, "LISTEN keyturn", NULL);
    bool is_listening = PQresultStatus(answer) == PGRES_COMMAND_OK;
    PQclear(answer);
    return is_listening;
}

/* Returns when the connection is lost, or it is time to stop (false). */
static bool hear(const struct listener *l, PGconn *pg)
{
    l->on_notice(l->context, S("")); /* some may have been missed */
    while (wait_for(l, PQsocket(pg), -1)) {
        if (!PQconsumeInput(pg) || PQstatus(pg) != CONNECTION_OK)
            return true;
        for (PGnotify *notice; (notice = PQnotifies(pg)); PQfreemem(notice))
            l->on_notice(l->context, str_of(notice->extra));
    }
    return false;
}

static void *listen_main(void *argument)
{
    struct listener *l = argument;
    struct err ignored; /* the writer says why the store cannot be reached */
    bool goes_on = true;
    while (goes_on) {
        PGconn *pg = NULL;
        if (is_ok(postgresql_connect(l->store->remote, "keyturn listener", &pg, &ignored)) && begin(pg))
            goes_on = hear(l, pg);
        PQfinish(pg);
        goes_on = goes_on && wait_for(l, -1, TRY_AGAIN_MS);
    }
    return NULL;
}

result store_listen(struct store *s, void (*on_notice)(void *context, struct str text), void *context,
                    struct listener **ret, struct err *e)
{
    *ret = NULL;
    if (!s->remote)
        return SUCCESS;
    struct listener *l = calloc(1, sizeof(*l));
    if (!l)
        die("out of memory: a listener");
    *l = (struct listener){.store = s, .on_notice = on_notice, .context = context, .stop = eventfd(0, EFD_CLOEXEC)};
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = l->stop < 0 ? errno : pthread_create(&l->thread, NULL, listen_main, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure) {
        free(l);
        return FAIL(e, INTERNAL, "the listener's thread: %s", strerror(failure));
    }
    *ret = l;
    return SUCCESS;
}

void listener_free(struct listener *l)
{
    if (!l)
        return;
    if (eventfd_write(l->stop, 1) != 0)
        die("the listener cannot be told to stop");
    pthread_join(l->thread, NULL);
    close(l->stop);
    free(l);
}
