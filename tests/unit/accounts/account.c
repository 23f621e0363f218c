/* unit/accounts/account.c: managed accounts. */
#include "fixture.h"

static result create(struct fixture *f, struct managed_account with, int64_t *ret_id)
{
    return account_create(f->db, f->a, &with, NOW, ret_id, &f->e);
}

static void test_defaults_of_the_system(void **state)
{
    struct fixture *f = *state;
    struct managed_system s;
    int64_t id;
    MUST(system_get(f->db, f->a, f->system, &s, &f->e));
    s.release_duration = 10;
    s.max_release_duration = 20;
    s.isa_release_duration = 30;
    s.change_frequency_type = S("xdays");
    s.change_frequency_days = 7;
    s.change_time = S("04:05");
    MUST(system_update(f->db, f->a, &s, &f->e));
    struct managed_account with = new_account(f, "deploy");
    with.workgroup_id = (struct opt_int){true, 0};
    with.auto_management = true;
    MUST(create(f, with, &id));
    struct managed_account got = account_now(f, id);
    assert_int_equal(got.release_duration, 10);
    assert_int_equal(got.max_release_duration, 20);
    assert_int_equal(got.isa_release_duration, 30);
    assert_int_equal(got.change_frequency_days, 7);
    assert_true(is_text(got.change_time, "04:05") && is_text(got.state, "unverified") && !got.workgroup_id.is_set);
    assert_true(is_text(got.system_name, "web01") && got.platform_id == 2);
    assert_int_equal(got.next_change_at, schedule_next(S("xdays"), 7, S("04:05"), NOW));
    with.name = S("short");
    with.max_release_duration = 5;
    MUST(create(f, with, &id));
    assert_int_equal(account_now(f, id).release_duration, 5);
}

static void expect_invalid(struct fixture *f, struct managed_account with, const char *text)
{
    int64_t id;
    EXPECT(INVALID, text, create(f, with, &id));
}

static void test_rules(void **state)
{
    struct fixture *f = *state;
    int64_t id;
#define WITH(...) ((struct managed_account){.system_id = f->system, .name = S("x"), __VA_ARGS__})
    expect_invalid(f, WITH(.release_duration = 525601), "ReleaseDuration: must be between 1 and 525600");
    expect_invalid(f, WITH(.release_duration = 9, .max_release_duration = 8), "must not exceed MaxReleaseDuration");
    expect_invalid(f, WITH(.isa_release_duration = -1), "ISAReleaseDuration: must be");
    expect_invalid(f, WITH(.max_concurrent_requests = 1000), "MaxConcurrentRequests: must be");
    expect_invalid(f, WITH(.max_concurrent_requests = -1), "MaxConcurrentRequests: must be");
    expect_invalid(f, WITH(.change_frequency_type = S("xdays")), "ChangeFrequencyDays: is required");
    expect_invalid(f, WITH(.change_time = S("7:00")), "ChangeTime: must be");
    expect_invalid(f, WITH(.password_rule_id = 5), "PasswordRuleID: unknown");
    expect_invalid(f, WITH(.workgroup_id = {true, 9}), "WorkgroupID: unknown");
    struct managed_account with = WITH(.api_enabled = true);
    with.name = S(" \t");
    expect_invalid(f, with, "AccountName: is required");
    with.system_id = 99;
    EXPECT(NOT_FOUND, "Managed System not found", create(f, with, &id));
    run_sql(f, "UPDATE managed_systems SET platform_id = 1");
    expect_invalid(f, WITH(.dss_auto_management = true), "DSSAutoManagementFlag: not supported");
    expect_invalid(f, WITH(.password_fallback = true), "PasswordFallbackFlag: not supported");
    EXPECT(CONFLICT, "A Managed Account with the name 'ROOT' already exists.", create(f, new_account(f, "ROOT"), &id));
}

static void test_names_of_any_case(void **state)
{
    struct fixture *f = *state;
    struct managed_account m;
    int64_t id, again;
    MUST(create(f, new_account(f, "Äda"), &id));
    EXPECT(CONFLICT, "already exists", create(f, new_account(f, "äDA"), &again));
    EXPECT(CONFLICT, "already exists",
           create(f,
                  new_account(f, "A\xCC\x88"
                                 "da"),
                  &again)); /* decomposed */
    MUST(account_by_name(f->db, f->a, f->system, S("ÄDA"), NOW, &m, &f->e));
    assert_true(m.id == id && is_text(m.name, "Äda"));
    EXPECT(NOT_FOUND, "", account_by_name(f->db, f->a, f->other_system, S("ÄDA"), NOW, &m, &f->e));
    EXPECT(NOT_FOUND, "", account_by_name(f->db, f->a, f->system, STR_ABSENT, NOW, &m, &f->e));
}

static void test_by_place(void **state)
{
    struct fixture *f = *state;
    struct managed_account m;
    struct asset bare = {.workgroup_id = 1, .name = S("bare"), .ip_address = S("10.1.1.1")};
    int64_t id;
    MUST(asset_create(f->db, f->a, &bare, NOW, &id, &f->e));
#define PLACE(w, s, n) account_by_place(f->db, f->a, S(w), S(s), S(n), NOW, &m, &f->e)
    MUST(PLACE("DEFAULT workgroup", "Web01", "ROOT"));
    assert_int_equal(m.id, f->account);
    EXPECT(NOT_FOUND, "Workgroup not found", PLACE("no", "no", "no"));
    EXPECT(NOT_FOUND, "Asset not found", PLACE("Default Workgroup", "no", "no"));
    EXPECT(NOT_FOUND, "Managed System not found", PLACE("Default Workgroup", "bare", "no"));
    EXPECT(NOT_FOUND, "Managed Account not found", PLACE("Default Workgroup", "web01", "no"));
}

static struct managed_account stored(struct fixture *f, struct managed_account with)
{
    MUST(account_update(f->db, f->a, &with, NOW, &f->e));
    return account_now(f, with.id);
}

static void test_next_change(void **state)
{
    struct fixture *f = *state;
    struct managed_account m = account_now(f, f->account);
    int64_t by_rule = m.next_change_at, wished = schedule_on_date(NOW + 3 * DAYS, S("23:30"));
    assert_int_equal(by_rule, schedule_next(S("first"), 0, S("23:30"), NOW));
    m.next_change_at = NOW + 3 * DAYS;
    m = stored(f, m);
    assert_int_equal(m.next_change_at, wished); /* that day, at ChangeTime */
    m = stored(f, m);
    assert_int_equal(m.next_change_at, wished); /* sent back as it was read */
    m.description = S("else");
    m = stored(f, m);
    assert_int_equal(m.next_change_at, wished);
    m.next_change_at = NOW - 3 * DAYS; /* read long ago */
    m = stored(f, m);
    assert_int_equal(m.next_change_at, wished);
    m.change_time = S("01:00"); /* a schedule edit: the rule again */
    m = stored(f, m);
    assert_int_equal(m.next_change_at, schedule_next(S("first"), 0, S("01:00"), NOW));
    m.auto_management = false;
    m = stored(f, m);
    assert_int_equal(m.next_change_at, 0);
    m.next_change_at = NOW + DAYS;
    m = stored(f, m);
    assert_int_equal(m.next_change_at, 0);
    m.auto_management = true;
    m.next_change_at = 0;
    m = stored(f, m);
    assert_int_equal(m.next_change_at, schedule_next(S("first"), 0, S("01:00"), NOW));
}

static void test_update(void **state)
{
    struct fixture *f = *state;
    int64_t id;
    MUST(create(f, new_account(f, "deploy"), &id));
    run_sql(f, "UPDATE managed_accounts SET state = 'proved', current_version = 3, last_version = 4");
    struct managed_account m = account_now(f, id);
    m.name = S("Root");
    EXPECT(CONFLICT, "already exists", account_update(f->db, f->a, &m, NOW, &f->e));
    m.name = S("DEPLOY");
    m.state = S("drift"); /* rotation's alone */
    m.current_version = 9;
    m.system_id = f->other_system; /* never moves */
    m = stored(f, m);
    assert_true(is_text(m.name, "DEPLOY") && is_text(m.state, "proved") && m.current_version == 3);
    assert_int_equal(m.system_id, f->system);
    m.max_concurrent_requests = 1000;
    EXPECT(INVALID, "MaxConcurrentRequests", account_update(f->db, f->a, &m, NOW, &f->e));
    m.id = 99;
    EXPECT(NOT_FOUND, "Managed Account not found", account_update(f->db, f->a, &m, NOW, &f->e));
}

static void test_deleted_is_nowhere(void **state)
{
    struct fixture *f = *state;
    struct managed_account m, *all;
    struct requestable *seen;
    struct account_filter every = {.limit = -1};
    struct requestable_filter any = {.limit = -1};
    struct request_new ask = {.account_id = f->account, .system_id = f->system, .duration_minutes = 5};
    struct request *requests;
    int64_t total, id;
    size_t n;
    bool is_new;
    MUST(request_create(f->db, f->a, &f->people[ADMIN], &ask, NOW, &id, &is_new, &f->e));
    int64_t rule = make_rule(f, "one", "ManagedAccount", f->account);
    MUST(account_delete(f->db, f->account, NOW + 1, &f->e));
    EXPECT(NOT_FOUND, "Managed Account not found", account_delete(f->db, f->account, NOW + 2, &f->e));
    EXPECT(NOT_FOUND, "", account_get(f->db, f->a, f->account, NOW, &m, &f->e));
    EXPECT(NOT_FOUND, "", account_by_name(f->db, f->a, f->system, S("root"), NOW, &m, &f->e));
    MUST(account_list(f->db, f->a, &every, NOW, &all, &n, &total, &f->e));
    assert_true(n == 1 && total == 1 && all[0].id == f->other_account);
    MUST(account_requestable(f->db, f->a, &f->people[ADMIN], &any, NOW, &seen, &n, &f->e));
    assert_int_equal(n, 1);
    struct list ids = {.at = &f->account, .n = 1};
    EXPECT(INVALID, "there is no Managed Account", quick_rule_set_members(f->db, f->a, rule, &ids, NOW, &f->e));
    EXPECT(NOT_FOUND, "", request_create(f->db, f->a, &f->people[ADMIN], &ask, NOW, &id, &is_new, &f->e));
    MUST(request_list(f->db, f->a, &f->people[ADMIN], S("all"), S("req"), NOW, &requests, &n, &f->e));
    assert_int_equal(n, 0);
    MUST(create(f, new_account(f, "root"), &id)); /* its name is free, and can be freed again */
    MUST(account_delete(f->db, id, NOW + 3, &f->e));
    MUST(create(f, new_account(f, "deploy"), &id));
    m = account_now(f, id);
    m.name = S("root");
    MUST(account_update(f->db, f->a, &m, NOW, &f->e));
    EXPECT(CONFLICT, "already exists", create(f, new_account(f, "root"), &id));
}

static void set_job(struct fixture *f, const char *state)
{
    run_sql(f, "DELETE FROM jobs");
    MUST(db_run(f->db,
                SQL("INSERT INTO jobs (kind, state, is_open, trigger_kind, is_queued, account_id, made_by, created_at, "
                    "next_try_at) VALUES ('change', $1, 1, 'caller', 0, $2, 0, 0, 0)",
                    P_TEXT(str_of(state)), P_INT(f->account)),
                &f->e));
}

static void test_change_state(void **state)
{
    struct fixture *f = *state;
    static const char *const running[] = {"prepared", "applying", "verifying", "resolving"};
    struct managed_account m, *all;
    struct account_filter every = {.limit = -1};
    size_t n;
    int64_t total;
    assert_int_equal(account_now(f, f->account).change_state, 0);
    for (size_t i = 0; i < 4; i++) {
        set_job(f, running[i]);
        m = account_now(f, f->account);
        assert_true(m.change_state == 1 && m.is_changing);
    }
    set_job(f, "queued");
    m = account_now(f, f->account);
    assert_true(m.change_state == 2 && !m.is_changing);
    run_sql(f, "INSERT INTO jobs (kind, state, is_open, trigger_kind, is_queued, account_id, made_by, created_at, "
               "next_try_at) SELECT 'test', 'applying', 1, 'caller', 0, account_id, 0, 0, 0 FROM jobs");
    MUST(account_list(f->db, f->a, &every, NOW, &all, &n, &total, &f->e));
    assert_true(n == 2 && total == 2); /* other jobs neither count nor double the row */
    run_sql(f, "UPDATE jobs SET state = 'done', is_open = 0");
    assert_int_equal(account_now(f, f->account).change_state, 0);
    int64_t due = m.next_change_at;
    MUST(account_get(f->db, f->a, f->account, due - 5 * MINUTES, &m, &f->e));
    assert_int_equal(m.change_state, 0);
    MUST(account_get(f->db, f->a, f->account, due - 5 * MINUTES + 1, &m, &f->e));
    assert_int_equal(m.change_state, 2);
    run_sql(f, "UPDATE managed_accounts SET auto_management = 0");
    MUST(account_get(f->db, f->a, f->account, due, &m, &f->e));
    assert_int_equal(m.change_state, 0);
}

static void test_list(void **state)
{
    struct fixture *f = *state;
    struct managed_account *all;
    struct account_filter filter = {.limit = -1, .system_id = f->other_system};
    size_t n;
    int64_t total, rule = make_rule(f, "web01", "ManagedSystem", f->system);
    MUST(account_list(f->db, f->a, &filter, NOW, &all, &n, &total, &f->e));
    assert_true(n == 1 && all[0].id == f->other_account);
    filter = (struct account_filter){.limit = -1, .rule_id = rule};
    MUST(account_list(f->db, f->a, &filter, NOW, &all, &n, &total, &f->e));
    assert_true(n == 1 && all[0].id == f->account);
    filter.rule_id = make_rule(f, "web02", "ManagedAccount", f->other_account);
    MUST(account_list(f->db, f->a, &filter, NOW, &all, &n, &total, &f->e));
    assert_true(n == 1 && all[0].id == f->other_account);
    filter = (struct account_filter){.limit = 1, .offset = 1, .rule_id = 1};
    MUST(account_list(f->db, f->a, &filter, NOW, &all, &n, &total, &f->e));
    assert_true(n == 1 && total == 2 && all[0].id == f->other_account);
    filter = (struct account_filter){.limit = -1, .rule_id = 3}; /* All Assets holds no accounts */
    MUST(account_list(f->db, f->a, &filter, NOW, &all, &n, &total, &f->e));
    assert_int_equal(n, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {TEST(test_defaults_of_the_system),
                                       TEST(test_rules),
                                       TEST(test_names_of_any_case),
                                       TEST(test_by_place),
                                       TEST(test_next_change),
                                       TEST(test_update),
                                       TEST(test_deleted_is_nowhere),
                                       TEST(test_change_state),
                                       TEST(test_list)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
