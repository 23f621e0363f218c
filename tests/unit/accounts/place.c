/* unit/accounts/place.c: organization, workgroups, assets, and what init makes. */
#include "fixture.h"

static struct asset asset_like(const char *name, const char *address)
{
    return (struct asset){.workgroup_id = 1, .name = str_of(name), .ip_address = str_of(address)};
}

static void test_builtins(void **state)
{
    struct fixture *f = *state;
    struct workgroup w;
    struct str organization, again;
    struct smart_rule rule;
    struct access_policy policy;
    struct password_rule password;
    MUST(organization_id(f->db, f->a, &organization, &f->e));
    assert_int_equal(organization.n, 36);
    assert_int_equal(organization.p[14], '4');
    MUST(workgroup_get(f->db, f->a, 1, &w, &f->e));
    assert_true(is_text(w.name, "Default Workgroup") && str_equal(w.organization, organization));
    static const char *const titles[] = {"All Managed Accounts", "All Managed Systems", "All Assets"};
    for (size_t i = 0; i < 3; i++) {
        MUST(rule_by_title(f->db, f->a, str_of(titles[i]), &rule, &f->e));
        assert_true(is_text(rule.kind, "all"));
    }
    MUST(access_policy_get(f->db, f->a, 5000, &policy, &f->e));
    assert_int_equal(policy.min_approvers, 0);
    MUST(password_rule_get(f->db, f->a, 0, &password, &f->e));
    MUST(password_rule_check(&password, &f->e));
    int64_t rows = number_of(f, "SELECT COUNT(*) FROM smart_rules");
    MUST(accounts_make_builtins(f->db, f->a, NOW, &f->e)); /* init runs again */
    MUST(organization_id(f->db, f->a, &again, &f->e));
    assert_true(str_equal(organization, again));
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM smart_rules"), rows);
    EXPECT(NOT_FOUND, "Password Rule not found", password_rule_get(f->db, f->a, 7, &password, &f->e));
}

static void test_workgroup(void **state)
{
    struct fixture *f = *state;
    struct workgroup w, *all;
    int64_t id;
    size_t n;
    EXPECT(INVALID, "Name: is required", workgroup_create(f->db, f->a, S("  "), &id, &f->e));
    EXPECT(INVALID, "Name: is required", workgroup_create(f->db, f->a, STR_ABSENT, &id, &f->e));
    MUST(workgroup_create(f->db, f->a, S(" Ärzte "), &id, &f->e));
    EXPECT(CONFLICT, "A Workgroup with the name 'äRZTE' already exists",
           workgroup_create(f->db, f->a, S("äRZTE"), &id, &f->e));
    MUST(workgroup_by_name(f->db, f->a, S("ÄRZTE"), &w, &f->e));
    assert_true(is_text(w.name, "Ärzte") && w.id == id);
    EXPECT(NOT_FOUND, "Workgroup not found", workgroup_by_name(f->db, f->a, STR_ABSENT, &w, &f->e));
    EXPECT(NOT_FOUND, "Workgroup not found", workgroup_get(f->db, f->a, 99, &w, &f->e));
    MUST(workgroup_list(f->db, f->a, &all, &n, &f->e));
    assert_int_equal(n, 2);
}

static void test_asset_names(void **state)
{
    struct fixture *f = *state;
    struct asset with = asset_like("", "10.0.0.7"), got;
    int64_t id, second;
    MUST(asset_create(f->db, f->a, &with, NOW, &id, &f->e));
    MUST(asset_get(f->db, f->a, id, &got, &f->e));
    assert_true(is_text(got.name, "010.000.000.007"));
    with.name = S("010.000.000.007");
    EXPECT(CONFLICT, "already exists", asset_create(f->db, f->a, &with, NOW, &second, &f->e));
    with = asset_like("", "2001:DB8::1");
    MUST(asset_create(f->db, f->a, &with, NOW, &id, &f->e));
    MUST(asset_by_name(f->db, f->a, 1, S("2001:db8::1"), &got, &f->e));
    static const char *const bad[] = {"10.0.0", "10.0.0.256", "::g", "1.2.3.4/8", "localhost", "fe80::1%eth0"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        with = asset_like("x", bad[i]);
        EXPECT(INVALID, "IPAddress: is not an IP address", asset_create(f->db, f->a, &with, NOW, &id, &f->e));
    }
    with = asset_like("", "");
    EXPECT(INVALID, "IPAddress: is required", asset_create(f->db, f->a, &with, NOW, &id, &f->e));
    with = asset_like("Bär", "10.0.0.8");
    with.workgroup_id = 9;
    EXPECT(NOT_FOUND, "Workgroup not found", asset_create(f->db, f->a, &with, NOW, &id, &f->e));
    MUST(workgroup_create(f->db, f->a, S("other"), &with.workgroup_id, &f->e));
    with.name = S("WEB01"); /* the same name elsewhere is another's */
    MUST(asset_create(f->db, f->a, &with, NOW, &id, &f->e));
}

static void test_asset_update(void **state)
{
    struct fixture *f = *state;
    struct asset got;
    MUST(asset_get(f->db, f->a, f->asset, &got, &f->e));
    got.name = S("WEB02");
    EXPECT(CONFLICT, "An Asset with the name 'WEB02' already exists", asset_update(f->db, f->a, &got, NOW, &f->e));
    got.name = S("WEB01"); /* its own, in another case */
    got.description = S("d");
    got.created_at = 7;
    MUST(asset_update(f->db, f->a, &got, NOW + 5, &f->e));
    MUST(asset_get(f->db, f->a, f->asset, &got, &f->e));
    assert_true(is_text(got.name, "WEB01") && is_text(got.description, "d"));
    assert_int_equal(got.created_at, NOW);
    assert_int_equal(got.updated_at, NOW + 5);
    got.id = 99;
    EXPECT(NOT_FOUND, "Asset not found", asset_update(f->db, f->a, &got, NOW, &f->e));
}

static void expect_found(struct fixture *f, struct asset like, int64_t wanted)
{
    struct asset *found;
    size_t n;
    int64_t total;
    MUST(asset_search(f->db, f->a, &like, -1, 0, &found, &n, &total, &f->e));
    assert_int_equal(n, wanted);
    assert_int_equal(total, wanted);
}

static void test_asset_search(void **state)
{
    struct fixture *f = *state;
    struct asset *found, nothing = {0}, corp = {.domain_name = S("CORP.EXAMPLE")};
    size_t n;
    int64_t total, id;
    EXPECT(INVALID, "At least one", asset_search(f->db, f->a, &nothing, -1, 0, &found, &n, &total, &f->e));
    expect_found(f, corp, 2);
    expect_found(f, (struct asset){.domain_name = S("corp.example"), .name = S("Web01")}, 1);
    expect_found(f, (struct asset){.domain_name = S("corp"), .name = S("Web01")}, 0);
    expect_found(f, (struct asset){.dns_name = S("WEB02.corp.EXAMPLE")}, 1);
    expect_found(f, (struct asset){.name = S("%")}, 0);
    struct asset six = asset_like("six", "2001:db8:0:0::1");
    six.mac_address = S("AA:bb:cc:dd:ee:ff");
    six.asset_type = S("Größe");
    MUST(asset_create(f->db, f->a, &six, NOW, &id, &f->e));
    expect_found(f, (struct asset){.ip_address = S("2001:0DB8::0:1")}, 1);
    expect_found(f, (struct asset){.mac_address = S("aa:BB:cc:dd:ee:ff"), .asset_type = S("GRÖSSE")}, 1);
    MUST(asset_search(f->db, f->a, &corp, 1, 1, &found, &n, &total, &f->e));
    assert_int_equal(n, 1);
    assert_int_equal(total, 2);
    assert_true(is_text(found[0].name, "web02"));
    MUST(asset_list(f->db, f->a, 1, 2, 2, &found, &n, &total, &f->e));
    assert_true(n == 1 && total == 3 && found[0].id == id);
    MUST(asset_list(f->db, f->a, 2, -1, 0, &found, &n, &total, &f->e));
    assert_true(n == 0 && total == 0);
    MUST(asset_list(f->db, f->a, 0, -1, 7, &found, &n, &total, &f->e));
    assert_true(n == 0 && total == 3);
}

static void test_asset_delete(void **state)
{
    struct fixture *f = *state;
    EXPECT(CONFLICT, "Managed System", asset_delete(f->db, f->asset, &f->e));
    EXPECT(NOT_FOUND, "Asset not found", asset_delete(f->db, 99, &f->e));
    MUST(system_delete(f->db, f->system, NOW, &f->e));
    MUST(asset_delete(f->db, f->asset, &f->e));
    EXPECT(NOT_FOUND, "Asset not found", asset_delete(f->db, f->asset, &f->e));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {TEST(test_builtins),     TEST(test_workgroup),    TEST(test_asset_names),
                                       TEST(test_asset_update), TEST(test_asset_search), TEST(test_asset_delete)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
