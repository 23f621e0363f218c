/* crypto/keyring.c: the open data keys; sealing, message authentication and signing by their subkeys. */
#include "crypto/keyring.h"

#include <pthread.h>
#include <sodium.h>

#include "base/log.h"
#include "base/scope.h"
#include "base/secret_open.h"
#include "crypto/locked.h"
#include "crypto/parts.h"
#include "crypto/random.h"
#include "crypto/wrap.h"

enum {
    SLOTS_MAX = 64,
    PURPOSES = PURPOSE_AUDIT_HEAD,
    NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG_BYTES = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    BLOB_MIN = NUMBER_BYTES + NONCE_BYTES + TAG_BYTES,
    MAC_BYTES = 32,
    ASSOCIATED_MAX = INSTALLATION_MAX + 500,
};

/* A data key in use: its subkeys. The data key itself is not kept. */
struct slot {
    int64_t id;
    unsigned char subkeys[PURPOSES][KEY_BYTES];
};

struct keyring {
    pthread_rwlock_t lock;
    struct arena *arena; /* holds the installation's id while open */
    struct str installation;
    size_t n;
    struct slot *slots;         /* SLOTS_MAX, locked memory */
    const struct slot *present; /* the highest id; NULL when closed */
};

DEFINE_AUTOFREE(data_key)

struct keyring *keyring_new(void)
{
    struct keyring *k = calloc(1, sizeof *k);
    if (!k)
        die("no memory for a keyring");
    /* By default glibc lets readers starve a writer; closing must not wait for a pause in the traffic. */
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    if (pthread_rwlock_init(&k->lock, &attributes) != 0)
        die("no lock for a keyring");
    pthread_rwlockattr_destroy(&attributes);
    k->arena = arena_new();
    k->slots = locked_alloc(SLOTS_MAX * sizeof *k->slots);
    return k;
}

void keyring_free(struct keyring *k)
{
    if (!k)
        return;
    locked_free(k->slots);
    arena_free(k->arena);
    pthread_rwlock_destroy(&k->lock);
    free(k);
}

/* The lock is no part of what a const keyring promises to leave alone. */
static void lock_reading(const struct keyring *k)
{
    if (pthread_rwlock_rdlock((pthread_rwlock_t *)&k->lock) != 0)
        die("keyring: cannot lock");
}

static void lock_writing(struct keyring *k)
{
    if (pthread_rwlock_wrlock(&k->lock) != 0)
        die("keyring: cannot lock");
}

static void unlock(const struct keyring *k)
{
    pthread_rwlock_unlock((pthread_rwlock_t *)&k->lock);
}

bool keyring_is_open(const struct keyring *k)
{
    lock_reading(k);
    bool is_open = k->present != NULL;
    unlock(k);
    return is_open;
}

void keyring_close(struct keyring *k)
{
    lock_writing(k);
    wipe(k->slots, SLOTS_MAX * sizeof *k->slots);
    arena_reset(k->arena);
    k->installation = STR_ABSENT;
    k->present = NULL;
    k->n = 0;
    unlock(k);
}

static const struct slot *find(const struct keyring *k, int64_t id)
{
    for (size_t i = 0; i < k->n; i++)
        if (k->slots[i].id == id)
            return &k->slots[i];
    return NULL;
}

static void derive(unsigned char out[KEY_BYTES], const struct data_key *d, enum purpose purpose)
{
    _Static_assert(crypto_kdf_KEYBYTES == KEY_BYTES && crypto_kdf_CONTEXTBYTES == 8, "sizes of crypto_kdf");
    crypto_kdf_derive_from_key(out, KEY_BYTES, (uint64_t)purpose, "keyturn1", data_key_bytes(d));
}

static result add_locked(struct keyring *k, int64_t id, const struct data_key *d, struct str installation,
                         struct err *e)
{
    if (k->present && !str_equal(k->installation, installation))
        return FAIL(e, INVALID, "installation: is not the one that the keyring is open for");
    const struct slot *known = find(k, id);
    struct slot *slot = &k->slots[k->n];
    if (!known && k->n == SLOTS_MAX)
        return FAIL(e, CONFLICT, "%d data keys are open already; re-encrypt the oldest values first", SLOTS_MAX);
    if (known) {
        unsigned char values[KEY_BYTES];
        derive(values, d, PURPOSE_VALUES);
        bool is_same = equal_constant_time(values, known->subkeys[PURPOSE_VALUES - 1], KEY_BYTES);
        wipe(values, sizeof values);
        return is_same ? SUCCESS : FAIL(e, CONFLICT, "data key %lld is open already, as another key", (long long)id);
    }
    slot->id = id;
    for (int purpose = 1; purpose <= PURPOSES; purpose++)
        derive(slot->subkeys[purpose - 1], d, (enum purpose)purpose);
    if (!k->present)
        k->installation = arena_str(k->arena, installation);
    if (!k->present || k->present->id < id)
        k->present = slot;
    k->n++;
    return SUCCESS;
}

RESULT keyring_add(struct keyring *k, int64_t id, struct str wrap, const struct secret *root, struct str installation,
                   struct err *e)
{
    AUTOFREE(data_key) d = NULL;
    TRY(data_key_unwrap(wrap, id, root, installation, &d, e));
    lock_writing(k);
    result r = add_locked(k, id, d, installation, e);
    unlock(k);
    return r;
}

static const unsigned char *subkey(const struct slot *slot, enum purpose purpose)
{
    return slot->subkeys[purpose - 1];
}

static result sealed(struct err *e)
{
    return FAIL(e, SEALED, "the vault is sealed");
}

static void associate(struct buf *b, const struct keyring *k, struct place at, int64_t id)
{
    parts_add(b, S("keyturn/1"));
    parts_add(b, k->installation);
    parts_add(b, str_of(at.table));
    parts_add_number(b, at.row);
    parts_add(b, str_of(at.column));
    parts_add_number(b, at.version);
    parts_add_number(b, id);
    if (b->has_failed)
        die("associated data of %s.%s outgrows %d bytes", at.table, at.column, ASSOCIATED_MAX);
}

static result seal_locked(const struct keyring *k, struct place at, struct str value, struct arena *a,
                          struct str *ret_blob, struct err *e)
{
    if (!k->present)
        return sealed(e);
    AUTOBUF associated;
    buf_init(&associated, ASSOCIATED_MAX);
    associate(&associated, k, at, k->present->id);

    unsigned char *blob = arena_alloc(a, BLOB_MIN + value.n);
    unsigned char *nonce = blob + NUMBER_BYTES;
    big_endian_put(blob, (uint64_t)k->present->id);
    random_bytes(nonce, NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE_BYTES, NULL, (const unsigned char *)value.p, value.n,
                                               (const unsigned char *)associated.p, associated.n, NULL, nonce,
                                               subkey(k->present, PURPOSE_VALUES));
    *ret_blob = (struct str){(const char *)blob, BLOB_MIN + value.n};
    return SUCCESS;
}

RESULT seal_value(const struct keyring *k, struct place at, const struct secret *value, struct arena *a,
                  struct str *ret_blob, struct err *e)
{
    if (!value)
        return FAIL(e, INTERNAL, "%s.%s: there is no value to seal", at.table, at.column);
    lock_reading(k);
    result r = seal_locked(k, at, secret_open(value), a, ret_blob, e);
    unlock(k);
    return r;
}

static result unseal_locked(const struct keyring *k, struct place at, struct str blob, struct arena *a,
                            struct secret **ret, struct err *e)
{
    if (!k->present)
        return sealed(e);
    const unsigned char *bytes = (const unsigned char *)blob.p;
    const struct slot *slot = blob.n < BLOB_MIN ? NULL : find(k, (int64_t)big_endian_get(bytes));
    if (!slot)
        return FAIL(e, INTERNAL, "%s.%s of row %lld: no sealed value, or of a data key that is not open", at.table,
                    at.column, (long long)at.row);
    AUTOBUF associated;
    buf_init(&associated, ASSOCIATED_MAX);
    associate(&associated, k, at, slot->id);

    char *room;
    struct secret *value = secret_with_room(a, blob.n - BLOB_MIN, &room);
    const unsigned char *nonce = bytes + NUMBER_BYTES;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            (unsigned char *)room, NULL, NULL, nonce + NONCE_BYTES, blob.n - NUMBER_BYTES - NONCE_BYTES,
            (const unsigned char *)associated.p, associated.n, nonce, subkey(slot, PURPOSE_VALUES)) != 0)
        return FAIL(e, INTERNAL, "%s.%s of row %lld: the sealed value does not verify at this place", at.table,
                    at.column, (long long)at.row);
    *ret = value;
    return SUCCESS;
}

RESULT unseal_value(const struct keyring *k, struct place at, struct str blob, struct arena *a, struct secret **ret,
                    struct err *e)
{
    lock_reading(k);
    result r = unseal_locked(k, at, blob, a, ret, e);
    unlock(k);
    return r;
}

/* A subkey serves one algorithm: those for values and for signing make no MACs. */
static bool makes_macs(enum purpose purpose)
{
    return purpose == PURPOSE_LINK_MAC || purpose == PURPOSE_BACKUP || purpose == PURPOSE_AUDIT_HEAD;
}

static void mac_by(const struct slot *slot, enum purpose purpose, struct str message, unsigned char out[MAC_BYTES])
{
    crypto_generichash(out, MAC_BYTES, (const unsigned char *)message.p, message.n, subkey(slot, purpose), KEY_BYTES);
}

RESULT keyring_mac(const struct keyring *k, enum purpose purpose, struct str message, struct arena *a,
                   struct str *ret_mac, struct err *e)
{
    if (!makes_macs(purpose))
        return FAIL(e, INTERNAL, "purpose %d makes no MACs", (int)purpose);
    lock_reading(k);
    if (!k->present) {
        unlock(k);
        return sealed(e);
    }
    unsigned char *mac = arena_alloc(a, NUMBER_BYTES + MAC_BYTES);
    big_endian_put(mac, (uint64_t)k->present->id);
    mac_by(k->present, purpose, message, mac + NUMBER_BYTES);
    unlock(k);
    *ret_mac = (struct str){(const char *)mac, NUMBER_BYTES + MAC_BYTES};
    return SUCCESS;
}

RESULT keyring_mac_check(const struct keyring *k, enum purpose purpose, struct str message, struct str mac,
                         bool *ret_ok, struct err *e)
{
    if (!makes_macs(purpose))
        return FAIL(e, INTERNAL, "purpose %d makes no MACs", (int)purpose);
    lock_reading(k);
    if (!k->present) {
        unlock(k);
        return sealed(e);
    }
    const unsigned char *bytes = (const unsigned char *)mac.p;
    const struct slot *slot = mac.n == NUMBER_BYTES + MAC_BYTES ? find(k, (int64_t)big_endian_get(bytes)) : NULL;
    bool is_right = false;
    if (slot) {
        unsigned char expected[MAC_BYTES];
        mac_by(slot, purpose, message, expected);
        is_right = equal_constant_time(expected, bytes + NUMBER_BYTES, MAC_BYTES);
        wipe(expected, sizeof expected);
    }
    unlock(k);
    *ret_ok = is_right;
    return SUCCESS;
}

RESULT keyring_sign(const struct keyring *k, struct str message, struct arena *a, struct str *ret_signature,
                    struct str *ret_public, struct err *e)
{
    _Static_assert(crypto_sign_SEEDBYTES == KEY_BYTES, "a subkey is a seed");
    unsigned char private_key[crypto_sign_SECRETKEYBYTES], *public_key = arena_alloc(a, crypto_sign_PUBLICKEYBYTES);
    lock_reading(k);
    if (!k->present) {
        unlock(k);
        return sealed(e);
    }
    crypto_sign_seed_keypair(public_key, private_key, subkey(k->present, PURPOSE_CHECKPOINT));
    unlock(k);
    unsigned char *signature = arena_alloc(a, crypto_sign_BYTES);
    crypto_sign_detached(signature, NULL, (const unsigned char *)message.p, message.n, private_key);
    wipe(private_key, sizeof private_key);
    *ret_signature = (struct str){(const char *)signature, crypto_sign_BYTES};
    *ret_public = (struct str){(const char *)public_key, crypto_sign_PUBLICKEYBYTES};
    return SUCCESS;
}

bool signature_check(struct str message, struct str signature, struct str public_key)
{
    return signature.n == crypto_sign_BYTES && public_key.n == crypto_sign_PUBLICKEYBYTES &&
           crypto_sign_verify_detached((const unsigned char *)signature.p, (const unsigned char *)message.p, message.n,
                                       (const unsigned char *)public_key.p) == 0;
}
