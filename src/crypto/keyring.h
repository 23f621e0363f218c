/* crypto/keyring.h: the keys that seal values, and what they are wrapped by (design 6).
 *
 * root key (32 bytes, from the seal: key file, or passphrase; a second wrap for the recovery key)
 *   wraps data keys (versioned)      -> subkeys by purpose: values, link MAC, checkpoint signing, backup
 * Keys are in locked memory. Thread-safe for reading; opening and closing take a lock. */
#pragma once

#include "base/result.h"
#include "base/secret.h"

enum { KEY_BYTES = 32 };

struct keyring;

struct keyring *keyring_new(void); /* closed */
void keyring_free(struct keyring *k);
bool keyring_is_open(const struct keyring *k);
void keyring_close(struct keyring *k); /* drop the keys at once (seal) */

/* A fresh root key as text of a key file: "keyturn-key-1:" and 64 hex digits and a newline. The recovery key has the
 * same form with "keyturn-recovery-1:". */
struct secret *keyring_make_root(struct arena *a, bool is_recovery);
/* Wrap a fresh data key `id` under a root or recovery key's text. Both wraps of one data key hold the same key: make
 * the data key first. */
struct data_key; /* locked memory */
struct data_key *data_key_new(void);
void data_key_free(struct data_key *d);
RESULT data_key_wrap(const struct data_key *d, int64_t id, const struct secret *root, struct str installation,
                     struct arena *a, struct str *ret_wrap, struct err *e);
/* Open: unwrap and add data key `id`; the highest id added seals new values. INVALID when the root key is a wrong one.
 */
RESULT keyring_add(struct keyring *k, int64_t id, struct str wrap, const struct secret *root, struct str installation,
                   struct err *e);

/* Where a sealed value stands; all of it is associated data, so a blob moved elsewhere does not open. */
struct place {
    const char *table, *column;
    int64_t row, version;
};

/* blob = data-key id (8 bytes big-endian), nonce (24), ciphertext with tag. Associated data, each part length-prefixed:
 * "keyturn/1", installation id, table, row, column, version, data-key id. Errors: SEALED when closed. */
RESULT seal_value(const struct keyring *k, struct place at, const struct secret *value, struct arena *a,
                  struct str *ret_blob, struct err *e);
/* Errors: SEALED; INTERNAL when the blob does not verify at this place. */
RESULT unseal_value(const struct keyring *k, struct place at, struct str blob, struct arena *a, struct secret **ret,
                    struct err *e);

enum purpose { PURPOSE_VALUES = 1, PURPOSE_LINK_MAC, PURPOSE_CHECKPOINT, PURPOSE_BACKUP, PURPOSE_AUDIT_HEAD };
/* Keyed BLAKE2b-256 under the purpose's subkey of the present data key; the blob names the data key: id (8) and MAC
 * (32). LINK_MAC, BACKUP and AUDIT_HEAD only: a subkey serves one algorithm. Errors: SEALED. */
RESULT keyring_mac(const struct keyring *k, enum purpose purpose, struct str message, struct arena *a,
                   struct str *ret_mac, struct err *e);
RESULT keyring_mac_check(const struct keyring *k, enum purpose purpose, struct str message, struct str mac,
                         bool *ret_ok, struct err *e);
/* Ed25519 signature by the checkpoint subkey, and the public key; both raw. */
RESULT keyring_sign(const struct keyring *k, struct str message, struct arena *a, struct str *ret_signature,
                    struct str *ret_public, struct err *e);
bool signature_check(struct str message, struct str signature, struct str public_key);
