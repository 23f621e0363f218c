/* unit/accounts/functional.c: functional accounts and their sealed secrets. */
#include "fixture.h"

static struct secret *secret_of(struct fixture *f, const char *text)
{
    return secret_new(f->a, text, strlen(text));
}

static struct functional_account linux_account(void)
{
    return (struct functional_account){.platform_id = 2, .account_name = S("svc-vault")};
}

static result create(struct fixture *f, struct functional_account with, struct functional_secret secret,
                     int64_t *ret_id)
{
    return functional_create(f->db, f->a, f->keys, &with, &secret, ret_id, &f->e);
}

static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    struct functional_secret opened, given = {secret_of(f, "x y"), secret_of(f, "KEY"), secret_of(f, "phrase")};
    struct functional_account got;
    int64_t id;
    MUST(create(f, linux_account(), given, &id));
    MUST(functional_open(f->db, f->a, f->keys, id, &opened, &f->e));
    assert_true(secret_equal(opened.password, given.password));
    assert_true(secret_equal(opened.private_key, given.private_key));
    assert_true(secret_equal(opened.passphrase, given.passphrase));
    MUST(functional_get(f->db, f->a, id, &got, &f->e));
    assert_true(got.has_password && got.has_key && got.system_count == 0 && is_text(got.display_name, "svc-vault"));
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM functional_accounts WHERE password LIKE '%x y%'"), 0);
    /* A blob that was moved to another row does not open. */
    struct functional_account second = linux_account();
    second.display_name = S("second");
    int64_t other;
    MUST(create(f, second, (struct functional_secret){.password = secret_of(f, "z")}, &other));
    run_sql(f, "UPDATE functional_accounts SET password = (SELECT password FROM functional_accounts WHERE "
               "display_name = 'svc-vault') WHERE display_name = 'second'");
    EXPECT(INTERNAL, "", functional_open(f->db, f->a, f->keys, other, &opened, &f->e));
    keyring_close(f->keys);
    EXPECT(SEALED, "", functional_open(f->db, f->a, f->keys, id, &opened, &f->e));
    EXPECT(NOT_FOUND, "Functional Account not found", functional_open(f->db, f->a, f->keys, 99, &opened, &f->e));
}

static void test_key_only(void **state)
{
    struct fixture *f = *state;
    struct functional_secret opened;
    int64_t id;
    /* Typed clients send what they do not have as "". */
    MUST(create(f, linux_account(), (struct functional_secret){secret_of(f, ""), secret_of(f, "KEY"), secret_of(f, "")},
                &id));
    MUST(functional_open(f->db, f->a, f->keys, id, &opened, &f->e));
    assert_true(!opened.password && opened.private_key && !opened.passphrase);
}

static void test_platform_rules(void **state)
{
    struct fixture *f = *state;
    struct functional_secret password = {.password = secret_of(f, "x")}, none = {0};
    struct functional_account w = linux_account();
    int64_t id;
    EXPECT(INVALID, "Password: is required", create(f, w, none, &id));
    EXPECT(
        INVALID, "Passphrase: needs a PrivateKey",
        create(f, w, (struct functional_secret){.password = password.password, .passphrase = password.password}, &id));
    EXPECT(INVALID, "Password: must not hold",
           create(f, w, (struct functional_secret){.password = secret_of(f, "a\nroot:b")}, &id));
    w.domain_name = S("CORP");
    w.elevation_command = S("doas");
    EXPECT(INVALID, "DomainName: not supported by this platform\nElevationCommand: must be",
           create(f, w, password, &id));
    w.platform_id = 1;
    w.elevation_command = S("sudo");
    EXPECT(INVALID, "ElevationCommand: not supported", create(f, w, password, &id));
    w = (struct functional_account){.platform_id = 10, .account_name = S("dba")};
    EXPECT(INVALID, "PrivateKey: not supported",
           create(f, w, (struct functional_secret){.private_key = password.password}, &id));
    w.platform_id = 3;
    EXPECT(INVALID, "PlatformID: unknown", create(f, w, password, &id));
    w = (struct functional_account){.platform_id = 25, .account_name = S(" "), .domain_name = S("CORP")};
    EXPECT(INVALID, "AccountName: is required", create(f, w, password, &id));
    w.account_name = S("dc");
    MUST(create(f, w, password, &id));
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM functional_accounts"), 1);
}

static void test_duplicate_and_delete(void **state)
{
    struct fixture *f = *state;
    struct functional_secret password = {.password = secret_of(f, "x")};
    struct functional_account w = linux_account(), *all;
    struct managed_system system;
    int64_t id, second;
    size_t n;
    w.elevation_command = S("SUDO");
    MUST(create(f, w, password, &id));
    w.display_name = S("SVC-Vault");
    EXPECT(CONFLICT, "already exists", create(f, w, password, &second));
    w.platform_id = 4; /* unique per platform */
    MUST(create(f, w, password, &second));
    MUST(functional_list(f->db, f->a, &all, &n, &f->e));
    assert_true(n == 2 && is_text(all[0].elevation_command, "sudo"));
    MUST(system_get(f->db, f->a, f->system, &system, &f->e));
    system.auto_management = true;
    system.functional_account_id = (struct opt_int){true, id};
    MUST(system_update(f->db, f->a, &system, &f->e));
    EXPECT(INVALID, "is used by 1", functional_delete(f->db, f->a, id, &f->e));
    system.auto_management = false;
    MUST(system_update(f->db, f->a, &system, &f->e));
    MUST(functional_delete(f->db, f->a, id, &f->e));
    EXPECT(NOT_FOUND, "Functional Account not found", functional_delete(f->db, f->a, id, &f->e));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {TEST(test_round_trip), TEST(test_key_only), TEST(test_platform_rules),
                                       TEST(test_duplicate_and_delete)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
