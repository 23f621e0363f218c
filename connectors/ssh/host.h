/* ssh/host.h: the one host that this process serves, and the functional account's session on it. */
#pragma once

#include <fcntl.h>
#include <libssh/libssh.h>
#include <unistd.h>

#include "common/made.h"
#include "common/target.h"

/* libssh leaves a socket open that it was given (SSH_OPTIONS_FD), except where it has found the connection broken. */
static inline void ssh_session_struct_free(struct ssh_session_struct *s)
{
    int fd = ssh_get_fd(s);
    ssh_disconnect(s);
    ssh_free(s);
    if (fd >= 0 && fcntl(fd, F_GETFD) >= 0)
        close(fd);
}
DEFINE_AUTOFREE(ssh_session_struct)
DEFINE_AUTOFREE(arena)

struct ssh_login { /* a password, or a private key with its passphrase */
    struct str account;
    const struct secret *password, *private_key, *passphrase;
};

/* How a command gets the rights that it needs. */
enum elevation { ELEVATION_UNTRIED, ELEVATION_NONE, ELEVATION_SUDO, ELEVATION_SUDO_PASSWORD, ELEVATION_DENIED };

struct host {
    struct target target;
    struct host_key seen; /* what the host showed last */

    bool has_functional;
    struct ssh_login functional;
    struct str elevation; /* "sudo" or "" */
    ssh_session session;  /* of the functional account; NULL: none */
    enum elevation read_elevation, change_elevation, key_elevation;
    bool has_fence, is_sudo_password_wrong;
    struct str key_account;                     /* whose key_elevation it is */
    struct str default_scheme;                  /* for accounts without a hash; absent: not looked up yet */
    struct str checked_account, checked_scheme; /* what the last check has found; absent: nothing */
    struct made made;
};

/* NULL when the name is safe on a command line, in a line of chpasswd and in a rule of sudoers; else the reason. */
const char *account_name_check(struct str s);
/* End the functional session and forget what was found out with it. */
void host_forget_session(struct host *h);
/* An error before anything that could change the target was sent, whatever a command's own error was. */
result as_unreachable(struct err *e);

/* The operations of the protocol: what each request holds and does. */
extern const struct field check_fields[], change_fields[], login_fields[], compare_fields[];

struct check_functional {
    struct str account, elevation;
    struct secret *password, *private_key, *passphrase;
};
struct check_request {
    struct target_address *target;
    struct list host_keys;
    struct check_functional *functional;
    struct str account, part;
    bool is_again;
};
result check_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);

struct change_request {
    struct str account, part, method, public_key;
    struct secret *password, *current, *current_key, *current_passphrase;
};
result change_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);

struct login_request {
    struct str account;
    struct secret *password, *private_key, *passphrase;
};
result login_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);

struct compare_request {
    struct str account, public_key;
    struct secret *password;
};
result compare_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);
