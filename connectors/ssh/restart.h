/* ssh/restart.h: the operation `restart`: a service of the host, by whatever the host starts services with. */
#pragma once

#include "ssh/host.h"

extern const struct field restart_fields[];
struct restart_request {
    struct str service;
};
result restart_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);
