/* identity/role.c: names in disguise, built-in roles, numbers, members. */
#include "fixture.h"

static result create(struct fixture *f, enum face face, const char *name)
{
    int64_t number;
    struct role_change with = {.name = str_of(name)};
    return role_create(f->db, f->a, NULL, face, &with, NOW, &number, &f->e);
}

static void a_disguised_built_in_name_is_a_conflict(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {
        "AAE_Admin",
        "aae_admin",
        "AAE_Locker",
        "AAE Locker",
        "AAELocker",
        "aae_locker_admin",
        "AAE_Locker Admin",
        " AAE_Locker ",
        "A A E Locker",
        "_A_A_E_",
        "aaefoo",
        "AAE",
        "AAE\u00A0Locker",
        "A\u200BAE Locker",
        "\u2060AAE Locker",
        "\uFF21\uFF21\uFF25",
        "\uFF41ae_Locker",
        "AA\u00ADE Locker",
        "AAE\u3000Locker",
        "\uFEFF"
        "AAE Locker",
        "A-A-E Locker",
        "A.AE Locker",
        "A\uFF3F"
        "AE Locker",
        "A\u2010AE",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        EXPECT(CONFLICT, create(f, FACE_CONTROLROOM, names[i]));
        struct role_change with = {.name = str_of(names[i])};
        int64_t number = make_role(f, FACE_CONTROLROOM, "plain", NULL, 0);
        EXPECT(CONFLICT, role_update(f->db, f->a, NULL, FACE_CONTROLROOM, number, &with, NOW, &f->e));
        MUST(role_delete(f->db, f->a, NULL, FACE_CONTROLROOM, number, NOW, &f->e));
    }
    assert_int_equal(number_of(f, "SELECT count(*) FROM roles"), 9);
    MUST(create(f, FACE_CONTROLROOM, "Aarhus team"));
    MUST(create(f, FACE_CONTROLROOM, "My AAE_Locker"));
    MUST(create(f, FACE_PASSWORDSAFE, "AAE_Admin"));
}

static void a_bad_name_is_refused(void **state)
{
    struct fixture *f = *state;
    char longer[257];
    memset(longer, 'x', 256);
    longer[256] = '\0';
    EXPECT(INVALID, create(f, FACE_CONTROLROOM, ""));
    EXPECT(INVALID, create(f, FACE_CONTROLROOM, " \u00A0 "));
    EXPECT(INVALID, create(f, FACE_CONTROLROOM, NULL));
    EXPECT(INVALID, create(f, FACE_CONTROLROOM, "a\nb"));
    EXPECT(INVALID, create(f, FACE_CONTROLROOM, "\xC3"));
    EXPECT(INVALID, create(f, FACE_PASSWORDSAFE, longer));
    longer[255] = '\0';
    MUST(create(f, FACE_PASSWORDSAFE, longer));
    MUST(create(f, FACE_CONTROLROOM, "\u00C4rzte"));
    EXPECT(CONFLICT, create(f, FACE_CONTROLROOM, "a\u0308rzte "));
    MUST(create(f, FACE_PASSWORDSAFE, "\u00C4rzte"));
    EXPECT(CONFLICT, create(f, FACE_PASSWORDSAFE, "administrators"));
}

static void aliases_name_the_locker_admin(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"AAE_Locker", "aae_locker_admin", "AAE_Locker Admin", " aae_LOCKER admin "};
    struct role r;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        MUST(role_by_name(f->db, f->a, FACE_CONTROLROOM, str_of(names[i]), &r, &f->e));
        assert_int_equal(r.number, ROLE_NUMBER_LOCKER_ADMIN);
    }
    EXPECT(NOT_FOUND, role_by_name(f->db, f->a, FACE_CONTROLROOM, S("AAE_Lockers"), &r, &f->e));
    EXPECT(NOT_FOUND, role_by_name(f->db, f->a, FACE_PASSWORDSAFE, S("AAE_Locker"), &r, &f->e));
    EXPECT(NOT_FOUND, role_by_name(f->db, f->a, FACE_PASSWORDSAFE, S("\xFF"), &r, &f->e));
    EXPECT(NOT_FOUND, role_by_name(f->db, f->a, FACE_PASSWORDSAFE, STR_ABSENT, &r, &f->e));
    MUST(role_by_name(f->db, f->a, FACE_PASSWORDSAFE, S("ADMINISTRATORS"), &r, &f->e));
    assert_int_equal(r.number, GROUP_NUMBER_ADMINISTRATORS);
}

static void numbers_count_per_face_and_never_go_back(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(make_role(f, FACE_CONTROLROOM, "one", NULL, 0), 100);
    assert_int_equal(make_role(f, FACE_PASSWORDSAFE, "one", NULL, 0), 2);
    assert_int_equal(make_role(f, FACE_CONTROLROOM, "two", NULL, 0), 101);
    MUST(role_delete(f->db, f->a, NULL, FACE_CONTROLROOM, 101, NOW, &f->e));
    assert_int_equal(make_role(f, FACE_CONTROLROOM, "three", NULL, 0), 102);
    struct role r;
    EXPECT(NOT_FOUND, role_get(f->db, f->a, FACE_PASSWORDSAFE, 100, &r, &f->e));
    EXPECT(NOT_FOUND, role_delete(f->db, f->a, NULL, FACE_PASSWORDSAFE, 102, NOW, &f->e));
}

static void a_built_in_role_stays_what_it_is(void **state)
{
    struct fixture *f = *state;
    struct role was;
    MUST(role_get(f->db, f->a, FACE_CONTROLROOM, 2, &was, &f->e));
    struct role_right more = {USER_MANAGEMENT, LEVEL_WRITE};
    struct role_change changes[] = {
        {.name = S("Basic")},         {.name = S("aae_basic")},     {.rights = {.at = &more, .n = 1, .is_set = true}},
        {.rights = {.is_set = true}}, {.is_active = {true, false}},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        EXPECT(CONFLICT, role_update(f->db, f->a, NULL, FACE_CONTROLROOM, 2, &changes[i], NOW, &f->e));
    for (int64_t number = 1; number <= 14; number++)
        if (number <= 3 || (number >= 5 && number <= 8) || number == 14)
            EXPECT(CONFLICT, role_delete(f->db, f->a, NULL, FACE_CONTROLROOM, number, NOW, &f->e));
    EXPECT(CONFLICT, role_delete(f->db, f->a, NULL, FACE_PASSWORDSAFE, 1, NOW, &f->e));
    struct role_change echo = {
        .name = S("AAE_Basic"), .rights = was.rights, .description = S("everybody"), .is_active = {true, true}};
    MUST(role_update(f->db, f->a, NULL, FACE_CONTROLROOM, 2, &echo, NOW, &f->e));
}

static void rights_given_are_taken_as_they_are(void **state)
{
    struct fixture *f = *state;
    struct role r;
    struct role_right given[] = {{VIEW_AUDIT, LEVEL_WRITE}, {CREATE_STANDARD, LEVEL_NONE}};
    int64_t number = make_role(f, FACE_CONTROLROOM, "auditors", given, 2);
    MUST(role_get(f->db, f->a, FACE_CONTROLROOM, number, &r, &f->e));
    assert_int_equal(r.rights.n, 1);
    assert_int_equal(((struct role_right *)r.rights.at)[0].right, VIEW_AUDIT);
    number = make_role(f, FACE_CONTROLROOM, "empty", NULL, 0);
    MUST(role_get(f->db, f->a, FACE_CONTROLROOM, number, &r, &f->e));
    assert_int_equal(r.rights.n, 2);
    number = make_role(f, FACE_PASSWORDSAFE, "empty", NULL, 0);
    MUST(role_get(f->db, f->a, FACE_PASSWORDSAFE, number, &r, &f->e));
    assert_int_equal(r.rights.n, 0);
    struct role_right wrong[] = {
        {ACCOUNT_MANAGEMENT, LEVEL_WRITE}, {(enum right)63, LEVEL_READ}, {VIEW_AUDIT, (enum level)2}};
    for (size_t i = 0; i < 3; i++) {
        struct role_change with = {.name = S("odd"), .rights = {.at = &wrong[i], .n = 1, .is_set = true}};
        EXPECT(INVALID, role_create(f->db, f->a, NULL, FACE_CONTROLROOM, &with, NOW, &number, &f->e));
    }
}

static void members_come_and_go(void **state)
{
    struct fixture *f = *state;
    int64_t sue = make_user(f, "sue", IDS(), IDS()), tom = make_user(f, "tom", IDS(), IDS()), number;
    struct role r;
    struct role_change with = {.name = S("team"), .members = IDS(sue, sue, tom)};
    MUST(role_create(f->db, f->a, NULL, FACE_CONTROLROOM, &with, NOW, &number, &f->e));
    MUST(role_get(f->db, f->a, FACE_CONTROLROOM, number, &r, &f->e));
    assert_int_equal(r.member_count, 2);
    EXPECT(CONFLICT, role_add_member(f->db, f->a, NULL, FACE_CONTROLROOM, number, sue, NOW, &f->e));
    EXPECT(NOT_FOUND, role_add_member(f->db, f->a, NULL, FACE_CONTROLROOM, number, 4711, NOW, &f->e));
    EXPECT(NOT_FOUND, role_add_member(f->db, f->a, NULL, FACE_CONTROLROOM, 4711, sue, NOW, &f->e));
    MUST(role_remove_member(f->db, f->a, NULL, FACE_CONTROLROOM, number, sue, NOW, &f->e));
    EXPECT(NOT_FOUND, role_remove_member(f->db, f->a, NULL, FACE_CONTROLROOM, number, sue, NOW, &f->e));
    with = (struct role_change){.members = IDS(sue)};
    MUST(role_update(f->db, f->a, NULL, FACE_CONTROLROOM, number, &with, NOW, &f->e));
    MUST(role_get(f->db, f->a, FACE_CONTROLROOM, number, &r, &f->e));
    assert_int_equal(r.member_count, 1);
    assert_int_equal(((int64_t *)r.members.at)[0], sue);
    assert_int_equal(r.version, 1);
    with = (struct role_change){.members = IDS(sue, 4711)};
    EXPECT(INVALID, role_update(f->db, f->a, NULL, FACE_CONTROLROOM, number, &with, NOW, &f->e));
    with = (struct role_change){.registrations = IDS(4711)};
    EXPECT(INVALID, role_update(f->db, f->a, NULL, FACE_CONTROLROOM, number, &with, NOW, &f->e));
    MUST(role_delete(f->db, f->a, NULL, FACE_CONTROLROOM, number, NOW, &f->e));
    assert_int_equal(user_of(f, sue).roles.n, 0);
}

static const struct column *column_of(const struct column *columns, const char *name)
{
    while (columns->name && strcmp(columns->name, name) != 0)
        columns++;
    assert_non_null(columns->name);
    return columns;
}

static void lists_filter_and_sort(void **state)
{
    struct fixture *f = *state;
    struct counts counts;
    struct role *roles;
    size_t n;
    make_role(f, FACE_PASSWORDSAFE, "other face", NULL, 0);
    int64_t big = make_role(f, FACE_CONTROLROOM, "Zebra", NULL, 0);
    make_user(f, "sue", IDS(big), IDS());
    make_user(f, "tom", IDS(big), IDS());
    for (const struct column *c = role_columns; c->name; c++) {
        struct listing l = {.length = 100, .sort_count = 1, .sorts = {{.column = c}}};
        MUST(role_list(f->db, f->a, FACE_CONTROLROOM, &l, &counts, &roles, &n, &f->e));
        assert_int_equal(n, 9);
    }
    struct listing l = {
        .length = 5,
        .where = {
            .op = FILTER_GE, .column = column_of(role_columns, "countPrincipals"), .has_value = true, .number = 2}};
    MUST(role_list(f->db, f->a, FACE_CONTROLROOM, &l, &counts, &roles, &n, &f->e));
    assert_int_equal(n, 1);
    assert_int_equal(counts.total, 9);
    assert_int_equal(counts.filtered, 1);
    assert_int_equal(roles[0].number, big);
    assert_int_equal(roles[0].member_count, 2);
    assert_int_equal(roles[0].rights.n, 2);
    MUST(role_list_all(f->db, f->a, FACE_PASSWORDSAFE, &roles, &n, &f->e));
    assert_int_equal(n, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {
        TEST(a_disguised_built_in_name_is_a_conflict),
        TEST(a_bad_name_is_refused),
        TEST(aliases_name_the_locker_admin),
        TEST(numbers_count_per_face_and_never_go_back),
        TEST(a_built_in_role_stays_what_it_is),
        TEST(rights_given_are_taken_as_they_are),
        TEST(members_come_and_go),
        TEST(lists_filter_and_sort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
