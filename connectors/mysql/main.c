/* mysql/main.c: keyturn-connector-mysql: accounts of MariaDB servers. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "common/sandbox.h"
#include "mysql/session.h"

static const struct operation operations[] = {
    {"check", check_fields, sizeof(struct check_request), check_run},
    {"change", change_fields, sizeof(struct change_request), change_run},
    {"login", login_fields, sizeof(struct login_request), login_run},
    {"compare", compare_fields, sizeof(struct compare_request), compare_run},
    {"fence", fence_fields, sizeof(struct fence_request), fence_run},
    {.name = NULL},
};

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "keyturn-mysql"); /* one that was started by descriptor has a number for a name */
    clearenv();                          /* libmariadb would load plugins that it names, and from where it says */
    session_prepare_library();
    sandbox_enter();
    struct server s = {.target.arena = arena_new(), .fence_token = S("")};
    int status = serve("mysql", operations, &s);
    server_forget_session(&s);
    arena_free(s.target.arena);
    fflush(NULL);
    _exit(status); /* a leak checker at exit would need what the sandbox has taken away */
}
