/* postgresql/saslprep.h: a password in the form in which both ends of SCRAM hash it. */
#pragma once

#include "base/secret.h"

/* RFC 4013 as PostgreSQL applies it: pure ASCII stays as it is, and so do the bytes of a password that is no UTF-8 or
 * that the RFC forbids. */
struct secret *saslprep(struct arena *a, const struct secret *password);
