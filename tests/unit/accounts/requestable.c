/* unit/accounts/requestable.c: what a requestor sees, against identity's own answer for each account. */
#include "fixture.h"

static size_t seen_by(struct fixture *f, int64_t user, struct requestable_filter filter, struct requestable **ret)
{
    size_t n;
    if (filter.limit == 0)
        filter.limit = -1;
    MUST(account_requestable(f->db, f->a, &f->people[user], &filter, NOW, ret, &n, &f->e));
    return n;
}

#define SEEN(user, ...) seen_by(f, user, (struct requestable_filter){__VA_ARGS__}, &r)

static void test_roles(void **state)
{
    struct fixture *f = *state;
    struct requestable *r;
    static const int64_t all_roles[] = {1, 2, 3, 4, 5, 7, 8, 9};
    int64_t group = make_group(f, 100, ALICE), rule = make_rule(f, "one", "ManagedAccount", f->account);
    assert_int_equal(SEEN(ALICE, 0), 0);
    for (size_t i = 0; i < sizeof all_roles / sizeof all_roles[0]; i++) {
        int64_t role = all_roles[i];
        give_role(f, group, rule, role);
        bool sees = role == 1 || role == 3 || role == 4;
        assert_int_equal(SEEN(ALICE, 0), sees);
        if (sees)
            assert_true(r[0].account.id == f->account && r[0].is_isa_access == (role == 4));
    }
    give_role(f, group, rule, ROLE_REQUESTOR);
    assert_int_equal(SEEN(BOB, 0), 0); /* another's group */
    run_sql(f, "UPDATE rule_access SET level = 0");
    assert_int_equal(SEEN(ALICE, 0), 0);
    run_sql(f, "UPDATE rule_access SET level = 3");
    assert_int_equal(SEEN(ALICE, 0), 1);
    run_sql(f, "UPDATE roles SET is_active = 0 WHERE number = 100");
    assert_int_equal(SEEN(ALICE, 0), 0);
    run_sql(f, "UPDATE roles SET is_active = 1");
    f->people[ALICE].carries_passwordsafe = false;
    assert_int_equal(SEEN(ALICE, 0), 0);
    f->people[ALICE].carries_passwordsafe = true;
    run_sql(f, "UPDATE managed_accounts SET api_enabled = 0");
    assert_int_equal(SEEN(ALICE, 0), 0);
    assert_int_equal(SEEN(ADMIN, 0), 0);
}

static void test_agrees_with_identity(void **state)
{
    struct fixture *f = *state;
    static const enum rule_role roles[] = {ROLE_REQUESTOR, ROLE_REQUESTOR_APPROVER, ROLE_ISA, ROLE_NONE};
    static const char *const titles[] = {"All Managed Accounts", "All Managed Systems", "All Assets", "a", "s"};
    int64_t group = make_group(f, 100, ALICE), accounts[2] = {f->account, f->other_account};
    make_rule(f, "a", "ManagedAccount", f->other_account);
    make_rule(f, "s", "ManagedSystem", f->system);
    for (size_t t = 0; t < sizeof titles / sizeof titles[0]; t++) {
        struct smart_rule rule;
        struct requestable *r;
        MUST(rule_by_title(f->db, f->a, str_of(titles[t]), &rule, &f->e));
        run_sql(f, "DELETE FROM rule_access");
        if (t == 2) /* refused by rule_set_roles; whatever wrote it, it gives nothing */
            MUST(db_run(f->db,
                        SQL("INSERT INTO rule_access (role_id, rule_id, level) SELECT id, $1, 1 FROM roles WHERE "
                            "number = 100",
                            P_INT(rule.id)),
                        &f->e));
        else
            give_role(f, group, rule.id, ROLE_ISA);
        if (t == 2)
            run_sql(f,
                    "INSERT INTO rule_roles (role_id, rule_id, rule_role) SELECT role_id, rule_id, 4 FROM rule_access");
        size_t n = SEEN(ALICE, 0), wanted = 0;
        for (size_t i = 0; i < 2; i++) {
            bool has;
            MUST(rule_role_on_account(f->db, f->a, &f->people[ALICE], roles, accounts[i], &has, &f->e));
            wanted += has;
            for (size_t k = 0; has && k <= n; k++)
                if (k == n)
                    fail_msg("%s: account %" PRId64 " is missing", titles[t], accounts[i]);
                else if (r[k].account.id == accounts[i])
                    break;
        }
        assert_int_equal(n, wanted);
        static const size_t counts[] = {2, 2, 0, 1, 1};
        assert_int_equal(n, counts[t]);
    }
}

static void test_filters(void **state)
{
    struct fixture *f = *state;
    struct requestable *r;
    assert_int_equal(SEEN(ADMIN, 0), 2);
    assert_false(r[0].is_isa_access);
    assert_int_equal(r[0].max_release_duration, 525600);
    assert_int_equal(SEEN(ADMIN, .limit = 1, .offset = 1), 1);
    assert_int_equal(r[0].account.id, f->other_account);
    assert_int_equal(SEEN(ADMIN, .system_name = S("WEB01"), .account_name = S("Root")), 1);
    assert_int_equal(r[0].account.id, f->account);
    assert_int_equal(SEEN(ADMIN, .system_name = S("web01"), .account_name = S("nobody")), 0);
    assert_int_equal(SEEN(ADMIN, .system_name = S(""), .account_name = S("root")), 2);
    assert_int_equal(SEEN(ADMIN, .workgroup_name = S("default WORKGROUP"), .system_id = f->system), 1);
    assert_int_equal(SEEN(ADMIN, .workgroup_name = S("other")), 0);
}

static void test_qualified_names(void **state)
{
    struct fixture *f = *state;
    struct requestable *r;
    run_sql(f, "UPDATE managed_accounts SET domain_name = 'Corp'");
    assert_int_equal(SEEN(ADMIN, .account_name = S("CORP\\ROOT")), 2);
    assert_int_equal(SEEN(ADMIN, .account_name = S("other\\root")), 0);
    assert_int_equal(SEEN(ADMIN, .account_name = S("corp\\root"), .limit = 1, .offset = 1), 1);
    assert_int_equal(r[0].account.id, f->other_account);
    assert_int_equal(SEEN(ADMIN, .account_name = S("corp\\")), 0);
    assert_int_equal(SEEN(ADMIN, .account_name = S("\\root")), 0);
    struct managed_account own = new_account(f, "corp\\root"); /* a backslash in the name itself */
    own.api_enabled = true;
    int64_t id;
    MUST(account_create(f->db, f->a, &own, NOW, &id, &f->e));
    assert_int_equal(SEEN(ADMIN, .account_name = S("CORP\\root")), 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {TEST(test_roles), TEST(test_agrees_with_identity), TEST(test_filters),
                                       TEST(test_qualified_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
