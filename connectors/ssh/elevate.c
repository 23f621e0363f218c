/* ssh/elevate.c: sudo in its two forms, and telling its refusals from those of the command. */
#include "ssh/elevate.h"

#include "base/secret_open.h"
#include "common/guess.h"

bool elevate_has_worked(const struct command_output *o)
{
    return o->status == 0 && str_find(buf_str(&o->text), S(DONE_MARK)) >= 0;
}

static bool says(const struct command_output *o, const char *part)
{
    return str_find(buf_str(&o->problems), str_of(part)) >= 0;
}

static bool is_refused_by_sudo(const struct command_output *o)
{
    static const char *const refusals[] = {
        "sudo: a password is required",
        "is not allowed to execute",
        "is not in the sudoers file",
        "may not run sudo",
        "sudo: a terminal is required",
        "you must have a tty to run sudo",
        "incorrect password attempt",
        "sudo: no password was provided",
        "sudo: not found",
        "sudo: command not found",
        "sudo: No such file",
    };
    if (o->status != 1 && o->status != 127)
        return false;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (says(o, refusals[i]))
            return true;
    return false;
}

const char *shell_quote(struct arena *a, const char *text)
{
    AUTOBUF word;
    buf_init(&word, OUTPUT_BYTES_MAX);
    buf_add_char(&word, '\'');
    for (const char *p = text; *p; p++)
        if (*p == '\'')
            buf_add(&word, S("'\\''"));
        else
            buf_add_char(&word, *p);
    buf_add_char(&word, '\'');
    return arena_cstr(a, buf_str(&word));
}

/* `env` because not every login shell knows NAME=VALUE before a command. */
static const char *command_line(const struct host *h, enum elevation how, const char *user, const char *command,
                                struct arena *a)
{
    bool is_other = user && !str_equal(str_of(user), h->functional.account);
    struct str line = str_of(command);
    if (how == ELEVATION_NONE && is_other)
        line = arena_printf(a, "runuser -s /bin/sh -c %s '%s'", shell_quote(a, command), user);
    if (how == ELEVATION_SUDO || how == ELEVATION_SUDO_PASSWORD) {
        const char *form = how == ELEVATION_SUDO ? "-n" : "-k -S -p ''";
        const char *who = user ? arena_printf(a, "-H -u '%s' ", user).p : "";
        line = arena_printf(a, "sudo %s %s%s", form, who, command);
    }
    return arena_printf(a, "env LC_ALL=C %.*s && echo " DONE_MARK, STR_ARG(line)).p;
}

static RESULT run_one_way(struct host *h, enum elevation how, const char *user, const char *command, struct str input,
                          struct arena *a, struct command_output *ret, struct err *e)
{
    AUTOBUF bytes;
    buf_init(&bytes, OUTPUT_BYTES_MAX);
    if (how == ELEVATION_SUDO_PASSWORD) {
        buf_add(&bytes, secret_open(h->functional.password));
        buf_add_char(&bytes, '\n');
    }
    buf_add(&bytes, input);
    if (bytes.has_failed)
        return FAIL_AS(e, INVALID, "bad_request", "too much input for a command");
    return command_run(h->session, command_line(h, how, user, command, a), buf_str(&bytes), ret, e);
}

static bool may_try(const struct host *h, enum elevation how)
{
    bool needs_sudo = str_equal(h->elevation, S("sudo"));
    if (how == ELEVATION_SUDO_PASSWORD)
        return needs_sudo && h->functional.password;
    return needs_sudo == (how == ELEVATION_SUDO);
}

RESULT elevate(struct host *h, enum elevation *how, const char *user, const char *command, struct str input,
               struct arena *a, struct command_output *ret, struct err *e)
{
    bool is_open = *how == ELEVATION_UNTRIED;
    enum elevation first = is_open ? ELEVATION_NONE : *how, last = is_open ? ELEVATION_SUDO_PASSWORD : *how;
    for (enum elevation way = first; way <= last && way != ELEVATION_DENIED; way++) {
        if (is_open && !may_try(h, way))
            continue;
        if (way == ELEVATION_SUDO_PASSWORD && h->is_sudo_password_wrong)
            break; /* and what follows it in the input would be the next guess */
        TRY(run_one_way(h, way, user, command, input, a, ret, e));
        if (way == ELEVATION_SUDO_PASSWORD && says(ret, "incorrect password attempt")) {
            h->is_sudo_password_wrong = true;
            guess_denied();
        }
        if (way == ELEVATION_NONE || !is_refused_by_sudo(ret)) {
            *how = way;
            return SUCCESS;
        }
    }
    return FAIL_AS(e, UNREACHABLE, "elevation_denied",
                   h->is_sudo_password_wrong ? "sudo does not take the functional account's password"
                                             : "sudo does not let the functional account do this");
}
