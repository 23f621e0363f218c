/* ssh/authorized_keys.c: one fixed shell program, run as the account; what it works on comes on its input. */
#include <string.h>

#include "ssh/authorized_keys.h"

#include "ssh/elevate.h"
#include "ssh/key.h"

/* Input: "add", "remove" or "find"; "type base64"; the whole line. It reads all of it before it does anything. Options
 * in front of a key may hold quoted texts that look like keys, so they are cut away first. */
static const char program[] =
    "umask 077; IFS= read -r op && IFS= read -r key && IFS= read -r line || exit 64\n"
    "case $op in add|remove|find) ;; *) exit 64 ;; esac\n"
    "[ -n \"$HOME\" ] && [ \"$HOME\" != / ] && cd \"$HOME\" || exit 65\n"
    "[ -d .ssh ] || [ $op != add ] || mkdir -m 700 .ssh || exit 65\n"
    "f=.ssh/authorized_keys\n"
    "[ ! -L .ssh ] && [ ! -L $f ] || exit 66\n"
    "[ -e $f ] || { [ $op = find ] && echo absent && exit; [ $op = remove ] && exit; touch $f || exit 65; }\n"
    "export op key line; [ -f $f ] && [ -r $f ] || exit 67\n"
    "out=$(awk 'function same(s, w, n, i) { if (s ~ /^[ \\t]*#/) return 0; gsub(/\"([^\"\\\\]|\\\\.)*\"/, \"\", s)\n"
    "n = split(s, w, /[ \\t]+/); for (i = 1; i < n; i++) if (w[i] ~ /^(ssh-|ecdsa-|sk-)/)\n"
    "return w[i] \" \" w[i + 1] == ENVIRON[\"key\"]; return 0 }\n"
    "same($0) { found = 1; if (ENVIRON[\"op\"] == \"remove\") next } { print }\n"
    "END { if (!found && ENVIRON[\"op\"] == \"add\") print ENVIRON[\"line\"]; print found ? \"present\" : \"absent\" "
    "}' $f)"
    " || exit 67\n"
    "state=${out##*[!a-z]}\n"
    "[ $op != find ] || { echo $state; exit; }\n"
    "[ $op$state != addpresent ] && [ $op$state != removeabsent ] || exit 0\n"
    "rm -f $f.new && printf %s \"${out%$state}\" >$f.new && chmod 600 $f.new && sync $f.new || exit 67\n"
    "chmod 700 .ssh && mv -f $f.new $f && sync .ssh || exit 68\n";

enum { EXIT_FIRST = 64, EXIT_BEFORE_THE_MOVE = 67 };

static const char *program_command(struct arena *a)
{
    return arena_printf(a, "/bin/sh -c %s", shell_quote(a, program)).p;
}

/* Another account may have another rule in sudoers. */
static void turn_to(struct host *h, struct str account)
{
    if (!str_equal(h->key_account, account)) {
        h->key_account = arena_str(h->target.arena, account);
        h->key_elevation = ELEVATION_UNTRIED;
    }
}

/* Asks sudo for its list: a run that is refused would be a line in the host's log at every check. */
RESULT authorized_keys_may_write(struct host *h, struct str account, struct arena *a, bool *ret, struct err *e)
{
    AUTO_COMMAND_OUTPUT output = {0};
    bool is_own = str_equal(account, h->functional.account);
    if (is_own || !str_equal(h->elevation, S("sudo"))) {
        const char *command = "/bin/sh -c 'test $(id -u) = 0' && echo " DONE_MARK;
        if (!is_ok(command_run(h->session, command, STR_ABSENT, &output, e)))
            return as_unreachable(e);
        *ret = is_own || elevate_has_worked(&output);
        return SUCCESS;
    }
    enum elevation how = h->change_elevation == ELEVATION_SUDO_PASSWORD ? ELEVATION_SUDO_PASSWORD : ELEVATION_SUDO;
    const char *command = arena_printf(a, "-l -u '%.*s' %s", STR_ARG(account), program_command(a)).p;
    result ran = elevate(h, &how, NULL, command, STR_ABSENT, a, &output, e);
    if (!is_ok(ran) && strcmp(e->word, "elevation_denied") != 0)
        return as_unreachable(e);
    *ret = is_ok(ran) && elevate_has_worked(&output);
    return SUCCESS;
}

static struct str input_for(const char *op, struct str identity, struct str line, struct arena *a)
{
    return arena_printf(a, "%s\n%.*s\n%.*s\n", op, STR_ARG(identity), STR_ARG(str_trim(line)));
}

static RESULT run_program(struct host *h, ssh_session s, const struct key_change *change, struct str input,
                          struct arena *a, struct command_output *output, struct err *e)
{
    if (change->is_own_session) {
        const char *command = arena_printf(a, "env LC_ALL=C %s && echo " DONE_MARK, program_command(a)).p;
        return command_run(s, command, input, output, e);
    }
    turn_to(h, change->account);
    return elevate(h, &h->key_elevation, arena_cstr(a, change->account), program_command(a), input, a, output, e);
}

RESULT authorized_keys_change(struct host *h, ssh_session s, const struct key_change *change, struct arena *a,
                              struct err *e)
{
    struct str identity = STR_ABSENT;
    TRY(key_line_read(change->line, a, &identity, e));
    AUTO_COMMAND_OUTPUT output = {0};
    struct str input = input_for(change->is_removal ? "remove" : "add", identity, change->line, a);
    TRY(run_program(h, s, change, input, a, &output, e));
    if (elevate_has_worked(&output))
        return SUCCESS;
    if (output.status >= EXIT_FIRST && output.status <= EXIT_BEFORE_THE_MOVE)
        return FAIL_AS(e, REFUSED, "refused", "authorized_keys could not be written (%d): %.*s", output.status,
                       STR_ARG(command_text(&output)));
    return FAIL_AS(e, UNCERTAIN, "unknown", "exit status %d: %.*s", output.status, STR_ARG(command_text(&output)));
}

RESULT authorized_keys_has(struct host *h, struct str account, struct str line, struct arena *a, bool *ret,
                           struct err *e)
{
    struct str identity = STR_ABSENT;
    TRY(key_line_read(line, a, &identity, e));
    const struct key_change change = {.account = account};
    AUTO_COMMAND_OUTPUT output = {0};
    result ran = run_program(h, h->session, &change, input_for("find", identity, line, a), a, &output, e);
    if (!is_ok(ran) && strcmp(e->word, "elevation_denied") != 0)
        return as_unreachable(e);
    if (!is_ok(ran) || !elevate_has_worked(&output))
        return FAIL_AS(e, UNREACHABLE, "unreadable", "the functional account may not read authorized_keys");
    bool is_present = command_has_line(&output, S("present"));
    if (is_present == command_has_line(&output, S("absent")))
        return FAIL_AS(e, UNREACHABLE, "unreadable", "the host does not say whether the key is in authorized_keys");
    *ret = is_present;
    return SUCCESS;
}
