/* activedirectory/main.c: keyturn-connector-activedirectory: accounts of an Active Directory domain. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "activedirectory/domain.h"
#include "activedirectory/kerberos.h"
#include "base/text.h"
#include "common/sandbox.h"

const char *plain_text_check(struct str s)
{
    return text_has_control(s) ? "has control characters" : NULL;
}

const char *account_name_check(struct str s)
{
    enum { NAME_BYTES_MAX = 246 };
    const struct str never = S("\"/\\[]:;|=,+*?<>@");
    for (size_t i = 0; i < s.n; i++)
        if (str_find_char(never, s.p[i]) >= 0)
            return "not the sAMAccountName of an account";
    if (str_ends(s, S(".")) || str_ends(s, S(" ")) || str_starts(s, S(" ")))
        return "not the sAMAccountName of an account";
    return s.n > NAME_BYTES_MAX ? "too long for the name of an account" : plain_text_check(s);
}

RESULT password_check(const struct secret *password, const char *field, struct err *e)
{
    if (secret_length(password) == 0)
        return FAIL_AS(e, INVALID, "bad_request", "%s: is required", field);
    if (!secret_is_utf8(password) || secret_has_any(password, "", 1))
        return FAIL_AS(e, INVALID, "bad_request", "%s: is no text", field);
    return SUCCESS;
}

struct str account_bind_name(const struct directory *directory, struct str account, struct arena *a)
{
    return arena_printf(a, "%.*s@%.*s", STR_ARG(account), STR_ARG(directory->domain));
}

static const struct operation operations[] = {
    {"check", check_fields, sizeof(struct check_request), check_run},
    {"change", change_fields, sizeof(struct change_request), change_run},
    {"login", login_fields, sizeof(struct login_request), login_run},
    {.name = NULL},
};

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "keyturn-ad"); /* one that was started by descriptor has a number for a name */
    directory_prepare_libraries();
    kerberos_prepare_library();
    sandbox_enter();
    struct domain d = {.target.arena = arena_new(), .last.arena = arena_new()};
    int status = serve("activedirectory", operations, &d);
    directory_close(&d.session);
    arena_free(d.last.arena);
    arena_free(d.target.arena);
    fflush(NULL);
    _exit(status); /* a leak checker at exit would need what the sandbox has taken away */
}
