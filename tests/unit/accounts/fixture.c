/* unit/accounts/fixture.c: a store with the built-in rows, two systems, and people in groups. */
#include "fixture.h"

#include <dirent.h>
#include <unistd.h>

#include "crypto/random.h"

static void make_people(struct fixture *f)
{
    static const char *const names[PEOPLE] = {[ADMIN] = "admin", [ALICE] = "alice", [BOB] = "bob", [CAROL] = "carol"};
    for (int64_t i = ADMIN; i < PEOPLE; i++) {
        MUST(db_run(f->db,
                    SQL("INSERT INTO users (id, name, name_key, created_by, created_at, updated_by, updated_at) "
                        "VALUES ($1, $2, $2, 0, 0, 0, 0)",
                        P_INT(i), P_TEXT(str_of(names[i]))),
                    &f->e));
        f->people[i] = (struct caller){.user_id = i, .name = str_of(names[i]), .carries_passwordsafe = true};
    }
    MUST(
        db_run(f->db,
               SQL("INSERT INTO role_members (role_id, user_id) SELECT id, $1 FROM roles WHERE face = 2 AND number = 1",
                   P_INT(ADMIN)),
               &f->e));
    MUST(rights_of_user(f->db, f->a, ADMIN, false, true, &f->people[ADMIN].rights, &f->e));
}

static void make_place(struct fixture *f, const char *name, int64_t *ret_asset, int64_t *ret_system,
                       int64_t *ret_account)
{
    struct asset asset = {.workgroup_id = 1,
                          .name = str_of(name),
                          .ip_address = S("10.0.0.5"),
                          .dns_name = arena_printf(f->a, "%s.corp.example", name),
                          .domain_name = S("Corp.example")};
    MUST(asset_create(f->db, f->a, &asset, NOW, ret_asset, &f->e));
    struct managed_system system = {.asset_id = *ret_asset, .platform_id = 2};
    MUST(system_create(f->db, f->a, &system, ret_system, &f->e));
    struct managed_account account = {.system_id = *ret_system,
                                      .name = S("root"),
                                      .api_enabled = true,
                                      .auto_management = true,
                                      .change_after_release = true,
                                      .max_concurrent_requests = 1};
    MUST(account_create(f->db, f->a, &account, NOW, ret_account, &f->e));
}

static void make_keys(struct fixture *f)
{
    struct str wrap;
    f->keys = keyring_new();
    struct secret *root = keyring_make_root(f->a, false);
    struct data_key *key = data_key_new();
    MUST(data_key_wrap(key, 1, root, S("installation-1"), f->a, &wrap, &f->e));
    data_key_free(key);
    MUST(keyring_add(f->keys, 1, wrap, root, S("installation-1"), &f->e));
}

int fixture_make(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    crypto_start();
    f->a = arena_new();
    memcpy(f->directory, "/tmp/keyturn-accounts-XXXXXX", sizeof("/tmp/keyturn-accounts-XXXXXX"));
    assert_non_null(mkdtemp(f->directory));
    make_keys(f);
    place_empty();
    MUST(store_open(AT(f->directory), true, &f->store, &f->e));
    MUST(db_open(f->store, DB_WRITER, &f->db, &f->e));
    MUST(db_begin(f->db, &f->e));
    MUST(role_make_builtins(f->db, f->a, NOW, &f->e));
    MUST(accounts_make_builtins(f->db, f->a, NOW, &f->e));
    make_people(f);
    make_place(f, "web01", &f->asset, &f->system, &f->account);
    int64_t asset;
    make_place(f, "web02", &asset, &f->other_system, &f->other_account);
    *state = f;
    return 0;
}

int fixture_remove(void **state)
{
    struct fixture *f = *state;
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

void run_sql(struct fixture *f, const char *text)
{
    MUST(db_run(f->db, (struct sql){.text = text, .is_built = true}, &f->e));
}

int64_t number_of(struct fixture *f, const char *query)
{
    int64_t n = 0;
    MUST(db_insert(f->db, (struct sql){.text = query, .is_built = true}, &n, "no row", &f->e));
    return n;
}

bool is_text(struct str s, const char *text)
{
    return str_equal(s, str_of(text));
}

int64_t make_group(struct fixture *f, int64_t number, int64_t user_id)
{
    struct str name = arena_printf(f->a, "group %" PRId64, number);
    int64_t id;
    MUST(db_insert(f->db,
                   SQL("INSERT INTO roles (face, number, name, name_key, created_by, created_at, updated_by, "
                       "updated_at) VALUES (2, $1, $2, $2, 0, 0, 0, 0) RETURNING id",
                       P_INT(number), P_TEXT(name)),
                   &id, "", &f->e));
    MUST(db_run(f->db, SQL("INSERT INTO role_members (role_id, user_id) VALUES ($1, $2)", P_INT(id), P_INT(user_id)),
                &f->e));
    return number;
}

void give_role(struct fixture *f, int64_t group, int64_t rule, int64_t role)
{
    MUST(rule_set_level(f->db, f->a, group, rule, LEVEL_READ, &f->e));
    MUST(rule_set_roles(f->db, f->a, group, rule, &role, 1, 5000, &f->e));
}

int64_t make_rule(struct fixture *f, const char *title, const char *type, int64_t member)
{
    int64_t id;
    struct quick_rule_new rule = {
        .title = str_of(title), .rule_type = str_of(type), .members = {.at = &member, .n = 1, .is_set = true}};
    MUST(quick_rule_create(f->db, f->a, &rule, NOW, &id, &f->e));
    return id;
}

int64_t make_policy(struct fixture *f, int64_t id, int64_t min_approvers, bool require_reason)
{
    MUST(db_run(f->db,
                SQL("INSERT INTO access_policies (id, name, name_key, min_approvers, require_reason) "
                    "VALUES ($1, $2, $2, $3, $4)",
                    P_INT(id), P_TEXT(arena_printf(f->a, "policy %" PRId64, id)), P_INT(min_approvers),
                    P_INT(require_reason)),
                &f->e));
    return id;
}

struct managed_account new_account(struct fixture *f, const char *name)
{
    return (struct managed_account){.system_id = f->system, .name = str_of(name), .max_concurrent_requests = 1};
}

struct managed_account account_now(struct fixture *f, int64_t id)
{
    struct managed_account m;
    MUST(account_get(f->db, f->a, id, NOW, &m, &f->e));
    return m;
}
