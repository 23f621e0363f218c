/* mysql/probe.h: a connection that only looks at the server's certificate. */
#pragma once

#include "mysql/server.h"

/* Connect, read the greeting, shake hands over TLS, compare the certificate's key with the pinned ones, close. Sends
 * nothing secret. Fills s->seen when a certificate was shown, and s->fingerprint (SHA-1 of the whole certificate, in
 * hex) when its key is pinned. Blocks until the watchdog's deadline at most. Codes: bad_request, unreachable,
 * host_key_unknown, host_key_changed. */
RESULT probe_run(struct server *s, struct arena *a, struct answer *answer, struct err *e);
