/* main/init.c: keyturn init: the store, the keys, the built-in rows, one administrator, one API registration. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accounts/rule.h"
#include "base/log.h"
#include "base/secret_open.h"
#include "base/text.h"
#include "crypto/password.h"
#include "crypto/random.h"
#include "identity/role.h"
#include "identity/signin.h"
#include "identity/upkeep.h"
#include "main/programs.h"

enum { API_KEY_LENGTH = 128, PASSWORD_LENGTH = 24 };
static const char letters[] = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

struct first_start {
    const struct options *o;
    struct arena *a;
    struct secret *root, *recovery, *password, *api_key;
    struct str password_hash, installation;
    struct store_place place;
    const char *store_name;
    bool makes_password, makes_api_key; /* made here, not read from a file */
    const char *made[4];                /* files to remove when something fails */
    size_t made_count;
};

/* A file that exists is read, one that does not will be written; without one the value goes to a terminal, and only
 * there. */
static result find_secret(struct first_start *f, const char *file, const char *option, size_t length,
                          struct secret **ret, bool *ret_is_made, struct err *e)
{
    *ret_is_made = !file || access(file, F_OK) != 0;
    if (!*ret_is_made)
        return secret_file_read(file, f->a, ret, e);
    if (!file && !isatty(STDOUT_FILENO))
        return FAIL(e, INVALID, "standard output is no terminal, and a secret is printed to nothing else: give %s FILE",
                    option);
    *ret = random_secret_text(f->a, (struct str){letters, sizeof letters - 1}, length);
    return SUCCESS;
}

static result write_file(struct first_start *f, const char *file, const struct secret *s, struct err *e)
{
    TRY(secret_file_write(file, s, f->a, e));
    f->made[f->made_count++] = file;
    return SUCCESS;
}

static result write_files(struct first_start *f, struct err *e)
{
    const struct options *o = f->o;
    TRY(write_file(f, o->key_file ? o->key_file : arena_printf(f->a, "%s/root.key", o->data).p, f->root, e));
    TRY(write_file(f, arena_printf(f->a, "%s/recovery.key", o->data).p, f->recovery, e));
    if (f->makes_password && o->admin_password_file)
        TRY(write_file(f, o->admin_password_file, f->password, e));
    if (f->makes_api_key && o->api_key_file)
        TRY(write_file(f, o->api_key_file, f->api_key, e));
    return SUCCESS;
}

static result setting(struct db *db, const char *name, struct str value, struct err *e)
{
    return db_run(db, SQL("INSERT INTO settings (name, value) VALUES ($1, $2)", P_TEXT(str_of(name)), P_TEXT(value)),
                  e);
}

static result make_keys(struct first_start *f, struct db *db, struct str installation, struct keyring *keys,
                        int64_t now, struct err *e)
{
    struct data_key *d = data_key_new();
    struct str root_wrap, recovery_wrap;
    result r = data_key_wrap(d, 1, f->root, installation, f->a, &root_wrap, e);
    if (is_ok(r))
        r = data_key_wrap(d, 1, f->recovery, installation, f->a, &recovery_wrap, e);
    data_key_free(d);
    TRY(r);
    TRY(db_run(db,
               SQL("INSERT INTO data_keys (id, root_wrap, recovery_wrap, created_at) VALUES (1, $1, $2, $3)",
                   P_BLOB(root_wrap), P_BLOB(recovery_wrap), P_INT(now)),
               e));
    return keyring_add(keys, 1, root_wrap, f->root, installation, e);
}

static result make_administrator(struct first_start *f, struct db *db, int64_t now, struct err *e)
{
    static int64_t roles[] = {ROLE_NUMBER_AAE_ADMIN, ROLE_NUMBER_LOCKER_ADMIN};
    static int64_t groups[] = {GROUP_NUMBER_ADMINISTRATORS};
    struct user_change admin = {.name = str_of(f->o->admin_user ? f->o->admin_user : "admin"),
                                .user_type = S("BeyondInsight"),
                                .first_name = S("Administrator"),
                                .email = S(""),
                                .password_hash = f->password_hash,
                                .role_numbers = {roles, 2, true},
                                .group_numbers = {groups, 1, true}};
    int64_t id;
    return user_create(db, f->a, NULL, &admin, now, &id, e);
}

static result make_registrations(struct first_start *f, struct db *db, const struct keyring *keys, int64_t now,
                                 struct err *e)
{
    struct registration_rule rules[2 + LISTENS_MAX] = {
        {.type = S("CIDR"), .value = S("127.0.0.0/8"), .description = S("loopback")},
        {.type = S("SingleIP"), .value = S("::1"), .description = S("loopback")}};
    size_t n = 2;
    for (size_t i = 0; i < f->o->api_allow_count; i++)
        rules[n++] = (struct registration_rule){
            .type = S("CIDR"), .value = str_of(f->o->api_allow[i]), .description = S("keyturn init --api-allow")};
    struct registration_change with = {
        .name = S("default"), .type = S("apikeypolicy"), .is_active = {true, true}, .rules = {rules, n, true}};
    int64_t ids[2];
    struct secret *unused;
    TRY(registration_create(db, f->a, keys, &with, f->api_key, now, &ids[0], &unused, e));
    with.name = S("default access policy");
    with.type = S("apiaccesspolicy");
    TRY(registration_create(db, f->a, keys, &with, NULL, now, &ids[1], &unused, e));
    struct role_change enabled = {.registrations = {ids, 1, true}};
    return role_update(db, f->a, NULL, FACE_PASSWORDSAFE, GROUP_NUMBER_ADMINISTRATORS, &enabled, now, e);
}

static result fill_store(struct first_start *f, struct db *db, struct keyring *keys, struct err *e)
{
    int64_t now = clock_now();
    f->installation = random_hex(f->a, 16);
    TRY(setting(db, "installation", f->installation, e));
    TRY(setting(db, "epoch", S("1"), e));
    TRY(identity_make_secrets(db, e));
    TRY(make_keys(f, db, f->installation, keys, now, e));
    TRY(role_make_builtins(db, f->a, now, e));
    TRY(accounts_make_builtins(db, f->a, now, e));
    TRY(make_administrator(f, db, now, e));
    return make_registrations(f, db, keys, now, e);
}

static result make_store(struct first_start *f, struct err *e)
{
    struct store *store = NULL;
    struct db *db = NULL;
    struct keyring *keys = keyring_new();
    result r = store_open(&f->place, true, &store, e);
    if (is_ok(r))
        r = db_open(store, DB_WRITER, &db, e);
    if (is_ok(r))
        r = db_begin(db, e);
    if (is_ok(r))
        r = fill_store(f, db, keys, e);
    if (is_ok(r))
        r = installation_keep(f->o, f->a, f->installation, e);
    if (is_ok(r))
        r = db_commit(db, e);
    if (db)
        db_free(db);
    if (is_ok(r))
        f->store_name = arena_cstr(f->a, str_of(store_name(store)));
    if (store)
        store_free(store);
    keyring_free(keys);
    return r;
}

/* On PostgreSQL what was begun is rolled back; empty tables may stay, and the next init goes on with them. */
static void undo(struct first_start *f, bool made_store)
{
    for (size_t i = 0; i < f->made_count; i++)
        unlink(f->made[i]);
    static const char *const files[] = {"keyturn.db", "keyturn.db-wal", "keyturn.db-shm", "lock", "installation"};
    for (size_t i = 0; made_store && i < sizeof files / sizeof files[0]; i++)
        unlink(arena_printf(f->a, "%s/%s", f->o->data, files[i]).p);
}

static result check_folder(struct first_start *f, struct err *e)
{
    static const char *const files[] = {"keyturn.db", "installation"};
    if (mkdir(f->o->data, 0700) != 0 && errno != EEXIST)
        return FAIL(e, INVALID, "%s: %s", f->o->data, strerror(errno));
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (access(arena_printf(f->a, "%s/%s", f->o->data, files[i]).p, F_OK) == 0)
            return FAIL(e, CONFLICT, "%s: a store is there already; nothing was changed", f->o->data);
    return place_of(f->o, f->o->store, f->a, &f->place, e);
}

static result do_init(struct first_start *f, struct err *e)
{
    const struct options *o = f->o;
    TRY(check_folder(f, e));
    TRY(find_secret(f, o->admin_password_file, "--admin-password-file", PASSWORD_LENGTH, &f->password,
                    &f->makes_password, e));
    TRY(find_secret(f, o->api_key_file, "--api-key-file", API_KEY_LENGTH, &f->api_key, &f->makes_api_key, e));
    f->root = keyring_make_root(f->a, false);
    f->recovery = keyring_make_root(f->a, true);
    TRY(password_hash(f->password, f->a, &f->password_hash, e));
    result r = write_files(f, e);
    bool has_begun = is_ok(r);
    if (is_ok(r))
        r = make_store(f, e);
    if (!is_ok(r))
        undo(f, has_begun);
    return r;
}

static void say(const struct first_start *f)
{
    const struct options *o = f->o;
    printf("store          %s\n", f->store_name);
    if (o->key_file)
        printf("root key       %s\n", o->key_file);
    else
        printf("root key       %s/root.key\n", o->data);
    printf("recovery key   %s/recovery.key   (take it off this machine now)\n", o->data);
    printf("administrator  %s\n", o->admin_user ? o->admin_user : "admin");
    if (o->admin_password_file)
        printf("password       in %s\n", o->admin_password_file);
    else
        printf("password       %.*s   (shown this once)\n", STR_ARG(secret_open(f->password)));
    if (o->api_key_file)
        printf("API key        in %s\n", o->api_key_file);
    else
        printf("API key        %.*s   (shown this once)\n", STR_ARG(secret_open(f->api_key)));
}

int run_init(const struct options *o)
{
    struct first_start f = {.o = o, .a = arena_new()};
    struct err e = {0};
    umask(077);
    forbid_dumps();
    crypto_start();
    result r = o->data ? do_init(&f, &e) : FAIL(&e, INVALID, "init needs --data DIR");
    if (is_ok(r))
        say(&f);
    else
        fprintf(stderr, "keyturn init: %s\n", e.text);
    arena_free(f.a);
    return is_ok(r) ? 0 : 1;
}
