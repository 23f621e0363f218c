/* ssh/elevate.h: a command of the functional session with the rights that it needs. */
#pragma once

#include "ssh/command.h"

/* The command's success is told by this line after its own output: a login shell that runs nothing exits 0 as well. */
#define DONE_MARK "keyturn:ok"

/* Run the command as `user` (NULL: root) in the way `*how` says. When that is untried: directly when the host needs no
 * elevation, else `sudo -n`, else sudo with the functional account's password as the first line of its input; what
 * worked stays in *how. So an untried way must come with a command and an input that may be run twice.
 * Codes: elevation_denied (nothing ran), and those of command_run. */
RESULT elevate(struct host *h, enum elevation *how, const char *user, const char *command, struct str input,
               struct arena *a, struct command_output *ret, struct err *e);
/* The text as one word of a POSIX shell. */
const char *shell_quote(struct arena *a, const char *text);
/* Exit status 0 and the mark. */
bool elevate_has_worked(const struct command_output *o);
