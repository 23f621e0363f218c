/* rotation/rotation.h: the engine: a queue in the store, workers, the resolver, the clockwork. Plain threads; a worker
 * blocks on its connector, never on a transaction of somebody else. (design 4) */
#pragma once

#include "crypto/keyring.h"
#include "db/writer.h"
#include "rotation/address.h"
#include "rotation/launcher.h"

struct rotation;
enum { ROTATION_LANES_MAX = 64 };
struct keepsakes; /* what was sent last: lives longer than an engine does */
struct keepsakes *keepsakes_new(void);
void keepsakes_free(struct keepsakes *k);
struct rotation_config {
    struct store *store;
    struct writer *writer;
    const struct keyring *keys;
    struct launcher *launcher;
    struct keepsakes *keepsakes;
    struct line_pool *lines; /* the engine's own; NULL in what rotation_start is given */
    unsigned workers;        /* lanes; 0: 8 */
    unsigned per_system;     /* lanes to one target; 0: 2 */
    unsigned quiet_s;        /* how far the server keeps from the last clear read of a password; 0: 60 */
    struct dial_rules dial;  /* borrowed */
    struct str boot;         /* borrowed: the kernel's name of this boot of the machine; empty: unknown */
    void (*on_settled)(void *context, int64_t job_id); /* the job has ended, or its outcome is known to be unknown */
    void *context;
};
/* Recovers the unfinished jobs that this server held, then starts the workers. */
RESULT rotation_start(const struct rotation_config *config, struct rotation **ret, struct err *e);
/* Finish or abandon attempts for at most grace_ms, then kill their connectors; the resolver settles them at the next
 * start. Whoever still has a call under way may go on using the rest of this header. */
void rotation_stop(struct rotation *r, unsigned grace_ms);
void rotation_free(struct rotation *r); /* after rotation_stop, when nobody can call any more; NULL is fine */
/* Something is due: look at once. Any thread; takes a struct rotation * (for call_after_commit). */
void rotation_wake(void *rotation);
/* Keep the leases of the jobs that are under way here; every few seconds, on the writer. */
RESULT rotation_renew(struct rotation *r, struct db *db, struct arena *a, int64_t now, struct err *e);
/* The store has lost acknowledged rows: every account that has a version on a system is compared with that system
 * before anything is changed there, and what `keepsakes` (NULL: nothing) still has is put back. On the writer. */
RESULT rotation_rewound(struct keepsakes *keepsakes, struct db *db, struct arena *a, const struct keyring *keys,
                        int64_t now, struct err *e);
/* Once a second, on one server of a store: schedules, tests, ends of requests, parents of finished jobs. On the writer.
 * `now` is the clockwork's. */
struct clockwork;
RESULT rotation_tick(struct db *db, struct arena *a, const struct keyring *keys, const struct clockwork *clockwork,
                     int64_t now, bool *ret_made_jobs, struct err *e);
/* For key files that a caller sent: parsed in a connector process of its own, not here. One at a time: the threads
 * that call it hash passwords for sign-ins as well, and none of them waits long for another's key. Blocks some 10 ms,
 * with a key that asks for much work up to 20 s. INVALID with the reason; BUSY: another key is being looked at. */
RESULT rotation_inspect_key(struct rotation *r, const struct secret *private_key, const struct secret *passphrase,
                            struct arena *a, struct str *ret_public, bool *ret_is_encrypted, struct err *e);
/* How long readers still got the old password: from the target's acknowledgement (or, where that was lost, from the
 * sending of the change) to the commit that made the new one current. */
enum { STALE_BOUNDS = 15 };
extern const int64_t rotation_stale_bounds_us[STALE_BOUNDS];
struct rotation_stats {
    uint64_t started, proved, refused, unknown, drifted;
    uint64_t stale[STALE_BOUNDS + 1]; /* changes by the first bound that they did not exceed; the rest in the last */
    int64_t stale_us;                 /* all of them together */
};
void rotation_count_stale(struct rotation_stats *stats, int64_t stale_us);
struct rotation_stats rotation_stats(struct rotation *r);
