/* audit/audit.h: the chained record of everything that was asked and answered (design 7, keyturn-api 2.7 and 10).
 *
 * A change and its record are one transaction: records are collected with the writer's connection, get number and hash
 * just before COMMIT, and the head moves when COMMIT has returned. */
#pragma once

#include "crypto/keyring.h"
#include "db/filter.h"
#include "db/writer.h"

struct audit; /* the chain of this server instance */

struct audit_actor { /* borrowed; copied into each record */
    int64_t user_id; /* 0: the server itself, or nobody */
    struct str user_name, address, request_id;
    struct str source; /* "controlroom", "passwordsafe", "keyturn", "server" */
};
struct audit_object {
    const char *kind; /* "credential", "locker", "user", "account" … static */
    int64_t id;
    struct str name;
};
#define NO_OBJECT ((struct audit_object){0})

/* Opens the chain and attaches it to the writer's connection: reads the head, compares it with the last row and, when
 * the keyring is open, with the sealed head and all that follows it. `server` is letters, digits, '-', '_' and '.'.
 * Errors: INVALID (server); INTERNAL when the store's end is not the one that was written: the text names `keyturn
 * audit verify`. A keyring that opens later is met at the next commit or checkpoint: the same check, after which the
 * sealed head moves; until it passes, every commit fails with that text. */
RESULT audit_open(struct db *writer_db, const struct keyring *keys, struct str server, struct audit **ret,
                  struct err *e);
void audit_free(struct audit *a); /* after writer_free */
/* The hooks' context, which device_failed gets too, is `a`. */
struct writer_hooks audit_hooks(struct audit *a, void (*device_failed)(void *context));

/* The store has lost rows that were acknowledged: it was restored from a copy, or a standby without the last commits
 * was promoted. Called in the transaction of the first contact after that, which also records it. `text` names the
 * chains, for people. */
typedef result (*audit_rewound)(struct db *db, void *context, struct str text, struct err *e);
void audit_on_rewound(struct audit *a, audit_rewound rewound, void *context);
/* Compare the store with what it is known to have held: every row that this process wrote, and `heads`, what
 * audit_heads_text gave at an earlier time (absent: nothing). The writer asks it at each new connection; the server
 * before it starts the writer. */
RESULT audit_compare(struct audit *a, struct db *writer_db, struct str heads, struct err *e);
/* "a:88213 b:17" of the last checkpoint or contact, to be kept outside the store; any thread. */
struct str audit_heads_text(struct audit *a, struct arena *arena);

/* Who acts from now on in this work; the gate and the rotation engine set it before they run one. Each work begins as
 * the server itself. On a connection without a chain (a reader) this does nothing. */
void audit_act(struct db *db, struct audit_actor actor);
void audit_act_as_server(struct db *db); /* under its user's name, "keyturn": what nobody has just asked for */
/* Note what was done, in the open transaction of the writer's connection. `what` is static ("locker.create");
 * `account_id`: the managed account it also belongs to, 0 for none; `detail` is for people and holds no secret. On any
 * other connection this stops the process. */
void audit_note(struct db *db, const char *what, bool is_success, struct audit_object object, int64_t account_id,
                struct str detail);
/* How much was noted so far; and forget what was noted since, for that part of the transaction was rolled back. */
size_t audit_noted(struct db *db);
void audit_forget_since(struct db *db, size_t noted);

/* A refusal without a caller, without waiting: at most 100 rows a second, per (address, user, reason) and minute one
 * row with its count, the rest one counted row. Counts in memory (1,000 of them; then only how many); audit_flush
 * writes. Any thread. */
void audit_refusal(struct audit *a, struct writer *w, struct audit_actor actor, const char *what, const char *reason);
/* Write the refusals that are due: a first one at once, its repetitions a minute later. The server's tick calls it once
 * a second, and with `is_last` before the last group at stop: then nothing is held back. Does not wait; what the store
 * or the queue refuses stays counted. Not calling it (a full disk) loses nothing but the single names. Any one thread.
 */
void audit_flush(struct audit *a, struct writer *w, bool is_last);

/* Sign the heads of all chains, "a:88213:9f… b:17:03…", and log them with the signature; also store them when a head
 * has moved since the last one. The server calls it each minute and at stop. Waits: not from a loop. Errors: SEALED,
 * and the store's. */
RESULT audit_checkpoint(struct audit *a, struct writer *w, struct err *e);

struct audit_head {
    struct str server;
    int64_t number;
    struct str hash; /* hex */
    int64_t at;
};
RESULT audit_heads(struct db *db, struct arena *a, struct audit_head **ret, size_t *ret_n, struct err *e);

struct audit_signed_heads {
    int64_t at; /* 0: no checkpoint yet */
    struct str heads, signature /* hex */;
};
RESULT audit_last_checkpoint(struct db *db, struct arena *a, struct audit_signed_heads *ret, struct err *e);

struct audit_chain {
    bool is_ok, head_was_checked; /* against the sealed head or the one given */
    struct str server;
    int64_t from, to, first_bad /* 0: none */, vouched_to /* 0: nothing that only we could have made names a row */;
};
struct audit_report {
    bool is_ok, head_was_checked; /* of all chains */
    struct str server;            /* this and the numbers: of the first broken chain, else of the first */
    int64_t from, to, first_bad /* 0: none */, vouched_to;
    struct str text; /* for people, a line per chain and per finding */
    const struct audit_chain *chains;
    size_t chain_count;
};
/* Walk every chain, in slices of 1,000 rows, while others may write. `head` is "[SERVER:]N:HASH" or absent. `keys` may
 * be closed: then the sealed head is not checked and the report says how far it can vouch. Errors: INVALID (head: not
 * of that form, or of no known chain), and the store's; what is wrong with a chain is in the report. */
RESULT audit_verify(struct db *db, const struct keyring *keys, struct str head, struct arena *a,
                    struct audit_report *ret, struct err *e);

struct audit_row {
    int64_t id, at, user_id, object_id, account_id;
    struct str what, user_name, address, source, request_id, object_kind, object_name, detail;
    bool is_success;
};
extern const struct column audit_columns[]; /* the last has no name. `what`, `address`, `source`, `request_id` have no
                                             * …_key: they are lower-case as we write them */
RESULT audit_list(struct db *db, struct arena *a, const struct listing *l, struct counts *ret_counts,
                  struct audit_row **ret, size_t *ret_n, struct err *e);
