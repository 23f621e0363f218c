/* unit/accounts/rule.c: smart rules, quick rules, and groups' access to them. */
#include "fixture.h"

static result set_roles(struct fixture *f, int64_t group, int64_t rule, int64_t role, int64_t policy)
{
    return rule_set_roles(f->db, f->a, group, rule, &role, 1, policy, &f->e);
}

static void test_quick_rules(void **state)
{
    struct fixture *f = *state;
    int64_t ids[] = {f->account, f->account, f->other_account}, unknown[] = {f->account, 99}, id;
    struct quick_rule_new with = {.title = S(" Team Ä "), .members = {.at = ids, .n = 3, .is_set = true}};
    struct smart_rule rule;
    MUST(quick_rule_create(f->db, f->a, &with, NOW, &id, &f->e));
    MUST(rule_by_title(f->db, f->a, S("TEAM ä"), &rule, &f->e));
    assert_true(rule.id == id && is_text(rule.title, "Team Ä") && is_text(rule.category, "Quick Rules"));
    assert_true(is_text(rule.rule_type, "ManagedAccount") && is_text(rule.kind, "quick"));
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM smart_rule_members"), 2); /* one twice is one */
    EXPECT(CONFLICT, "already exists", quick_rule_create(f->db, f->a, &with, NOW, &id, &f->e));
    with.title = S("ALL MANAGED accounts");
    EXPECT(CONFLICT, "already exists", quick_rule_create(f->db, f->a, &with, NOW, &id, &f->e));
    with.title = STR_ABSENT;
    EXPECT(INVALID, "Title: is required", quick_rule_create(f->db, f->a, &with, NOW, &id, &f->e));
    char long_title[77];
    memset(long_title, 'x', sizeof long_title);
    with.title = (struct str){long_title, 76};
    EXPECT(INVALID, "Title: must have at most 75", quick_rule_create(f->db, f->a, &with, NOW, &id, &f->e));
    with.title = S("t");
    with.rule_type = S("Asset");
    EXPECT(INVALID, "RuleType: must be", quick_rule_create(f->db, f->a, &with, NOW, &id, &f->e));
    with.rule_type = S("ManagedSystem");
    with.members = (struct list){.at = unknown, .n = 2};
    EXPECT(INVALID, "IDs: there is no Managed System 99", quick_rule_create(f->db, f->a, &with, NOW, &id, &f->e));
    with.title = S("u");
    with.members = (struct list){0};
    EXPECT(INVALID, "IDs: at least one is required", quick_rule_create(f->db, f->a, &with, NOW, &id, &f->e));
}

static void test_members(void **state)
{
    struct fixture *f = *state;
    int64_t id = make_rule(f, "r", "ManagedAccount", f->account), ids[] = {f->other_account};
    struct list one = {.at = ids, .n = 1}, none = {0};
    struct smart_rule rule;
    EXPECT(INVALID, "last member", quick_rule_remove_member(f->db, f->a, id, f->account, NOW, &f->e));
    EXPECT(NOT_FOUND, "Managed Account not found", quick_rule_add_member(f->db, f->a, id, 99, NOW, &f->e));
    MUST(quick_rule_add_member(f->db, f->a, id, f->other_account, NOW + 9, &f->e));
    MUST(quick_rule_add_member(f->db, f->a, id, f->other_account, NOW + 9, &f->e));
    MUST(rule_get(f->db, f->a, id, &rule, &f->e));
    assert_int_equal(rule.processed_at, NOW + 9);
    MUST(quick_rule_remove_member(f->db, f->a, id, f->account, NOW, &f->e));
    EXPECT(NOT_FOUND, "", quick_rule_remove_member(f->db, f->a, id, f->account, NOW, &f->e));
    MUST(quick_rule_set_members(f->db, f->a, id, &one, NOW, &f->e));
    EXPECT(INVALID, "at least one", quick_rule_set_members(f->db, f->a, id, &none, NOW, &f->e));
    EXPECT(CONFLICT, "built in", quick_rule_set_members(f->db, f->a, 1, &one, NOW, &f->e));
    EXPECT(CONFLICT, "built in", quick_rule_add_member(f->db, f->a, 1, f->account, NOW, &f->e));
    EXPECT(NOT_FOUND, "Smart Rule not found", quick_rule_add_member(f->db, f->a, 99, f->account, NOW, &f->e));
}

static void test_levels(void **state)
{
    struct fixture *f = *state;
    struct caller *alice = &f->people[ALICE];
    int64_t group = make_group(f, 100, ALICE), second = make_group(f, 101, ALICE),
            id = make_rule(f, "r", "ManagedAccount", f->account);
    struct smart_rule *rules;
    enum level level;
    size_t n;
    MUST(rule_level(f->db, f->a, alice, id, &level, &f->e));
    assert_int_equal(level, LEVEL_NONE);
    MUST(rule_set_level(f->db, f->a, group, id, LEVEL_READ, &f->e));
    MUST(rule_set_level(f->db, f->a, second, id, LEVEL_WRITE, &f->e));
    MUST(rule_level(f->db, f->a, alice, id, &level, &f->e));
    assert_int_equal(level, LEVEL_WRITE); /* the highest counts */
    MUST(rule_list(f->db, f->a, alice, STR_ABSENT, &rules, &n, &f->e));
    assert_true(n == 1 && rules[0].id == id && rules[0].level == LEVEL_WRITE);
    MUST(rule_set_level(f->db, f->a, second, id, LEVEL_NONE, &f->e));
    MUST(rule_level(f->db, f->a, alice, id, &level, &f->e));
    assert_int_equal(level, LEVEL_READ);
    run_sql(f, "UPDATE roles SET is_active = 0 WHERE number = 100");
    MUST(rule_list(f->db, f->a, alice, STR_ABSENT, &rules, &n, &f->e));
    assert_int_equal(n, 0);
    MUST(rule_list(f->db, f->a, &f->people[ADMIN], STR_ABSENT, &rules, &n, &f->e));
    assert_true(n == 4 && rules[0].level == LEVEL_WRITE);
    MUST(rule_list(f->db, f->a, &f->people[ADMIN], S("ManagedAccount"), &rules, &n, &f->e));
    assert_int_equal(n, 2); /* the built-in one, too */
    MUST(quick_rule_list(f->db, f->a, true, false, &rules, &n, &f->e));
    assert_true(n == 1 && rules[0].id == id);
    MUST(quick_rule_list(f->db, f->a, false, true, &rules, &n, &f->e));
    assert_int_equal(n, 0);
    MUST(rule_list_of_group(f->db, f->a, group, &rules, &n, &f->e));
    assert_true(n == 1 && rules[0].level == LEVEL_READ);
    MUST(rule_list_of_group(f->db, f->a, 1, &rules, &n, &f->e));
    assert_int_equal(n, 4);
    EXPECT(NOT_FOUND, "User Group not found", rule_list_of_group(f->db, f->a, 55, &rules, &n, &f->e));
    EXPECT(NOT_FOUND, "Smart Rule not found", rule_set_level(f->db, f->a, group, 99, LEVEL_READ, &f->e));
    EXPECT(INVALID, "AccessLevelID", rule_set_level(f->db, f->a, group, id, (enum level)2, &f->e));
}

static void test_roles(void **state)
{
    struct fixture *f = *state;
    int64_t group = make_group(f, 100, ALICE), id = make_rule(f, "r", "ManagedAccount", f->account), *got,
            two[] = {4, 1, 4};
    size_t n;
    EXPECT(INVALID, "AccessLevel before setting roles", set_roles(f, group, id, ROLE_ISA, 0));
    MUST(rule_set_level(f->db, f->a, group, id, LEVEL_READ, &f->e));
    EXPECT(INVALID, "RoleID 6", set_roles(f, group, id, 6, 0));
    EXPECT(INVALID, "RoleID 0", set_roles(f, group, id, 0, 0));
    EXPECT(INVALID, "AccessPolicyID: is required", set_roles(f, group, id, ROLE_REQUESTOR, 0));
    EXPECT(INVALID, "AccessPolicyID: is required", set_roles(f, group, id, ROLE_REQUESTOR_APPROVER, 0));
    EXPECT(INVALID, "AccessPolicyID: unknown", set_roles(f, group, id, ROLE_REQUESTOR, 4999));
    run_sql(f, "UPDATE rule_access SET level = 0");
    EXPECT(INVALID, "AccessLevel before setting roles", set_roles(f, group, id, ROLE_ISA, 0));
    run_sql(f, "UPDATE rule_access SET level = 1");
    MUST(set_roles(f, group, id, ROLE_APPROVER, 0));
    MUST(rule_set_roles(f->db, f->a, group, id, two, 3, 5000, &f->e));
    MUST(rule_roles(f->db, f->a, group, id, &got, &n, &f->e));
    assert_true(n == 2 && got[0] == 1 && got[1] == 4); /* replaced, each once */
    MUST(rule_set_level(f->db, f->a, group, id, LEVEL_NONE, &f->e));
    MUST(rule_set_level(f->db, f->a, group, id, LEVEL_READ, &f->e));
    MUST(rule_roles(f->db, f->a, group, id, &got, &n, &f->e));
    assert_int_equal(n, 0); /* roles do not come back with the level */
    MUST(rule_set_roles(f->db, f->a, group, id, two, 3, 5000, &f->e));
    MUST(rule_set_roles(f->db, f->a, group, id, NULL, 0, 0, &f->e));
    MUST(rule_roles(f->db, f->a, group, id, &got, &n, &f->e));
    assert_int_equal(n, 0);
    MUST(rule_set_level(f->db, f->a, group, 3, LEVEL_READ, &f->e));
    EXPECT(INVALID, "assets", set_roles(f, group, 3, ROLE_ISA, 0));
    EXPECT(NOT_FOUND, "User Group", set_roles(f, 55, id, ROLE_ISA, 0));
    EXPECT(NOT_FOUND, "Smart Rule", set_roles(f, group, 99, ROLE_ISA, 0));
    EXPECT(NOT_FOUND, "Smart Rule", rule_roles(f->db, f->a, group, 99, &got, &n, &f->e));
    assert_null(rule_role_name(6));
    assert_string_equal(rule_role_name(7), "Credentials Manager");
}

static void test_delete(void **state)
{
    struct fixture *f = *state;
    int64_t id = make_rule(f, "r", "ManagedAccount", f->account);
    give_role(f, make_group(f, 100, ALICE), id, ROLE_ISA);
    EXPECT(CONFLICT, "built-in", rule_delete(f->db, 1, &f->e));
    MUST(rule_delete(f->db, id, &f->e));
    EXPECT(NOT_FOUND, "Smart Rule not found", rule_delete(f->db, id, &f->e));
    assert_int_equal(number_of(f, "SELECT (SELECT COUNT(*) FROM rule_roles) + (SELECT COUNT(*) FROM rule_access) + "
                                  "(SELECT COUNT(*) FROM smart_rule_members)"),
                     0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {TEST(test_quick_rules), TEST(test_members), TEST(test_levels), TEST(test_roles),
                                       TEST(test_delete)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
