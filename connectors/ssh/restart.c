/* ssh/restart.c: restart a service of the host: one command, with sudo's rights, its name out of a narrow alphabet. */
#include "ssh/restart.h"

#include <string.h>

#include "base/text.h"
#include "common/watchdog.h"
#include "ssh/elevate.h"

enum { SERVICE_BYTES_MAX = 128 };

/* It stands unquoted on a command line, and before a program that would take options. */
static const char *service_check(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool is_inner = i > 0 && (c == '.' || c == '-');
        if (!is_alnum && c != '_' && c != '@' && c != ':' && !is_inner)
            return "not a name of a service";
    }
    return s.n == 0 || s.n > SERVICE_BYTES_MAX ? "not a name of a service" : NULL;
}

const struct field restart_fields[] = {
    TEXT("service", struct restart_request, service, .required = true, .max = SERVICE_BYTES_MAX, .keeps_blanks = true,
         .check = service_check),
    FIELD_END,
};

/* systemd itself says so: sd_booted(3). */
static RESULT has_systemd(struct host *h, bool *ret, struct err *e)
{
    AUTO_COMMAND_OUTPUT output = {0};
    if (!is_ok(command_run(h->session, "test -d /run/systemd/system && echo " DONE_MARK, STR_ABSENT, &output, e)))
        return as_unreachable(e);
    *ret = elevate_has_worked(&output);
    return SUCCESS;
}

/* The shell that was asked to run it may have done so before the connection went. */
static result not_answered(const struct host *h, struct err *e)
{
    bool is_gone = watchdog_has_expired() || !ssh_is_connected(h->session);
    if (e && e->word && strcmp(e->word, "unsent") == 0 && is_gone) {
        e->word = "unknown";
        e->code = UNCERTAIN;
    }
    return (result){e ? e->code : UNCERTAIN};
}

static RESULT explain(const struct command_output *o, struct err *e)
{
    struct str text = text_trim(command_text(o));
    if (o->status == 0)
        return FAIL_AS(e, REFUSED, "refused", "the functional account's shell does not run commands");
    return FAIL_AS(e, REFUSED, "refused", "exit status %d: %.*s", o->status, STR_ARG(text));
}

result restart_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    (void)answer;
    struct host *h = state;
    const struct restart_request *r = request;
    if (!h->has_functional)
        return FAIL_AS(e, INVALID, "bad_request", "the check named no functional account");
    if (!h->session)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the check opened no functional session");
    watchdog_start(h->target.address.timeout_s);
    watchdog_guard(ssh_get_fd(h->session));
    bool is_systemd = false;
    TRY(has_systemd(h, &is_systemd, e));
    struct str command = is_systemd ? arena_printf(a, "/usr/bin/systemctl restart -- %.*s", STR_ARG(r->service))
                                    : arena_printf(a, "/usr/sbin/service %.*s restart", STR_ARG(r->service));
    enum elevation how = ELEVATION_UNTRIED;
    AUTO_COMMAND_OUTPUT output = {.is_action = true};
    if (!is_ok(elevate(h, &how, NULL, arena_cstr(a, command), STR_ABSENT, a, &output, e)))
        return not_answered(h, e);
    return elevate_has_worked(&output) ? SUCCESS : explain(&output, e);
}
