/* ssh/command.h: run one command on the host: input, both outputs, exit status, all bounded. */
#pragma once

#include "ssh/host.h"

enum { OUTPUT_BYTES_MAX = 65536, NO_STATUS = -1 };

struct command_output {
    struct buf text, problems; /* what it wrote on its standard output and on its standard error */
    int status;
    bool has_input; /* a byte of the input may have reached the host; of an action: the command itself */
    bool is_action; /* set by the caller: the command itself changes the host, and what it starts there may live on
                       with its outputs in hand */
};
void command_output_free(struct command_output *o);
#define AUTO_COMMAND_OUTPUT __attribute__((cleanup(command_output_free))) struct command_output

/* Run it and wait for its exit status. The input is written at once and ended. Blocks until the watchdog's deadline at
 * most; a host that writes more than 64 KiB is cut off. Codes: unsent (it did not start, or had no input), unknown. */
RESULT command_run(ssh_session s, const char *command, struct str input, struct command_output *ret, struct err *e);
/* Both outputs, problems first when there are any: for looking for words and for texts. */
struct str command_text(const struct command_output *o);
/* Is this one of the lines of its standard output? A login shell may write lines of its own before it. */
bool command_has_line(const struct command_output *o, struct str line);

/* The same with a terminal, prompt by prompt. */
struct dialogue;
struct dialogue *dialogue_new(struct arena *a, ssh_session s);
void dialogue_free(struct dialogue *d); /* ends the command; call before the arena ends */
DEFINE_AUTOFREE(dialogue)
RESULT dialogue_start(struct dialogue *d, const char *command, struct err *e);
/* Wait until the output since the last send holds one of the words (lower case; NULL-terminated list), or until the
 * command ends: -1. The output is never shown to anybody. Codes: unsent. */
RESULT dialogue_wait(struct dialogue *d, const char *const *words, int *ret_word, struct err *e);
RESULT dialogue_send(struct dialogue *d, struct str line, struct err *e);
bool dialogue_says(const struct dialogue *d, struct str lower_case_part); /* anywhere since the start */
struct str dialogue_recent(const struct dialogue *d);                     /* since the last send, lower case */
int dialogue_status(const struct dialogue *d);
