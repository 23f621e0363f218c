/* rotation/keepsake.c: a ring of sealed candidates. */
#include "rotation/keepsake.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum { KEPT_MAX = 512 };
static const char *const parts[] = {"password", "private_key", "passphrase"};
enum { PARTS = 3 };

struct keepsake {
    int64_t account_id, number; /* 0: an empty place */
    struct arena *arena;
    struct str sealed[PARTS], public_key;
};

struct keepsakes {
    pthread_mutex_t lock;
    struct keepsake ring[KEPT_MAX];
    size_t next;
};

struct keepsakes *keepsakes_new(void)
{
    struct keepsakes *k = calloc(1, sizeof(*k));
    if (!k)
        die("out of memory");
    pthread_mutex_init(&k->lock, NULL);
    return k;
}

void keepsakes_free(struct keepsakes *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < KEPT_MAX; i++)
        arena_free(k->ring[i].arena);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

static struct place place_of(int64_t account_id, int64_t number, size_t part)
{
    return (struct place){.table = "keepsakes", .column = parts[part], .row = account_id, .version = number};
}

void keepsakes_keep(struct keepsakes *k, const struct keyring *keys, int64_t account_id, int64_t number,
                    const struct login_secret *secret, struct str public_key)
{
    const struct secret *const secrets[PARTS] = {secret->password, secret->private_key, secret->passphrase};
    struct keepsake fresh = {.account_id = account_id, .number = number, .arena = arena_new()};
    struct err ignored; /* a vault that was sealed meanwhile sends nothing either */
    for (size_t i = 0; i < PARTS; i++)
        if (secrets[i] && !is_ok(seal_value(keys, place_of(account_id, number, i), secrets[i], fresh.arena,
                                            &fresh.sealed[i], &ignored)))
            fresh.sealed[i] = STR_ABSENT;
    fresh.public_key = arena_str(fresh.arena, str_is_set(public_key) ? public_key : S(""));
    pthread_mutex_lock(&k->lock);
    struct keepsake *at = &k->ring[k->next++ % KEPT_MAX];
    arena_free(at->arena);
    *at = fresh;
    pthread_mutex_unlock(&k->lock);
}

static result open_kept(const struct keepsake *kept, const struct keyring *keys, struct arena *a,
                        struct secret *ret[PARTS], struct err *e)
{
    for (size_t i = 0; i < PARTS; i++) {
        ret[i] = NULL;
        if (str_is_set(kept->sealed[i]))
            TRY(unseal_value(keys, place_of(kept->account_id, kept->number, i), kept->sealed[i], a, &ret[i], e));
    }
    return SUCCESS;
}

static result is_stored(struct db *db, struct arena *a, const struct keyring *keys, const struct keepsake *kept,
                        struct secret *const opened[PARTS], bool *ret, struct err *e)
{
    struct login_secret stored;
    result r = version_open(db, a, keys, kept->account_id, kept->number, &stored, e);
    *ret = is_ok(r) && secret_equal(stored.password, opened[0]) && secret_equal(stored.private_key, opened[1]);
    return r.code == NOT_FOUND ? SUCCESS : r;
}

/* An account that was itself lost cannot take its password back: that one is told in the log. */
static result put_back(struct keepsake *kept, struct db *db, struct arena *a, const struct keyring *keys, int64_t now,
                       size_t *ret_n, struct err *e)
{
    struct secret *opened[PARTS];
    struct managed_account account;
    bool is_there;
    int64_t number;
    TRY(open_kept(kept, keys, a, opened, e));
    TRY(is_stored(db, a, keys, kept, opened, &is_there, e));
    if (is_there)
        return SUCCESS;
    result found = account_get(db, a, kept->account_id, now, &account, e);
    if (found.code == NOT_FOUND) {
        log_error("rotation: account %" PRId64
                  " was lost by the store, and a password that was sent to its system with it",
                  kept->account_id);
        return SUCCESS;
    }
    TRY(found);
    struct version_secret with = {.password = opened[0],
                                  .private_key = opened[1],
                                  .passphrase = opened[2],
                                  .public_key = kept->public_key,
                                  .has_no_passphrase = !opened[2]};
    TRY(version_make(db, a, keys, kept->account_id, &with, 0, now, &number, e));
    (*ret_n)++;
    return SUCCESS;
}

result keepsakes_put_back(struct keepsakes *k, struct db *db, struct arena *a, const struct keyring *keys, int64_t now,
                          size_t *ret_n, struct err *e)
{
    result r = SUCCESS;
    *ret_n = 0;
    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; is_ok(r) && i < KEPT_MAX; i++)
        if (k->ring[i].account_id)
            r = put_back(&k->ring[i], db, a, keys, now, ret_n, e);
    pthread_mutex_unlock(&k->lock);
    return r;
}
