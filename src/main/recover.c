/* main/recover.c: keyturn recover: what break-glass shows (keyturn-api 5), past the server. The store is only read. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret_open.h"
#include "base/text.h"
#include "crypto/random.h"
#include "main/programs.h"
#include "rotation/version.h"

struct wanted { /* account */
    int64_t id, current, deleted_at;
    struct str system, name, state;
};

/* ---- which account ---- */

#define WANTED_COLUMNS                                                                                                 \
    "SELECT m.id, m.current_version, m.deleted_at, COALESCE(s.name, ''), m.name, m.state "                             \
    "FROM managed_accounts m LEFT JOIN managed_systems s ON s.id = m.system_id "

static struct wanted wanted_of(const struct rows *r, size_t i)
{
    return (struct wanted){row_int(r, i, 0),  row_int(r, i, 1),  row_int(r, i, 2),
                           row_text(r, i, 3), row_text(r, i, 4), row_text(r, i, 5)};
}

/* The one in use, or else the last that was deleted: *ret_numbers names all that are as good. */
static result look_for(struct db *db, struct arena *a, struct str system, struct str name, struct wanted *ret,
                       struct str *ret_numbers, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL(WANTED_COLUMNS "WHERE m.name_key = $1 AND s.name_key = $2 ORDER BY CASE WHEN m.deleted_at = 0 "
                                    "THEN 0 ELSE 1 END, m.id DESC LIMIT 100",
                     P_TEXT(text_key(a, name)), P_TEXT(text_key(a, system))),
                 &r, e));
    for (size_t i = 0; i < r.n; i++) {
        struct wanted w = wanted_of(&r, i);
        bool is_first = ret->id == 0, is_in_use = w.deleted_at == 0;
        if (!is_first && !is_in_use && ret->deleted_at == 0)
            continue;
        *ret_numbers = is_first ? arena_printf(a, "%" PRId64, w.id)
                                : arena_printf(a, "%.*s, %" PRId64, STR_ARG(*ret_numbers), w.id);
        *ret = is_first ? w : *ret;
    }
    return SUCCESS;
}

/* SYSTEM/NAME, wherever the slash is that parts them; or the account's number, for the name of a deleted system is
 * gone.
 */
static result find_account(struct db *db, struct arena *a, struct str place, struct wanted *ret, struct err *e)
{
    struct rows r;
    struct str numbers = S("");
    int64_t id;
    *ret = (struct wanted){0};
    if (str_to_int(place, 1, INT64_MAX, &id)) {
        TRY(db_query_one(db, a, SQL(WANTED_COLUMNS "WHERE m.id = $1", P_INT(id)), "Managed Account", &r, e));
        *ret = wanted_of(&r, 0);
        return SUCCESS;
    }
    for (size_t i = 0; i < place.n; i++)
        if (place.p[i] == '/')
            TRY(look_for(db, a, str_sub(place, 0, i), str_sub(place, i + 1, place.n), ret, &numbers, e));
    if (ret->id == 0)
        return FAIL(e, NOT_FOUND, "--account %.*s: there is none; it is SYSTEM/NAME, or the account's number",
                    STR_ARG(place));
    if (str_find_char(numbers, ',') > 0)
        return FAIL(e, CONFLICT, "--account %.*s: there are several; name one by its number: %.*s", STR_ARG(place),
                    STR_ARG(numbers));
    return SUCCESS;
}

/* ---- what is known about it ---- */

static struct str when(struct arena *a, int64_t t)
{
    return t ? time_format(a, t, TIME_Z_MILLI) : S("-");
}

static void say_versions(const struct wanted *w, const struct version *v, size_t n, struct arena *a)
{
    printf("account   %.*s/%.*s (number %" PRId64 "), state %.*s\n", STR_ARG(w->system), STR_ARG(w->name), w->id,
           STR_ARG(w->state));
    if (w->deleted_at)
        printf("deleted   %.*s\n", STR_ARG(when(a, w->deleted_at)));
    printf("%-9s %-9s %-24s %-24s %s\n", "version", "standing", "made", "proved", "holds");
    for (size_t i = 0; i < n; i++)
        printf("%-9" PRId64 " %-9.*s %-24.*s %-24.*s%s%s%s%s\n", v[i].number, STR_ARG(v[i].standing),
               STR_ARG(when(a, v[i].made_at)), STR_ARG(when(a, v[i].proved_at)), v[i].has_password ? " password" : "",
               v[i].has_private_key ? " private key" : "", v[i].has_passphrase ? " passphrase" : "",
               v[i].is_last_proved ? " (last proved)" : "");
}

/* ---- what it holds ---- */

struct part {
    const char *name, *ending;
    const struct secret *value;
};
enum { PARTS = 3 };

static result write_parts(const struct part *parts, const char *file, struct arena *a, struct err *e)
{
    const char *made[PARTS];
    size_t n = 0;
    result r = SUCCESS;
    for (size_t i = 0; i < PARTS && is_ok(r); i++) {
        if (!parts[i].value)
            continue;
        made[n] = arena_printf(a, "%s%s", file, parts[i].ending).p;
        r = secret_file_write(made[n], parts[i].value, a, e);
        n += is_ok(r);
    }
    for (size_t i = 0; i < n && !is_ok(r); i++)
        unlink(made[i]);
    for (size_t i = 0; i < n && is_ok(r); i++)
        printf("written to %s\n", made[i]);
    return r;
}

/* A terminal would act on some characters, and show none of them. A key has lines. */
static bool is_showable(struct str s)
{
    while (s.n > 0) {
        struct str line = str_cut(&s, '\n');
        line.n -= line.n > 0 && line.p[line.n - 1] == '\r';
        if (!text_is_utf8(line) || text_has_control(line))
            return false;
    }
    return true;
}

static result print_parts(const struct part *parts, struct err *e)
{
    for (size_t i = 0; i < PARTS; i++)
        if (parts[i].value && !is_showable(secret_open(parts[i].value)))
            return FAIL(e, INVALID, "the %s has control characters: give --to FILE", parts[i].name);
    for (size_t i = 0; i < PARTS; i++)
        if (parts[i].value)
            printf("%s\n%.*s\n", parts[i].name, STR_ARG(secret_open(parts[i].value)));
    return SUCCESS;
}

static result show(const struct options *o, const struct login_secret *opened, struct arena *a, struct err *e)
{
    const struct part parts[PARTS] = {{"password", "", opened->password},
                                      {"private key", ".key", opened->private_key},
                                      {"passphrase", ".passphrase", opened->passphrase}};
    TRY(o->to ? write_parts(parts, o->to, a, e) : print_parts(parts, e));
    fprintf(stderr, "no record was made of this: change the credential when the server runs again\n");
    return SUCCESS;
}

/* ---- the command ---- */

struct recovery {
    const struct options *o;
    struct arena *a;
    struct store *store;
    struct db *db;
    struct keyring *keys;
    struct secret *root;
};

static result check_options(const struct options *o, int64_t *ret_version, struct err *e)
{
    *ret_version = 0;
    if (!o->data || !o->account)
        return FAIL(
            e, INVALID,
            "usage: keyturn recover --data DIR --account SYSTEM/NAME [--version N] [--key-file FILE] [--to FILE]");
    if (o->version && !str_to_int(str_of(o->version), 1, INT64_MAX, ret_version))
        return FAIL(e, INVALID, "--version %s: not the number of a version", o->version);
    if (!o->to && !isatty(STDOUT_FILENO))
        return FAIL(e, INVALID,
                    "standard output is no terminal, and a secret is printed to nothing else: give --to FILE");
    return SUCCESS;
}

static result open_all(struct recovery *x, struct err *e)
{
    struct store_place place;
    TRY(keys_read_root(x->o, x->a, &x->root, e)); /* before acting as somebody who may not read it */
    TRY(place_of(x->o, x->o->store, x->a, &place, e));
    act_as_owner(x->o->data);
    TRY(store_open_reader(&place, &x->store, e));
    TRY(db_open(x->store, DB_READER, &x->db, e));
    TRY(db_snapshot(x->db, e));
    return keys_open_with(x->db, x->a, x->root, x->keys, e);
}

static result recover(struct recovery *x, struct err *e)
{
    struct wanted account;
    struct version *versions;
    struct login_secret opened;
    int64_t number;
    size_t n;
    TRY(check_options(x->o, &number, e));
    TRY(open_all(x, e));
    TRY(find_account(x->db, x->a, str_of(x->o->account), &account, e));
    TRY(version_list(x->db, x->a, account.id, &versions, &n, e));
    say_versions(&account, versions, n, x->a);
    number = number ? number : account.current;
    if (number == 0)
        return FAIL(e, NOT_FOUND, "no version is current; name one with --version N");
    TRY(version_open(x->db, x->a, x->keys, account.id, number, &opened, e));
    printf("version   %" PRId64 "%s\n", number, x->o->version ? "" : ", the current one; another with --version N");
    act_as_caller();
    return show(x->o, &opened, x->a, e);
}

int run_recover(const struct options *o)
{
    struct recovery x = {.o = o, .a = arena_new()};
    struct err e = {0};
    umask(077);
    forbid_dumps();
    crypto_start();
    x.keys = keyring_new();
    result r = recover(&x, &e);
    if (x.db)
        db_free(x.db);
    store_free(x.store);
    keyring_free(x.keys);
    arena_free(x.a);
    return report("recover", r, &e);
}
