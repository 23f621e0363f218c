/* identity/fixture.c: a store as init leaves it. */
#include "fixture.h"

#include <dirent.h>
#include <unistd.h>

#include "base/secret_open.h"
#include "crypto/random.h"

static void must(struct fixture *f, result r)
{
    if (!is_ok(r))
        fail_msg("%s: %s", code_name(r.code), f->e.text);
}

static void open_keys(struct fixture *f)
{
    struct str wrap;
    struct secret *root = keyring_make_root(f->a, false);
    struct data_key *key = data_key_new();
    f->keys = keyring_new();
    must(f, data_key_wrap(key, 1, root, S("installation-1"), f->a, &wrap, &f->e));
    data_key_free(key);
    must(f, keyring_add(f->keys, 1, wrap, root, S("installation-1"), &f->e));
}

int fixture_make(void **state)
{
    static const char template[] = "/tmp/keyturn-identity-XXXXXX";
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    crypto_start();
    f->a = arena_new();
    memcpy(f->directory, template, sizeof template);
    assert_non_null(mkdtemp(f->directory));
    open_keys(f);
    place_empty();
    must(f, store_open(AT(f->directory), true, &f->store, &f->e));
    must(f, db_open(f->store, DB_WRITER, &f->db, &f->e));
    must(f, audit_open(f->db, f->keys, S("a"), &f->audit, &f->e));
    f->hooks = audit_hooks(f->audit, NULL);
    MUST(identity_make_secrets(f->db, &f->e));
    MUST(role_make_builtins(f->db, f->a, NOW, &f->e));
    f->admin = make_user(f, "admin", IDS(1, 3), IDS(1));
    *state = f;
    return 0;
}

int fixture_remove(void **state)
{
    struct fixture *f = *state;
    audit_free(f->audit);
    db_free(f->reader);
    db_free(f->db);
    store_free(f->store);
    keyring_free(f->keys);
    DIR *d = opendir(f->directory);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(d), entry->d_name, 0);
    closedir(d);
    assert_int_equal(rmdir(f->directory), 0);
    arena_free(f->a);
    free(f);
    return 0;
}

void begin(struct fixture *f)
{
    must(f, db_begin(f->db, &f->e));
    f->hooks.mark(f->db, f->hooks.context);
}

result end(struct fixture *f, result r)
{
    struct err e;
    if (!is_ok(r)) {
        db_rollback(f->db);
        f->hooks.after_loss(f->db, f->hooks.context);
        return r;
    }
    if (!is_ok(f->hooks.before_commit(f->db, f->hooks.context, &e)) || !is_ok(db_commit(f->db, &e)))
        fail_msg("commit: %s", e.text);
    f->hooks.after_commit(f->db, f->hooks.context);
    return r;
}

void run_sql(struct fixture *f, const char *text)
{
    MUST(db_run(f->db, (struct sql){.text = text, .is_built = true}, &f->e));
}

int64_t number_of(struct fixture *f, const char *query)
{
    struct rows rows;
    must(f, db_query(f->db, f->a, (struct sql){.text = query, .is_built = true}, &rows, &f->e));
    assert_int_equal(rows.n, 1);
    return row_int(&rows, 0, 0);
}

struct list ids(struct fixture *f, size_t n, const int64_t *values)
{
    int64_t *copy = arena_array(f->a, int64_t, n);
    for (size_t i = 0; i < n; i++)
        copy[i] = values[i];
    return (struct list){.at = copy, .n = n, .is_set = true};
}

int64_t make_user(struct fixture *f, const char *name, struct list roles, struct list groups)
{
    int64_t id = 0;
    struct user_change with = {.name = str_of(name),
                               .password_hash = S("$argon2id$of-nobody"),
                               .role_numbers = roles,
                               .group_numbers = groups};
    MUST(user_create(f->db, f->a, NULL, &with, NOW, &id, &f->e));
    return id;
}

int64_t make_role(struct fixture *f, enum face face, const char *name, const struct role_right *rights, size_t n)
{
    int64_t number = 0;
    struct role_change with = {.name = str_of(name), .rights = {.at = (void *)rights, .n = n, .is_set = true}};
    MUST(role_create(f->db, f->a, NULL, face, &with, NOW, &number, &f->e));
    return number;
}

int64_t role_id(struct fixture *f, enum face face, int64_t number)
{
    struct role r = {0};
    must(f, role_get(f->db, f->a, face, number, &r, &f->e));
    return r.id;
}

struct caller caller_of(struct fixture *f, int64_t user_id)
{
    struct caller who = {.user_id = user_id, .carries_controlroom = true, .carries_passwordsafe = true};
    must(f, rights_of_user(f->db, f->a, user_id, true, true, &who.rights, &f->e));
    return who;
}

struct user user_of(struct fixture *f, int64_t id)
{
    struct user u = {0};
    must(f, user_get(f->db, f->a, id, &u, &f->e));
    return u;
}

result open_tokens(struct fixture *f, int64_t now, struct tokens **ret)
{
    TRY(tokens_open(f->db, now, ret, &f->e));
    return tokens_renew(*ret, f->db, now, &f->e);
}

int64_t audit_count(struct fixture *f, const char *what)
{
    struct rows rows;
    must(f, db_query(f->db, f->a, SQL("SELECT count(*) FROM audit_rows WHERE what = $1", P_TEXT(str_of(what))), &rows,
                     &f->e));
    return row_int(&rows, 0, 0);
}

struct secret *secret_of(struct fixture *f, const char *text)
{
    return secret_new(f->a, text, strlen(text));
}

struct str opened(const struct secret *s)
{
    return secret_open(s);
}
