/* rotation/launcher_process.h: inside the launcher's process, and what travels between it and the server. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct launcher_settings {
    const char *folder;
    pid_t parent;
    bool drops_uid;
    uid_t uid;
    gid_t gid;
};

enum launcher_op { LAUNCHER_SPAWN = 1, LAUNCHER_KILL, LAUNCHER_KILL_ALL };

struct launcher_request {
    uint32_t op, serial;
    pid_t pid;     /* LAUNCHER_KILL */
    char kind[16]; /* LAUNCHER_SPAWN; ends with a NUL */
};

struct launcher_reply { /* with it: the connector's socket and the read end of its standard error */
    uint32_t serial;
    int error; /* errno of what failed; 0: started */
    pid_t pid;
};

/* Serve the socket until its other end is closed, then kill every connector and exit. */
_Noreturn void launcher_process(int socket, const struct launcher_settings *settings);
