/* crypto/wrap.h: how a data key lies wrapped in the store; for keyring.c. */
#pragma once

#include "base/result.h"
#include "base/secret.h"
#include "crypto/keyring.h"

enum { INSTALLATION_MAX = 200 };

/* What data_key_wrap made of this id, installation and key text. INVALID for any other. The caller frees. */
RESULT data_key_unwrap(struct str wrap, int64_t id, const struct secret *root, struct str installation,
                       struct data_key **ret, struct err *e);
const unsigned char *data_key_bytes(const struct data_key *d); /* KEY_BYTES of them */
