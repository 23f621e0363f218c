/* identity/upkeep.c: the key of the keyed hashes, and dropping what is over. */
#include "identity/upkeep.h"

#include "base/clock.h"
#include "crypto/password.h"
#include "crypto/random.h"
#include "identity/keyed.h"
#include "identity/signin.h"

enum { KEYED_HASH_KEY_BYTES = 32 };

const struct str key_alphabet = {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 62};

RESULT identity_make_secrets(struct db *db, struct err *e)
{
    char key[KEYED_HASH_KEY_BYTES];
    random_bytes(key, sizeof key);
    result r = db_run(db,
                      SQL("INSERT INTO secrets_of_store (name, value) VALUES ('keyed_hash', $1) ON CONFLICT DO NOTHING",
                          P_BLOB(((struct str){key, sizeof key}))),
                      e);
    wipe(key, sizeof key);
    return r;
}

static RESULT load_key(struct db *db, struct arena *a, struct str *ret, struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a, SQL("SELECT value FROM secrets_of_store WHERE name = 'keyed_hash'"), &rows, e));
    if (rows.n == 0)
        return FAIL(e, INTERNAL, "the store has no key for its hashes; was `keyturn init` finished?");
    *ret = row_blob(&rows, 0, 0);
    return SUCCESS;
}

RESULT keyed_hash_of(struct db *db, struct arena *a, const struct secret *value, struct str *ret, struct err *e)
{
    struct str key;
    TRY(load_key(db, a, &key, e));
    *ret = keyed_hash(a, key, value);
    return SUCCESS;
}

RESULT keyed_hash_of_str(struct db *db, struct arena *a, struct str value, struct str *ret, struct err *e)
{
    struct str key;
    TRY(load_key(db, a, &key, e));
    *ret = keyed_hash_str(a, key, value);
    return SUCCESS;
}

RESULT identity_tidy(struct db *db, int64_t now, struct err *e)
{
    TRY(db_run(
        db,
        SQL("DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE ends_at <= $1 LIMIT 500)", P_INT(now)),
        e));
    TRY(db_run(db,
               SQL("DELETE FROM guesses WHERE (kind, who) IN (SELECT kind, who FROM guesses WHERE last_at <= $1"
                   " LIMIT 500)",
                   P_INT(now - GUESSES_FORGOTTEN_AFTER)),
               e));
    return db_run(db, SQL("DELETE FROM known_addresses WHERE last_at <= $1", P_INT(now - ADDRESS_KNOWN_FOR)), e);
}
