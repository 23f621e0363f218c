/* common/tls_pin.h: the public key of a TLS certificate, in the form in which host keys are pinned. */
#pragma once

#include "common/serve.h"

/* type "x509"; sha256 is "SHA256:" and the unpadded base64 of SHA-256 over the SubjectPublicKeyInfo: it stays the same
 * when a certificate is renewed with its key. Errors: INVALID when these bytes (DER) are no certificate. */
RESULT tls_pin_of(struct str der_certificate, struct arena *a, struct host_key *ret, struct err *e);

/* Is `seen` one of the `n` that the server sent? Otherwise fails with the protocol's word host_key_unknown (n is 0) or
 * host_key_changed, and puts `seen` into the answer. Call it after the TLS handshake, before any secret is sent. */
RESULT tls_pin_check(const struct host_key *seen, const struct host_key *pinned, size_t n, struct answer *answer,
                     struct err *e);
