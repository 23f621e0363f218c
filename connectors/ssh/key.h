/* ssh/key.h: reading, describing and making key pairs. */
#pragma once

#include <libssh/libssh.h>

#include "ssh/host.h"

static inline void ssh_key_struct_free(struct ssh_key_struct *key)
{
    ssh_key_free(key);
}
DEFINE_AUTOFREE(ssh_key_struct)

enum { KEY_TEXT_MAX = 16384 };

/* ret_is_encrypted is filled on failure too. Codes: bad_key, passphrase_required, wrong_passphrase. */
RESULT key_read(const struct secret *private_key, const struct secret *passphrase, ssh_key *ret, bool *ret_is_encrypted,
                struct err *e);
/* Split a line of authorized_keys without options into "type base64" and check that it holds a key that we take:
 * ed25519, ECDSA, RSA from 2,048 bits. Code: bad_request. */
RESULT key_line_read(struct str line, struct arena *a, struct str *ret_identity, struct err *e);

struct inspect_request {
    struct secret *private_key, *passphrase;
};
extern const struct field inspect_fields[], make_fields[];
result inspect_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);

struct make_request {
    struct str type;
    int64_t size;
};
result make_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);
