/* unit/vault/auto_login.c: one login per user, its limits, and blobs that are moved about in the store. */
#include "base/secret_open.h"
#include "fixture.h"

static result store(struct fixture *f, enum auto_login_way way, int64_t user, struct str name, const char *password)
{
    return auto_login_store(f->db, f->a, f->keys, as(f, user), way, user, name, secret_of(f, password), tick(f), &f->e);
}

static void once_stored(void **state)
{
    struct fixture *f = *state;
    struct auto_login login;
    struct secret *password;
    int64_t omar = user_new(f, "omar");
    assert_code(f, auto_login_get(f->db, f->a, omar, &login, &f->e), NOT_FOUND);
    assert_code(f, auto_login_delete(f->db, f->a, as(f, omar), omar, NOW, &f->e), NOT_FOUND);
    must(f, store(f, AUTO_LOGIN_STORE, omar, S("CORP\\robot01"), "W1nter!"));
    assert_code(f, store(f, AUTO_LOGIN_CREATE, omar, S("CORP\\robot02"), "x"), CONFLICT);
    must(f, store(f, AUTO_LOGIN_STORE, omar, S("CORP\\robot03"), "S0mmer!"));
    must(f, auto_login_open(f->db, f->a, f->keys, omar, &login, &password, &f->e));
    assert_true(str_equal(login.login_name, S("CORP\\robot03")));
    assert_true(str_equal(secret_open(password), S("S0mmer!")));
    assert_int_equal(login.updated_by, omar);
    must(f, auto_login_delete(f->db, f->a, as(f, omar), omar, NOW, &f->e));
    must(f, store(f, AUTO_LOGIN_CREATE, omar, S("CORP\\robot04"), "x"));
    assert_code(f, store(f, AUTO_LOGIN_STORE, 999, S("a"), "b"), NOT_FOUND);
}

static void limits(void **state)
{
    struct fixture *f = *state;
    int64_t omar = user_new(f, "omar");
    char long_name[257], long_password[1026];
    memset(long_name, 'n', 256);
    memset(long_password, 'p', 1025);
    long_name[256] = long_password[1025] = '\0';
    const struct str names[] = {S(""), STR_ABSENT, S("a\nb"), S("a\rb"), S("a\0b"), str_of(long_name)};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_code(f, store(f, AUTO_LOGIN_STORE, omar, names[i], "x"), INVALID);
    static const char *const passwords[] = {"", "a\nb", "a\rb", "\xFF"};
    for (size_t i = 0; i < sizeof(passwords) / sizeof(passwords[0]); i++)
        assert_code(f, store(f, AUTO_LOGIN_STORE, omar, S("n"), passwords[i]), INVALID);
    assert_code(f, store(f, AUTO_LOGIN_STORE, omar, S("n"), long_password), INVALID);
    assert_int_equal(number_of(f, SQL("SELECT count(*) FROM auto_logins")), 0);
    must(f, store(f, AUTO_LOGIN_STORE, omar, str_of(long_name + 1), long_password + 1));
}

static void blobs_moved_about(void **state)
{
    struct fixture *f = *state;
    struct auto_login login;
    struct secret *password;
    struct rows old;
    int64_t omar = user_new(f, "omar"), priya = user_new(f, "priya");
    must(f, store(f, AUTO_LOGIN_STORE, omar, S("a"), "of omar"));
    must(f, store(f, AUTO_LOGIN_STORE, priya, S("b"), "of priya"));
    must(f, db_query(f->db, f->a, SQL("SELECT sealed, version FROM auto_logins WHERE user_id = $1", P_INT(omar)), &old,
                     &f->e));
    must(f, db_savepoint(f->db, &f->e));
    run_sql(f, SQL("UPDATE auto_logins SET sealed = $2, version = $3 WHERE user_id = $1", P_INT(priya),
                   P_BLOB(row_blob(&old, 0, 0)), P_INT(row_int(&old, 0, 1))));
    assert_code(f, auto_login_open(f->db, f->a, f->keys, priya, &login, &password, &f->e), INTERNAL);
    must(f, db_rollback_to(f->db, &f->e));
    must(f, auto_login_delete(f->db, f->a, as(f, omar), omar, NOW, &f->e));
    must(f, store(f, AUTO_LOGIN_STORE, omar, S("a"), "changed"));
    run_sql(f, SQL("UPDATE auto_logins SET sealed = $2 WHERE user_id = $1", P_INT(omar), P_BLOB(row_blob(&old, 0, 0))));
    assert_code(f, auto_login_open(f->db, f->a, f->keys, omar, &login, &password, &f->e), INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(once_stored, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(limits, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(blobs_moved_about, fixture_make, fixture_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
