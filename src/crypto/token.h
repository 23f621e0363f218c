/* crypto/token.h: RS512 tokens in JWS compact form (controlroom-api 2.2). The private half lives in this process only.
 */
#pragma once

#include "base/result.h"
#include "base/secret.h"

struct token_signer; /* one RSA-2048 key pair; thread-safe */

RESULT token_signer_new(struct token_signer **ret, struct err *e); /* makes a key: about 100 ms */
void token_signer_free(struct token_signer *s);
struct str
token_signer_public(const struct token_signer *s); /* SubjectPublicKeyInfo, DER; lives as long as the signer */
/* header exactly {"alg":"RS512"}; payload is the JSON given. About 1 ms of CPU. */
RESULT token_sign(struct token_signer *s, struct str payload_json, struct arena *a, struct str *ret_token,
                  struct err *e);

struct token_verifier; /* one public key; thread-safe */
RESULT token_verifier_new(struct str public_der, struct token_verifier **ret, struct err *e);
void token_verifier_free(struct token_verifier *v);
/* Split, check that the header is {"alg":"RS512"} and nothing else, verify. *ret_payload is the decoded JSON text, in
 * `a`. UNAUTHENTICATED for every defect, all alike. Several verifiers are tried in order. */
RESULT token_verify(struct token_verifier *const *verifiers, size_t n, struct str token, struct arena *a,
                    struct str *ret_payload, struct err *e);

/* Is this DER a well-formed RSA SubjectPublicKeyInfo? (the `encryptionKey` of controlroom-api 4.4) */
bool is_rsa_public_key(struct str der);

/* A self-signed certificate (P-256, 397 days) for these names and addresses, PEM, written 0600 with O_EXCL. */
RESULT certificate_make(const char *certificate_file, const char *key_file, const struct str *names, size_t n,
                        struct err *e);
/* When the certificate in this PEM file ends, and its SHA-256 fingerprint "AB:CD:…". */
RESULT certificate_read(const char *certificate_file, struct arena *a, int64_t *ret_ends_at,
                        struct str *ret_fingerprint, struct err *e);
