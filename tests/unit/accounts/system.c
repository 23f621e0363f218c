/* unit/accounts/system.c: managed systems. */
#include "fixture.h"

static int64_t make_asset(struct fixture *f, const char *name)
{
    struct asset asset = {
        .workgroup_id = 1, .name = str_of(name), .ip_address = S("10.0.0.9"), .dns_name = S("new.corp.example")};
    int64_t id;
    MUST(asset_create(f->db, f->a, &asset, NOW, &id, &f->e));
    return id;
}

static int64_t make_functional(struct fixture *f, int64_t platform_id)
{
    struct functional_account with = {.platform_id = platform_id, .account_name = S("svc")};
    struct functional_secret secret = {.password = secret_new(f->a, "x", 1)};
    int64_t id;
    MUST(functional_create(f->db, f->a, f->keys, &with, &secret, &id, &f->e));
    return id;
}

static void test_defaults(void **state)
{
    struct fixture *f = *state;
    struct managed_system got, with = {.asset_id = make_asset(f, "Änne"), .platform_id = 2, .port = {true, 0}};
    int64_t id;
    MUST(system_create(f->db, f->a, &with, &id, &f->e));
    MUST(system_get(f->db, f->a, id, &got, &f->e));
    assert_true(is_text(got.name, "Änne") && is_text(got.host_name, "Änne") && is_text(got.ip_address, "10.0.0.9"));
    assert_true(is_text(got.dns_name, "new.corp.example") && got.workgroup_id == 1 && !got.port.is_set);
    assert_int_equal(got.release_duration, 120);
    assert_int_equal(got.max_release_duration, 525600);
    assert_int_equal(got.isa_release_duration, 120);
    assert_int_equal(got.timeout_s, 30);
    assert_true(is_text(got.change_frequency_type, "first") && is_text(got.change_time, "23:30"));
    assert_int_equal(got.change_frequency_days, 30);
    EXPECT(CONFLICT, "A Managed System with the name 'Änne' already exists",
           system_create(f->db, f->a, &with, &id, &f->e));
    with.asset_id = make_asset(f, "other");
    with.host_name = S("äNNE");
    EXPECT(CONFLICT, "already exists", system_create(f->db, f->a, &with, &id, &f->e));
    MUST(system_of_asset(f->db, f->a, got.asset_id, &got, &f->e));
    EXPECT(NOT_FOUND, "Managed System not found", system_of_asset(f->db, f->a, with.asset_id, &got, &f->e));
}

static void expect_invalid(struct fixture *f, struct managed_system with, const char *text)
{
    int64_t id;
    EXPECT(INVALID, text, system_create(f->db, f->a, &with, &id, &f->e));
}

#define WITH(...) ((struct managed_system){.asset_id = asset, .platform_id = 2, __VA_ARGS__})
static void test_ranges(void **state)
{
    struct fixture *f = *state;
    int64_t asset = make_asset(f, "new"), id;
    expect_invalid(f, WITH(.release_duration = -1), "ReleaseDuration: must be between 1 and 525600");
    expect_invalid(f, WITH(.release_duration = 525601), "ReleaseDuration: must be");
    expect_invalid(f, WITH(.max_release_duration = 525601), "MaxReleaseDuration: must be");
    expect_invalid(f, WITH(.isa_release_duration = 525601), "ISAReleaseDuration: must be");
    expect_invalid(f, WITH(.release_duration = 61, .max_release_duration = 60), "ReleaseDuration: must not exceed");
    expect_invalid(f, WITH(.change_frequency_type = S("daily")), "ChangeFrequencyType: must be");
    expect_invalid(f, WITH(.change_frequency_type = S("xdays")), "ChangeFrequencyDays: is required");
    expect_invalid(f, WITH(.change_frequency_days = 1000), "ChangeFrequencyDays: must be");
    expect_invalid(f, WITH(.change_time = S("24:00")), "ChangeTime: must be HH:MM");
    expect_invalid(f, WITH(.timeout_s = 301), "Timeout: must be between 1 and 300");
    expect_invalid(f, WITH(.timeout_s = -1), "Timeout: must be");
    expect_invalid(f, WITH(.port = {true, 65536}), "Port: must be between 1 and 65535");
    expect_invalid(f, WITH(.port = {true, -22}), "Port: must be");
    expect_invalid(f, WITH(.ssh_key_enforcement = 3), "SshKeyEnforcementMode: must be");
    expect_invalid(f, WITH(.password_rule_id = 3), "PasswordRuleID: unknown");
    expect_invalid(f, WITH(.dss_key_rule_id = 3), "DSSKeyRuleID: unknown");
    expect_invalid(f, WITH(.elevation_command = S("su")), "ElevationCommand: must be");
    struct managed_system other = WITH(.port = {true, 22});
    other.platform_id = 1;
    expect_invalid(f, other, "Port: not supported by this platform");
    other.platform_id = 10;
    expect_invalid(f, other, "PlatformID: is not a platform of assets");
    other.platform_id = 5;
    expect_invalid(f, other, "PlatformID: unknown");
    other.asset_id = 99;
    EXPECT(NOT_FOUND, "Asset not found", system_create(f->db, f->a, &other, &id, &f->e));
    /* Both faults at once, a line each. */
    expect_invalid(f, WITH(.timeout_s = 301, .change_time = S("x")), "ChangeTime: must be HH:MM\nTimeout: must");
    struct managed_system fine = WITH(.max_release_duration = 60, .timeout_s = 300, .port = {true, 65535});
    MUST(system_create(f->db, f->a, &fine, &id, &f->e)); /* the default of 120 gives way to the maximum */
    MUST(system_get(f->db, f->a, id, &fine, &f->e));
    assert_int_equal(fine.release_duration, 60);
}

static void test_functional(void **state)
{
    struct fixture *f = *state;
    int64_t asset = make_asset(f, "new"), aix = make_functional(f, 4), fits = make_functional(f, 2), id;
    expect_invalid(f, WITH(.auto_management = true), "FunctionalAccountID: is required");
    expect_invalid(f, WITH(.auto_management = true, .functional_account_id = {true, 0}),
                   "FunctionalAccountID: is required");
    expect_invalid(f, WITH(.auto_management = true, .functional_account_id = {true, 99}),
                   "FunctionalAccountID: unknown");
    expect_invalid(f, WITH(.auto_management = true, .functional_account_id = {true, aix}), "is for another platform");
    struct managed_system with = WITH(.functional_account_id = {true, fits});
    MUST(system_create(f->db, f->a, &with, &id, &f->e));
    MUST(system_get(f->db, f->a, id, &with, &f->e));
    assert_false(with.functional_account_id.is_set); /* dropped silently */
    with.auto_management = true;
    with.functional_account_id = (struct opt_int){true, fits};
    MUST(system_update(f->db, f->a, &with, &f->e));
    with.platform_id = 4; /* and now it does not match any more */
    EXPECT(INVALID, "is for another platform", system_update(f->db, f->a, &with, &f->e));
}

static void test_list(void **state)
{
    struct fixture *f = *state;
    struct managed_system *found, got;
    struct system_filter filter = {.limit = 1};
    size_t n;
    int64_t total;
    MUST(system_list(f->db, f->a, &filter, &found, &n, &total, &f->e));
    assert_true(n == 1 && total == 2 && found[0].id == f->system);
    filter = (struct system_filter){.limit = -1, .name = S("WEB02")};
    MUST(system_list(f->db, f->a, &filter, &found, &n, &total, &f->e));
    assert_true(n == 1 && found[0].id == f->other_system);
    filter = (struct system_filter){.limit = -1, .name = S("web")};
    MUST(system_list(f->db, f->a, &filter, &found, &n, &total, &f->e));
    assert_true(n == 0 && total == 0);
    filter = (struct system_filter){.limit = -1, .rule_id = make_rule(f, "systems", "ManagedSystem", f->other_system)};
    MUST(system_list(f->db, f->a, &filter, &found, &n, &total, &f->e));
    assert_true(n == 1 && found[0].id == f->other_system);
    filter.rule_id = make_rule(f, "accounts", "ManagedAccount", f->other_system); /* the same number, another kind */
    MUST(system_list(f->db, f->a, &filter, &found, &n, &total, &f->e));
    assert_int_equal(n, 0);
    filter = (struct system_filter){.limit = -1, .workgroup_id = 2};
    MUST(system_list(f->db, f->a, &filter, &found, &n, &total, &f->e));
    assert_int_equal(n, 0);
    MUST(system_get(f->db, f->a, f->system, &got, &f->e));
    got.host_name = S("WEB02");
    EXPECT(CONFLICT, "already exists", system_update(f->db, f->a, &got, &f->e));
    got.host_name = S("WEB01");
    MUST(system_update(f->db, f->a, &got, &f->e));
}

static void test_delete(void **state)
{
    struct fixture *f = *state;
    struct managed_account m;
    struct managed_system with = {.asset_id = f->asset, .platform_id = 2};
    struct request_new ask = {.account_id = f->account, .system_id = f->system, .duration_minutes = 5};
    int64_t request, id;
    bool is_new;
    make_rule(f, "account", "ManagedAccount", f->account);
    make_rule(f, "system", "ManagedSystem", f->system);
    MUST(request_create(f->db, f->a, &f->people[ADMIN], &ask, NOW, &request, &is_new, &f->e));
    run_sql(f, "INSERT INTO versions (account_id, number, standing, made_by, made_at) SELECT id, 1, 'current', 0, 0 "
               "FROM managed_accounts");
    MUST(system_delete(f->db, f->system, NOW + 1, &f->e));
    EXPECT(NOT_FOUND, "Managed System not found", system_delete(f->db, f->system, NOW + 2, &f->e));
    EXPECT(NOT_FOUND, "Managed Account not found", account_get(f->db, f->a, f->account, NOW, &m, &f->e));
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM versions"), 2); /* nothing that was sealed is lost */
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM requests WHERE status = 'Cancelled' AND ended_at > 0"), 1);
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM smart_rule_members"), 0);
    MUST(system_create(f->db, f->a, &with, &id, &f->e)); /* the asset and the name are free again */
    assert_int_equal(account_now(f, f->other_account).id, f->other_account);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {TEST(test_defaults), TEST(test_ranges), TEST(test_functional), TEST(test_list),
                                       TEST(test_delete)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
