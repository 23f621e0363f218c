/* identity/rights.c: the table of rights, and what the built-in roles hold. */
#include "fixture.h"

static void facts_are_whole_and_unique(void **state)
{
    (void)state;
    bool seen[RIGHT_COUNT] = {false};
    for (size_t i = 0; i < right_fact_count; i++) {
        const struct right_fact *fact = &right_facts[i];
        assert_true(fact->right > RIGHT_NONE && fact->right < RIGHT_COUNT);
        assert_false(seen[fact->right]);
        seen[fact->right] = true;
        assert_ptr_equal(right_fact(fact->right), fact);
        assert_ptr_equal(right_by_wire_id(fact->face, fact->wire_id), fact);
        if (fact->face == FACE_CONTROLROOM)
            assert_ptr_equal(right_by_action(str_of(fact->action), str_of(fact->resource_type)), fact);
    }
    for (int r = MANAGE_CREDENTIALS; r <= VIEW_AUDIT; r++)
        assert_true(seen[r]);
    for (int r = ACCOUNT_MANAGEMENT; r <= BREAK_GLASS; r++)
        assert_true(seen[r]);
    assert_int_equal(right_by_wire_id(FACE_CONTROLROOM, 59)->right, MANAGE_CREDENTIALS);
    assert_int_equal(right_by_wire_id(FACE_CONTROLROOM, 211)->right, CREATE_STANDARD);
    assert_int_equal(right_by_wire_id(FACE_PASSWORDSAFE, 20)->right, ACCOUNT_MANAGEMENT);
    assert_non_null(right_by_wire_id(FACE_PASSWORDSAFE, 52));
    assert_non_null(right_by_wire_id(FACE_PASSWORDSAFE, 76));
    assert_null(right_by_wire_id(FACE_CONTROLROOM, 20));
    assert_null(right_by_wire_id(FACE_CONTROLROOM, 0));
    assert_null(right_by_action(S("create"), S("credentials")));
    assert_null(right_by_action(STR_ABSENT, STR_ABSENT));
    assert_null(right_fact(RIGHT_NONE));
    assert_null(right_fact((enum right)9999));
}

static void one_missing_point_is_not_included(void **state)
{
    (void)state;
    struct rights all = {.is_aae_admin = true, .is_administrator = true};
    for (size_t i = 0; i < right_fact_count; i++)
        rights_raise(&all, right_facts[i].right, LEVEL_WRITE);
    assert_true(rights_include(&all, &all));
    for (size_t i = 0; i < right_fact_count; i++) {
        struct rights less = all;
        less.level[right_facts[i].right] = LEVEL_READ;
        assert_false(rights_include(&less, &all));
        assert_true(rights_include(&all, &less));
    }
    struct rights less = all;
    less.is_aae_admin = false;
    assert_false(rights_include(&less, &all));
    less = all;
    less.is_administrator = false;
    assert_false(rights_include(&less, &all));
}

static struct rights rights_in(struct fixture *f, struct list roles, struct list groups, const char *name)
{
    return caller_of(f, make_user(f, name, roles, groups)).rights;
}

static void builtins_hold_what_the_table_says(void **state)
{
    struct fixture *f = *state;
    struct rights r = rights_in(f, IDS(1), IDS(), "one");
    assert_true(r.is_aae_admin && !r.is_administrator);
    assert_true(rights_have(&r, USER_MANAGEMENT, LEVEL_WRITE) && rights_have(&r, GENERATE_API_KEY, LEVEL_WRITE));
    assert_false(rights_have(&r, LOCKER_ADMINISTER, LEVEL_READ));
    assert_false(rights_have(&r, UPDATE_ANY, LEVEL_READ) || rights_have(&r, READ_MASKED, LEVEL_READ));
    assert_false(rights_have(&r, ACCOUNT_MANAGEMENT, LEVEL_READ));

    r = rights_in(f, IDS(2), IDS(), "two");
    assert_true(rights_have(&r, LOCKER_CREATE, LEVEL_WRITE) && rights_have(&r, VIEW_BASIC_INFO, LEVEL_WRITE));
    assert_false(rights_have(&r, USER_MANAGEMENT, LEVEL_READ) || r.is_aae_admin);

    r = rights_in(f, IDS(3), IDS(), "three");
    assert_true(rights_have(&r, LOCKER_ADMINISTER, LEVEL_WRITE));

    r = rights_in(f, IDS(5, 6, 7, 8, 14), IDS(), "rest");
    assert_true(rights_have(&r, CREATE_STANDARD, LEVEL_WRITE));
    assert_false(rights_have(&r, LOCKER_CREATE, LEVEL_READ) || rights_have(&r, LOCKER_ADMINISTER, LEVEL_READ));

    r = rights_in(f, IDS(), IDS(1), "group");
    assert_true(r.is_administrator && !r.is_aae_admin);
    for (size_t i = 0; i < right_fact_count; i++)
        if (right_facts[i].face == FACE_PASSWORDSAFE)
            assert_int_equal(r.level[right_facts[i].right], right_facts[i].right == BREAK_GLASS ? 0 : LEVEL_WRITE);

    r = rights_in(f, IDS(), IDS(), "nothing");
    assert_true(rights_have(&r, MANAGE_CREDENTIALS, LEVEL_WRITE));
    assert_false(rights_have(&r, CREATE_STANDARD, LEVEL_READ));
}

static void a_face_gives_only_its_own(void **state)
{
    struct fixture *f = *state;
    struct rights r;
    MUST(rights_of_user(f->db, f->a, f->admin, true, false, &r, &f->e));
    assert_true(r.is_aae_admin && !r.is_administrator);
    assert_false(rights_have(&r, ACCOUNT_MANAGEMENT, LEVEL_READ));
    MUST(rights_of_user(f->db, f->a, f->admin, false, true, &r, &f->e));
    assert_true(!r.is_aae_admin && r.is_administrator);
    assert_false(rights_have(&r, USER_MANAGEMENT, LEVEL_READ) || rights_have(&r, MANAGE_CREDENTIALS, LEVEL_READ));
    MUST(rights_of_user(f->db, f->a, f->admin, false, false, &r, &f->e));
    assert_false(r.is_aae_admin || r.is_administrator || rights_have(&r, SYSTEM_MANAGEMENT, LEVEL_READ));
}

/* Someone with the file writes a right of the other face into a role: it gives nothing. */
static void a_right_in_the_wrong_role_gives_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t user = make_user(f, "sly", IDS(2), IDS());
    run_sql(f, "INSERT INTO role_rights (role_id, right_id, level) SELECT id, 32, 3 FROM roles WHERE face = 1"
               " AND number = 2");
    run_sql(f, "INSERT INTO role_rights (role_id, right_id, level) SELECT id, 63, 3 FROM roles WHERE face = 1"
               " AND number = 2");
    struct caller who = caller_of(f, user);
    assert_false(rights_have(&who.rights, ACCOUNT_MANAGEMENT, LEVEL_READ));
    assert_int_equal(who.rights.level[63], 0);
}

static void an_inactive_group_gives_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t group =
        make_role(f, FACE_PASSWORDSAFE, "systems",
                  (struct role_right[]){{SYSTEM_MANAGEMENT, LEVEL_READ}, {SYSTEM_MANAGEMENT, LEVEL_WRITE}}, 2);
    int64_t user = make_user(f, "sue", IDS(), IDS(group));
    assert_int_equal(caller_of(f, user).rights.level[SYSTEM_MANAGEMENT], LEVEL_WRITE);
    struct role_change off = {.is_active = {true, false}};
    MUST(role_update(f->db, f->a, NULL, FACE_PASSWORDSAFE, group, &off, NOW, &f->e));
    assert_int_equal(caller_of(f, user).rights.level[SYSTEM_MANAGEMENT], 0);
}

static void run_makes_each_builtin_once(void **state)
{
    struct fixture *f = *state;
    int64_t rights = number_of(f, "SELECT count(*) FROM role_rights");
    MUST(role_make_builtins(f->db, f->a, NOW + 1, &f->e));
    MUST(identity_make_secrets(f->db, &f->e));
    assert_int_equal(number_of(f, "SELECT count(*) FROM roles"), 9);
    assert_int_equal(number_of(f, "SELECT count(*) FROM role_rights"), rights);
    assert_int_equal(number_of(f, "SELECT count(*) FROM secrets_of_store"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_whole_and_unique),
        cmocka_unit_test(one_missing_point_is_not_included),
        TEST(builtins_hold_what_the_table_says),
        TEST(a_face_gives_only_its_own),
        TEST(a_right_in_the_wrong_role_gives_nothing),
        TEST(an_inactive_group_gives_nothing),
        TEST(run_makes_each_builtin_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
