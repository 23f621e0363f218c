/* identity/rule_role.c: roles on smart rules, as rights and as answers. */
#include "fixture.h"

/* Every right, no built-in group, and no role on a rule but his own groups'. */
static struct caller all_rights(int64_t user_id)
{
    struct caller who = {.user_id = user_id, .carries_controlroom = true, .carries_passwordsafe = true};
    for (size_t i = 0; i < right_fact_count; i++)
        rights_raise(&who.rights, right_facts[i].right, LEVEL_WRITE);
    return who;
}

static void make_rules(struct fixture *f)
{
    run_sql(f, "INSERT INTO smart_rules (id, title, title_key, rule_type, kind, processed_at) VALUES"
               " (1, 'All Managed Accounts', 'all', 'ManagedAccount', 'all', 0),"
               " (2, 'web', 'web', 'ManagedAccount', 'quick', 0), (3, 'db', 'db', 'ManagedAccount', 'quick', 0),"
               " (4, 'hosts', 'hosts', 'ManagedSystem', 'quick', 0)");
}

static void give_rule(struct fixture *f, int64_t group, int64_t rule, enum rule_role role)
{
    int64_t id = role_id(f, FACE_PASSWORDSAFE, group);
    MUST(db_run(f->db,
                SQL("INSERT INTO rule_access (role_id, rule_id, level) VALUES ($1, $2, 1) ON CONFLICT DO NOTHING",
                    P_INT(id), P_INT(rule)),
                &f->e));
    MUST(db_run(f->db,
                SQL("INSERT INTO rule_roles (role_id, rule_id, rule_role) VALUES ($1, $2, $3)", P_INT(id), P_INT(rule),
                    P_INT(role)),
                &f->e));
}

static enum code joins(struct fixture *f, int64_t caller_id, int64_t group)
{
    struct caller who = caller_of(f, caller_id);
    int64_t other = make_user(f, "candidate", IDS(), IDS());
    who.rights = all_rights(caller_id).rights;
    result r = DO(role_add_member(f->db, f->a, &who, FACE_PASSWORDSAFE, group, other, NOW, &f->e));
    MUST(user_delete(f->db, f->a, NULL, other, NOW, &f->e));
    return r.code;
}

static void roles_on_rules_are_rights_too(void **state)
{
    struct fixture *f = *state;
    make_rules(f);
    int64_t target = make_role(f, FACE_PASSWORDSAFE, "target", NULL, 0);
    int64_t mine = make_role(f, FACE_PASSWORDSAFE, "mine", NULL, 0);
    int64_t user = make_user(f, "user", IDS(), IDS(mine));
    assert_int_equal(joins(f, user, target), OK);
    give_rule(f, target, 2, ROLE_REQUESTOR);
    assert_int_equal(joins(f, user, target), DENIED);
    give_rule(f, mine, 3, ROLE_REQUESTOR);
    give_rule(f, mine, 2, ROLE_ISA);
    assert_int_equal(joins(f, user, target), DENIED);
    give_rule(f, mine, 2, ROLE_REQUESTOR_APPROVER);
    assert_int_equal(joins(f, user, target), OK);
    give_rule(f, target, 2, ROLE_REQUESTOR_APPROVER);
    assert_int_equal(joins(f, user, target), OK);
    give_rule(f, target, 4, ROLE_ISA);
    assert_int_equal(joins(f, user, target), DENIED);
    give_rule(f, mine, 1, ROLE_ISA); /* of another type */
    assert_int_equal(joins(f, user, target), DENIED);
    give_rule(f, mine, 4, ROLE_ISA);
    assert_int_equal(joins(f, user, target), OK);
    give_rule(f, target, 3, ROLE_ISA); /* within "all" */
    assert_int_equal(joins(f, user, target), OK);
    run_sql(f, "UPDATE rule_access SET level = 0 WHERE rule_id = 4");
    assert_int_equal(joins(f, user, target), DENIED);
    assert_int_equal(joins(f, f->admin, target), DENIED); /* rights alone, no rule: joins() takes his group from him */
}

/* What the change itself adds to the caller does not count. */
static void nobody_lifts_himself_by_the_change(void **state)
{
    struct fixture *f = *state;
    make_rules(f);
    int64_t target = make_role(f, FACE_PASSWORDSAFE, "target", NULL, 0);
    int64_t mine = make_role(f, FACE_PASSWORDSAFE, "mine", NULL, 0);
    int64_t user = make_user(f, "user", IDS(), IDS(mine));
    struct caller who = all_rights(user);
    struct grant g;
    give_rule(f, target, 2, ROLE_ISA);
    EXPECT(DENIED, role_add_member(f->db, f->a, &who, FACE_PASSWORDSAFE, target, user, NOW, &f->e));
    struct user_change with = {.group_numbers = IDS(mine, target)};
    EXPECT(DENIED, user_update(f->db, f->a, &who, user, &with, NOW, &f->e));

    MUST(grant_begin(f->db, f->a, &who, &g, &f->e));
    give_rule(f, mine, 3, ROLE_ISA); /* as a handler would, for the group that he is in */
    EXPECT(DENIED, grant_check_role(f->db, f->a, &g, role_id(f, FACE_PASSWORDSAFE, mine), &f->e));
    EXPECT(DENIED, grant_check_user(f->db, f->a, &g, user, &f->e));
    MUST(grant_begin(f->db, f->a, &who, &g, &f->e));
    MUST(grant_check_role(f->db, f->a, &g, role_id(f, FACE_PASSWORDSAFE, mine), &f->e));
}

static void rule_roles_are_found_where_they_hold(void **state)
{
    struct fixture *f = *state;
    static const enum rule_role isa[] = {ROLE_ISA, ROLE_NONE}, either[] = {ROLE_REQUESTOR, ROLE_ISA, ROLE_NONE};
    make_rules(f);
    run_sql(f, "INSERT INTO workgroups (id, name, name_key) VALUES (1, 'w', 'w')");
    run_sql(f, "INSERT INTO assets (id, workgroup_id, name, name_key, ip_address, created_at, updated_at)"
               " VALUES (1, 1, 'h', 'h', '192.0.2.1', 0, 0)");
    run_sql(f, "INSERT INTO password_rules (id, name, name_key, min_length, max_length, first, lowercase, uppercase,"
               " numeric, symbol, enabled_products) VALUES (0, 'd', 'd', 8, 8, 'A', 'P', 'P', 'P', 'P', 0)");
    run_sql(f, "INSERT INTO managed_systems (id, workgroup_id, asset_id, name, name_key, host_name, platform_id)"
               " VALUES (7, 1, 1, 'h', 'h', 'h', 1)");
    run_sql(f, "INSERT INTO managed_accounts (id, system_id, name, name_key) VALUES (14, 7, 'root', 'root'),"
               " (15, 7, 'app', 'app')");
    run_sql(f, "INSERT INTO smart_rule_members (rule_id, member_id) VALUES (2, 14), (4, 7), (3, 7)");
    int64_t group = make_role(f, FACE_PASSWORDSAFE, "web", NULL, 0);
    struct caller who = caller_of(f, make_user(f, "user", IDS(), IDS(group)));
    bool has;
    give_rule(f, group, 2, ROLE_ISA);
    MUST(rule_role_anywhere(f->db, f->a, &who, isa, &has, &f->e));
    assert_true(has);
    MUST(rule_role_on_account(f->db, f->a, &who, either, 14, &has, &f->e));
    assert_true(has);
    MUST(rule_role_on_account(f->db, f->a, &who, isa, 15, &has, &f->e));
    assert_false(has);
    MUST(rule_role_on_account(f->db, f->a, &who, (enum rule_role[]){ROLE_AUDITOR, ROLE_NONE}, 14, &has, &f->e));
    assert_false(has);
    MUST(rule_role_anywhere(f->db, f->a, &who, (enum rule_role[]){ROLE_NONE}, &has, &f->e));
    assert_false(has);
    give_rule(f, group, 3, ROLE_REQUESTOR); /* an account rule whose member 7 is no system */
    MUST(rule_role_on_account(f->db, f->a, &who, either, 15, &has, &f->e));
    assert_false(has);
    give_rule(f, group, 4, ROLE_REQUESTOR); /* a system rule */
    MUST(rule_role_on_account(f->db, f->a, &who, either, 15, &has, &f->e));
    assert_true(has);
    MUST(rule_role_on_account(f->db, f->a, &who, either, 16, &has, &f->e));
    assert_false(has);
    struct role_change off = {.is_active = {true, false}};
    MUST(role_update(f->db, f->a, NULL, FACE_PASSWORDSAFE, group, &off, NOW, &f->e));
    MUST(rule_role_anywhere(f->db, f->a, &who, isa, &has, &f->e));
    assert_false(has);
    who = caller_of(f, f->admin);
    MUST(rule_role_on_account(f->db, f->a, &who, isa, 14, &has, &f->e));
    assert_true(has);
    run_sql(f, "UPDATE roles SET is_active = 1");
    run_sql(f, "UPDATE rule_access SET level = 0");
    who = caller_of(f, number_of(f, "SELECT id FROM users WHERE name = 'user'"));
    MUST(rule_role_on_account(f->db, f->a, &who, isa, 14, &has, &f->e));
    assert_false(has);
    run_sql(f, "UPDATE rule_access SET level = 3");
    who.carries_passwordsafe = false;
    MUST(rule_role_anywhere(f->db, f->a, &who, isa, &has, &f->e));
    assert_false(has);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {
        TEST(roles_on_rules_are_rights_too),
        TEST(nobody_lifts_himself_by_the_change),
        TEST(rule_roles_are_found_where_they_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
