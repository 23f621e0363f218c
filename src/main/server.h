/* main/server.h: the running server: its parts, and the files of main/ that start them. */
#pragma once

#include <pthread.h>

#include "audit/audit.h"
#include "gate/gate.h"
#include "gate/service.h"
#include "identity/signin.h"
#include "main/programs.h"
#include "rotation/clockwork.h"
#include "rotation/rotation.h"

struct server {
    const struct options *options;
    struct arena *arena;
    struct launcher *launcher;
    struct store *store;
    struct str name; /* among the servers on this store */
    struct db *writer_db;
    struct keyring *keys;
    struct audit *audit;
    struct tokens *tokens;
    struct writer *writer;
    struct http_server *http;
    struct gate *gate;
    struct listener *listener;
    struct db *notices_db; /* the listener's */
    struct keepsakes *keepsakes;
    struct rotation *rotation;
    struct service service;
    unsigned loops;
    uid_t uid; /* the server's own user; 0: none */
    gid_t gid;
    bool is_running;
    struct str urls[LISTENS_MAX]; /* as they really are */
    size_t url_count;
    pthread_t clock, signals;
    bool has_clock;
    _Atomic bool clock_stops;
    struct clockwork clockwork; /* the clock's thread's own */
};

/* serve.c */
void server_stop(struct server *s); /* any thread: stop accepting, answer what is under way */

/* listen.c: which URL may be served, and with which certificate. */
RESULT server_listen(struct server *s, struct str url, struct err *e);
void server_announce(const struct server *s);               /* "listening on URL" on standard output */
struct dial_rules server_dial_rules(struct server *s);      /* after listening: our own places are not dialled */
RESULT server_become_user(struct server *s, struct err *e); /* effectively; root is kept for binding */
RESULT server_drop_user(struct server *s, struct err *e);   /* for good; before anything is served */

/* notices.c: hearing the other servers on the store. */
RESULT server_start_listening(struct server *s, struct err *e);
void server_stop_listening(struct server *s);

/* clock.c: DIR/heads: how far the audit's chains reached, kept outside the store. */
void heads_keep(const struct server *s, struct arena *a);
struct str name_of_boot(struct arena *a); /* the kernel's; empty: it has none */

/* clock.c: signals, and what happens each tenth of a second, second, minute. */
RESULT server_block_signals(struct err *e);
RESULT server_start_clock(struct server *s, struct err *e);
void server_stop_clock(struct server *s);
RESULT server_follow_clock(struct server *s, struct db *db, struct err *e); /* the store's, where several share it */
