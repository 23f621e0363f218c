/* unit/vault/fixture.c: a store in a folder of its own with an open keyring and a chain, and people and roles in it. */
#include "fixture.h"

#include <dirent.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/secret_open.h"
#include "base/text.h"
#include "crypto/random.h"

void must(struct fixture *f, result r)
{
    if (!is_ok(r))
        fail_msg("%s: %s", code_name(r.code), f->e.text);
}

void assert_code_(struct fixture *f, result r, enum code wanted, const char *file, int line)
{
    if (r.code != wanted)
        fail_msg("%s:%d: %s (%s) instead of %s", file, line, code_name(r.code), is_ok(r) ? "" : f->e.text,
                 code_name(wanted));
}

int64_t tick(struct fixture *f)
{
    return ++f->clock;
}

static void open_keys(struct fixture *f)
{
    struct str wrap;
    struct secret *root = keyring_make_root(f->a, false);
    struct data_key *key = data_key_new();
    f->keys = keyring_new();
    must(f, data_key_wrap(key, 1, root, S("installation-1"), f->a, &wrap, &f->e));
    must(f, keyring_add(f->keys, 1, wrap, root, S("installation-1"), &f->e));
    data_key_free(key);
}

int fixture_make(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    crypto_start();
    f->a = arena_new();
    f->clock = NOW * SECONDS;
    memcpy(f->directory, "/tmp/keyturn-vault-XXXXXX", sizeof("/tmp/keyturn-vault-XXXXXX"));
    assert_non_null(mkdtemp(f->directory));
    open_keys(f);
    place_empty();
    must(f, store_open(AT(f->directory), true, &f->store, &f->e));
    must(f, db_open(f->store, DB_WRITER, &f->db, &f->e));
    must(f, audit_open(f->db, f->keys, S("a"), &f->audit, &f->e));
    f->hooks = audit_hooks(f->audit, NULL);
    must(f, db_begin(f->db, &f->e));
    *state = f;
    return 0;
}

int fixture_remove(void **state)
{
    struct fixture *f = *state;
    db_rollback(f->db);
    f->hooks.after_loss(f->db, f->hooks.context);
    audit_free(f->audit);
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

void run_sql(struct fixture *f, struct sql sql)
{
    must(f, db_run(f->db, sql, &f->e));
}

int64_t number_of(struct fixture *f, struct sql query)
{
    struct rows rows;
    must(f, db_query(f->db, f->a, query, &rows, &f->e));
    assert_int_equal(rows.n, 1);
    return row_int(&rows, 0, 0);
}

/* ---- people ---- */

int64_t user_new(struct fixture *f, const char *name)
{
    return number_of(f, SQL("INSERT INTO users (name, name_key, created_by, created_at, updated_by, updated_at)"
                            " VALUES ($1, $2, 0, 0, 0, 0) RETURNING id",
                            P_TEXT(str_of(name)), P_TEXT(text_key(f->a, str_of(name)))));
}

int64_t role_new(struct fixture *f, const char *name, const enum right *rights)
{
    int64_t next = number_of(f, SQL("SELECT COALESCE(max(id), 0) + 1 FROM roles"));
    run_sql(f,
            SQL("INSERT INTO roles (id, face, number, name, name_key, created_by, created_at, updated_by, updated_at)"
                " VALUES ($1, 1, $2, $3, $4, 0, 0, 0, 0)",
                P_INT(next), P_INT(role_number(next)), P_TEXT(str_of(name)), P_TEXT(text_key(f->a, str_of(name)))));
    for (size_t i = 0; rights[i] != RIGHT_NONE; i++)
        run_sql(f, SQL("INSERT INTO role_rights (role_id, right_id, level) VALUES ($1, $2, 3)", P_INT(next),
                       P_INT(rights[i])));
    return next;
}

int64_t role_number(int64_t role_id)
{
    return role_id + 1000;
}

void join(struct fixture *f, int64_t role_id, int64_t user_id)
{
    run_sql(f, SQL("INSERT INTO role_members (role_id, user_id) VALUES ($1, $2)", P_INT(role_id), P_INT(user_id)));
}

void leave(struct fixture *f, int64_t role_id, int64_t user_id)
{
    run_sql(f, SQL("DELETE FROM role_members WHERE role_id = $1 AND user_id = $2", P_INT(role_id), P_INT(user_id)));
}

const struct caller *as(struct fixture *f, int64_t user_id)
{
    struct caller *who = arena_new_of(f->a, struct caller);
    who->user_id = user_id;
    who->signed_in_on = FACE_CONTROLROOM;
    who->carries_controlroom = true;
    must(f, rights_of_user(f->db, f->a, user_id, true, false, &who->rights, &f->e));
    return who;
}

int64_t user_with(struct fixture *f, const char *name, const enum right *rights)
{
    int64_t user_id = user_new(f, name);
    join(f, role_new(f, arena_printf(f->a, "Role of %s", name).p, rights), user_id);
    return user_id;
}

/* ---- credentials ---- */

struct attribute_change wish(const char *name, bool user_provided, bool masked)
{
    return (struct attribute_change){
        .name = str_of(name), .user_provided = {true, user_provided}, .masked = {true, masked}};
}

struct list wishes(struct fixture *f, const struct attribute_change *at, size_t n)
{
    struct attribute_change *copy = arena_array(f->a, struct attribute_change, n);
    if (n > 0)
        memcpy(copy, at, n * sizeof(*at));
    return (struct list){.at = copy, .n = n, .is_set = true};
}

int64_t credential_new(struct fixture *f, int64_t owner, const char *name, struct list attributes)
{
    struct credential made;
    struct credential_change with = {.name = str_of(name), .attributes = attributes};
    must(f, credential_create(f->db, f->a, as(f, owner), &with, tick(f), &made, &f->e));
    return made.id;
}

struct credential credential_now(struct fixture *f, int64_t id)
{
    struct credential c;
    struct standing s;
    int64_t owner = number_of(f, SQL("SELECT owner_id FROM credentials WHERE id = $1", P_INT(id)));
    must(f, credential_get(f->db, f->a, as(f, owner), id, &c, &s, &f->e));
    return c;
}

const struct attribute *attribute_named(const struct credential *c, const char *name)
{
    const struct attribute *at = c->attributes.at;
    for (size_t i = 0; i < c->attributes.n; i++)
        if (str_equal(at[i].name, str_of(name)))
            return &at[i];
    fail_msg("there is no attribute %s", name);
    return NULL;
}

int64_t attribute_id(struct fixture *f, int64_t credential_id, const char *name)
{
    struct credential c = credential_now(f, credential_id);
    return attribute_named(&c, name)->id;
}

struct secret *secret_of(struct fixture *f, const char *text)
{
    return secret_new(f->a, text, strlen(text));
}

int64_t value_new(struct fixture *f, int64_t by, int64_t credential_id, const char *attribute, const char *text)
{
    struct value made;
    struct value_entry entry = {.attribute_id = attribute_id(f, credential_id, attribute), .value = secret_of(f, text)};
    must(f, value_create(f->db, f->a, f->keys, as(f, by), credential_id, &entry, 1, tick(f), &made, &f->e));
    return made.id;
}

result value_set(struct fixture *f, int64_t by, int64_t credential_id, int64_t value_id, const char *text)
{
    struct value changed;
    return value_update(f->db, f->a, f->keys, as(f, by), credential_id, value_id, secret_of(f, text),
                        (struct opt_int){0}, tick(f), &changed, &f->e);
}

static struct str name_of_attribute(struct fixture *f, int64_t id)
{
    struct rows rows;
    must(f, db_query(f->db, f->a, SQL("SELECT name FROM attributes WHERE id = $1", P_INT(id)), &rows, &f->e));
    return row_text(&rows, 0, 0);
}

const char *seen(struct fixture *f, int64_t by, int64_t credential_id, enum masking masking)
{
    struct value_reading r;
    struct value_query q = {.credential_id = credential_id, .masking = masking};
    result outcome = value_read(f->db, f->a, f->keys, as(f, by), &q, tick(f), &r, &f->e);
    if (!is_ok(outcome))
        return code_name(outcome.code);
    struct str text = S("");
    bool has_clear = false;
    for (size_t i = 0; i < r.n; i++) {
        const struct value *v = &r.values[i];
        struct str clear = v->clear ? secret_open(v->clear) : S("*");
        has_clear |= v->clear != NULL;
        text = arena_printf(f->a, "%.*s%s%.*s=%.*s", STR_ARG(text), i ? " " : "",
                            STR_ARG(name_of_attribute(f, v->attribute_id)), STR_ARG(clear));
    }
    assert_int_equal(has_clear, r.revealed_any);
    return r.n ? text.p : "-";
}

/* ---- lockers ---- */

int64_t locker_new(struct fixture *f, int64_t owner, const char *name)
{
    int64_t id;
    must(f, locker_create(f->db, f->a, as(f, owner), str_of(name), S(""), tick(f), &id, &f->e));
    return id;
}

void member_set(struct fixture *f, int64_t by, int64_t locker_id, int64_t user_id, const char *word)
{
    struct locker_member member;
    must(f, locker_set_member(f->db, f->a, as(f, by), locker_id, user_id, str_of(word), tick(f), &member, &f->e));
    assert_int_equal(member.user_id, user_id);
}

void consumer_set(struct fixture *f, int64_t by, int64_t locker_id, int64_t role_id)
{
    struct locker_consumer consumer;
    must(f, locker_add_consumer(f->db, f->a, as(f, by), locker_id, role_number(role_id), tick(f), &consumer, &f->e));
    assert_int_equal(consumer.role_number, role_number(role_id));
}

result update(struct fixture *f, int64_t by, int64_t credential_id, const struct credential_change *with)
{
    struct credential present;
    result r = credential_may_update(f->db, f->a, as(f, by), credential_id, &present, &f->e);
    return is_ok(r) ? credential_update(f->db, f->a, as(f, by), &present, with, tick(f), &f->e) : r;
}
