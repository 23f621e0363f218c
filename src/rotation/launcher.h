/* rotation/launcher.h: a small process forked before any key is read (design 5). It alone starts connectors: binaries
 * only from one folder, names from a compiled table, cleared environment, no inherited descriptors, their own uid when
 * we are root, memory and time limits. It passes back a socket, reaps, and kills what outlives its limit. */
#pragma once

#include <sys/types.h>

#include "base/result.h"

struct launcher;

/* Fork the launcher. Call in main before threads and keys. `folder` holds the programs keyturn-connector-KIND.
 * `user` (may be NULL): whose uid connectors get when we are root ("nobody" when it does not exist). */
RESULT launcher_start(const char *folder, const char *user, struct launcher **ret, struct err *e);
/* Start a connector: its socket, its pid, and the read end of its stderr. Thread-safe; blocks for some milliseconds.
 * INVALID for a kind that is not in the table; UNREACHABLE with the word NO_CONNECTOR when the program is missing or
 * the launcher is gone: no target is to blame for that. */
#define NO_CONNECTOR "no_connector"
RESULT launcher_spawn(struct launcher *l, const char *kind, int *ret_socket, int *ret_stderr, pid_t *ret_pid,
                      struct err *e);
/* Let go of a connector that this launcher started: SIGKILL it if it still runs, and reap it. Until then its pid is not
 * used again, so each one that was spawned must be let go of. */
void launcher_kill(struct launcher *l, pid_t pid);
/* SIGKILL every connector: their calls fail at once. */
void launcher_kill_all(struct launcher *l);
void launcher_stop(struct launcher *l); /* ends the launcher and its connectors, frees; NULL is fine */
